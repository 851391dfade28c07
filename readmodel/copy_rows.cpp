#include "readmodel/copy_rows.hpp"

#include "readmodel/entity_codec.hpp"

namespace uniqd {

void add_entity(PgFields& row, std::string_view name, const Entity& entity,
                const ConstraintSet& constraints) {
  row.add_bytes(name);
  row.add_bytes(encode_entity(entity, constraints));
  if (entity.compensation) {
    row.add_uuid(*entity.compensation);
  } else {
    row.add_null();
  }
}

void add_claim(PgFields& row, const Claim& claim) {
  row.add_uuid(claim.key);
  row.add_int2(static_cast<std::int16_t>(claim.constraint));
  row.add_bytes(claim.owner);
}

void add_contender(PgFields& row, ClaimKey key, std::string_view entity) {
  row.add_uuid(key);
  row.add_bytes(entity);
}

}  // namespace uniqd

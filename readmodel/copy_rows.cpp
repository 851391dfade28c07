#include "readmodel/copy_rows.hpp"

#include "readmodel/entity_codec.hpp"

namespace uniqd {

void CopyEntities::add(const std::string& name, const Entity& entity) {
  PgFields& row = copy_.add_row();
  row.add_bytes(name);
  row.add_bytes(encode_entity(entity, constraints_));
  if (entity.compensation) {
    row.add_uuid(*entity.compensation);
  } else {
    row.add_null();
  }
}

void CopyClaims::add(const Claim& claim) {
  PgFields& row = copy_.add_row();
  row.add_uuid(claim.key);
  row.add_int2(static_cast<std::int16_t>(claim.constraint));
  row.add_bytes(claim.owner);
}

}  // namespace uniqd

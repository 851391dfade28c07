#include "readmodel/bulk_load.hpp"

#include <future>

#include "readmodel/claim_store.hpp"
#include "readmodel/copy_rows.hpp"
#include "readmodel/pg_copy.hpp"
#include "readmodel/pg_writes.hpp"

namespace uniqd {
namespace {

void copy_entities(const PgTarget& target, const Model& model) {
  PgCopy copy(target, entities_table.columns, entities_table.column_count);
  model.visit_entities([&](std::string_view name, const Entity& entity) {
    add_entity(copy.add_row(), name, entity, model.constraints());
  });
  copy.finish();
}

std::vector<std::int64_t> copy_claims(const PgTarget& target, const Model& model) {
  std::vector<std::int64_t> counts(model.constraints().size());
  PgCopy copy(target, claims_table.columns, claims_table.column_count);
  model.visit_claims([&](const Claim& claim) {
    add_claim(copy.add_row(), claim);
    ++counts[claim.constraint];
  });
  copy.finish();
  return counts;
}

void copy_contenders(const PgTarget& target, const Model& model) {
  PgCopy copy(target, contenders_table.columns, contenders_table.column_count);
  model.visit_contenders(
      [&](ClaimKey key, const std::string& entity) { add_contender(copy.add_row(), key, entity); });
  copy.finish();
}

void copy_texts(const PgTarget& target, const Model& model) {
  PgCopy copy(target, "value_texts (entity, slot, value)", 3);
  model.visit_texts([&](const ModelChanges::Text& text) {
    PgFields& row = copy.add_row();
    row.add_bytes(text.entity);
    row.add_int2(static_cast<std::int16_t>(text.slot));
    row.add_bytes(without_nul(text.text));
  });
  copy.finish();
}

}  // namespace

void bulk_load(const PgTarget& target, const Model& model, bool keeps_texts) {
  if (keeps_texts) copy_texts(target, model);
  auto entities = std::async(std::launch::async, [&] { copy_entities(target, model); });
  const auto counts = copy_claims(target, model);
  copy_contenders(target, model);
  entities.get();
  PgSession session(target);
  session.begin();
  PgWrites writes;
  add_claim_counts(writes, model.constraints(), counts);
  writes.send(session);
  session.commit_transaction();
}

}  // namespace uniqd

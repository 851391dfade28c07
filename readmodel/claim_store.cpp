#include "readmodel/claim_store.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

#include "readmodel/copy_rows.hpp"
#include "readmodel/entity_codec.hpp"
#include "readmodel/fetch_ahead.hpp"

namespace uniqd {
namespace {

constexpr PgStatement select_entities{
    "select_entities",
    "SELECT entity, state, compensation FROM entities WHERE entity = ANY($1::text[])"};
constexpr PgStatement select_claims{
    "select_claims", "SELECT key, constraint_id, owner FROM claims WHERE key = ANY($1::uuid[])"};
constexpr PgStatement select_contenders{
    "select_contenders",
    "SELECT key, entity, ordinal FROM contenders WHERE key = ANY($1::uuid[])"
    " ORDER BY key, ordinal"};
constexpr PgStatement select_causes{
    "select_causes", "SELECT DISTINCT cause FROM violations WHERE cause = ANY($1::uuid[])"};

constexpr PgStatement delete_entities{"delete_entities",
                                      "DELETE FROM entities WHERE entity = ANY($1::text[])"};
constexpr PgStatement update_entities{
    "update_entities",
    "UPDATE entities e SET state = n.state, compensation = n.compensation"
    " FROM unnest($1::text[], $2::bytea[], $3::uuid[]) n (entity, state, compensation)"
    " WHERE e.entity = n.entity"};
constexpr PgStatement delete_claims{"delete_claims",
                                    "DELETE FROM claims WHERE key = ANY($1::uuid[])"};
constexpr PgStatement update_claims{"update_claims",
                                    "INSERT INTO claims (key, constraint_id, owner)"
                                    " SELECT * FROM unnest($1::uuid[], $2::int2[], $3::text[])"
                                    " ON CONFLICT (key) DO UPDATE SET owner = excluded.owner"};
constexpr PgStatement count_claims{
    "count_claims", "UPDATE constraints SET claim_count = claim_count + $2 WHERE name = $1"};
constexpr PgStatement delete_contenders{
    "delete_contenders",
    "DELETE FROM contenders c USING unnest($1::uuid[], $2::text[]) g (key, entity)"
    " WHERE c.key = g.key AND c.entity = g.entity"};
constexpr PgStatement delete_texts{"delete_texts",
                                   "DELETE FROM value_texts WHERE entity = ANY($1::text[])"};
constexpr PgStatement upsert_texts{
    "upsert_texts",
    "INSERT INTO value_texts (entity, slot, value)"
    " SELECT * FROM unnest($1::text[], $2::int2[], $3::text[])"
    " ON CONFLICT (entity, slot) DO UPDATE SET value = excluded.value"};
constexpr PgStatement insert_dead_letters{
    "insert_dead_letters",
    "INSERT INTO dead_letters (topic, partition, \"offset\", reason, raw, sequence)"
    " SELECT $1, * FROM unnest($2::int4[], $3::int8[], $4::text[], $5::bytea[], $6::int8[])"
    " ON CONFLICT (topic, partition, \"offset\") DO NOTHING"};

template <class T>
void sort_unique(std::vector<T>& values) {
  std::ranges::sort(values);
  values.erase(std::unique(values.begin(), values.end()), values.end());
}

PgArray text_array(std::vector<std::string_view> texts) {
  sort_unique(texts);
  PgArray array = PgArray::of_text();
  for (const auto text : texts) array.add_bytes(text);
  return array;
}

PgArray uuid_array(std::vector<ClaimKey> keys) {
  sort_unique(keys);
  PgArray array = PgArray::of_uuid();
  for (const auto& key : keys) array.add_uuid(key);
  return array;
}

using NamedEntity = std::pair<std::string, Entity>;

std::string_view key_of(const NamedEntity& entity) { return entity.first; }
std::string_view key_of(const Claim& claim) {
  const auto& bytes = claim.key.bytes;
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// The first bytes as a number with the same order.
std::uint64_t front_of(std::string_view key) {
  std::uint64_t front = 0;
  for (std::size_t index = 0; index < sizeof front; ++index) {
    front = front << 8 | (index < key.size() ? static_cast<unsigned char>(key[index]) : 0U);
  }
  return front;
}

template <class Row>
using InOrder = std::vector<std::pair<std::uint64_t, const Row*>>;

// The rows in the order of their keys, which the fronts nearly always tell.
template <class Row>
InOrder<Row> in_order(const std::vector<Row>& rows) {
  InOrder<Row> sorted;
  sorted.reserve(rows.size());
  for (const Row& row : rows) sorted.emplace_back(front_of(key_of(row)), &row);
  std::ranges::sort(sorted, [](const auto& left, const auto& right) {
    if (left.first != right.first) return left.first < right.first;
    return key_of(*left.second) < key_of(*right.second);
  });
  return sorted;
}

void update_changed(PgWrites& writes, const InOrder<NamedEntity>& entities,
                    const ConstraintSet& constraints) {
  if (entities.empty()) return;
  PgArray names = PgArray::of_text();
  PgArray states = PgArray::of_bytea();
  PgArray compensations = PgArray::of_uuid();
  for (const auto& [front, entity] : entities) {
    names.add_bytes(entity->first);
    states.add_bytes(encode_entity(entity->second, constraints));
    if (entity->second.compensation) {
      compensations.add_uuid(*entity->second.compensation);
    } else {
      compensations.add_null();
    }
  }
  writes.post(update_entities, names, states, compensations);
}

void update_changed(PgWrites& writes, const InOrder<Claim>& claims) {
  if (claims.empty()) return;
  PgArray keys = PgArray::of_uuid();
  PgArray constraints = PgArray::of_int2();
  PgArray owners = PgArray::of_text();
  for (const auto& [front, claim] : claims) {
    keys.add_uuid(claim->key);
    constraints.add_int2(static_cast<std::int16_t>(claim->constraint));
    owners.add_bytes(claim->owner);
  }
  writes.post(update_claims, keys, constraints, owners);
}

void insert_added(PgWrites& writes, const InOrder<NamedEntity>& entities,
                  const ConstraintSet& constraints) {
  PgNewRows rows(entities_table);
  for (const auto& [front, entity] : entities) {
    add_entity(rows.add(), entity->first, entity->second, constraints);
  }
  writes.insert(std::move(rows));
}

void insert_added(PgWrites& writes, const InOrder<Claim>& claims) {
  PgNewRows rows(claims_table);
  for (const auto& [front, claim] : claims) add_claim(rows.add(), *claim);
  writes.insert(std::move(rows));
}

void write_texts(PgWrites& writes, const ModelChanges& changes) {
  std::vector<std::string_view> left(changes.entities_removed.begin(),
                                     changes.entities_removed.end());
  left.insert(left.end(), changes.entities_returned.begin(), changes.entities_returned.end());
  if (!left.empty()) writes.post(delete_texts, text_array(std::move(left)));
  if (changes.texts.empty()) return;
  PgArray entities = PgArray::of_text();
  PgArray slots = PgArray::of_int2();
  PgArray values = PgArray::of_text();
  for (const auto& text : changes.texts) {
    entities.add_bytes(text.entity);
    slots.add_int2(static_cast<std::int16_t>(text.slot));
    values.add_bytes(without_nul(text.text));
  }
  writes.post(upsert_texts, entities, slots, values);
}

using Contending = std::vector<std::pair<ClaimKey, std::string>>;

void remove_contenders(PgWrites& writes, const Contending& contenders) {
  if (contenders.empty()) return;
  PgArray keys = PgArray::of_uuid();
  PgArray entities = PgArray::of_text();
  for (const auto& [key, entity] : contenders) {
    keys.add_uuid(key);
    entities.add_bytes(entity);
  }
  writes.post(delete_contenders, keys, entities);
}

// In this order, which becomes that of their ordinals.
void insert_contenders(PgWrites& writes, const Contending& contenders) {
  PgNewRows rows(contenders_table);
  for (const auto& [key, entity] : contenders) add_contender(rows.add(), key, entity);
  writes.insert(std::move(rows));
}

bool can_violate(const Event& event) { return event.effect != Effect::release; }

}  // namespace

void ask_entities(PgSession& session, const std::vector<std::string_view>& names,
                  const Knowledge& known, Model& model) {
  std::vector<std::string_view> asked;
  const auto fetch = [&](std::string_view name) { known.keys.prefetch_entity(name); };
  each_fetched_ahead(names, fetch, [&](std::string_view name) {
    model.load_no_entity(name);
    if (!known.keys.may_have_entity(name)) return;
    if (!known.before || !model.load_entity_from(*known.before, name)) asked.push_back(name);
  });
  if (asked.empty()) return;
  const auto take = [&model](const PgRows& rows) {
    for (int row = 0; row < rows.size(); ++row) {
      auto entity = decode_entity(bytes_of(rows.text(row, 1)), model.constraints());
      if (!entity) throw StoreFailure("XX001", "an entity's state is not readable");
      const std::string_view compensation = rows.text(row, 2);
      if (!compensation.empty()) entity->compensation = uuid_of<CompensationId>(compensation);
      model.load_entity(std::string(rows.text(row, 0)), *entity);
    }
  };
  session.ask(take, select_entities, text_array(std::move(asked)));
}

void ask_claims(PgSession& session, const std::vector<ClaimKey>& keys, const Knowledge& known,
                Model& model) {
  std::vector<ClaimKey> asked;
  const auto fetch = [&](ClaimKey key) { known.keys.prefetch_key(key); };
  each_fetched_ahead(keys, fetch, [&](ClaimKey key) {
    if (model.has_loaded_claim(key)) return;
    if (!known.keys.may_have_key(key)) return model.load_unheard_of(key);
    model.load_no_claim(key);
    if (!known.before || !model.load_claim_from(*known.before, key)) asked.push_back(key);
  });
  if (asked.empty()) return;
  const auto take = [&model](const PgRows& rows) {
    for (int row = 0; row < rows.size(); ++row) {
      const auto constraint = std::stoul(std::string(rows.text(row, 1)));
      model.load_claim(
          {uuid_of<ClaimKey>(rows.text(row, 0)), constraint, std::string(rows.text(row, 2))});
    }
  };
  session.ask(take, select_claims, uuid_array(std::move(asked)));
}

void ask_contenders(PgSession& session, std::vector<ClaimKey> keys, const Knowledge& known,
                    Model& model) {
  for (const ClaimKey& key : keys) model.load_no_contenders(key);
  std::erase_if(keys, [&](ClaimKey key) { return !known.keys.may_have_contenders(key); });
  if (keys.empty()) return;
  const auto take = [&model](const PgRows& rows) {
    std::map<ClaimKey, std::vector<Contender>> by_key;
    for (int row = 0; row < rows.size(); ++row) {
      by_key[uuid_of<ClaimKey>(rows.text(row, 0))].push_back(
          {std::string(rows.text(row, 1)), std::stoll(std::string(rows.text(row, 2)))});
    }
    for (const auto& [key, contenders] : by_key) model.load_contenders(key, contenders);
  };
  session.ask(take, select_contenders, uuid_array(std::move(keys)));
}

void ask_causes(PgSession& session, const std::vector<Event>& events, const Knowledge& known,
                Model& model) {
  PgArray causes = PgArray::of_uuid();
  const auto fetch = [&](const Event& event) { known.keys.prefetch_cause(event.cause); };
  each_fetched_ahead(events, fetch, [&](const Event& event) {
    if (!can_violate(event) || !known.keys.may_have_cause(event.cause)) return;
    if (known.before && known.before->was_found_violating(event.cause)) {
      model.load_cause(event.cause);
    } else {
      causes.add_uuid(event.cause);
    }
  });
  if (causes.size() == 0) return;
  const auto take = [&model](const PgRows& rows) {
    for (int row = 0; row < rows.size(); ++row) {
      model.load_cause(uuid_of<CompensationId>(rows.text(row, 0)));
    }
  };
  session.ask(take, select_causes, causes);
}

std::string without_nul(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\0') {
      out += "\xE2\x90\x80";
    } else {
      out += c;
    }
  }
  return out;
}

void add_claim_counts(PgWrites& writes, const ConstraintSet& constraints,
                      const std::vector<std::int64_t>& deltas) {
  for (std::size_t index = 0; index < deltas.size(); ++index) {
    if (deltas[index] != 0) writes.post(count_claims, constraints[index].name, deltas[index]);
  }
}

void save_model(PgWrites& writes, const ModelChanges& changes, const ConstraintSet& constraints,
                bool keeps_texts) {
  if (!changes.claims_removed.empty()) {
    writes.post(delete_claims, uuid_array(changes.claims_removed));
  }
  if (!changes.entities_removed.empty()) {
    writes.post(delete_entities,
                text_array({changes.entities_removed.begin(), changes.entities_removed.end()}));
  }
  update_changed(writes, in_order(changes.entities_changed), constraints);
  insert_added(writes, in_order(changes.entities_added), constraints);
  insert_added(writes, in_order(changes.claims_added));
  update_changed(writes, in_order(changes.claims_changed));
  add_claim_counts(writes, constraints, changes.claim_count_deltas);
  remove_contenders(writes, changes.contenders_removed);
  insert_contenders(writes, changes.contenders_added);
  if (keeps_texts) write_texts(writes, changes);
}

void save_dead_letters(PgSession& session, const std::string& topic,
                       const std::vector<BadEvent>& bad_events) {
  if (bad_events.empty()) return;
  PgArray partitions = PgArray::of_int4();
  PgArray offsets = PgArray::of_int8();
  PgArray reasons = PgArray::of_text();
  PgArray raws = PgArray::of_bytea();
  PgArray sequences = PgArray::of_int8();
  for (const BadEvent& bad : bad_events) {
    partitions.add_int4(to_number(bad.partition));
    offsets.add_int8(bad.offset.value);
    reasons.add_bytes(bad.reason);
    if (bad.raw.empty()) {
      raws.add_null();
    } else {
      raws.add_bytes(bad.raw);
    }
    if (bad.sequence) {
      sequences.add_int8(*bad.sequence);
    } else {
      sequences.add_null();
    }
  }
  session.post(insert_dead_letters, topic, partitions, offsets, reasons, raws, sequences);
}

}  // namespace uniqd

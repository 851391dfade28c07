#include "tests/bench/bulk_load.hpp"

#include <algorithm>
#include <chrono>

#include "readmodel/digest.hpp"
#include "readmodel/entity_codec.hpp"
#include "readmodel/pg_array.hpp"
#include "tests/bench/users_rules.hpp"

namespace uniqd::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* entities_columns = "entities (entity, state, compensation)";
constexpr const char* claims_columns = "claims (key, constraint_id, owner)";
constexpr const char* contenders_columns = "contenders (key, entity)";
constexpr const char* compensations_columns =
    "compensations (id, entity, entity_field, state, action, command, reason, event_id,"
    " correlation_id, traceparent, topic, partition, \"offset\", decided_at, due_at, attempts)";
constexpr const char* violations_columns =
    "violations (cause, constraint_name, compensation, fields, value, owner, event_id, event_type,"
    " partition, \"offset\")";

std::string_view bytes_of(const auto& id) {
  return {reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size()};
}

std::int64_t now_us_since_2000() {
  constexpr std::int64_t epoch_2000_s = 946'684'800;
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::microseconds>(now).count() -
         epoch_2000_s * 1'000'000;
}

struct EntityRow {
  std::string entity;
  std::string state;
  std::string compensation;
};
struct ClaimRow {
  ClaimKey key;
  std::string owner;
};

// Gathers the rows of some events.
class Rows {
 public:
  Rows(const std::string& key, const std::string& topic) : hasher_(key), topic_(topic) {}

  void add(const UserEvent& event, std::int64_t offset) {
    if (event.kind == UserEvent::Kind::deactivated) return;
    const ValueDigest digest = hasher_.digest(users_constraints()[0], 0, event.email);
    const std::string entity = user_id(event.user);
    Entity state;
    state.parts.push_back(digest.key());
    state.owned.push_back(digest.key());
    switch (event.kind) {
      case UserEvent::Kind::added:
        entities_.push_back({entity, encode_entity(state, users_constraints()), {}});
        claims_.push_back({digest.key(), entity});
        break;
      case UserEvent::Kind::email_changed:
        claims_.push_back({digest.key(), entity});
        break;
      case UserEvent::Kind::duplicate:
        state.owned[0].reset();
        add_violator(event, entity, state, digest, offset);
        break;
      case UserEvent::Kind::deactivated:
        break;
    }
  }

  // `is_sent`: the commands have been sent and are due again in a day.
  [[nodiscard]] BulkBatch finish(bool is_sent) {
    BulkBatch batch;
    std::ranges::sort(entities_, {}, &EntityRow::entity);
    std::ranges::sort(claims_, {}, &ClaimRow::key);
    CopyRows entities;
    for (const EntityRow& row : entities_) {
      entities.begin(3);
      entities.add_bytes(row.entity);
      entities.add_bytes(row.state);
      row.compensation.empty() ? entities.add_null() : entities.add_bytes(row.compensation);
    }
    CopyRows claims;
    for (const ClaimRow& row : claims_) {
      claims.begin(3);
      claims.add_bytes(bytes_of(row.key));
      claims.add_int2(0);
      claims.add_bytes(row.owner);
    }
    CopyRows contenders;
    CopyRows compensations;
    CopyRows violations;
    for (const Violator& violator : violators_) {
      contenders.begin(2);
      contenders.add_bytes(bytes_of(violator.digest));
      contenders.add_bytes(violator.entity);
      add_compensation(violator, is_sent, compensations);
      add_violation(violator, violations);
    }
    batch.entities = text(entities);
    batch.claims = text(claims);
    batch.contenders = text(contenders);
    batch.compensations = text(compensations);
    batch.violations = text(violations);
    return batch;
  }

 private:
  struct Violator {
    CompensationId id;
    std::string entity;
    ClaimKey digest;
    ValueDigest value;
    std::string event_id;
    std::string owner;
    std::int64_t offset = 0;
  };

  void add_violator(const UserEvent& event, const std::string& entity, const Entity& state,
                    const ValueDigest& digest, std::int64_t offset) {
    const auto id = compensation_id(topic_, entity, "id:" + event_id(event.number));
    entities_.push_back(
        {entity, encode_entity(state, users_constraints()), std::string(bytes_of(id))});
    violators_.push_back(
        {id, entity, digest.key(), digest, event_id(event.number), user_id(event.owner), offset});
  }

  void add_compensation(const Violator& violator, bool is_sent, CopyRows& rows) const {
    constexpr std::int64_t day_us = std::int64_t{86'400} * 1'000'000;
    const std::int64_t now_us = now_us_since_2000();
    rows.begin(16);
    rows.add_bytes(bytes_of(violator.id));
    rows.add_bytes(violator.entity);
    rows.add_bytes("userId");
    rows.add_bytes(is_sent ? "sent" : "pending");
    rows.add_bytes("send");
    rows.add_bytes("DeactivateUser");
    rows.add_bytes(violation_reason);
    rows.add_bytes(violator.event_id);
    rows.add_bytes(violator.event_id);
    rows.add_bytes("");
    rows.add_bytes(topic_);
    rows.add_int4(0);
    rows.add_int8(violator.offset);
    rows.add_int8(now_us);
    rows.add_int8(is_sent ? now_us + day_us : now_us);
    rows.add_int4(is_sent ? 1 : 0);
  }

  static void add_violation(const Violator& violator, CopyRows& rows) {
    PgArray fields = PgArray::of_text();
    fields.add_bytes("email");
    rows.begin(10);
    rows.add_bytes(bytes_of(violator.id));
    rows.add_bytes("email");
    rows.add_bytes(bytes_of(violator.id));
    rows.add_bytes(fields.encode());
    rows.add_bytes(bytes_of(violator.value));
    rows.add_bytes(violator.owner);
    rows.add_bytes(violator.event_id);
    rows.add_bytes("UserAdded");
    rows.add_int4(0);
    rows.add_int8(violator.offset);
  }

  static std::string text(CopyRows& rows) {
    return rows.is_empty() ? std::string{} : rows.finish();
  }

  ValueHasher hasher_;
  const std::string& topic_;
  std::vector<EntityRow> entities_;
  std::vector<ClaimRow> claims_;
  std::vector<Violator> violators_;
};

void copy_batch(PgLink& link, const BulkBatch& batch) {
  const auto copy = [&](const char* target, const std::string& rows) {
    if (!rows.empty()) link.copy_in(target, rows);
  };
  copy(entities_columns, batch.entities);
  copy(claims_columns, batch.claims);
  copy(contenders_columns, batch.contenders);
  copy(compensations_columns, batch.compensations);
  copy(violations_columns, batch.violations);
}

}  // namespace

CopyRows::CopyRows() : rows_("PGCOPY\n\377\r\n\0", 11) {
  add_number(0, 4);
  add_number(0, 4);
}

void CopyRows::add_number(std::uint64_t number, std::size_t size) {
  for (std::size_t byte = size; byte-- > 0;) {
    rows_ += static_cast<char>(number >> (8 * byte));
  }
}

void CopyRows::begin(std::int16_t columns) {
  is_empty_ = false;
  add_number(static_cast<std::uint64_t>(columns), 2);
}

void CopyRows::add_bytes(std::string_view bytes) {
  add_number(bytes.size(), 4);
  rows_ += bytes;
}

void CopyRows::add_int2(std::int16_t number) {
  add_number(2, 4);
  add_number(static_cast<std::uint64_t>(number), 2);
}

void CopyRows::add_int4(std::int32_t number) {
  add_number(4, 4);
  add_number(static_cast<std::uint64_t>(number), 4);
}

void CopyRows::add_int8(std::int64_t number) {
  add_number(8, 4);
  add_number(static_cast<std::uint64_t>(number), 8);
}

void CopyRows::add_null() { add_number(0xffffffff, 4); }

std::string CopyRows::finish() {
  add_number(0xffff, 2);
  return std::move(rows_);
}

std::vector<BulkBatch> make_batches(const std::vector<UserEvent>& events, std::size_t batch_events,
                                    const std::string& key, const std::string& topic,
                                    std::int64_t first_offset) {
  std::vector<BulkBatch> batches;
  for (std::size_t begin = 0; begin < events.size(); begin += batch_events) {
    const std::size_t end = std::min(begin + batch_events, events.size());
    Rows rows(key, topic);
    for (std::size_t i = begin; i < end; ++i) {
      rows.add(events[i], first_offset + static_cast<std::int64_t>(i));
    }
    batches.push_back(rows.finish(false));
    batches.back().next_offset = first_offset + static_cast<std::int64_t>(end);
  }
  return batches;
}

double load_batches(PgLink& link, const std::vector<BulkBatch>& batches, const std::string& topic) {
  link.run("INSERT INTO positions (topic, partition, next_offset) VALUES ('" + topic +
           "', 0, 0) ON CONFLICT DO NOTHING; DEALLOCATE ALL");
  link.prepare("move",
               "UPDATE positions SET next_offset = $2, applied_at = now() WHERE topic = $1");
  const auto began = Clock::now();
  for (const BulkBatch& batch : batches) {
    link.run("BEGIN");
    link.run_prepared("move", {topic, std::to_string(batch.next_offset)});
    copy_batch(link, batch);
    link.run("COMMIT");
  }
  return std::chrono::duration<double>(Clock::now() - began).count();
}

void preload(PgLink& link, std::uint64_t owners, std::uint64_t violators, const std::string& key,
             const std::string& topic) {
  constexpr std::uint64_t part = 100'000;
  link.run(
      "ALTER TABLE claims DROP CONSTRAINT claims_pkey;"
      "ALTER TABLE entities DROP CONSTRAINT entities_pkey");
  const std::uint64_t all = owners + violators;
  for (std::uint64_t begin = 0; begin < all; begin += part) {
    Rows rows(key, topic);
    for (std::uint64_t user = begin; user < std::min(all, begin + part); ++user) {
      const bool is_owner = user < owners;
      const std::uint64_t owner = is_owner ? user : (user - owners) % owners;
      // Numbers from the other end, so that no event of a stream has the same id.
      rows.add({is_owner ? UserEvent::Kind::added : UserEvent::Kind::duplicate, ~user, user,
                email_of(owner, 0), owner},
               -1);
    }
    copy_batch(link, rows.finish(true));
  }
  link.run(
      "SET maintenance_work_mem = '512MB'; ALTER TABLE claims ADD PRIMARY KEY (key);"
      "ALTER TABLE entities ADD PRIMARY KEY (entity)");
  link.run("UPDATE constraints SET claim_count = " + std::to_string(owners));
  link.run("VACUUM ANALYZE");
  link.run("CHECKPOINT");
}

}  // namespace uniqd::bench

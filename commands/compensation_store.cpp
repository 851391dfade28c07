#include "commands/compensation_store.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

namespace uniqd {
namespace {

#define UNIQD_COMPENSATION_COLUMNS                                                        \
  "id, entity, entity_field, state, action, command, reason, event_id, correlation_id,"   \
  " traceparent, partition, \"offset\", (extract(epoch FROM decided_at) * 1000)::bigint," \
  " attempts"

constexpr PgStatement select_open{
    "select_open", "SELECT " UNIQD_COMPENSATION_COLUMNS
                   " FROM compensations WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE"};
constexpr PgStatement select_due{
    "select_due",
    "SELECT " UNIQD_COMPENSATION_COLUMNS
    ", attempts - attempts_before >= $4::int AS is_exhausted"
    " FROM compensations WHERE due_at <= now() AND topic = $1 AND partition = ANY($2::int4[])"
    " ORDER BY due_at, ordinal LIMIT $3::int8"};
constexpr PgStatement select_violations{
    "select_violations",
    "SELECT compensation, cause, constraint_name, to_json(fields), value, owner, event_id,"
    " event_type, partition, \"offset\" FROM violations"
    " WHERE compensation = ANY($1::uuid[]) ORDER BY partition, \"offset\", constraint_name"};
// No deadline is longer than a year, whatever the backoff comes to.
constexpr PgStatement mark_as_sent{
    "mark_as_sent",
    "UPDATE compensations SET state = CASE action WHEN 'send' THEN 'sent' ELSE state END,"
    " attempts = attempts + 1, acknowledged_at = clock_timestamp(),"
    " sent_at = clock_timestamp() - make_interval(secs => $2::float8),"
    " due_at = CASE action WHEN 'send' THEN clock_timestamp() + make_interval(secs => least("
    " $3::float8 * power($4::float8, least(attempts - attempts_before, 1000)), 31536000)) END"
    " WHERE id = ANY($1::uuid[]) AND due_at IS NOT NULL"};
constexpr PgStatement mark_as_overdue{
    "mark_as_overdue",
    "UPDATE compensations SET state = 'overdue', due_at = NULL"
    " WHERE id = ANY($1::uuid[]) AND state = 'sent' AND due_at IS NOT NULL"};
constexpr PgStatement insert_compensations{
    "insert_compensations",
    "INSERT INTO compensations (id, entity, entity_field, state, action, command, reason,"
    " event_id, correlation_id, traceparent, topic, partition, \"offset\", decided_at, due_at, "
    "ended_at,"
    " ended_by)"
    " SELECT id, entity, entity_field, state, action, command, reason, event_id, correlation_id,"
    " traceparent, $1, partition, o, to_timestamp(decided_ms / 1000.0),"
    " CASE WHEN state IN ('confirmed', 'resolved') OR action NOT IN ('send', 'alert') THEN NULL"
    " ELSE now() END, CASE WHEN state IN ('confirmed', 'resolved') THEN now() END,"
    " nullif(ended_by, '')"
    " FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],"
    " $8::text[], $9::text[], $10::text[], $11::text[], $12::int4[], $13::int8[], $14::int8[],"
    " $15::text[])"
    " WITH ORDINALITY AS c (id, entity, entity_field, state, action, command, reason, event_id,"
    " correlation_id, traceparent, partition, o, decided_ms, ended_by, place)"
    " ORDER BY place"};
constexpr PgStatement insert_violations{
    "insert_violations",
    "INSERT INTO violations (compensation, cause, constraint_name, fields, value, owner, event_id,"
    " event_type, partition, \"offset\")"
    " SELECT compensation, cause, constraint_name,"
    " ARRAY(SELECT json_array_elements_text(fields::json)), value, owner, event_id, event_type,"
    " partition, o"
    " FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::bytea[], $6::text[],"
    " $7::text[], $8::text[], $9::int4[], $10::int8[])"
    " AS v (compensation, cause, constraint_name, fields, value, owner, event_id, event_type,"
    " partition, o)"};
constexpr PgStatement change_compensations{
    "change_compensations",
    "UPDATE compensations c SET state = n.state, action = n.action, command = n.command,"
    " reason = n.reason, ended_by = nullif(n.ended_by, ''),"
    " due_at = CASE WHEN n.state IN ('confirmed', 'resolved') THEN NULL"
    " WHEN n.becomes_due = 1 THEN now() ELSE c.due_at END,"
    " ended_at = CASE WHEN n.state IN ('confirmed', 'resolved') THEN now() END"
    " FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[],"
    " $7::int4[]) n (id, state, action, command, reason, ended_by, becomes_due)"
    " WHERE c.id = n.id"};

constexpr std::array<std::pair<ActionKind, std::string_view>, 4> action_names{{
    {ActionKind::detect, "detect"},
    {ActionKind::review, "review"},
    {ActionKind::alert, "alert"},
    {ActionKind::send, "send"},
}};

std::string_view to_text(ActionKind kind) {
  return std::ranges::find(action_names, kind, [](const auto& name) { return name.first; })->second;
}

ActionKind action_kind(std::string_view text) {
  const auto found =
      std::ranges::find(action_names, text, [](const auto& name) { return name.second; });
  if (found == action_names.end()) throw StoreFailure("XX001", "an unknown action is stored");
  return found->first;
}

Compensation compensation_of(const pqxx::row& row) {
  Compensation compensation;
  compensation.id = uuid_of<CompensationId>(row[0]);
  compensation.entity = row[1].c_str();
  compensation.entity_field = row[2].c_str();
  const auto state = compensation_state(row[3].c_str());
  if (!state) throw StoreFailure("XX001", "an unknown compensation state is stored");
  compensation.state = *state;
  compensation.action = {action_kind(row[4].c_str()), row[5].c_str(), row[6].c_str()};
  compensation.event_id = row[7].c_str();
  compensation.correlation_id = row[8].c_str();
  compensation.traceparent = row[9].c_str();
  compensation.partition = Partition{row[10].as<std::int32_t>()};
  compensation.offset = Offset{row[11].as<std::int64_t>()};
  compensation.decided_at_ms = row[12].as<std::int64_t>();
  compensation.attempts = row[13].as<std::int32_t>();
  return compensation;
}

// One more array parameter for each column of the violations table.
struct ViolationColumns {
  PgArray compensations = PgArray::of_uuid();
  PgArray causes = PgArray::of_uuid();
  PgArray constraints = PgArray::of_text();
  PgArray fields = PgArray::of_text();
  PgArray values = PgArray::of_bytea();
  PgArray owners = PgArray::of_text();
  PgArray event_ids = PgArray::of_text();
  PgArray event_types = PgArray::of_text();
  PgArray partitions = PgArray::of_int4();
  PgArray offsets = PgArray::of_int8();

  void add(CompensationId compensation, const Violation& violation) {
    compensations.add_uuid(compensation);
    causes.add_uuid(violation.cause);
    constraints.add_bytes(violation.constraint);
    fields.add_bytes(nlohmann::json(violation.fields).dump());
    values.add_bytes({reinterpret_cast<const char*>(violation.value.bytes.data()),
                      violation.value.bytes.size()});
    owners.add_bytes(violation.owner);
    event_ids.add_bytes(violation.event_id);
    event_types.add_bytes(violation.event_type);
    partitions.add_int4(to_number(violation.partition));
    offsets.add_int8(violation.offset.value);
  }
  void add_all(const Compensation& compensation) {
    for (const Violation& violation : compensation.violations) add(compensation.id, violation);
  }
};

Violation violation_of(const pqxx::row& row) {
  Violation violation;
  violation.cause = uuid_of<CompensationId>(row[1]);
  violation.constraint = row[2].c_str();
  violation.fields = nlohmann::json::parse(row[3].c_str()).get<std::vector<std::string>>();
  const std::string value = bytes_of(row[4]);
  std::copy_n(value.begin(), std::min(value.size(), violation.value.bytes.size()),
              violation.value.bytes.begin());
  violation.owner = row[5].c_str();
  violation.event_id = row[6].c_str();
  violation.event_type = row[7].c_str();
  violation.partition = Partition{row[8].as<std::int32_t>()};
  violation.offset = Offset{row[9].as<std::int64_t>()};
  return violation;
}

PgArray id_array(const std::vector<CompensationId>& ids) {
  PgArray array = PgArray::of_uuid();
  for (const CompensationId& id : ids) array.add_uuid(id);
  return array;
}

void load_violations(PgSession& session, std::vector<Compensation>& compensations) {
  PgArray ids = PgArray::of_uuid();
  std::map<CompensationId, Compensation*> by_id;
  for (Compensation& compensation : compensations) {
    ids.add_uuid(compensation.id);
    by_id[compensation.id] = &compensation;
  }
  for (const auto& row : session.run(select_violations, ids)) {
    by_id.at(uuid_of<CompensationId>(row[0]))->violations.push_back(violation_of(row));
  }
}

void insert_opened(PgSession& session, const std::string& topic,
                   const std::vector<Compensation>& opened) {
  PgArray ids = PgArray::of_uuid();
  PgArray entities = PgArray::of_text();
  PgArray entity_fields = PgArray::of_text();
  PgArray states = PgArray::of_text();
  PgArray actions = PgArray::of_text();
  PgArray commands = PgArray::of_text();
  PgArray reasons = PgArray::of_text();
  PgArray event_ids = PgArray::of_text();
  PgArray correlation_ids = PgArray::of_text();
  PgArray traceparents = PgArray::of_text();
  PgArray partitions = PgArray::of_int4();
  PgArray offsets = PgArray::of_int8();
  PgArray decided = PgArray::of_int8();
  PgArray ended_by = PgArray::of_text();
  for (const Compensation& compensation : opened) {
    ids.add_uuid(compensation.id);
    entities.add_bytes(compensation.entity);
    entity_fields.add_bytes(compensation.entity_field);
    states.add_bytes(to_text(compensation.state));
    actions.add_bytes(to_text(compensation.action.kind));
    commands.add_bytes(compensation.action.command);
    reasons.add_bytes(compensation.action.reason);
    event_ids.add_bytes(compensation.event_id);
    correlation_ids.add_bytes(compensation.correlation_id);
    traceparents.add_bytes(compensation.traceparent);
    partitions.add_int4(to_number(compensation.partition));
    offsets.add_int8(compensation.offset.value);
    decided.add_int8(compensation.decided_at_ms);
    ended_by.add_bytes(compensation.ended_by);
  }
  session.run(insert_compensations, topic, ids, entities, entity_fields, states, actions, commands,
              reasons, event_ids, correlation_ids, traceparents, partitions, offsets, decided,
              ended_by);
}

void update_changed(PgSession& session,
                    const std::vector<Compensations::Changes::Change>& changed) {
  PgArray ids = PgArray::of_uuid();
  PgArray states = PgArray::of_text();
  PgArray actions = PgArray::of_text();
  PgArray commands = PgArray::of_text();
  PgArray reasons = PgArray::of_text();
  PgArray ended_by = PgArray::of_text();
  PgArray becomes_due = PgArray::of_int4();
  for (const auto& [now, is_due] : changed) {
    ids.add_uuid(now.id);
    states.add_bytes(to_text(now.state));
    actions.add_bytes(to_text(now.action.kind));
    commands.add_bytes(now.action.command);
    reasons.add_bytes(now.action.reason);
    ended_by.add_bytes(now.ended_by);
    becomes_due.add_int4(is_due ? 1 : 0);
  }
  session.run(change_compensations, ids, states, actions, commands, reasons, ended_by, becomes_due);
}

}  // namespace

void load_compensations(PgSession& session, const std::vector<std::string>& entities,
                        const Model& model, Compensations& compensations) {
  PgArray ids = PgArray::of_uuid();
  for (const std::string& name : entities) {
    const Entity* entity = model.entity(name);
    if (entity && entity->compensation) ids.add_uuid(*entity->compensation);
  }
  if (ids.size() == 0) return;
  for (const auto& row : session.run(select_open, ids)) compensations.load(compensation_of(row));
}

void save_compensations(PgSession& session, const std::string& topic,
                        const Compensations::Changes& changes) {
  if (!changes.opened.empty()) insert_opened(session, topic, changes.opened);
  if (!changes.changed.empty()) update_changed(session, changes.changed);
  ViolationColumns violations;
  for (const Compensation& compensation : changes.opened) violations.add_all(compensation);
  for (const auto& change : changes.changed) violations.add_all(change.now);
  if (violations.causes.size() == 0) return;
  session.run(insert_violations, violations.compensations, violations.causes,
              violations.constraints, violations.fields, violations.values, violations.owners,
              violations.event_ids, violations.event_types, violations.partitions,
              violations.offsets);
}

PostgresOutbox::PostgresOutbox(PgTarget target, std::string topic, SendPolicy policy)
    : target_(std::move(target)), topic_(std::move(topic)), policy_(policy) {}

template <class Work>
auto PostgresOutbox::with_session(Work work) {
  try {
    if (!session_) {
      session_ = std::make_unique<PgSession>(target_);
      // A mark that a crash forgets is made again after sending again, with the same id.
      session_->run("SET synchronous_commit = off");
    }
    return work(*session_);
  } catch (const StoreFailure&) {
    session_.reset();
    throw;
  }
}

std::vector<Compensation> PostgresOutbox::due(const std::vector<Partition>& partitions,
                                              std::size_t limit) {
  return with_session([&](PgSession& session) {
    PgArray wanted = PgArray::of_int4();
    for (const Partition partition : partitions) wanted.add_int4(to_number(partition));
    std::vector<Compensation> due;
    for (const auto& row : session.run(select_due, topic_, wanted, static_cast<std::int64_t>(limit),
                                       policy_.attempts_max)) {
      due.push_back(compensation_of(row));
      due.back().is_exhausted =
          due.back().state == CompensationState::sent && row["is_exhausted"].as<bool>();
    }
    if (!due.empty()) load_violations(session, due);
    return due;
  });
}

void PostgresOutbox::mark_sent(const std::vector<CompensationId>& ids,
                               std::chrono::milliseconds publish_took) {
  with_session([&](PgSession& session) {
    const auto seconds = [](std::chrono::milliseconds duration) {
      return std::chrono::duration<double>(duration).count();
    };
    return session.run(mark_as_sent, id_array(ids), seconds(publish_took),
                       seconds(policy_.deadline), policy_.backoff);
  });
}

void PostgresOutbox::mark_overdue(const std::vector<CompensationId>& ids) {
  with_session([&](PgSession& session) { return session.run(mark_as_overdue, id_array(ids)); });
}

}  // namespace uniqd

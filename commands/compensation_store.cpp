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
constexpr PgStatement select_pending{
    "select_pending",
    "SELECT " UNIQD_COMPENSATION_COLUMNS
    " FROM compensations WHERE state = 'pending' AND topic = $1 AND partition = ANY($2::int4[])"
    " ORDER BY ordinal LIMIT $3::int8"};
constexpr PgStatement select_violations{
    "select_violations",
    "SELECT compensation, cause, constraint_name, to_json(fields), value, owner, event_id,"
    " event_type, partition, \"offset\" FROM violations"
    " WHERE compensation = ANY($1::uuid[]) ORDER BY partition, \"offset\", constraint_name"};
constexpr PgStatement mark_as_sent{
    "mark_as_sent",
    "UPDATE compensations SET state = 'sent', attempts = attempts + 1, sent_at = clock_timestamp()"
    " WHERE id = ANY($1::uuid[]) AND state = 'pending'"};
constexpr PgStatement insert_compensations{
    "insert_compensations",
    "INSERT INTO compensations (id, entity, entity_field, state, action, command, reason,"
    " event_id, correlation_id, traceparent, topic, partition, \"offset\", decided_at, ended_at)"
    " SELECT id, entity, entity_field, state, action, command, reason, event_id, correlation_id,"
    " traceparent, $1, partition, o, to_timestamp(decided_ms / 1000.0),"
    " CASE WHEN state IN ('confirmed', 'resolved') THEN now() END"
    " FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],"
    " $8::text[], $9::text[], $10::text[], $11::text[], $12::int4[], $13::int8[], $14::int8[])"
    " WITH ORDINALITY AS c (id, entity, entity_field, state, action, command, reason, event_id,"
    " correlation_id, traceparent, partition, o, decided_ms, place) ORDER BY place"};
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
constexpr PgStatement end_compensations{
    "end_compensations",
    "UPDATE compensations c SET state = e.state, ended_at = now()"
    " FROM unnest($1::uuid[], $2::text[]) e (id, state) WHERE c.id = e.id"};

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
  }
  session.run(insert_compensations, topic, ids, entities, entity_fields, states, actions, commands,
              reasons, event_ids, correlation_ids, traceparents, partitions, offsets, decided);
}

}  // namespace

void load_compensations(PgSession& session, const std::vector<Event>& events, const Model& model,
                        Compensations& compensations) {
  PgArray ids = PgArray::of_uuid();
  for (const Event& event : events) {
    const Entity* entity = model.entity(event.entity);
    if (entity && entity->compensation) ids.add_uuid(*entity->compensation);
  }
  if (ids.size() == 0) return;
  for (const auto& row : session.run(select_open, ids)) compensations.load(compensation_of(row));
}

void save_compensations(PgSession& session, const std::string& topic,
                        const Compensations::Changes& changes) {
  if (!changes.opened.empty()) insert_opened(session, topic, changes.opened);
  ViolationColumns violations;
  PgArray ended = PgArray::of_uuid();
  PgArray end_states = PgArray::of_text();
  for (const Compensation& compensation : changes.opened) {
    for (const Violation& violation : compensation.violations) {
      violations.add(compensation.id, violation);
    }
  }
  for (const auto& change : changes.changed) {
    for (const Violation& violation : change.added) violations.add(change.id, violation);
    if (!change.ended) continue;
    ended.add_uuid(change.id);
    end_states.add_bytes(to_text(*change.ended));
  }
  if (violations.causes.size() > 0) {
    session.run(insert_violations, violations.compensations, violations.causes,
                violations.constraints, violations.fields, violations.values, violations.owners,
                violations.event_ids, violations.event_types, violations.partitions,
                violations.offsets);
  }
  if (ended.size() > 0) session.run(end_compensations, ended, end_states);
}

PostgresOutbox::PostgresOutbox(PgTarget target, std::string topic)
    : target_(std::move(target)), topic_(std::move(topic)) {}

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

std::vector<Compensation> PostgresOutbox::pending(const std::vector<Partition>& partitions,
                                                  std::size_t limit) {
  return with_session([&](PgSession& session) {
    PgArray wanted = PgArray::of_int4();
    for (const Partition partition : partitions) wanted.add_int4(to_number(partition));
    std::vector<Compensation> pending;
    for (const auto& row :
         session.run(select_pending, topic_, wanted, static_cast<std::int64_t>(limit))) {
      pending.push_back(compensation_of(row));
    }
    if (!pending.empty()) load_violations(session, pending);
    return pending;
  });
}

void PostgresOutbox::mark_sent(const std::vector<CompensationId>& ids) {
  with_session([&](PgSession& session) {
    PgArray sent = PgArray::of_uuid();
    for (const CompensationId& id : ids) sent.add_uuid(id);
    return session.run(mark_as_sent, sent);
  });
}

}  // namespace uniqd

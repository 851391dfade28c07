#include "commands/compensation_store.hpp"

#include <string_view>

#include "commands/compensation_rows.hpp"

namespace uniqd {
namespace {

constexpr PgStatement select_compensations{"select_compensations",
                                           "SELECT " UNIQD_COMPENSATION_COLUMNS
                                           " FROM compensations WHERE id = ANY($1::uuid[])"};
constexpr PgStatement lock_compensations{
    "lock_compensations", "SELECT " UNIQD_COMPENSATION_COLUMNS
                          " FROM compensations WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE"};
constexpr PgStatement insert_compensations{
    "insert_compensations",
    "INSERT INTO compensations (id, entity, entity_field, state, action, command, reason,"
    " event_id, correlation_id, traceparent, topic, partition, \"offset\", decided_at, due_at, "
    "ended_at,"
    " ended_by)"
    " SELECT id, entity, entity_field, state, action, command, reason, event_id, correlation_id,"
    " traceparent, $1, partition, o, to_timestamp(decided_ms / 1000.0),"
    " CASE WHEN state IN ('confirmed', 'resolved', 'dismissed') OR action NOT IN ('send', 'alert') "
    "THEN NULL"
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
    " fields::text[], value, owner, event_id, event_type, partition, o"
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

// As PostgreSQL reads an array that is written as text.
std::string array_literal(const std::vector<std::string>& texts) {
  std::string literal = "{";
  for (const std::string& text : texts) {
    if (literal.size() > 1) literal += ',';
    literal += '"';
    for (const char c : text) {
      if (c == '"' || c == '\\') literal += '\\';
      literal += c;
    }
    literal += '"';
  }
  return literal + '}';
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
    fields.add_bytes(array_literal(violation.fields));
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

void insert_opened(PgWrites& writes, const std::string& topic,
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
  writes.post(insert_compensations, topic, ids, entities, entity_fields, states, actions, commands,
              reasons, event_ids, correlation_ids, traceparents, partitions, offsets, decided,
              ended_by);
}

void update_changed(PgWrites& writes, const std::vector<Compensations::Changes::Change>& changed) {
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
  writes.post(change_compensations, ids, states, actions, commands, reasons, ended_by, becomes_due);
}

}  // namespace

void ask_compensations(PgSession& session, const std::vector<CompensationId>& ids, RowLock lock,
                       const std::function<void(Compensation)>& take) {
  if (ids.empty()) return;
  session.ask(
      [take](const PgRows& rows) {
        for (int row = 0; row < rows.size(); ++row) take(compensation_of(rows, row));
      },
      lock == RowLock::none ? select_compensations : lock_compensations, id_array(ids));
}

void save_compensations(PgWrites& writes, const std::string& topic,
                        const Compensations::Changes& changes) {
  if (!changes.opened.empty()) insert_opened(writes, topic, changes.opened);
  if (!changes.changed.empty()) update_changed(writes, changes.changed);
  ViolationColumns violations;
  for (const Compensation& compensation : changes.opened) violations.add_all(compensation);
  for (const auto& change : changes.changed) violations.add_all(change.now);
  if (violations.causes.size() == 0) return;
  writes.post(insert_violations, violations.compensations, violations.causes,
              violations.constraints, violations.fields, violations.values, violations.owners,
              violations.event_ids, violations.event_types, violations.partitions,
              violations.offsets);
}

}  // namespace uniqd

#include "commands/compensation_store.hpp"

#include <string_view>

#include "commands/compensation_rows.hpp"

namespace uniqd {
namespace {

constexpr PgStatement select_compensations{"select_compensations",
                                           "SELECT " UNIQD_COMPENSATION_COLUMNS
                                           " FROM compensations WHERE id = ANY($1::uuid[])"};
// `rows`: with these columns, and at the end others.
#define UNIQD_INSERT_COMPENSATIONS(rows, others)                                                   \
  "INSERT INTO compensations (id, entity, entity_field, state, action, command, reason, event_id," \
  " correlation_id, traceparent, topic, partition, \"offset\", decided_at, due_at, ended_at,"      \
  " ended_by)"                                                                                     \
  " SELECT id, entity, entity_field, state, action, command, reason, event_id, correlation_id,"    \
  " traceparent, $1, partition, o, to_timestamp(decided_ms / 1000.0),"                             \
  " CASE WHEN state IN ('confirmed', 'resolved', 'dismissed') OR action NOT IN ('send', 'alert')"  \
  " THEN NULL ELSE now() END, CASE WHEN state IN ('confirmed', 'resolved') THEN now() END,"        \
  " nullif(ended_by, '') FROM " rows                                                               \
  " AS c (id, entity, entity_field, state, action, command, reason, event_id, correlation_id,"     \
  " traceparent, partition, o, decided_ms, ended_by" others ")"
constexpr PgStatement insert_compensation{
    "insert_compensation",
    UNIQD_INSERT_COMPENSATIONS("(VALUES ($2::uuid, $3::text, $4::text, $5::text, $6::text,"
                               " $7::text, $8::text, $9::text, $10::text, $11::text, $12::int4,"
                               " $13::int8, $14::int8, $15::text))",
                               "")};
// No COPY, which could not say which of them are due now, by the server's clock.
constexpr PgStatement insert_compensations{
    "insert_compensations",
    UNIQD_INSERT_COMPENSATIONS("unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[],"
                               " $7::text[], $8::text[], $9::text[], $10::text[], $11::text[],"
                               " $12::int4[], $13::int8[], $14::int8[], $15::text[])"
                               " WITH ORDINALITY",
                               ", place") " ORDER BY place"};
constexpr PgTable violations_table{
    "violations (compensation, cause, constraint_name, fields, value, owner, event_id, event_type,"
    " partition, \"offset\")",
    10, "insert_violation",
    "INSERT INTO violations (compensation, cause, constraint_name, fields, value, owner, event_id,"
    " event_type, partition, \"offset\") VALUES ($1::uuid, $2::uuid, $3::text, $4::text[],"
    " $5::bytea, $6::text, $7::text, $8::text, $9::int4, $10::int8)"};
// What is under way and does not become due stays as the outbox has it by now; what becomes due has
// all its attempts before it.
constexpr PgStatement change_compensations{
    "change_compensations",
    "UPDATE compensations c SET state = CASE WHEN n.becomes_due = 0"
    " AND n.state IN ('pending', 'sent', 'overdue') THEN c.state ELSE n.state END,"
    " action = n.action, command = n.command, reason = n.reason, ended_by = nullif(n.ended_by, ''),"
    " due_at = CASE WHEN n.state IN ('confirmed', 'resolved') THEN NULL"
    " WHEN n.becomes_due = 1 THEN now() ELSE c.due_at END,"
    " attempts_before = CASE WHEN n.becomes_due = 1 THEN c.attempts ELSE c.attempts_before END,"
    " ended_at = CASE WHEN n.state IN ('confirmed', 'resolved') THEN now() END"
    " FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[],"
    " $7::int4[]) n (id, state, action, command, reason, ended_by, "
    "becomes_due)," UNIQD_LOCKED_IN_ORDER(
        "id = ANY($1::uuid[])") " WHERE c.id = n.id AND c.id = locked.id"};

void add_violations(PgNewRows& rows, const Compensation& compensation) {
  for (const Violation& violation : compensation.violations) {
    PgArray fields = PgArray::of_text();
    for (const std::string& field : violation.fields) fields.add_bytes(field);
    PgFields& row = rows.add();
    row.add_uuid(compensation.id);
    row.add_uuid(violation.cause);
    row.add_bytes(violation.constraint);
    row.add_bytes(fields.encode());
    row.add_bytes({reinterpret_cast<const char*>(violation.value.bytes.data()),
                   violation.value.bytes.size()});
    row.add_bytes(violation.owner);
    row.add_bytes(violation.event_id);
    row.add_bytes(violation.event_type);
    row.add_int4(to_number(violation.partition));
    row.add_int8(violation.offset.value);
  }
}

void insert_opened(PgWrites& writes, const std::string& topic,
                   const std::vector<Compensation>& opened) {
  if (opened.empty()) return;
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
  writes.post_rows(insert_compensation, insert_compensations, topic, ids, entities, entity_fields,
                   states, actions, commands, reasons, event_ids, correlation_ids, traceparents,
                   partitions, offsets, decided, ended_by);
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

void ask_compensations(PgSession& session, const std::vector<CompensationId>& ids,
                       const std::function<void(Compensation)>& take) {
  if (ids.empty()) return;
  session.ask(
      [take](const PgRows& rows) {
        for (int row = 0; row < rows.size(); ++row) take(compensation_of(rows, row));
      },
      select_compensations, id_array(ids));
}

void save_compensations(PgWrites& writes, const std::string& topic,
                        const Compensations::Changes& changes) {
  insert_opened(writes, topic, changes.opened);
  if (!changes.changed.empty()) update_changed(writes, changes.changed);
  PgNewRows violations(violations_table);
  for (const Compensation& compensation : changes.opened) add_violations(violations, compensation);
  for (const auto& change : changes.changed) add_violations(violations, change.now);
  writes.insert(std::move(violations));
}

}  // namespace uniqd

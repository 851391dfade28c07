#pragma once
// compensation_rows.hpp - compensations as rows, for the files of this room that read them.

#include <string_view>
#include <vector>

#include "commands/compensation.hpp"
#include "readmodel/pg_session.hpp"

namespace uniqd {

// The columns that compensation_of() reads, in its order; a query may append more.
#define UNIQD_COMPENSATION_COLUMNS                                                        \
  "id, entity, entity_field, state, action, command, reason, event_id, correlation_id,"   \
  " traceparent, partition, \"offset\", (extract(epoch FROM decided_at) * 1000)::bigint," \
  " attempts, ended_by"

// Without its violations. Throws StoreFailure where the row is not one that uniqd wrote.
[[nodiscard]] Compensation compensation_of(const pqxx::row& row);
[[nodiscard]] Compensation compensation_of(const PgRows& rows, int row);

// The columns that violation_of() reads, of the table `v`.
#define UNIQD_VIOLATION_COLUMNS                                                          \
  "v.cause, v.constraint_name, to_json(v.fields) AS fields, v.value, v.owner,"           \
  " v.event_id AS violation_event_id, v.event_type, v.partition AS violation_partition," \
  " v.\"offset\" AS violation_offset"

// Throws StoreFailure where the row is not one that uniqd wrote.
[[nodiscard]] Violation violation_of(const pqxx::row& row);

// Adds the violations of each, in the order of their events. Throws StoreFailure.
void load_violations(PgSession& session, const std::vector<Compensation*>& compensations);

// Those of the table compensations that meet the condition, as `locked (id)`, for an UPDATE of more
// than one: whoever changes several takes them in this order, and so waits for nobody who waits for
// him.
#define UNIQD_LOCKED_IN_ORDER(condition) \
  "(SELECT id FROM compensations WHERE " condition " ORDER BY id FOR UPDATE) locked"

[[nodiscard]] std::string_view to_text(ActionKind kind);

[[nodiscard]] PgArray id_array(const std::vector<CompensationId>& ids);

}  // namespace uniqd

#pragma once
// compensation_queries.hpp - compensations for people: with all their times.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "commands/compensation.hpp"
#include "readmodel/pg_session.hpp"

namespace uniqd {

// Times are RFC 3339 in UTC, empty for what has not happened (yet).
struct CompensationRecord {
  Compensation compensation;
  std::string decided_at;
  std::string due_at;           // when its message is sent (again)
  std::string sent_at;          // the last attempt, given to the broker
  std::string acknowledged_at;  // and acknowledged
  std::string ended_at;
};

// The first of these that is set counts; none: all.
struct CompensationFilter {
  std::optional<CompensationId> id;
  std::optional<std::string> entity;
  std::optional<CompensationState> state;
  std::size_t limit = 1000;
};

// The latest first, with their violations. Throws StoreFailure.
[[nodiscard]] std::vector<CompensationRecord> read_compensations(PgSession& session,
                                                                 const CompensationFilter& filter);

struct InterventionResult {
  bool is_done = false;
  std::string text;  // what was done, or why not and what can be done instead
};

// Takes its turn among the batches of the read model in `schema`, and is written down in their
// order, since a dismissed compensation may be promoted. Takes effect with the next look into the
// outbox. In a transaction of its own. Throws StoreFailure.
[[nodiscard]] InterventionResult intervene(PgSession& session, const std::string& schema,
                                           CompensationId id, Intervention intervention);

}  // namespace uniqd

#pragma once
// claim_store.hpp - entities, claims, positions and dead letters in PostgreSQL, a batch at a time.
//
// All functions run in the session's open transaction and throw StoreFailure. Rows are written in
// the order of their keys. Statements look up by `= ANY(array)`, which stays on the primary keys.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "readmodel/claims.hpp"
#include "readmodel/event.hpp"
#include "readmodel/known_keys.hpp"
#include "readmodel/pg_session.hpp"

namespace uniqd {

// Those of the entities that are present, with the claims they own; who owns the keys that are not
// in the model yet; the events that were found violating before. What `known` rules out is not
// asked for. The answers are in the model once the session is flushed.
void ask_entities(PgSession& session, const std::vector<std::string_view>& names,
                  const KnownKeys& known, Model& model);
void ask_claims(PgSession& session, std::vector<ClaimKey> keys, const KnownKeys& known,
                Model& model);
void ask_causes(PgSession& session, const std::vector<Event>& events, const KnownKeys& known,
                Model& model);

// Who wants these keys without owning them; returns those.
std::vector<std::string> load_contenders(PgSession& session, std::vector<ClaimKey> keys,
                                         Model& model);

// Writes what changed; with `keeps_texts` the values' texts too. A row another writer added
// meanwhile is a StoreFailure 23505.
void save_model(PgSession& session, const ModelChanges& changes, const ConstraintSet& constraints,
                bool keeps_texts);

// Adds to how many claims each constraint has; by constraint.
void add_claim_counts(PgSession& session, const ConstraintSet& constraints,
                      const std::vector<std::int64_t>& deltas);

// A text column cannot hold NUL; for people's eyes a picture of it will do. Pure.
[[nodiscard]] std::string without_nul(std::string_view text);

void save_dead_letters(PgSession& session, const std::string& topic,
                       const std::vector<BadEvent>& bad_events);

}  // namespace uniqd

#pragma once
// claim_store.hpp - entities, claims, positions and dead letters in PostgreSQL, a batch at a time.
//
// All functions run in the session's open transaction and throw StoreFailure. Rows are written in
// the order of their keys. Statements look up by `= ANY(array)`, which stays on the primary keys.

#include <optional>
#include <string>
#include <vector>

#include "readmodel/claims.hpp"
#include "readmodel/event.hpp"
#include "readmodel/pg_session.hpp"

namespace uniqd {

// The entities of `events` that are present, with what they own, into `model`.
void load_entities(PgSession& session, const std::vector<Event>& events, Model& model);

// The claims on all that the entities of `events` may come to want. REQUIRES: load_entities().
void load_claims(PgSession& session, const std::vector<Event>& events, Model& model);

// The events among `events` that were found violating before.
void load_causes(PgSession& session, const std::vector<Event>& events, Model& model);

// Writes what changed; with `keeps_texts` the values' texts too. A row another writer added
// meanwhile is a StoreFailure 23505.
void save_model(PgSession& session, const ModelChanges& changes, const ConstraintSet& constraints,
                bool keeps_texts);

void save_dead_letters(PgSession& session, const std::string& topic,
                       const std::vector<BadEvent>& bad_events);

// The keys that `events` may ask about, given the entities in `model`: all that those entities
// want or come to want, less what is known to be owned by one of them. Sorted, no key twice. Pure.
// REQUIRES: constraints of one field, whose keys are their fields' values.
[[nodiscard]] std::vector<ClaimKey> keys_to_load(const std::vector<Event>& events,
                                                 const Model& model);

}  // namespace uniqd

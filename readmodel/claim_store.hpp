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
#include "readmodel/pg_writes.hpp"

namespace uniqd {

// What the store need not be asked for.
struct Knowledge {
  const KnownKeys& keys;  // what it surely does not hold
  // Of a batch that is being committed meanwhile: what it is about. The store's answers are of
  // before that or of after it.
  const Model* before = nullptr;
};

// Those of the entities that are present, with the claims they own; who owns the keys that are not
// in the model yet; who wants keys without owning them; the events that were found violating
// before. The answers are in the model once the session is flushed.
void ask_entities(PgSession& session, const std::vector<std::string_view>& names,
                  const Knowledge& known, Model& model);
void ask_claims(PgSession& session, const std::vector<ClaimKey>& keys, const Knowledge& known,
                Model& model);
void ask_causes(PgSession& session, const std::vector<Event>& events, const Knowledge& known,
                Model& model);
// All of them, as the store knows them: see Model::catch_up_contenders().
void ask_contenders(PgSession& session, std::vector<ClaimKey> keys, const Knowledge& known,
                    Model& model);

// Writes what changed; with `keeps_texts` the values' texts too. A row another writer added
// meanwhile is a StoreFailure 23505.
void save_model(PgWrites& writes, const ModelChanges& changes, const ConstraintSet& constraints,
                bool keeps_texts);

// Adds to how many claims each constraint has; by constraint.
void add_claim_counts(PgWrites& writes, const ConstraintSet& constraints,
                      const std::vector<std::int64_t>& deltas);

// A text column cannot hold NUL; for people's eyes a picture of it will do. Pure.
[[nodiscard]] std::string without_nul(std::string_view text);

void save_dead_letters(PgSession& session, const std::string& topic,
                       const std::vector<BadEvent>& bad_events);

}  // namespace uniqd

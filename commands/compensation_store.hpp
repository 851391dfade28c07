#pragma once
// compensation_store.hpp - compensations in PostgreSQL, in a batch's transaction.

#include <string>
#include <vector>

#include "commands/compensation.hpp"
#include "readmodel/claims.hpp"
#include "readmodel/pg_session.hpp"

namespace uniqd {

// The open compensations of these entities, locked until the transaction ends.
// REQUIRES: a transaction is open, the entities are loaded. Throws StoreFailure.
void load_compensations(PgSession& session, const std::vector<std::string_view>& entities,
                        const Model& model, Compensations& compensations);

// REQUIRES: a transaction is open. Throws StoreFailure.
void save_compensations(PgSession& session, const std::string& topic,
                        const Compensations::Changes& changes);

}  // namespace uniqd

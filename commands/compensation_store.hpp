#pragma once
// compensation_store.hpp - compensations in PostgreSQL, in a batch's transaction.

#include <functional>
#include <string>
#include <vector>

#include "commands/compensation.hpp"
#include "readmodel/pg_session.hpp"
#include "readmodel/pg_writes.hpp"

namespace uniqd {

// Hands those that are stored, without their violations, to `take` once the session is flushed.
// Throws StoreFailure.
void ask_compensations(PgSession& session, const std::vector<CompensationId>& ids,
                       const std::function<void(Compensation)>& take);

void save_compensations(PgWrites& writes, const std::string& topic,
                        const Compensations::Changes& changes);

}  // namespace uniqd

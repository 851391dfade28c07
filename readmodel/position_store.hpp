#pragma once
// position_store.hpp - how far each partition has been applied, in PostgreSQL.

#include <string>
#include <vector>

#include "readmodel/pg_session.hpp"
#include "readmodel/position.hpp"

namespace uniqd {

// Reads the positions under lock, making rows for partitions never seen. A writer's open
// transaction is waited for. In a transaction of its own. Throws StoreFailure.
std::vector<Position> lock_positions(PgSession& session, const std::string& topic,
                                     const std::vector<Partition>& partitions);

// Moves all of the positions or says false, whereupon the transaction must be rolled back.
// REQUIRES: a transaction is open. Throws StoreFailure.
[[nodiscard]] bool advance_positions(PgSession& session, const std::string& topic,
                                     const std::vector<Advance>& advances);

}  // namespace uniqd

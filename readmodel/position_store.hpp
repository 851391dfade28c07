#pragma once
// position_store.hpp - how far each partition has been applied, in PostgreSQL.

#include <string>
#include <vector>

#include "readmodel/pg_session.hpp"
#include "readmodel/position.hpp"

namespace uniqd {

struct LockedPositions {
  std::vector<Position> positions;
  int generation = 1;  // of the read model; a rebuild counts it up
};

// Reads the positions under lock, making rows for partitions never seen. A writer's open
// transaction is waited for. In a transaction of its own. Throws StoreFailure.
LockedPositions lock_positions(PgSession& session, const std::string& topic,
                               const std::vector<Partition>& partitions);

// The anchor of two columns that are not null. Throws StoreFailure where they are not readable.
[[nodiscard]] Anchor read_anchor(const pqxx::field& offset, const pqxx::field& digest);

// Who writes: tells one ledger from another.
enum class Writer : std::int64_t {};

// Moves all of the positions, of this generation, and writes down in which order. Returns who wrote
// the batch before; or nothing, whereupon the transaction must be rolled back. REQUIRES: a
// transaction is open; `advances` are in the order of their partitions, as the batch's records are.
// Throws StoreFailure.
[[nodiscard]] std::optional<Writer> advance_positions(PgSession& session, const std::string& topic,
                                                      const std::vector<Advance>& advances,
                                                      int generation, Writer writer);
// The same, asked for only; the answer is there once the session is flushed.
void ask_to_advance(PgSession& session, const std::string& topic,
                    const std::vector<Advance>& advances, int generation, Writer writer,
                    std::optional<Writer>& before);

}  // namespace uniqd

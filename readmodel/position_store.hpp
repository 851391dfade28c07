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
// What the first half of it says: who wrote the batch before, nothing where some position is not
// the expected one; and whether the history's last line could take the first partition's step.
struct Advancing {
  std::optional<Writer> before;
  bool has_grown_history = false;
};
// Its two halves, for whoever asks other things with the first. `advancing`, which must live as
// long, is there once the session is flushed. REQUIRES: the batch's lock is held, or nobody else
// writes; for the second half, that there is a writer before.
void ask_to_advance(PgSession& session, const std::string& topic,
                    const std::vector<Advance>& advances, int generation, Advancing& advancing);
void finish_advance(PgSession& session, const std::string& topic,
                    const std::vector<Advance>& advances, const Advancing& advancing,
                    Writer writer);

}  // namespace uniqd

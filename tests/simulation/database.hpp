#pragma once
// database.hpp - the durable truth of a simulation, what the oracle makes of the same records, and
// their past.

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "daemon/ledger.hpp"
#include "tests/simulation/fault_plan.hpp"
#include "tests/simulation/oracle.hpp"
#include "tests/simulation/topic.hpp"
#include "tests/support/memory_store.hpp"

namespace uniqd::simulation {

// Where the records of one batch came from, in the order in which they were polled.
using PolledPlaces = std::vector<std::pair<Partition, Offset>>;

struct DatabaseState {
  MemoryStore store;
  std::map<Partition, Offset> positions;  // exclusive; none: never read
  std::map<Partition, Anchor> anchors;    // none: no record was applied yet
  Oracle oracle;
};

// One open transaction at a time, as with a lock on the positions: who wants the next one waits,
// so one whose commit is in doubt is settled first.
class Database {
 public:
  struct Batch {
    std::vector<Advance> advances;
    PolledPlaces polled;
    Outcome outcome;
  };

  Database(Oracle oracle, const Topic& topic, Dice& dice)
      : state_{{}, {}, {}, std::move(oracle)}, topic_(topic), dice_(dice) {}

  [[nodiscard]] const DatabaseState& state() const { return state_; }
  // Grows with every change of the state.
  [[nodiscard]] std::uint64_t version() const { return version_; }

  // Commits. Throws Complaint where the batch is not exactly what follows in the topic.
  void commit(const Batch& batch);
  // The server has the batch and may commit it later, or not.
  void leave_in_doubt(Batch batch, bool will_be_done);
  void settle();
  void mark_sent(const std::vector<CompensationId>& ids, std::int64_t now_ms);
  void mark_overdue(const std::vector<CompensationId>& ids);
  // A person lets sending go on.
  void resume();

  // Back to a committed state of the past; false where there is none.
  bool rewind();

  void set_down(bool is_down) { is_down_ = is_down; }
  [[nodiscard]] bool is_down() const { return is_down_; }

 private:
  void remember();
  void fold(const Batch& batch);

  DatabaseState state_;
  std::deque<DatabaseState> past_;
  std::optional<std::pair<Batch, bool>> in_doubt_;
  bool is_down_ = false;
  std::uint64_t version_ = 0;
  const Topic& topic_;
  Dice& dice_;
};

}  // namespace uniqd::simulation

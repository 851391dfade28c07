#pragma once
// database.hpp - the durable truth of a simulation, what the oracle makes of the same records, and
// their past.

#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "daemon/ledger.hpp"
#include "readmodel/history.hpp"
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
  std::map<Partition, Offset> firsts{};  // where reading began
  std::vector<HistoryStep> history{};
  int generation = 1;
  const void* last_writer = nullptr;

  // Writes down what is applied next, as the store of positions does.
  void write_history(const std::vector<Advance>& advances);
  void write_history(HistoryStep step);
};

// Why a rebuild cannot begin.
class AnotherRebuild : public std::exception {};

// One open transaction at a time, as with a lock on the positions: who wants the next one waits,
// so one whose commit is in doubt is settled first.
class Database {
 public:
  struct Batch {
    std::vector<Advance> advances;
    PolledPlaces polled;
    Outcome outcome;
    int generation = 1;
    const void* writer = nullptr;  // whoever commits it
  };

  Database(Oracle oracle, const Topic& topic, Dice& dice)
      : state_{{}, {}, {}, oracle},
        nothing_{{}, {}, {}, std::move(oracle)},
        topic_(topic),
        dice_(dice) {}

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
  // A person retries or dismisses; false where that changes nothing.
  bool intervene(CompensationId id, Intervention intervention);

  // Back to a committed state of the past; false where there is none.
  bool rewind();
  // All is gone; nobody has a backup.
  void lose();

  // One rebuild at a time. Throws AnotherRebuild.
  void begin_rebuild();
  void end_rebuild();
  // No batch is committed, nor anything that people do, until release() or swap().
  void hold();
  void release() { is_held_ = false; }
  [[nodiscard]] bool is_held() const { return is_held_; }
  // `next` takes the place of what is in use, as the generation after it.
  void swap(DatabaseState next);
  // The records that a history applies, in its order; and those before `ends` by their time.
  using Records = std::vector<const LogRecord*>;
  [[nodiscard]] Records in_order(const std::vector<HistoryStep>& history) const;
  [[nodiscard]] Records in_order_of_time(const std::map<Partition, Offset>& ends) const;
  // What the oracle makes of them, where people did nothing.
  [[nodiscard]] Oracle told(const Records& records, std::map<std::string, Deed> limits) const;

  void set_down(bool is_down) { is_down_ = is_down; }
  [[nodiscard]] bool is_down() const { return is_down_; }

 private:
  void remember();
  void fold(const Batch& batch);

  DatabaseState state_;
  DatabaseState nothing_;
  std::deque<DatabaseState> past_;
  std::optional<std::pair<Batch, bool>> in_doubt_;
  bool is_down_ = false;
  bool is_held_ = false;
  bool is_rebuilt_ = false;
  std::uint64_t version_ = 0;
  const Topic& topic_;
  Dice& dice_;
};

}  // namespace uniqd::simulation

#pragma once
// ledger.hpp - seam: durable storage, as the loop needs it. One transaction a batch.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "commands/breaker.hpp"
#include "commands/compensation.hpp"
#include "readmodel/claims.hpp"
#include "readmodel/dead_letter.hpp"
#include "readmodel/event.hpp"
#include "readmodel/position.hpp"
#include "readmodel/store_failure.hpp"

namespace uniqd {

// All that one batch changes.
struct Outcome {
  ModelChanges model;
  Compensations::Changes compensations;
  std::vector<BadEvent> bad_events;
  std::optional<SafetyChange> safety{};
  std::optional<Retried> retried{};  // by a person, whose batch this is then
};

// What the ledger knows of a batch's entities, values and events before the batch.
struct Loaded {
  explicit Loaded(const ConstraintSet& constraints) : model(constraints) {}
  Model model;
  Compensations compensations;
  Safety safety{};
  std::vector<bool> claiming{};  // from the fold: of each claiming event, whether it violates
  bool is_ahead = false;         // looked up before the batch's transaction

  // Back to what was loaded.
  void reset() {
    model.reset();
    compensations.reset();
  }
};

// The only durable truth: claims, compensations with their outbox, dead letters, positions.
//
// A batch is begin, then commit_transaction or abandon; both halves are ONE transaction, which
// other batches of the same read model wait for. Thread safety: none; one thread owns a ledger
// and its connection. Everything throws StoreFailure, after which the transaction is over and the
// next call starts on a fresh connection where the old one is broken.
class Ledger {
 public:
  Ledger() = default;
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;
  virtual ~Ledger() = default;

  // The stored positions, read under lock: a transaction of another writer (or our own, its
  // answer lost) that is still under way is waited for, so the answer is final.
  virtual std::vector<Position> positions(const std::vector<Partition>& partitions) = 0;

  // Begins the batch's transaction: moves the positions (compare-and-set), then loads what
  // `events` are known to touch into `loaded`. That is empty, or what was looked up ahead for these
  // events, folded or not: then it stays as it is where it still holds, and where it does not is
  // loaded anew, which `loaded.is_ahead` tells. False: some position is not the expected one,
  // another writer is at work; the transaction is rolled back.
  [[nodiscard]] virtual bool begin(const std::vector<Advance>& advances,
                                   const std::vector<Event>& events, Loaded& loaded) = 0;

  // Resets `loaded`, and loads what the fold asked for in vain, `loaded.model.missing()`, so that
  // the batch can be folded again. REQUIRES: begin() returned true, and nothing else since.
  virtual void load_missing(Loaded& loaded) = 0;

  // For the batch after this one, to save its transaction the time: to be called on any one thread,
  // beside commit_transaction(), and over before anything else is called. Where one throws, what
  // was to be loaded is of no use.
  struct LookAhead {
    // First. Into `loaded`, which is empty, as it will be when the batch at hand is committed.
    std::function<void(const std::vector<Event>& events, Loaded& loaded)> load;
    std::function<void(Loaded& loaded)> load_missing;  // as above
    // Last. Makes ready what commit_transaction() is going to write of the fold's outcome.
    std::function<void(const Outcome& outcome)> prepare;
  };
  // Nothing where that is not done here. `before` and `outcome` are the batch's at hand, folded,
  // and outlive it. REQUIRES: begin() returned true.
  [[nodiscard]] virtual std::optional<LookAhead> look_ahead(const Loaded& /*before*/,
                                                            const Outcome& /*outcome*/) {
    return std::nullopt;
  }

  // Writes the outcome and commits, durably where it has compensations.
  // REQUIRES: begin() returned true, and nothing since.
  virtual void commit_transaction(const Outcome& outcome) = 0;

  // Rolls back, if a transaction is open. Does not throw.
  virtual void abandon() noexcept = 0;
};

}  // namespace uniqd

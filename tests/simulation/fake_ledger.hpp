#pragma once
// fake_ledger.hpp - one daemon's connections to the database, with the failures they have.

#include <functional>
#include <optional>

#include "commands/relay.hpp"
#include "daemon/clock.hpp"
#include "daemon/ledger.hpp"
#include "tests/simulation/database.hpp"

namespace uniqd::simulation {

class FakeLedger : public Ledger {
 public:
  // `polled` says what the batch at hand was made of.
  FakeLedger(Database& database, const ConstraintSet& constraints, Dice& dice, FaultPlan& faults,
             std::function<PolledPlaces(const std::vector<Advance>&)> polled)
      : database_(database),
        constraints_(constraints),
        dice_(dice),
        faults_(faults),
        polled_(std::move(polled)) {}

  std::vector<Position> positions(const std::vector<Partition>& partitions) override;
  [[nodiscard]] bool begin(const std::vector<Advance>& advances, const std::vector<Event>& events,
                           Loaded& loaded) override;
  void load_missing(Loaded& loaded) override;
  [[nodiscard]] std::optional<LookAhead> look_ahead(const Loaded& before,
                                                    const Outcome& outcome) override;
  void commit_transaction(const Outcome& outcome) override;
  void abandon() noexcept override { open_.reset(); }

  // The server closed the connection; the next call finds out.
  void drop_connection() { is_dropped_ = true; }

 private:
  void talk(Fault fault, std::size_t chances);
  bool still_holds(const Loaded& loaded);
  const MemoryStore& store_ahead();
  // Of the batches: a rebuild may have it.
  void wait_for_lock();

  Database& database_;
  const ConstraintSet& constraints_;
  Dice& dice_;
  FaultPlan& faults_;
  std::function<PolledPlaces(const std::vector<Advance>&)> polled_;
  struct Stores {  // around a commit
    MemoryStore before;
    MemoryStore after;
  };

  std::optional<Database::Batch> open_;
  std::optional<Stores> ahead_;
  std::optional<Outcome> prepared_ahead_;
  std::optional<Outcome> prepared_;  // for the batch at hand
  bool is_dropped_ = false;
  int generation_ = 0;  // as it was when the positions were read
};

class FakeOutbox : public Outbox {
 public:
  FakeOutbox(Database& database, FaultPlan& faults, const Clock& clock)
      : database_(database), faults_(faults), clock_(clock) {}

  std::vector<Compensation> due(const std::vector<Partition>& partitions,
                                std::size_t limit) override;
  void mark_sent(const std::vector<CompensationId>& ids,
                 std::chrono::milliseconds publish_took) override;
  void mark_overdue(const std::vector<CompensationId>& ids) override;

  void drop_connection() { is_dropped_ = true; }

 private:
  void talk(Fault fault, std::size_t chances);

  Database& database_;
  FaultPlan& faults_;
  const Clock& clock_;
  bool is_dropped_ = false;
};

}  // namespace uniqd::simulation

#pragma once
// fake_rebuild_store.hpp - one rebuild's connections to the database, with the failures they have,
// and the generation that it makes.

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "daemon/clock.hpp"
#include "daemon/rebuild_store.hpp"
#include "tests/simulation/database.hpp"

namespace uniqd::simulation {

class FakeRebuildStore : public RebuildStore {
 public:
  // Sees what was in use, and what is from now on.
  using OnSwap = std::function<void(const DatabaseState& before, const DatabaseState& after)>;

  // Throws StoreFailure, AnotherRebuild.
  FakeRebuildStore(Database& database, FaultPlan& faults, const Clock& clock, bool is_anew,
                   OnSwap on_swap);
  ~FakeRebuildStore() override;

  // Where reading of each partition began; as far as it is known.
  [[nodiscard]] const std::map<Partition, Offset>& beginnings() const { return beginnings_; }

  [[nodiscard]] std::optional<ActionKind> strongest_allowed(CompensationId cause) const override;
  [[nodiscard]] bool is_passed_over(Place /*place*/) const override { return false; }
  InUse look(std::int64_t from_ordinal) override;
  void load(Loaded& loaded, const std::vector<BadEvent>& bad_events,
            const std::vector<Advance>& advances, const std::vector<HistoryStep>& order) override;
  Ledger& ledger() override { return ledger_; }
  void intervene(CompensationId id, Intervention intervention) override;
  InUse pin(std::int64_t from_ordinal) override;
  Comparison compare() override;
  InUse hold(std::int64_t from_ordinal) override;
  void release() noexcept override;
  Prospect prospect() override;
  std::optional<Prospect> swap() override;
  void tell(const std::string& /*phase*/, std::uint64_t /*done*/,
            std::uint64_t /*total*/) noexcept override {}

  // The server closed the connections, and with them went the locks; the next call finds out.
  void drop_connections();
  [[nodiscard]] bool is_dropped() const { return is_dropped_; }
  [[nodiscard]] bool was_compared_with_nothing() const { return was_nothing_; }
  // How many batches were written to the next generation.
  [[nodiscard]] std::size_t batches() const { return batches_; }

 private:
  class NextLedger : public Ledger {
   public:
    explicit NextLedger(FakeRebuildStore& all) : all_(all) {}
    std::vector<Position> positions(const std::vector<Partition>& partitions) override;
    bool begin(const std::vector<Advance>& advances, const std::vector<Event>& events,
               Loaded& loaded) override;
    void load_missing(Loaded& loaded) override;
    void commit_transaction(const Outcome& outcome) override;
    void abandon() noexcept override { open_.reset(); }

   private:
    FakeRebuildStore& all_;
    std::optional<std::vector<Advance>> open_;
  };

  void talk();
  void move(const std::vector<Advance>& advances);
  [[nodiscard]] InUse read(const DatabaseState& state, std::int64_t from_ordinal) const;
  void carry_over(CompensationId id);
  [[nodiscard]] DatabaseState made() const;

  Database& database_;
  FaultPlan& faults_;
  const Clock& clock_;
  bool is_anew_;
  OnSwap on_swap_;
  DatabaseState next_;
  NextLedger ledger_{*this};
  std::optional<DatabaseState> pinned_;
  std::map<CompensationId, ActionKind> decided_;
  std::map<std::string, Deed> limits_;  // the same for the oracle
  std::map<Partition, Offset> beginnings_;
  std::size_t batches_ = 0;
  bool is_loaded_ = false;
  bool was_nothing_ = false;
  bool is_holding_ = false;
  bool is_dropped_ = false;
};

}  // namespace uniqd::simulation

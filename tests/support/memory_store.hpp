#pragma once
// memory_store.hpp - a read model in memory, for tests: what a ledger must keep and what it must
// refuse. Thread safety: none.

#include <map>
#include <set>
#include <string>
#include <vector>

#include "daemon/ledger.hpp"

namespace uniqd {

// A plain value: a copy is a snapshot.
class MemoryStore {
 public:
  // Loads the entities of `events` into `loaded`, which is empty, and which of the events were
  // found in violation; all else is left for load_missing(). What the batch `before` knows counts.
  void load(const std::vector<Event>& events, Loaded& loaded, const Loaded* before = nullptr) const;
  // Resets `loaded`, and loads what the fold asked for in vain.
  void load_missing(Loaded& loaded, const Loaded* before = nullptr) const;

  // Writes an outcome as a database with its constraints would: what is added must be new, what is
  // changed or removed must be there. Throws std::logic_error for a broken promise.
  void apply(const Outcome& outcome);

  // What has its message due at `now_ms`, earliest first, at most `limit`.
  [[nodiscard]] std::vector<Compensation> due_in(const std::vector<Partition>& partitions,
                                                 std::size_t limit, std::int64_t now_ms) const;
  // Attempts + 1; pending becomes sent and due again after its deadline, an alert is no longer due;
  // what has ended stays ended.
  void mark_sent(const std::vector<CompensationId>& ids, std::int64_t now_ms);
  // Sent becomes overdue.
  void mark_overdue(const std::vector<CompensationId>& ids);
  // As a ledger loads it. REQUIRES: it is there.
  [[nodiscard]] Compensation without_violations(CompensationId id) const;
  // What a person does; false, and nothing is changed, where the compensation's state forbids it.
  bool intervene(CompensationId id, Intervention intervention);

  static constexpr std::int32_t attempts_max = 3;
  static constexpr std::int64_t deadline_ms = 2'000;  // doubles from attempt to attempt
  static constexpr std::int32_t doublings_max = 5;

  std::map<std::string, Entity> entities;
  std::map<ClaimKey, Claim> claims;
  std::vector<std::int64_t> claim_counts;  // by constraint, from the outcomes' deltas
  std::map<CompensationId, Compensation> compensations;
  std::vector<CompensationId> decided;  // the keys of `compensations` in the order of decision
  std::set<CompensationId> causes;      // events found in violation
  std::map<CompensationId, std::int64_t> due;  // when a message has to be sent; 0: at once
  std::map<CompensationId, std::int32_t> attempts_before;  // it began anew; none: 0
  std::map<ClaimKey, std::vector<Contender>> contenders;
  std::vector<BadEvent> dead_letters;
  Safety safety;  // while paused nothing is due

 private:
  // Since a person last said so, or since the decision.
  [[nodiscard]] std::int32_t attempts_since(const Compensation& known) const;
  void load_entity(const std::string& name, Loaded& loaded, const Loaded* before) const;
  void load_claim(ClaimKey key, Loaded& loaded, const Loaded* before) const;
  void apply_contenders(const ModelChanges& changes);
  void apply_model(const ModelChanges& changes);
  void apply_claims(const ModelChanges& changes);
  void apply_compensations(const Compensations::Changes& changes);

  std::int64_t contenders_so_far_ = 0;
};

}  // namespace uniqd

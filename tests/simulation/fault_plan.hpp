#pragma once
// fault_plan.hpp - everything random comes from one seed; every fault that strikes is counted.

#include <array>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string_view>

namespace uniqd::simulation {

class Dice {
 public:
  explicit Dice(std::uint64_t seed) : random_(seed) {}
  // From 0 to count - 1.
  std::size_t below(std::size_t count) { return static_cast<std::size_t>(random_() % count); }
  bool once_in(std::size_t count) { return below(count) == 0; }

 private:
  std::mt19937_64 random_;
};

// And what else has to have occurred for a run to prove anything.
enum class Fault : std::uint8_t {
  crash_after_poll,
  crash_after_positions,
  crash_after_begin,
  crash_before_commit,
  crash_after_commit,
  crash_relay_before_publish,
  crash_relay_before_mark,
  crash_relay_after_mark,
  kill,
  rebalance,
  zombie,
  fenced,
  positions_failed,
  begin_failed,
  load_failed,
  commit_failed,
  commit_answer_lost,
  commit_in_doubt_then_done,
  commit_in_doubt_then_undone,
  outbox_failed,
  mark_failed,
  mark_answer_lost,
  database_down,
  database_rewound,
  broker_down,
  poll_failed,
  ends_unknown,
  publish_lost,
  publish_answer_lost,
  publish_refused,
  service_slow,
  service_loses_command,
  command_dropped_as_seen,
  command_overdue,
  clock_jump,
  event_redelivered,
  event_without_id,
  bad_record,
  tombstone,
  unknown_event,
  offset_hole,
  end_beyond_last_record,
  value_promoted,
  sending_paused,
  generation_fenced,
  looked_ahead,
  look_ahead_overtaken,
  look_ahead_outdated,
  look_ahead_failed,
  batch_waits_for_rebuild,
  database_lost,
  intervention_retry,
  intervention_dismiss,
  overdue_retried,
  rebuild_begun,
  rebuild_done,
  rebuild_verified,
  rebuild_anew,
  rebuild_by_batches,
  rebuild_refused,
  rebuild_store_failed,
  rebuild_killed_folding,
  rebuild_killed_loading,
  rebuild_killed_following,
  rebuild_killed_comparing,
  rebuild_killed_swapping,
  rebuild_killed,
  swap_in_the_way,
  swap_answer_lost,
  count
};

inline constexpr std::size_t fault_count = static_cast<std::size_t>(Fault::count);

[[nodiscard]] std::string_view fault_name(Fault fault);
// The crash at a named probe point. Throws std::out_of_range for a point that is not known.
[[nodiscard]] Fault crash_at(std::string_view point);

using FaultCounts = std::array<std::uint64_t, fault_count>;

// Which faults a seed knows, and when they strike. Not every seed knows all of them: some bugs
// show only where others are rare.
class FaultPlan {
 public:
  explicit FaultPlan(Dice& dice);

  // True, and counted, about once in `chances`, where the seed knows the fault and it is not calm.
  bool strikes(Fault fault, std::size_t chances);
  void count(Fault fault) { ++counts_[static_cast<std::size_t>(fault)]; }

  // From now on nothing strikes.
  void calm_down() { is_calm_ = true; }
  [[nodiscard]] bool is_calm() const { return is_calm_; }
  [[nodiscard]] const FaultCounts& counts() const { return counts_; }

 private:
  Dice& dice_;
  std::array<bool, fault_count> known_{};
  FaultCounts counts_{};
  bool is_calm_ = false;
};

}  // namespace uniqd::simulation

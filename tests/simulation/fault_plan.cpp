#include "tests/simulation/fault_plan.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>

namespace uniqd::simulation {
namespace {

// In the order of Fault; the crashes are named by their probe points.
constexpr std::array<std::string_view, fault_count> names{
    "after_poll",
    "after_positions",
    "after_begin",
    "before_commit",
    "after_commit",
    "relay_before_publish",
    "relay_before_mark",
    "relay_after_mark",
    "kill",
    "rebalance",
    "zombie",
    "fenced",
    "positions_failed",
    "begin_failed",
    "load_failed",
    "commit_failed",
    "commit_answer_lost",
    "commit_in_doubt_then_done",
    "commit_in_doubt_then_undone",
    "outbox_failed",
    "mark_failed",
    "mark_answer_lost",
    "database_down",
    "database_rewound",
    "broker_down",
    "poll_failed",
    "ends_unknown",
    "publish_lost",
    "publish_answer_lost",
    "publish_refused",
    "service_slow",
    "service_loses_command",
    "command_dropped_as_seen",
    "command_overdue",
    "clock_jump",
    "event_redelivered",
    "event_without_id",
    "bad_record",
    "tombstone",
    "unknown_event",
    "offset_hole",
    "end_beyond_last_record",
    "value_promoted",
    "sending_paused",
    "generation_fenced",
    "looked_ahead",
    "look_ahead_overtaken",
    "look_ahead_outdated",
    "look_ahead_failed",
    "batch_waits_for_rebuild",
    "database_lost",
    "intervention_retry",
    "intervention_dismiss",
    "overdue_retried",
    "rebuild_begun",
    "rebuild_done",
    "rebuild_verified",
    "rebuild_anew",
    "rebuild_by_batches",
    "rebuild_refused",
    "rebuild_store_failed",
    "rebuild_killed_folding",
    "rebuild_killed_loading",
    "rebuild_killed_following",
    "rebuild_killed_comparing",
    "rebuild_killed_swapping",
    "rebuild_killed",
    "swap_in_the_way",
    "swap_answer_lost",
};

}  // namespace

std::string_view fault_name(Fault fault) { return names[static_cast<std::size_t>(fault)]; }

Fault crash_at(std::string_view point) {
  const auto* const found = std::ranges::find(names, point);
  if (found == names.end()) throw std::out_of_range("unknown probe point " + std::string(point));
  return static_cast<Fault>(found - names.begin());
}

FaultPlan::FaultPlan(Dice& dice) : dice_(dice) {
  for (bool& known : known_) known = !dice_.once_in(3);
}

bool FaultPlan::strikes(Fault fault, std::size_t chances) {
  if (is_calm_ || !known_[static_cast<std::size_t>(fault)] || !dice_.once_in(chances)) return false;
  count(fault);
  return true;
}

}  // namespace uniqd::simulation

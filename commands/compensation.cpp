#include "commands/compensation.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

namespace uniqd {
namespace {

constexpr std::array<std::pair<CompensationState, std::string_view>, 4> state_names{{
    {CompensationState::pending, "pending"},
    {CompensationState::sent, "sent"},
    {CompensationState::confirmed, "confirmed"},
    {CompensationState::resolved, "resolved"},
}};

}  // namespace

std::string_view to_text(CompensationState state) {
  return state_names[static_cast<std::size_t>(state)].second;
}

std::optional<CompensationState> compensation_state(std::string_view text) {
  const auto found = std::ranges::find(state_names, text, [](const auto& n) { return n.second; });
  return found == state_names.end() ? std::nullopt : std::optional(found->first);
}

void Compensations::load(Compensation compensation) {
  const CompensationId id = compensation.id;
  known_.insert_or_assign(id, Tracked{std::move(compensation), false, false, std::nullopt});
}

const Compensation* Compensations::find(CompensationId id) const {
  const auto found = known_.find(id);
  return found == known_.end() ? nullptr : &found->second.compensation;
}

void Compensations::open(Compensation compensation) {
  const CompensationId id = compensation.id;
  known_.emplace(id, Tracked{std::move(compensation), true, true, std::nullopt});
  touched_.push_back(id);
}

Compensations::Tracked& Compensations::touch(CompensationId id) {
  Tracked& known = known_.at(id);
  if (!known.is_touched) touched_.push_back(id);
  known.is_touched = true;
  return known;
}

void Compensations::add(CompensationId id, std::vector<Violation> violations,
                        const Action& action) {
  Compensation& known = touch(id).compensation;
  if (action.kind > known.action.kind) known.action = action;
  std::ranges::move(violations, std::back_inserter(known.violations));
}

void Compensations::end(CompensationId id, CompensationState state) {
  Tracked& known = touch(id);
  known.compensation.state = state;
  known.ended = state;
}

Compensations::Changes Compensations::changes() const {
  Changes changes;
  for (const CompensationId id : touched_) {
    const Tracked& known = known_.at(id);
    if (known.is_new) {
      changes.opened.push_back(known.compensation);
    } else {
      changes.changed.push_back({id, known.ended, known.compensation.violations});
    }
  }
  return changes;
}

}  // namespace uniqd

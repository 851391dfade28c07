#include "commands/compensation.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <tuple>
#include <utility>

#include "readmodel/promise.hpp"

namespace uniqd {
namespace {

constexpr std::array<std::string_view, compensation_state_count> state_names{
    "pending", "sent", "confirmed", "resolved", "overdue", "open", "detected", "dismissed"};

bool is_due(const Compensation& opened) {
  return !has_ended(opened.state) && has_message(opened.action.kind);
}

}  // namespace

std::string_view to_text(CompensationState state) {
  return state_names[static_cast<std::size_t>(state)];
}

std::optional<CompensationState> compensation_state(std::string_view text) {
  const auto found = std::ranges::find(state_names, text);
  if (found == state_names.end()) return std::nullopt;
  return static_cast<CompensationState>(found - state_names.begin());
}

CompensationState first_state(ActionKind kind) {
  switch (kind) {
    case ActionKind::detect:
      return CompensationState::detected;
    case ActionKind::review:
    case ActionKind::alert:
      return CompensationState::open;
    case ActionKind::send:
      break;
  }
  return CompensationState::pending;
}

std::string message_type(ActionKind kind, const std::string& command) {
  if (kind == ActionKind::send) return command;
  return kind == ActionKind::alert ? "UniquenessViolated" : "";
}

void Compensations::load(Compensation compensation) {
  const CompensationId id = compensation.id;
  known_.insert_or_assign(id, Tracked{compensation, false, false});
  stored_.insert_or_assign(id, std::move(compensation));
}

bool Compensations::load_from(const Compensations& before, CompensationId id) {
  const Compensation* found = before.find(id);
  if (!found) return false;
  Compensation stored = *found;
  stored.violations.clear();
  load(std::move(stored));
  return true;
}

std::vector<CompensationId> Compensations::loaded() const {
  std::vector<CompensationId> ids;
  for (const auto& [id, stored] : stored_) ids.push_back(id);
  return ids;
}

bool Compensations::was_loaded(const Compensation& compensation) const {
  const auto found = stored_.find(compensation.id);
  if (found == stored_.end()) return false;
  Compensation same = found->second;
  same.attempts = compensation.attempts;
  if (is_under_way(same.state) && is_under_way(compensation.state)) same.state = compensation.state;
  return same == compensation;
}

const Compensation* Compensations::find(CompensationId id) const {
  const auto found = known_.find(id);
  return found == known_.end() ? nullptr : &found->second.known;
}

void Compensations::open(Compensation compensation) {
  const CompensationId id = compensation.id;
  compensation.state = first_state(compensation.action.kind);
  known_.emplace(id, Tracked{std::move(compensation), true, false});
  touched_.push_back(id);
}

Compensations::Tracked& Compensations::touch(CompensationId id) {
  Tracked& tracked = known_.at(id);
  if (!tracked.is_touched) touched_.push_back(id);
  tracked.is_touched = true;
  return tracked;
}

void Compensations::add(CompensationId id, std::vector<Violation> violations,
                        const Action& action) {
  Tracked& tracked = touch(id);
  Compensation& known = tracked.known;
  std::ranges::move(violations, std::back_inserter(known.violations));
  const bool is_stronger = action.kind > known.action.kind;
  if (is_stronger) known.action = action;
  if (!is_stronger && known.state != CompensationState::dismissed) return;
  known.state = first_state(known.action.kind);
  tracked.becomes_due = has_message(known.action.kind);
}

void Compensations::end(CompensationId id, CompensationState state, const std::string& event_id) {
  Tracked& tracked = touch(id);
  tracked.known.state = state;
  tracked.known.ended_by = event_id;
  tracked.becomes_due = false;
}

void Compensations::intervene(CompensationId id, Intervention intervention) {
  const Compensation* found = find(id);
  if (!found || has_ended(found->state)) return;
  const bool dismisses = intervention == Intervention::dismiss;
  if (!dismisses && found->state != CompensationState::dismissed) return;
  Tracked& tracked = touch(id);
  tracked.known.state =
      dismisses ? CompensationState::dismissed : first_state(tracked.known.action.kind);
  tracked.becomes_due = !dismisses && has_message(tracked.known.action.kind);
}

void Compensations::reset() {
  for (const CompensationId id : touched_) {
    const auto stored = stored_.find(id);
    if (stored == stored_.end()) {
      known_.erase(id);
    } else {
      known_.at(id) = Tracked{stored->second, false, false};
    }
  }
  touched_.clear();
}

Compensations::Changes Compensations::changes() const {
  Changes changes;
  for (const CompensationId id : touched_) {
    const Tracked& tracked = known_.at(id);
    if (stored_.contains(id)) {
      changes.changed.push_back({tracked.known, tracked.becomes_due});
    } else {
      changes.opened.push_back(tracked.known);
    }
  }
  return changes;
}

void Compensations::drain(std::size_t count_max, const std::function<void(const Changes&)>& take) {
  Changes part;
  for (const CompensationId id : std::exchange(touched_, {})) {
    const auto found = known_.find(id);
    promise(found != known_.end(), "a compensation is opened once");
    part.opened.push_back(std::move(found->second.known));
    known_.erase(found);
    if (part.opened.size() < count_max) continue;
    take(part);
    part = {};
  }
  if (!part.empty()) take(part);
  known_ = {};
}

bool Compensations::Changes::has_messages() const {
  return std::ranges::any_of(opened, is_due) || std::ranges::any_of(changed, &Change::becomes_due);
}

std::vector<Compensation> Compensations::Changes::few_messages(std::size_t count_max) const {
  std::vector<Compensation> few;
  if (std::ranges::any_of(changed, &Change::becomes_due) ||
      std::ranges::count_if(opened, is_due) > static_cast<std::ptrdiff_t>(count_max)) {
    return few;
  }
  std::ranges::copy_if(opened, std::back_inserter(few), is_due);
  for (Compensation& compensation : few) {
    std::ranges::sort(compensation.violations, {}, [](const Violation& violation) {
      return std::tie(violation.partition, violation.offset, violation.constraint);
    });
  }
  return few;
}

}  // namespace uniqd

#include "daemon/retry.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "daemon/process_batch.hpp"

namespace uniqd {
namespace {

using Owned = PerSlot<std::optional<ClaimKey>>;

// What the entity owns, by constraint; nothing where it is not present.
Owned owned_by(const Model& model, const std::string& name) {
  const auto entity = model.entity(name);
  return entity ? entity->owned : Owned{};
}

std::optional<std::string> found_violating(const std::vector<PastEvent>& judged,
                                           const Model& model) {
  for (const PastEvent& past : judged) {
    if (!model.was_found_violating(past.event.cause)) continue;
    return fmt::format(
        "a later event of {}, {} at offset {}, has been found violating already; judging older "
        "ones after it would undo that. Where its compensation is still under way, retry when the "
        "release has come; otherwise what is left is to drop the record",
        past.event.entity, past.event.type, past.event.offset.value);
  }
  return std::nullopt;
}

std::optional<std::string> found_loss(const Model& model, const std::string& name,
                                      const Owned& owned_before) {
  const auto entity = model.entity(name);
  if (!entity) return std::nullopt;
  for (std::size_t index = 0; index < owned_before.size(); ++index) {
    const Constraint& constraint = model.constraints()[index];
    const auto before = owned_before[index];
    if (!before || entity->owned[index] == before) continue;
    if (wanted_key(constraint, entity->parts) != before) continue;
    return fmt::format(
        "{} owns a value of constraint \"{}\" that it would lose to another in between; drop the "
        "record, or correct the entity with an event of its own",
        name, constraint.name);
  }
  return std::nullopt;
}

}  // namespace

std::vector<PastEvent> to_judge_again(const std::vector<PastEvent>& past) {
  auto first = std::ranges::find(past, true, &PastEvent::is_parked);
  for (auto event = first; event != past.end(); ++event) {
    if (!event->is_parked && event->event.effect == Effect::release) first = std::next(event);
  }
  // What was applied needs no judging again where nothing parked comes before it.
  first = std::find_if(first, past.end(), [](const PastEvent& event) { return event.is_parked; });
  return {first, past.end()};
}

RetryOutcome retry(Ledger& ledger, const ConstraintSet& constraints, const Policy& policy,
                   const Clock& clock, const std::vector<PastEvent>& past, Partition partition,
                   Offset next, const std::vector<std::int64_t>& letters) {
  const auto judged = to_judge_again(past);
  std::vector<Event> events;
  Retried retried{letters, partition, {}};
  for (const PastEvent& one : judged) {
    events.push_back(one.event);
    retried.judged.push_back(one.event.offset);
  }
  Loaded loaded(constraints);
  // A position that does not move: fenced where it is another one by now.
  if (!ledger.begin({{partition, next, next, next}}, events, loaded)) {
    return {RetryOutcome::Kind::moved, {}};
  }
  const auto refuse = [&](std::string why) {
    ledger.abandon();
    return RetryOutcome{RetryOutcome::Kind::refused, std::move(why)};
  };
  RetryOutcome outcome;
  outcome.judged = events.size();
  Outcome changes;
  if (!events.empty()) {
    if (auto why = found_violating(judged, loaded.model)) return refuse(std::move(*why));
    const std::string name = events.front().entity;
    const auto owned_before = owned_by(loaded.model, name);
    EventCounts counts;
    process_batch(
        events, policy, clock.now_ms(), [&](Loaded& partial) { ledger.load_missing(partial); },
        loaded, counts);
    if (auto why = found_loss(loaded.model, name, owned_before)) return refuse(std::move(*why));
  }
  changes.model = loaded.model.changes();
  changes.compensations = loaded.compensations.changes();
  for (const Compensation& opened : changes.compensations.opened) {
    ++(has_ended(opened.state) ? outcome.resolved : outcome.opened);
  }
  for (const auto& change : changes.compensations.changed) {
    if (has_ended(change.now.state)) ++outcome.resolved;
  }
  changes.retried = std::move(retried);
  ledger.commit_transaction(changes);
  return outcome;
}

}  // namespace uniqd

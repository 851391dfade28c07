#include "commands/decide.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace uniqd {
namespace {

const Action& action_for(const Policy& policy, std::size_t constraint, Effect effect) {
  const auto& on_violation = policy.by_constraint[constraint];
  return effect == Effect::change ? on_violation.change : on_violation.claim;
}

// The strongest of the event's actions; of equals the first constraint's (R8).
const Action& strongest_action(const Policy& policy, const Event& event, const Verdict& verdict) {
  const auto action_of = [&](const Contested& contested) -> const Action& {
    return action_for(policy, contested.constraint, event.effect);
  };
  const auto strongest = std::ranges::max_element(
      verdict.contested, {}, [&](const Contested& contested) { return action_of(contested).kind; });
  return action_of(*strongest);
}

Action allowed_action(const Policy& policy, const Event& event, const Verdict& verdict) {
  Action action = strongest_action(policy, event, verdict);
  if (!policy.strongest_allowed) return action;
  const auto limit = policy.strongest_allowed(event.cause);
  if (!limit || action.kind <= *limit) return action;
  action.kind = *limit;
  action.command = message_type(*limit, action.command);
  return action;
}

std::vector<Violation> violations_of(const Model& model, const Event& event,
                                     const Verdict& verdict) {
  std::vector<Violation> violations;
  for (const Contested& contested : verdict.contested) {
    const Constraint& constraint = model.constraints()[contested.constraint];
    violations.push_back({event.cause, constraint.name, constraint.fields, contested.value,
                          contested.owner, event.id, event.type, event.partition, event.offset});
  }
  return violations;
}

Compensation opened_by(const Event& event, const Policy& policy, const Action& action,
                       std::vector<Violation> violations, std::int64_t now_ms) {
  Compensation compensation;
  compensation.id = event.cause;
  compensation.entity = event.entity;
  const auto field = policy.entity_field.find(event.type);
  compensation.entity_field = field == policy.entity_field.end() ? "entity" : field->second;
  compensation.action = action;
  compensation.event_id = event.id;
  compensation.correlation_id = event.correlation_id.empty() ? event.id : event.correlation_id;
  compensation.traceparent = event.traceparent;
  compensation.partition = event.partition;
  compensation.offset = event.offset;
  compensation.decided_at_ms = now_ms;
  compensation.violations = std::move(violations);
  return compensation;
}

}  // namespace

namespace {

// The first contender for `key` that may take all it wants; nothing where there is none.
std::optional<std::string> find_promoted(ClaimKey key, const Model& model,
                                         const Compensations& compensations) {
  for (const Contender& contender : model.contenders(key)) {
    const auto entity = model.entity(contender.entity);
    if (!entity || !entity->compensation) continue;
    const Compensation* open = compensations.find(*entity->compensation);
    if (open && may_be_promoted(open->state) && nothing_is_contested(model, contender.entity)) {
      return contender.entity;
    }
  }
  return std::nullopt;
}

// Those who were promoted may have left to the event's own entity what it lacked (R8).
bool settles_after_all(const Model& model, const std::string& name) {
  const auto entity = model.entity(name);
  return entity && entity->compensation && nothing_is_contested(model, name);
}

}  // namespace

void promote(const FreedKeys& freed, const Event& event, Model& model,
             Compensations& compensations) {
  std::vector<ClaimKey> queue(freed.begin(), freed.end());
  const auto resolve = [&](const std::string& name) {
    compensations.end(*model.entity(name)->compensation, CompensationState::resolved, event.id);
    std::ranges::copy(take_all(model, name), std::back_inserter(queue));
  };
  for (std::size_t next = 0;; ++next) {
    if (next == queue.size() && settles_after_all(model, event.entity)) resolve(event.entity);
    if (next == queue.size()) return;
    if (model.owner(queue[next])) continue;
    const auto promoted = find_promoted(queue[next], model, compensations);
    if (promoted) resolve(*promoted);
  }
}

bool has_message(const Policy& policy, const Event& event, const Verdict& verdict) {
  return has_message(allowed_action(policy, event, verdict).kind);
}

std::optional<CompensationId> decide(const Model& model, const Event& event, const Verdict& verdict,
                                     const Policy& policy, std::int64_t now_ms,
                                     Compensations& compensations) {
  const auto open = verdict.before ? verdict.before->compensation : std::nullopt;
  if (open && verdict.kind == Verdict::Kind::released) {
    compensations.end(*open, CompensationState::confirmed, event.id);
  } else if (open && verdict.settles) {
    compensations.end(*open, CompensationState::resolved, event.id);
  }
  if (verdict.kind != Verdict::Kind::violating) return std::nullopt;

  const Action action = allowed_action(policy, event, verdict);
  auto violations = violations_of(model, event, verdict);
  if (open) {
    compensations.add(*open, std::move(violations), action);
    return std::nullopt;
  }
  compensations.open(opened_by(event, policy, action, std::move(violations), now_ms));
  return event.cause;
}

}  // namespace uniqd

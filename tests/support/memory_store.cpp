#include "tests/support/memory_store.hpp"

#include <algorithm>
#include <stdexcept>

namespace uniqd {
namespace {

void require(bool holds, const std::string& promise) {
  if (!holds) throw std::logic_error("broken promise to the store: " + promise);
}

}  // namespace

void MemoryStore::load_entity(const std::string& name, Loaded& loaded, const Loaded* before) const {
  loaded.model.load_no_entity(name);
  if (!before || !loaded.model.load_entity_from(before->model, name)) {
    const auto found = entities.find(name);
    if (found != entities.end()) loaded.model.load_entity(name, found->second);
  }
  const auto entity = loaded.model.entity(name);
  if (!entity || !entity->compensation) return;
  const CompensationId id = *entity->compensation;
  if (before && loaded.compensations.load_from(before->compensations, id)) return;
  loaded.compensations.load(without_violations(id));
}

void MemoryStore::load_claim(ClaimKey key, Loaded& loaded, const Loaded* before) const {
  loaded.model.load_no_claim(key);
  if (before && loaded.model.load_claim_from(before->model, key)) return;
  const auto found = claims.find(key);
  if (found != claims.end()) loaded.model.load_claim(found->second);
}

Compensation MemoryStore::without_violations(CompensationId id) const {
  Compensation stored = compensations.at(id);
  stored.violations.clear();
  return stored;
}

void MemoryStore::load(const std::vector<Event>& events, Loaded& loaded,
                       const Loaded* before) const {
  loaded.model.set_partial();
  loaded.safety = safety;
  for (const Event& event : events) {
    load_entity(event.entity, loaded, before);
    const bool was_just_found = before && before->model.was_found_violating(event.cause);
    if (was_just_found || causes.contains(event.cause)) loaded.model.load_cause(event.cause);
  }
}

void MemoryStore::load_missing(Loaded& loaded, const Loaded* before) const {
  const Missing missing = loaded.model.missing();
  loaded.reset();
  for (const ClaimKey& key : missing.claims) load_claim(key, loaded, before);
  for (const ClaimKey& key : missing.contended) {
    const auto found = contenders.find(key);
    loaded.model.load_contenders(
        key, found == contenders.end() ? std::vector<Contender>{} : found->second);
  }
  if (before) loaded.model.catch_up_contenders(before->model);
  for (const std::string& name : missing.entities) load_entity(name, loaded, before);
}

void MemoryStore::apply(const Outcome& outcome) {
  apply_model(outcome.model);
  apply_claims(outcome.model);
  apply_contenders(outcome.model);
  apply_compensations(outcome.compensations);
  dead_letters.insert(dead_letters.end(), outcome.bad_events.begin(), outcome.bad_events.end());
  if (!outcome.safety) return;
  require(!safety.is_paused, "a pause lasts until a person ends it");
  safety = {outcome.safety->window, !outcome.safety->pause.empty()};
}

void MemoryStore::apply_model(const ModelChanges& changes) {
  for (const std::string& name : changes.entities_removed) {
    require(entities.erase(name) == 1, "the removed entity " + name + " exists");
  }
  for (const auto& [name, entity] : changes.entities_changed) {
    require(entities.contains(name), "the changed entity " + name + " exists");
    entities[name] = entity;
  }
  for (const auto& [name, entity] : changes.entities_added) {
    require(entities.emplace(name, entity).second, "the added entity " + name + " is new");
  }
}

void MemoryStore::apply_claims(const ModelChanges& changes) {
  for (const ClaimKey& key : changes.claims_removed) {
    require(claims.erase(key) == 1, "the removed claim exists");
  }
  for (const Claim& claim : changes.claims_changed) {
    require(claims.contains(claim.key), "the claim that changes its owner exists");
    claims[claim.key] = claim;
  }
  for (const Claim& claim : changes.claims_added) {
    require(claims.emplace(claim.key, claim).second, "the added claim is free");
  }
  claim_counts.resize(changes.claim_count_deltas.size());
  for (std::size_t index = 0; index < claim_counts.size(); ++index) {
    claim_counts[index] += changes.claim_count_deltas[index];
    const auto counted = std::ranges::count(
        claims, index, [](const auto& claim) { return claim.second.constraint; });
    require(claim_counts[index] == counted, "the deltas add up to the number of claims");
  }
}

void MemoryStore::apply_contenders(const ModelChanges& changes) {
  for (const auto& gone : changes.contenders_removed) {
    const auto removed = std::erase_if(contenders[gone.first], [&](const Contender& contender) {
      return contender.entity == gone.second;
    });
    require(removed == 1, "who no longer contends did");
  }
  for (const auto& [key, name] : changes.contenders_added) {
    const auto same = std::ranges::count(contenders[key], name, &Contender::entity);
    require(same == 0, "who comes to contend did not");
    contenders[key].push_back({name, contenders_so_far_++});
  }
}

void MemoryStore::apply_compensations(const Compensations::Changes& changes) {
  for (const Compensation& opened : changes.opened) {
    require(compensations.emplace(opened.id, opened).second, "the opened compensation is new");
    require(!opened.violations.empty(), "a compensation has a violation");
    decided.push_back(opened.id);
    for (const Violation& violation : opened.violations) causes.insert(violation.cause);
    const bool is_over = has_ended(opened.state) || opened.state == CompensationState::dismissed;
    if (!is_over && has_message(opened.action.kind)) due[opened.id] = 0;
  }
  for (const auto& [now, becomes_due] : changes.changed) {
    const auto found = compensations.find(now.id);
    require(found != compensations.end(), "the changed compensation exists");
    Compensation& known = found->second;
    require(!has_ended(known.state), "a compensation that has ended does not change");
    for (const Violation& violation : now.violations) {
      causes.insert(violation.cause);
      known.violations.push_back(violation);
    }
    if (becomes_due || !is_under_way(now.state)) known.state = now.state;
    known.action = now.action;
    known.ended_by = now.ended_by;
    if (becomes_due) {
      due[now.id] = 0;
      attempts_before[now.id] = known.attempts;
    }
    if (has_ended(now.state)) due.erase(now.id);
  }
}

std::vector<Compensation> MemoryStore::due_in(const std::vector<Partition>& partitions,
                                              std::size_t limit, std::int64_t now_ms) const {
  if (safety.is_paused) return {};
  std::vector<std::pair<std::int64_t, Compensation>> found;
  for (const CompensationId id : decided) {
    const auto is_due = due.find(id);
    if (is_due == due.end() || is_due->second > now_ms) continue;
    Compensation compensation = compensations.at(id);
    if (std::ranges::count(partitions, compensation.partition) == 0) continue;
    compensation.is_exhausted = compensation.state == CompensationState::sent &&
                                attempts_since(compensation) >= attempts_max;
    found.emplace_back(is_due->second, std::move(compensation));
  }
  std::ranges::stable_sort(found, {}, [](const auto& timed) { return timed.first; });
  if (found.size() > limit)
    found.erase(found.begin() + static_cast<std::ptrdiff_t>(limit), found.end());
  std::vector<Compensation> first;
  first.reserve(found.size());
  for (auto& timed : found) first.push_back(std::move(timed.second));
  return first;
}

void MemoryStore::mark_sent(const std::vector<CompensationId>& ids, std::int64_t now_ms) {
  for (const CompensationId id : ids) {
    if (due.erase(id) == 0) continue;
    Compensation& known = compensations.at(id);
    if (known.action.kind == ActionKind::send) {
      known.state = CompensationState::sent;
      due[id] = now_ms + (deadline_ms << std::min(attempts_since(known), doublings_max));
    }
    ++known.attempts;
  }
}

void MemoryStore::mark_overdue(const std::vector<CompensationId>& ids) {
  for (const CompensationId id : ids) {
    Compensation& known = compensations.at(id);
    if (known.state != CompensationState::sent) continue;
    known.state = CompensationState::overdue;
    due.erase(id);
  }
}

std::int32_t MemoryStore::attempts_since(const Compensation& known) const {
  const auto found = attempts_before.find(known.id);
  return known.attempts - (found == attempts_before.end() ? 0 : found->second);
}

bool MemoryStore::intervene(CompensationId id, Intervention intervention) {
  const auto found = compensations.find(id);
  if (found == compensations.end() || has_ended(found->second.state)) return false;
  Compensation& known = found->second;
  if (intervention == Intervention::dismiss) {
    if (known.state == CompensationState::dismissed) return false;
    known.state = CompensationState::dismissed;
    due.erase(id);
    return true;
  }
  if (known.action.kind != ActionKind::send || known.state == CompensationState::pending) {
    return false;
  }
  known.state = CompensationState::pending;
  attempts_before[id] = known.attempts;
  due[id] = 0;
  return true;
}

}  // namespace uniqd

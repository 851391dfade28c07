#include "tests/support/memory_store.hpp"

#include <algorithm>
#include <stdexcept>

namespace uniqd {
namespace {

void require(bool holds, const std::string& promise) {
  if (!holds) throw std::logic_error("broken promise to the store: " + promise);
}

}  // namespace

void MemoryStore::load(const std::vector<Event>& events, Loaded& loaded) const {
  std::set<std::string> touched;
  for (const Event& event : events) {
    touched.insert(event.entity);
    if (causes.contains(event.cause)) loaded.model.load_cause(event.cause);
  }
  for (const std::string& name : touched) {
    const auto found = entities.find(name);
    if (found == entities.end()) continue;
    loaded.model.load_entity(name, found->second);
    if (!found->second.compensation) continue;
    Compensation open = compensations.at(*found->second.compensation);
    open.violations.clear();
    loaded.compensations.load(std::move(open));
  }
  for (const auto& [key, claim] : claims) loaded.model.load_claim(claim);
}

void MemoryStore::apply(const Outcome& outcome) {
  apply_model(outcome.model);
  apply_claims(outcome.model);
  apply_compensations(outcome.compensations);
  dead_letters.insert(dead_letters.end(), outcome.bad_events.begin(), outcome.bad_events.end());
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

void MemoryStore::apply_compensations(const Compensations::Changes& changes) {
  for (const Compensation& opened : changes.opened) {
    require(compensations.emplace(opened.id, opened).second, "the opened compensation is new");
    require(!opened.violations.empty(), "a compensation has a violation");
    decided.push_back(opened.id);
    for (const Violation& violation : opened.violations) causes.insert(violation.cause);
  }
  for (const auto& change : changes.changed) {
    const auto found = compensations.find(change.id);
    require(found != compensations.end(), "the changed compensation exists");
    Compensation& known = found->second;
    require(!has_ended(known.state), "a compensation that has ended does not change");
    for (const Violation& violation : change.added) {
      causes.insert(violation.cause);
      known.violations.push_back(violation);
    }
    if (change.ended) known.state = *change.ended;
  }
}

void MemoryStore::mark_sent(const std::vector<CompensationId>& ids) {
  for (const CompensationId id : ids) {
    const auto found = compensations.find(id);
    if (found == compensations.end()) continue;
    if (found->second.state != CompensationState::pending) continue;
    found->second.state = CompensationState::sent;
    ++found->second.attempts;
  }
}

}  // namespace uniqd

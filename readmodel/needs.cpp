#include "readmodel/needs.hpp"

#include "readmodel/fetch_ahead.hpp"

namespace uniqd {
namespace {

void add_wanted(const Entity& entity, const ConstraintSet& constraints,
                std::vector<ClaimKey>& keys) {
  for (const Constraint& constraint : constraints) {
    if (const auto wanted = wanted_key(constraint, entity.parts)) keys.push_back(*wanted);
  }
}

}  // namespace

std::vector<ClaimKey> keys_carried_by(const std::vector<Event>& events) {
  std::vector<ClaimKey> keys;
  keys.reserve(events.size());
  for (const Event& event : events) {
    for (const auto& value : event.values) {
      if (value.digest) keys.push_back(value.digest->key());
    }
  }
  return keys;
}

Needs needs_of(const std::vector<Event>& events, const Model& model) {
  Needs needs;
  const auto fetch = [&](const Event& event) { model.prefetch(event); };
  each_fetched_ahead(events, fetch, [&](const Event& event) {
    const auto entity = model.entity(event.entity);
    if (!entity) return;
    if (entity->compensation) {
      add_wanted(*entity, model.constraints(), needs.claims);
      needs.compensations.push_back(*entity->compensation);
    }
    for (const auto& owned : entity->owned) {
      if (owned) needs.contended.push_back(*owned);
    }
  });
  return needs;
}

std::vector<CompensationId> compensations_of(const std::vector<std::string_view>& entities,
                                             const Model& model) {
  std::vector<CompensationId> ids;
  for (const auto name : entities) {
    const auto entity = model.entity(name);
    if (entity && entity->compensation) ids.push_back(*entity->compensation);
  }
  return ids;
}

std::vector<ClaimKey> keys_wanted_by(const std::vector<std::string_view>& entities,
                                     const Model& model) {
  std::vector<ClaimKey> keys;
  for (const auto name : entities) {
    if (const auto entity = model.entity(name)) add_wanted(*entity, model.constraints(), keys);
  }
  return keys;
}

}  // namespace uniqd

#include "readmodel/claims.hpp"

#include <algorithm>
#include <utility>

#include "readmodel/digest.hpp"
#include "readmodel/promise.hpp"

namespace uniqd {

std::optional<ClaimKey> wanted_key(const Constraint& constraint,
                                   const PerSlot<std::optional<ClaimKey>>& parts) {
  if (constraint.fields.size() == 1) return parts[constraint.first_slot];
  boost::container::small_vector<ClaimKey, 4> keys;
  for (std::size_t field = 0; field < constraint.fields.size(); ++field) {
    const auto& part = parts[constraint.first_slot + field];
    if (!part) return std::nullopt;
    keys.push_back(*part);
  }
  return combine(keys).key();
}

bool ModelChanges::empty() const {
  return entities_added.empty() && entities_changed.empty() && entities_removed.empty() &&
         claims_added.empty() && claims_changed.empty() && claims_removed.empty() && texts.empty();
}

void Model::load_entity(std::string name, Entity entity) {
  entities_.insert_or_assign(std::move(name), Tracked<Entity>{entity, entity});
}

void Model::load_claim(Claim claim) {
  const ClaimKey key = claim.key;
  claims_.insert_or_assign(key, Tracked<Claim>{claim, claim});
}

const Entity* Model::entity(std::string_view name) const {
  const auto found = entities_.find(name);
  return found != entities_.end() && found->second.known ? &*found->second.known : nullptr;
}

const std::string* Model::owner(ClaimKey key) const {
  const auto found = claims_.find(key);
  promise(!insists_ || found != claims_.end(), "a claim was judged that had not been loaded");
  return found != claims_.end() && found->second.known ? &found->second.known->owner : nullptr;
}

void Model::put_entity(std::string_view name, Entity entity) {
  const auto found = entities_.find(name);
  if (found != entities_.end()) {
    found->second.known = std::move(entity);
  } else {
    entities_.emplace(std::string(name), Tracked<Entity>{std::nullopt, std::move(entity)});
  }
}

void Model::remove_entity(std::string_view name) {
  const auto found = entities_.find(name);
  if (found != entities_.end()) found->second.known.reset();
}

void Model::put_claim(Claim claim) {
  const ClaimKey key = claim.key;
  claims_[key].known = std::move(claim);
}

void Model::remove_claim(ClaimKey key) {
  const auto found = claims_.find(key);
  if (found != claims_.end()) found->second.known.reset();
}

void Model::put_text(std::string_view entity, std::size_t slot, std::string text) {
  texts_.insert_or_assign({std::string(entity), slot}, std::move(text));
}

ModelChanges Model::changes() const {
  ModelChanges changes;
  for (const auto& [name, entity] : entities_) {
    if (entity.stored == entity.known) continue;
    if (!entity.known) {
      changes.entities_removed.push_back(name);
    } else if (!entity.stored) {
      changes.entities_added.emplace_back(name, *entity.known);
    } else {
      changes.entities_changed.emplace_back(name, *entity.known);
    }
  }
  changes.claim_count_deltas.resize(constraints_->size());
  for (const auto& [key, claim] : claims_) {
    if (claim.stored == claim.known) continue;
    if (!claim.known) {
      changes.claims_removed.push_back(key);
      --changes.claim_count_deltas[claim.stored->constraint];
    } else if (!claim.stored) {
      changes.claims_added.push_back(*claim.known);
      ++changes.claim_count_deltas[claim.known->constraint];
    } else {
      changes.claims_changed.push_back(*claim.known);
    }
  }
  for (const auto& [place, text] : texts_) {
    if (entity(place.first) != nullptr) {
      changes.texts.push_back({place.first, place.second, text});
    }
  }
  return changes;
}

namespace {

bool is_owned_by_another(const Model& model, ClaimKey key, std::string_view entity) {
  const std::string* owner = model.owner(key);
  return owner != nullptr && *owner != entity;
}

// The full digest of a newly wanted value. A single field's comes with the event; a compound's is
// made from the parts' keys, as wanted_key does.
ValueDigest newly_wanted_digest(const Constraint& constraint, const Event& event,
                                const PerSlot<std::optional<ClaimKey>>& parts) {
  if (constraint.fields.size() == 1) {
    for (const auto& value : event.values) {
      if (value.slot == constraint.first_slot && value.digest) return *value.digest;
    }
  }
  boost::container::small_vector<ClaimKey, 4> keys;
  for (std::size_t field = 0; field < constraint.fields.size(); ++field) {
    keys.push_back(*parts[constraint.first_slot + field]);
  }
  return combine(keys);
}

bool nothing_is_contested(const Model& model, const Verdict& verdict, std::string_view entity) {
  return std::ranges::all_of(model.constraints(), [&](const Constraint& constraint) {
    const auto wanted = wanted_key(constraint, verdict.parts);
    return !wanted || !is_owned_by_another(model, *wanted, entity);
  });
}

// Compares what the entity wants before and after, constraint by constraint (R2, R3, R7).
void judge_wants(const Model& model, const Event& event, const Entity* entity, Verdict& verdict) {
  verdict.kind = Verdict::Kind::unchanged;
  for (std::size_t index = 0; index < model.constraints().size(); ++index) {
    const Constraint& constraint = model.constraints()[index];
    const auto wanted = wanted_key(constraint, verdict.parts);
    const auto before = entity ? wanted_key(constraint, entity->parts) : std::nullopt;
    if (wanted == before) continue;
    if (verdict.kind == Verdict::Kind::unchanged) verdict.kind = Verdict::Kind::taken;
    if (!wanted || !is_owned_by_another(model, *wanted, event.entity)) continue;
    verdict.kind = Verdict::Kind::violating;
    verdict.contested.push_back(
        {index, newly_wanted_digest(constraint, event, verdict.parts), *model.owner(*wanted)});
  }
}

}  // namespace

Verdict judge(const Model& model, const Event& event) {
  Verdict verdict;
  const Entity* entity = model.entity(event.entity);
  if (event.effect == Effect::release) {
    verdict.kind = entity ? Verdict::Kind::released : Verdict::Kind::absent;
    return verdict;
  }
  if (model.was_found_violating(event.cause)) {
    verdict.kind = Verdict::Kind::redelivered;
    return verdict;
  }
  if (!entity && event.effect == Effect::change) return verdict;

  if (entity) {
    verdict.parts = entity->parts;
  } else {
    verdict.parts.resize(model.constraints().slot_count());
  }
  for (const auto& value : event.values) {
    verdict.parts[value.slot] = value.digest ? std::optional(value.digest->key()) : std::nullopt;
  }
  judge_wants(model, event, entity, verdict);
  verdict.settles = entity && entity->compensation && verdict.kind != Verdict::Kind::violating &&
                    nothing_is_contested(model, verdict, event.entity);
  return verdict;
}

namespace {

void own(Model& model, std::string_view name, std::size_t constraint,
         std::optional<ClaimKey>& owned, std::optional<ClaimKey> wanted) {
  if (owned == wanted) return;
  if (owned) model.remove_claim(*owned);
  if (wanted) model.put_claim({*wanted, constraint, std::string(name)});
  owned = wanted;
}

// Takes what changed, or with `settles` all that is wanted.
void take(Model& model, std::string_view name, const Entity& before, const Verdict& verdict,
          Entity& after) {
  for (std::size_t index = 0; index < model.constraints().size(); ++index) {
    const Constraint& constraint = model.constraints()[index];
    const auto wanted = wanted_key(constraint, verdict.parts);
    const bool changed = wanted != wanted_key(constraint, before.parts);
    if (changed || verdict.settles) own(model, name, index, after.owned[index], wanted);
  }
}

void release(Model& model, std::string_view name) {
  const Entity entity = *model.entity(name);
  for (const auto& owned : entity.owned) {
    if (owned) model.remove_claim(*owned);
  }
  model.remove_entity(name);
}

}  // namespace

void apply(Model& model, const Event& event, const Verdict& verdict,
           std::optional<CompensationId> opened) {
  switch (verdict.kind) {
    case Verdict::Kind::absent:
    case Verdict::Kind::redelivered:
      return;
    case Verdict::Kind::released:
      release(model, event.entity);
      return;
    case Verdict::Kind::unchanged:
    case Verdict::Kind::taken:
    case Verdict::Kind::violating:
      break;
  }
  const Entity* known = model.entity(event.entity);
  Entity before = known ? *known : Entity{};
  if (!known) {
    before.parts.resize(model.constraints().slot_count());
    before.owned.resize(model.constraints().size());
  }
  Entity after = before;
  if (verdict.kind != Verdict::Kind::violating) {
    take(model, event.entity, before, verdict, after);
  }
  after.parts = verdict.parts;
  if (verdict.settles) after.compensation.reset();
  if (opened) after.compensation = opened;
  if (verdict.kind == Verdict::Kind::violating) model.add_cause(event.cause);
  for (const auto& value : event.values) {
    if (value.text) model.put_text(event.entity, value.slot, *value.text);
  }
  model.put_entity(event.entity, std::move(after));
}

}  // namespace uniqd

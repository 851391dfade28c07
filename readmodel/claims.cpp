#include "readmodel/claims.hpp"

#include <algorithm>
#include <utility>

#include "readmodel/digest.hpp"

namespace uniqd {

std::optional<ClaimKey> wanted_key(const Constraint& constraint,
                                   const PerSlot<std::optional<ClaimKey>>& parts) {
  if (constraint.fields.size() == 1) return parts[constraint.first_slot];
  absl::InlinedVector<ClaimKey, 4> keys;
  for (std::size_t field = 0; field < constraint.fields.size(); ++field) {
    const auto& part = parts[constraint.first_slot + field];
    if (!part) return std::nullopt;
    keys.push_back(*part);
  }
  return combine(keys).key();
}

bool ModelChanges::empty() const {
  return entities_added.empty() && entities_changed.empty() && entities_removed.empty() &&
         claims_added.empty() && claims_changed.empty() && claims_removed.empty() &&
         contenders_added.empty() && contenders_removed.empty() && texts.empty();
}

void Model::load_entity(std::string name, const Entity& entity) {
  load_owned(name, entity);
  if (is_partial_) stored_entities_.insert_or_assign(name, entity);
  entities_.insert_or_assign(std::move(name), entity);
}

void Model::load_owned(std::string_view name, const Entity& entity) {
  for (std::size_t index = 0; index < entity.owned.size(); ++index) {
    if (entity.owned[index]) load_claim({*entity.owned[index], index, std::string(name)});
  }
}

void Model::load_claim(const Claim& claim) {
  if (is_partial_) stored_claims_.insert_or_assign(claim.key, claim);
  claims_.insert_or_assign(claim.key, KnownClaim{claim});
}

void Model::load_contenders(ClaimKey key, const std::vector<Contender>& contenders) {
  contenders_.insert_or_assign(key, KnownContenders{true, contenders, contenders});
}

bool Model::load_entity_from(const Model& before, std::string_view name) {
  const auto found = before.entities_.find(name);
  if (found == before.entities_.end()) return false;
  if (found->second) load_entity(found->first, *found->second);
  return true;
}

bool Model::load_claim_from(const Model& before, ClaimKey key) {
  const auto found = before.claims_.find(key);
  if (found == before.claims_.end()) return false;
  if (found->second.claim) load_claim(*found->second.claim);
  return true;
}

// Who came last is last, whether the store had those already or not.
void Model::catch_up_contenders(const Model& before) {
  const auto loaded = [this](ClaimKey key) {
    const auto found = contenders_.find(key);
    return found == contenders_.end() || !found->second.is_loaded ? nullptr : &found->second;
  };
  for (const auto* moved : {&before.contenders_removed_, &before.contenders_added_}) {
    for (const auto& mover : *moved) {
      if (KnownContenders* found = loaded(mover.first)) {
        std::erase_if(found->stored, [&](const auto& one) { return one.entity == mover.second; });
        found->known = found->stored;
      }
    }
  }
  for (const auto& [key, name] : before.contenders_added_) {
    if (KnownContenders* found = loaded(key)) {
      found->stored.push_back({name, std::nullopt});
      found->known = found->stored;
    }
  }
}

std::optional<Entity> Model::entity(std::string_view name) const {
  if (!is_partial_) return whole_.entity(name);
  const auto found = entities_.find(name);
  if (found != entities_.end()) return found->second;
  missing_.entities.emplace(name);
  return std::nullopt;
}

std::optional<std::string_view> Model::owner(ClaimKey key) const {
  if (!is_partial_) return whole_.owner(key);
  const auto found = claims_.find(key);
  if (found == claims_.end()) {
    missing_.claims.insert(key);
    return std::nullopt;
  }
  const auto& claim = found->second.claim;
  return claim ? std::optional<std::string_view>(claim->owner) : std::nullopt;
}

const std::vector<Contender>& Model::contenders(ClaimKey key) const {
  static const std::vector<Contender> none;
  const auto found = contenders_.find(key);
  if (is_partial_ && (found == contenders_.end() || !found->second.is_loaded)) {
    const auto claim = claims_.find(key);
    if (claim == claims_.end() || !claim->second.is_unheard_of) missing_.contended.insert(key);
  }
  return found == contenders_.end() ? none : found->second.known;
}

void Model::prefetch(const Event& event) const {
  const auto fetch = [&event](const auto& entities, const auto& claims) {
    entities.prefetch(event.entity);
    for (const CarriedValue& value : event.values) {
      if (value.digest) claims.prefetch(value.digest->key());
    }
  };
  if (is_partial_) {
    fetch(entities_, claims_);
  } else {
    fetch(whole_, whole_);
  }
}

void Model::put_entity(std::string_view name, Entity entity) {
  if (!is_partial_) {
    const auto before = whole_.put_entity(name, entity);
    return contend(name, before ? &*before : nullptr, &entity);
  }
  auto found = entities_.find(name);
  if (found == entities_.end()) found = entities_.try_emplace(std::string(name)).first;
  const std::optional<Entity> before = std::exchange(found->second, std::move(entity));
  contend(name, before ? &*before : nullptr, &*found->second);
}

void Model::remove_entity(std::string_view name) {
  std::optional<Entity> before;
  if (!is_partial_) {
    before = whole_.remove_entity(name);
  } else if (const auto found = entities_.find(name); found != entities_.end()) {
    before = std::exchange(found->second, std::nullopt);
    left_.emplace_back(name);
  }
  if (before) contend(name, &*before, nullptr);
  if (texts_.empty()) return;
  const auto first = texts_.lower_bound({std::string(name), 0});
  const auto last =
      std::find_if(first, texts_.end(), [&](const auto& text) { return text.first.first != name; });
  texts_.erase(first, last);
}

void Model::put_claim(Claim claim) {
  if (!is_partial_) return whole_.put_claim(claim.key, claim.owner);
  const ClaimKey key = claim.key;
  claims_[key].claim = std::move(claim);
}

void Model::remove_claim(ClaimKey key) {
  if (!is_partial_) return whole_.remove_claim(key);
  const auto found = claims_.find(key);
  if (found != claims_.end()) {
    found->second.claim.reset();
  } else {
    missing_.claims.insert(key);
  }
}

namespace {

// What the entity wants and does not own; in the order of the constraints.
FreedKeys unowned(const ConstraintSet& constraints, const Entity* entity) {
  FreedKeys keys;
  if (!entity || !entity->compensation) return keys;
  for (std::size_t index = 0; index < constraints.size(); ++index) {
    const auto wanted = wanted_key(constraints[index], entity->parts);
    if (wanted && wanted != entity->owned[index]) keys.push_back(*wanted);
  }
  return keys;
}

bool contains(const FreedKeys& keys, ClaimKey key) {
  return std::ranges::find(keys, key) != keys.end();
}

}  // namespace

void Model::contend(std::string_view name, const Entity* before, const Entity* after) {
  const FreedKeys was = unowned(*constraints_, before);
  const FreedKeys is = unowned(*constraints_, after);
  for (const ClaimKey key : was) {
    if (!contains(is, key)) withdraw(key, name);
  }
  for (const ClaimKey key : is) {
    if (contains(was, key)) continue;
    contenders_[key].known.push_back({std::string(name), std::nullopt});
    if (is_partial_) contenders_added_.emplace_back(key, name);
  }
}

void Model::withdraw(ClaimKey key, std::string_view name) {
  auto& known = contenders_[key].known;
  std::erase_if(known, [&](const Contender& contender) { return contender.entity == name; });
  if (!is_partial_) {
    if (known.empty()) contenders_.erase(key);
    return;
  }
  const auto added = std::ranges::find_if(contenders_added_, [&](const auto& contender) {
    return contender.first == key && contender.second == name;
  });
  if (added != contenders_added_.end()) {
    contenders_added_.erase(added);
  } else {
    contenders_removed_.emplace_back(key, name);
  }
}

void Model::put_text(std::string_view entity, std::size_t slot, std::string text) {
  texts_.insert_or_assign({std::string(entity), slot}, std::move(text));
}

namespace {

// Of a map, what is there; nothing where it is not.
template <class Map, class Key>
const typename Map::mapped_type* find_in(const Map& map, const Key& key) {
  const auto found = map.find(key);
  return found == map.end() ? nullptr : &found->second;
}

template <class T>
std::optional<T> copy_of(const T* value) {
  return value ? std::optional(*value) : std::nullopt;
}

}  // namespace

void Model::reset() {
  // The fold may have put something there all the same.
  for (const std::string& name : missing_.entities) entities_.erase(name);
  for (const ClaimKey key : missing_.claims) claims_.erase(key);
  for (auto& [name, entity] : entities_) entity = copy_of(find_in(stored_entities_, name));
  for (auto& [key, known] : claims_) known.claim = copy_of(find_in(stored_claims_, key));
  for (auto& [key, contenders] : contenders_) contenders.known = contenders.stored;
  contenders_added_.clear();
  contenders_removed_.clear();
  causes_.clear();
  left_.clear();
  texts_.clear();
  missing_.clear();
}

ModelChanges Model::changes() const {
  ModelChanges changes;
  changes.entities_added.reserve(entities_.size());
  changes.claims_added.reserve(claims_.size());
  for (const auto& [name, entity] : entities_) {
    const Entity* stored = find_in(stored_entities_, name);
    if (!entity && stored) {
      changes.entities_removed.push_back(name);
    } else if (entity && !stored) {
      changes.entities_added.emplace_back(name, *entity);
    } else if (entity && *entity != *stored) {
      changes.entities_changed.emplace_back(name, *entity);
    }
  }
  for (const std::string& name : left_) {
    if (entity(name) && find_in(stored_entities_, name)) changes.entities_returned.push_back(name);
  }
  changes.claim_count_deltas.resize(constraints_->size());
  for (const auto& [key, known] : claims_) {
    const Claim* stored = find_in(stored_claims_, key);
    if (!known.claim && stored) {
      changes.claims_removed.push_back(key);
      --changes.claim_count_deltas[stored->constraint];
    } else if (known.claim && !stored) {
      changes.claims_added.push_back(*known.claim);
      ++changes.claim_count_deltas[known.claim->constraint];
    } else if (known.claim && *known.claim != *stored) {
      changes.claims_changed.push_back(*known.claim);
    }
  }
  changes.contenders_added = contenders_added_;
  changes.contenders_removed = contenders_removed_;
  for (const auto& [place, text] : texts_) {
    if (entity(place.first)) changes.texts.push_back({place.first, place.second, text});
  }
  return changes;
}

void Model::visit_texts(const std::function<void(const ModelChanges::Text&)>& take) const {
  for (const auto& [place, text] : texts_) {
    if (entity(place.first)) take({place.first, place.second, text});
  }
}

void Model::visit_entities(const std::function<void(std::string_view, const Entity&)>& take) const {
  whole_.visit(take);
}

void Model::visit_claims(const std::function<void(const Claim&)>& take) const {
  Claim claim;
  whole_.visit([&](std::string_view name, const Entity& entity) {
    claim.owner = name;
    for (claim.constraint = 0; claim.constraint < entity.owned.size(); ++claim.constraint) {
      if (!entity.owned[claim.constraint]) continue;
      claim.key = *entity.owned[claim.constraint];
      take(claim);
    }
  });
}

void Model::visit_contenders(const std::function<void(ClaimKey, const std::string&)>& take) const {
  for (const auto& [key, contenders] : contenders_) {
    for (const Contender& contender : contenders.known) take(key, contender.entity);
  }
}

namespace {

bool is_owned_by_another(const Model& model, ClaimKey key, std::string_view entity) {
  const auto owner = model.owner(key);
  return owner && *owner != entity;
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
  absl::InlinedVector<ClaimKey, 4> keys;
  for (std::size_t field = 0; field < constraint.fields.size(); ++field) {
    keys.push_back(*parts[constraint.first_slot + field]);
  }
  return combine(keys);
}

bool nothing_is_contested(const Model& model, const PerSlot<std::optional<ClaimKey>>& parts,
                          std::string_view entity) {
  return std::ranges::all_of(model.constraints(), [&](const Constraint& constraint) {
    const auto wanted = wanted_key(constraint, parts);
    return !wanted || !is_owned_by_another(model, *wanted, entity);
  });
}

// Compares what the entity wants before and after, constraint by constraint (R2, R3, R7).
void judge_wants(const Model& model, const Event& event, Verdict& verdict) {
  verdict.kind = Verdict::Kind::unchanged;
  for (std::size_t index = 0; index < model.constraints().size(); ++index) {
    const Constraint& constraint = model.constraints()[index];
    const auto wanted = wanted_key(constraint, verdict.parts);
    const auto before =
        verdict.before ? wanted_key(constraint, verdict.before->parts) : std::nullopt;
    if (wanted == before) continue;
    if (verdict.kind == Verdict::Kind::unchanged) verdict.kind = Verdict::Kind::taken;
    if (!wanted || !is_owned_by_another(model, *wanted, event.entity)) continue;
    verdict.kind = Verdict::Kind::violating;
    verdict.contested.push_back({index, newly_wanted_digest(constraint, event, verdict.parts),
                                 std::string(*model.owner(*wanted))});
  }
}

}  // namespace

Verdict judge(const Model& model, const Event& event) {
  Verdict verdict;
  verdict.before = model.entity(event.entity);
  const auto& entity = verdict.before;
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
  judge_wants(model, event, verdict);
  verdict.settles = entity && entity->compensation && verdict.kind != Verdict::Kind::violating &&
                    nothing_is_contested(model, verdict.parts, event.entity);
  return verdict;
}

namespace {

void own(Model& model, std::string_view name, std::size_t constraint,
         std::optional<ClaimKey>& owned, std::optional<ClaimKey> wanted, FreedKeys& freed) {
  if (owned == wanted) return;
  if (owned) {
    model.remove_claim(*owned);
    freed.push_back(*owned);
  }
  if (wanted) model.put_claim({*wanted, constraint, std::string(name)});
  owned = wanted;
}

FreedKeys release(Model& model, std::string_view name, const Entity& entity) {
  FreedKeys freed;
  for (const auto& owned : entity.owned) {
    if (owned) freed.push_back(*owned);
  }
  for (const ClaimKey key : freed) model.remove_claim(key);
  model.remove_entity(name);
  return freed;
}

Entity unknown_entity(const ConstraintSet& constraints) {
  Entity entity;
  entity.parts.resize(constraints.slot_count());
  entity.owned.resize(constraints.size());
  return entity;
}

// The entity of a claim or change event, whose wants are remembered in any case; what changed is
// taken unless something of it is contested, and with `settles` all that is wanted.
FreedKeys apply_wants(Model& model, const Event& event, const Verdict& verdict,
                      std::optional<CompensationId> opened) {
  const Entity before = verdict.before ? *verdict.before : unknown_entity(model.constraints());
  Entity after = before;
  FreedKeys freed;
  for (std::size_t index = 0; index < model.constraints().size(); ++index) {
    if (verdict.kind == Verdict::Kind::violating) break;
    const Constraint& constraint = model.constraints()[index];
    const auto wanted = wanted_key(constraint, verdict.parts);
    const bool changed = wanted != wanted_key(constraint, before.parts);
    if (!changed && !verdict.settles) continue;
    own(model, event.entity, index, after.owned[index], wanted, freed);
  }
  after.parts = verdict.parts;
  if (verdict.settles) after.compensation.reset();
  if (opened) after.compensation = opened;
  model.put_entity(event.entity, std::move(after));
  return freed;
}

}  // namespace

bool nothing_is_contested(const Model& model, std::string_view name) {
  return nothing_is_contested(model, model.entity(name)->parts, name);
}

FreedKeys take_all(Model& model, std::string_view name) {
  Entity after = *model.entity(name);
  FreedKeys freed;
  for (std::size_t index = 0; index < model.constraints().size(); ++index) {
    const auto wanted = wanted_key(model.constraints()[index], after.parts);
    own(model, name, index, after.owned[index], wanted, freed);
  }
  after.compensation.reset();
  model.put_entity(name, std::move(after));
  return freed;
}

FreedKeys apply(Model& model, const Event& event, const Verdict& verdict,
                std::optional<CompensationId> opened) {
  switch (verdict.kind) {
    case Verdict::Kind::absent:
    case Verdict::Kind::redelivered:
      return {};
    case Verdict::Kind::released:
      return release(model, event.entity, *verdict.before);
    case Verdict::Kind::unchanged:
    case Verdict::Kind::taken:
    case Verdict::Kind::violating:
      break;
  }
  FreedKeys freed = apply_wants(model, event, verdict, opened);
  if (verdict.kind == Verdict::Kind::violating) model.add_cause(event.cause);
  for (const auto& value : event.values) {
    if (value.text) model.put_text(event.entity, value.slot, *value.text);
  }
  return freed;
}

}  // namespace uniqd

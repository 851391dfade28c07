#pragma once
// claims.hpp - what is known: which entities are present, what they want, who owns what; and the
// two pure steps of the fold over it, judge and apply. The rules R1..R12 are those of the README.

#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "readmodel/entity.hpp"
#include "readmodel/event.hpp"
#include "readmodel/holdings.hpp"
#include "readmodel/identifiers.hpp"
#include "readmodel/rules.hpp"

namespace uniqd {

// (constraint, value) held by one entity, its owner.
struct Claim {
  ClaimKey key;
  std::size_t constraint = 0;
  std::string owner;

  bool operator==(const Claim&) const = default;
};

// An entity that wants a value and does not own it.
struct Contender {
  std::string entity;
  // The place in the order in which they came to want it; smaller is earlier. Given by the store;
  // nothing for one that the store has not seen yet, which is later than all that have one.
  std::optional<std::int64_t> ordinal;

  bool operator==(const Contender&) const = default;
};

// What the fold asked for and had not been loaded. All of it must be loaded before its result
// counts.
struct Missing {
  absl::flat_hash_set<std::string> entities;
  absl::flat_hash_set<ClaimKey, std::hash<ClaimKey>> claims;
  absl::flat_hash_set<ClaimKey, std::hash<ClaimKey>> contended;  // whose contenders

  [[nodiscard]] bool empty() const {
    return entities.empty() && claims.empty() && contended.empty();
  }
  void clear() { *this = {}; }
};

// The difference between what was loaded and what is known now: what has to be stored.
// Every entity and key occurs at most once in the whole struct.
struct ModelChanges {
  struct Text {
    std::string entity;
    std::size_t slot = 0;
    std::string text;
  };
  std::vector<std::pair<std::string, Entity>> entities_added;
  std::vector<std::pair<std::string, Entity>> entities_changed;
  std::vector<std::string> entities_removed;
  std::vector<std::string> entities_returned;  // they left, and are there again
  std::vector<Claim> claims_added;
  std::vector<Claim> claims_changed;  // with the new owner
  std::vector<ClaimKey> claims_removed;
  std::vector<std::int64_t> claim_count_deltas;  // by constraint
  // Who came to want a value without owning it, in that order; and who no longer does.
  std::vector<std::pair<ClaimKey, std::string>> contenders_added;
  std::vector<std::pair<ClaimKey, std::string>> contenders_removed;
  std::vector<Text> texts;  // ValueForm::plain only; empty text: the entity lacks the value

  [[nodiscard]] bool empty() const;
};

// A working set of the read model.
//
// Either complete: what is not in it is absent, and changes() has no meaning. Or partial: what is
// neither loaded nor put counts as absent too, but asking for it is noted in missing(), and the
// answer must be thrown away: load what is missing, reset(), and fold again. Thread safety: none.
class Model {
 public:
  // `constraints` must outlive the model. A model is complete until set_partial().
  explicit Model(const ConstraintSet& constraints)
      : constraints_(&constraints), whole_(constraints) {}

  [[nodiscard]] const ConstraintSet& constraints() const { return *constraints_; }

  // What the store has. Loading is not a change; loading the same again neither. REQUIRES of all
  // that loads: set_partial() before.
  void set_partial() { is_partial_ = true; }
  // Makes room for a batch of so many events.
  void reserve(std::size_t events) {
    entities_.reserve(events);
    claims_.reserve(events * constraints_->size());
  }
  void load_entity(std::string name, const Entity& entity);  // with the claims it owns
  void load_claim(const Claim& claim);
  void load_cause(CompensationId cause) { stored_causes_.insert(cause); }
  // All contenders for a key, in their order.
  void load_contenders(ClaimKey key, const std::vector<Contender>& contenders);
  // The store was asked and has none.
  void load_no_entity(std::string_view name) { entities_.try_emplace(name); }
  void load_no_claim(ClaimKey key) { claims_.try_emplace(key); }
  // Nobody ever had the key, nor wanted it.
  void load_unheard_of(ClaimKey key) {
    claims_.try_emplace(key).first->second.is_unheard_of = true;
  }
  void load_no_contenders(ClaimKey key) { contenders_[key].is_loaded = true; }
  // As the model `before` has it, whose changes the store is about to have, or has by now. False:
  // there is nothing of it in there, so that the store has it either way.
  bool load_entity_from(const Model& before, std::string_view name);
  bool load_claim_from(const Model& before, ClaimKey key);
  // The store may have been asked before those changes, or after them.
  void catch_up_contenders(const Model& before);

  // REQUIRES: nothing put or removed.
  [[nodiscard]] bool has_loaded_claim(ClaimKey key) const { return claims_.contains(key); }

  // Nothing where absent. What is referred to is good until the next mutation.
  [[nodiscard]] std::optional<Entity> entity(std::string_view name) const;
  [[nodiscard]] std::optional<std::string_view> owner(ClaimKey key) const;
  [[nodiscard]] const std::vector<Contender>& contenders(ClaimKey key) const;
  // True for an event that has already been found in violation (R2).
  [[nodiscard]] bool was_found_violating(CompensationId cause) const {
    return stored_causes_.contains(cause) || causes_.contains(cause);
  }

  // Has the CPU fetch from memory what the event will be judged by: its entity, and who owns its
  // single values. Changes nothing else.
  void prefetch(const Event& event) const;

  void put_entity(std::string_view name, Entity entity);
  void remove_entity(std::string_view name);
  void put_claim(Claim claim);
  void remove_claim(ClaimKey key);
  void add_cause(CompensationId cause) { causes_.insert(cause); }
  void put_text(std::string_view entity, std::size_t slot, std::string text);

  // What was asked for in vain since the last reset.
  [[nodiscard]] const Missing& missing() const { return missing_; }
  // Back to what was loaded.
  void reset();

  [[nodiscard]] ModelChanges changes() const;

  // Hand out what a complete model knows, part by part; of each key the contenders in their order.
  // May be called on several threads at once.
  void visit_texts(const std::function<void(const ModelChanges::Text&)>& take) const;
  void visit_entities(const std::function<void(std::string_view, const Entity&)>& take) const;
  void visit_claims(const std::function<void(const Claim&)>& take) const;
  void visit_contenders(const std::function<void(ClaimKey, const std::string&)>& take) const;

 private:
  struct KnownClaim {
    std::optional<Claim> claim;  // none: it is free
    bool is_unheard_of = false;  // by the store
  };
  struct KnownContenders {
    bool is_loaded = false;
    std::vector<Contender> stored;
    std::vector<Contender> known;
  };
  struct StringHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return hash_of(text); }
  };
  template <class T>
  using ByName = absl::flat_hash_map<std::string, T, StringHash, std::equal_to<>>;
  template <class T>
  using ByKey = absl::flat_hash_map<ClaimKey, T, std::hash<ClaimKey>>;

  void load_owned(std::string_view name, const Entity& entity);
  // Keeps the lists of contenders in step with an entity that changes.
  void contend(std::string_view name, const Entity* before, const Entity* after);
  void withdraw(ClaimKey key, std::string_view name);

  const ConstraintSet* constraints_;
  bool is_partial_ = false;
  // Of a complete model, the entities and claims.
  Holdings whole_;
  // Of a partial one: what is known now, and what was loaded.
  ByName<std::optional<Entity>> entities_;
  ByName<Entity> stored_entities_;
  ByKey<KnownClaim> claims_;
  ByKey<Claim> stored_claims_;
  // May hold additions to a key whose stored contenders were not loaded: adding needs no knowledge
  // of the others.
  ByKey<KnownContenders> contenders_;
  std::vector<std::pair<ClaimKey, std::string>> contenders_added_;
  std::vector<std::pair<ClaimKey, std::string>> contenders_removed_;
  absl::flat_hash_set<CompensationId, std::hash<CompensationId>> stored_causes_;
  absl::flat_hash_set<CompensationId, std::hash<CompensationId>> causes_;
  std::vector<std::string> left_;  // of a partial one: were removed, whatever became of them
  std::map<std::pair<std::string, std::size_t>, std::string> texts_;  // by entity and slot
  mutable Missing missing_;
};

// A value the event newly wants and another entity owns.
struct Contested {
  std::size_t constraint = 0;
  ValueDigest value;
  std::string owner;
};

// What an event means against what is known. `apply` needs nothing else.
struct Verdict {
  enum class Kind : std::uint8_t {
    absent,       // a change or release of an entity that is not present: counted, ignored
    redelivered,  // an event already found in violation: changes nothing
    released,     // the entity leaves
    unchanged,    // wants nothing other than before
    taken,        // all that it newly wants is free, or its own
    violating,    // something that it newly wants is owned by another
  };
  Kind kind = Kind::absent;
  std::optional<Entity> before;      // the entity as it is known; nothing where it is not present
  std::vector<Contested> contested;  // only with `violating`, in the order of the constraints
  // An open compensation of the entity has nothing contested left: it takes all it wants (R8).
  bool settles = false;
  // What is known of the entity's fields after the event.
  PerSlot<std::optional<ClaimKey>> parts;
};

// Judges one event (R1..R8, R10). Pure; the model is not changed.
[[nodiscard]] Verdict judge(const Model& model, const Event& event);

// Keys that had an owner and have none now, in the order in which they became free.
using FreedKeys = std::vector<ClaimKey>;

// Makes the model know the event. REQUIRES: `verdict` is judge(model, event), nothing in between.
// With `opened`, the violating entity's open compensation is `*opened`. Returns what became free.
FreedKeys apply(Model& model, const Event& event, const Verdict& verdict,
                std::optional<CompensationId> opened);

// Whether all that a present entity wants is free or its own.
[[nodiscard]] bool nothing_is_contested(const Model& model, std::string_view name);

// The entity takes all that it wants and has no open compensation any more (R8, R9). Returns what
// became free. REQUIRES: nothing_is_contested().
FreedKeys take_all(Model& model, std::string_view name);

}  // namespace uniqd

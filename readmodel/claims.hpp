#pragma once
// claims.hpp - what is known: which entities are present, what they want, who owns what; and the
// two pure steps of the fold over it, judge and apply. The rules R1..R12 are those of the README.

#include <boost/container/small_vector.hpp>
#include <boost/unordered/unordered_flat_map.hpp>
#include <boost/unordered/unordered_flat_set.hpp>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "readmodel/event.hpp"
#include "readmodel/identifiers.hpp"
#include "readmodel/rules.hpp"

namespace uniqd {

template <class T>
using PerSlot = boost::container::small_vector<T, 2>;

// One present entity. Invariant: `compensation` is set exactly while the entity wants something
// that it does not own.
struct Entity {
  PerSlot<std::optional<ClaimKey>> parts;      // by slot: the last known value of each field
  PerSlot<std::optional<ClaimKey>> owned;      // by constraint: the key it owns, if any
  std::optional<CompensationId> compensation;  // the open one

  bool operator==(const Entity&) const = default;
};

// What `parts` ask for under `constraint`; nothing where a field is missing (R6).
[[nodiscard]] std::optional<ClaimKey> wanted_key(const Constraint& constraint,
                                                 const PerSlot<std::optional<ClaimKey>>& parts);

// (constraint, value) held by one entity, its owner.
struct Claim {
  ClaimKey key;
  std::size_t constraint = 0;
  std::string owner;

  bool operator==(const Claim&) const = default;
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
  std::vector<Claim> claims_added;
  std::vector<Claim> claims_changed;  // with the new owner
  std::vector<ClaimKey> claims_removed;
  std::vector<std::int64_t> claim_count_deltas;  // by constraint
  std::vector<Text> texts;  // ValueForm::plain only; empty text: the entity lacks the value

  [[nodiscard]] bool empty() const;
};

// A working set of the read model. What is not in it counts as absent, so all that a batch
// touches must be loaded before the first event is judged. Thread safety: none.
class Model {
 public:
  // `constraints` must outlive the model.
  explicit Model(const ConstraintSet& constraints) : constraints_(&constraints) {}

  [[nodiscard]] const ConstraintSet& constraints() const { return *constraints_; }

  // What the store has. Loading is not a change. REQUIRES: each loaded at most once.
  void load_entity(std::string name, Entity entity);
  void load_claim(Claim claim);
  // The store was asked, nobody owns it. A later load_claim() of the same key overrides this.
  void load_absent(ClaimKey key) { claims_.try_emplace(key); }
  void load_cause(CompensationId cause) { causes_.insert(cause); }
  // From now on asking for a key that was neither loaded nor put is a broken promise.
  void insist_on_loading() { insists_ = true; }

  // Null where absent. Pointers are good until the next mutation.
  [[nodiscard]] const Entity* entity(std::string_view name) const;
  [[nodiscard]] const std::string* owner(ClaimKey key) const;
  // True for an event that has already been found in violation (R2).
  [[nodiscard]] bool was_found_violating(CompensationId cause) const {
    return causes_.contains(cause);
  }

  void put_entity(std::string_view name, Entity entity);
  void remove_entity(std::string_view name);
  void put_claim(Claim claim);
  void remove_claim(ClaimKey key);
  void add_cause(CompensationId cause) { causes_.insert(cause); }
  void put_text(std::string_view entity, std::size_t slot, std::string text);

  [[nodiscard]] ModelChanges changes() const;

 private:
  struct StringHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>{}(text);
    }
  };
  template <class T>
  struct Tracked {
    std::optional<T> stored;
    std::optional<T> known;
  };
  template <class T>
  using ByName = boost::unordered_flat_map<std::string, T, StringHash, std::equal_to<>>;

  const ConstraintSet* constraints_;
  ByName<Tracked<Entity>> entities_;
  boost::unordered_flat_map<ClaimKey, Tracked<Claim>, std::hash<ClaimKey>> claims_;
  boost::unordered_flat_set<CompensationId, std::hash<CompensationId>> causes_;
  std::map<std::pair<std::string, std::size_t>, std::string> texts_;  // by entity and slot
  bool insists_ = false;
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
  std::vector<Contested> contested;  // only with `violating`, in the order of the constraints
  // An open compensation of the entity has nothing contested left: it takes all it wants (R8).
  bool settles = false;
  // What is known of the entity's fields after the event.
  PerSlot<std::optional<ClaimKey>> parts;
};

// Judges one event (R1..R8, R10). Pure; the model is not changed.
[[nodiscard]] Verdict judge(const Model& model, const Event& event);

// Makes the model know the event. REQUIRES: `verdict` is judge(model, event), nothing in between.
// With `opened`, the violating entity's open compensation is `*opened`.
void apply(Model& model, const Event& event, const Verdict& verdict,
           std::optional<CompensationId> opened);

}  // namespace uniqd

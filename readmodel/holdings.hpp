#pragma once
// holdings.hpp - all entities that are present and what each owns, in little memory.

#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>
#include <absl/container/node_hash_map.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "readmodel/entity.hpp"
#include "readmodel/rules.hpp"

namespace uniqd {

// What a complete Model knows of entities and claims: a whole topic's, so it is memory that bounds
// it, and waiting for memory that takes its time. Nearly every entity owns just what it wants; of
// such a one there are its name and the keys of its values, in one allocation of just their size,
// and the claims refer to it. An entity with one value and a UUID for a name takes 110 to 160
// bytes with its claim, by how full the hash tables are.
//
// Thread safety: none, but for visits beside each other.
class Holdings {
 public:
  // `constraints` must outlive it.
  explicit Holdings(const ConstraintSet& constraints);
  Holdings(const Holdings& other);
  Holdings(Holdings&&) noexcept = default;
  Holdings& operator=(const Holdings&) = delete;
  Holdings& operator=(Holdings&&) noexcept = default;
  ~Holdings() = default;

  [[nodiscard]] std::optional<Entity> entity(std::string_view name) const;
  // Good until the owner leaves.
  [[nodiscard]] std::optional<std::string_view> owner(ClaimKey key) const;

  // Has the CPU fetch from memory what tells whether it is there.
  void prefetch(std::string_view name) const { entities_.prefetch(name); }
  void prefetch(ClaimKey key) const { claims_.prefetch(key); }

  // Both return what was there before. REQUIRES: the entity's invariant holds.
  std::optional<Entity> put_entity(std::string_view name, const Entity& entity);
  // REQUIRES: it owns nothing any more.
  std::optional<Entity> remove_entity(std::string_view name);
  // The owner may be put after it.
  void put_claim(ClaimKey key, std::string_view owner);
  void remove_claim(ClaimKey key) { claims_.erase(key); }

  // All that are present, in no order.
  void visit(const std::function<void(std::string_view name, const Entity&)>& take) const;

 private:
  class Holder;
  struct Free {
    void operator()(Holder* holder) const noexcept;
  };
  // With its hash, so that a growing table need not look into memory for each name.
  struct Known {
    std::size_t hash;
    std::unique_ptr<Holder, Free> holder;
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(const Known& known) const { return known.hash; }
    std::size_t operator()(std::string_view name) const { return hash_of(name); }
  };
  struct Same {
    using is_transparent = void;
    bool operator()(const Known& one, const Known& other) const {
      return one.holder == other.holder;
    }
    bool operator()(const Known& known, std::string_view name) const;
  };

  Holder& find_or_add(std::string_view name);
  [[nodiscard]] std::optional<Entity> read(const Holder& holder) const;

  const ConstraintSet* constraints_;
  std::vector<std::size_t> compound_;  // the constraints of several fields
  absl::flat_hash_set<Known, Hash, Same> entities_;
  absl::flat_hash_map<ClaimKey, const Holder*, std::hash<ClaimKey>> claims_;
  // Those with a compensation, who own something other than what they want, or less.
  absl::node_hash_map<const Holder*, Entity> wanting_;
};

}  // namespace uniqd

#pragma once
// entity.hpp - one entity: what it wants, what it owns.

#include <absl/container/inlined_vector.h>
#include <absl/hash/hash.h>
#include <absl/strings/string_view.h>

#include <optional>
#include <string_view>

#include "readmodel/identifiers.hpp"
#include "readmodel/rules.hpp"

namespace uniqd {

template <class T>
using PerSlot = absl::InlinedVector<T, 2>;

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

// Of a name. Abseil may be built with a string_view of its own, and then takes the slow way with
// others.
[[nodiscard]] inline std::size_t hash_of(std::string_view name) {
  return absl::Hash<absl::string_view>{}({name.data(), name.size()});
}

}  // namespace uniqd

#pragma once
// entity_codec.hpp - an entity's fields and claims as the bytes of one column. Pure.
//
//   state := version(1 byte = 1) part{slot_count} owned{constraint_count}
//   part  := 0 | 1 key(16)
//   owned := 0 | 1 (what it wants) | 2 key(16)
//
// The order of slots and constraints is the configuration's; the fingerprint guards it.

#include <optional>
#include <string>
#include <string_view>

#include "readmodel/claims.hpp"

namespace uniqd {

[[nodiscard]] std::string encode_entity(const Entity& entity, const ConstraintSet& constraints);

// The entity without its compensation, which has a column of its own. Nothing where the bytes are
// not the encoding of an entity under these constraints.
[[nodiscard]] std::optional<Entity> decode_entity(std::string_view state,
                                                  const ConstraintSet& constraints);

}  // namespace uniqd

#pragma once
// needs.hpp - what a batch will ask of the read model, as far as that can be told before. Pure.

#include <string_view>
#include <vector>

#include "readmodel/claims.hpp"
#include "readmodel/event.hpp"

namespace uniqd {

// The keys of the values that the events carry.
[[nodiscard]] std::vector<ClaimKey> keys_carried_by(const std::vector<Event>& events);

// What `events` will ask about beyond those, given their entities in `model`: a first guess. What
// it leaves out (compound values, mostly) the model will report as missing.
struct Needs {
  std::vector<ClaimKey> claims;               // who owns them
  std::vector<ClaimKey> contended;            // who wants them, as they may become free
  std::vector<CompensationId> compensations;  // the open ones of the events' entities
};
[[nodiscard]] Needs needs_of(const std::vector<Event>& events, const Model& model);

// The open compensations of these entities.
[[nodiscard]] std::vector<CompensationId> compensations_of(
    const std::vector<std::string_view>& entities, const Model& model);

// The keys that these entities want, as far as they are in `model`.
[[nodiscard]] std::vector<ClaimKey> keys_wanted_by(const std::vector<std::string_view>& entities,
                                                   const Model& model);

}  // namespace uniqd

#pragma once
// users_rules.hpp - the rules that everything here is measured under: one constraint, email, whose
// violations send DeactivateUser. As the daemon's configuration has them, for code in this process.

#include <string>

#include "commands/decide.hpp"
#include "readmodel/decode_event.hpp"
#include "readmodel/rules.hpp"

namespace uniqd::bench {

// The constraint's number in the read model is 0, and so is its only slot.
[[nodiscard]] const ConstraintSet& users_constraints();
[[nodiscard]] Policy users_policy();
// `key` is that of the values' HMAC.
[[nodiscard]] DecoderOptions users_decoding(const std::string& key);

inline constexpr const char* violation_reason = "There is already a user with this email address.";

}  // namespace uniqd::bench

#pragma once

#include <string>
#include <string_view>
#include <variant>

#include "config/checks.hpp"
#include "config/surroundings.hpp"

namespace uniqd::settings {

// Puts environment variables into a text: `${NAME}`, `${NAME:-default}` (the default also where the
// variable is empty), `$$` for a literal dollar. Any other '$' stays as it is, so "$ce-users" does.
// A default ends at the first '}' and is taken as it stands. A variable's value is not looked
// through again. Fails for a variable that is not set and has no default, and for a `${` that is
// not closed or holds no variable's name. The complaint shows nothing but the name.
std::variant<std::string, Complaint> interpolate(std::string_view text,
                                                 const Surroundings& surroundings);

// The text that interpolate() turns into `text`.
std::string escape_dollars(std::string_view text);

}  // namespace uniqd::settings

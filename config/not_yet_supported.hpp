#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace uniqd::settings {

// What the configuration can say and the daemon cannot do yet. Such a setting is refused, never
// ignored; once it is built, its line in the table goes and nothing else has to change.
//
// Answers the remedy if `key` (dotted path, list items as name[0]) may not have this value.
std::optional<std::string> not_yet_supported(std::string_view key, std::string_view value);

}  // namespace uniqd::settings

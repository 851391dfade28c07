#pragma once
// resume.hpp - what ending a pause came to, for people and programs. Pure.

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "commands/safety_store.hpp"

namespace uniqd {

[[nodiscard]] nlohmann::ordered_json resumed_json(const Resumed& resumed);
// Ends with a line feed.
[[nodiscard]] std::string resumed_text(const Resumed& resumed);

}  // namespace uniqd

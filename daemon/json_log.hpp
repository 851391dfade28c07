#pragma once
// json_log.hpp - log lines as JSON objects.

#include <spdlog/formatter.h>

#include <memory>

namespace uniqd {

// One object a line: time (RFC 3339, UTC), level, message.
[[nodiscard]] std::unique_ptr<spdlog::formatter> make_json_formatter();

}  // namespace uniqd

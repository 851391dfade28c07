#pragma once
// run_deadletters.hpp - `uniqd deadletters`: what could not be understood, and what to do about it.
// Each returns the exit code. Answers go to stdout, complaints to stderr.

#include <cstdint>
#include <string>

#include "config/settings.hpp"

namespace uniqd {

// `state` empty: all; the latest first.
[[nodiscard]] int run_deadletters_list(const Settings& settings, const std::string& state,
                                       std::size_t limit, bool as_json);
// Also reads the record from the topic, where it is still there: would it be an event today?
[[nodiscard]] int run_deadletters_show(const Settings& settings, std::int64_t id, bool as_json);
// Judges it, if it is an event today; what came after it of the same entity is judged again.
[[nodiscard]] int run_deadletters_retry(const Settings& settings, std::int64_t id, bool as_json);
[[nodiscard]] int run_deadletters_drop(const Settings& settings, std::int64_t id, bool as_json);

}  // namespace uniqd

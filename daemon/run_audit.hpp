#pragma once
// run_audit.hpp - `uniqd audit`.

#include <cstdint>

#include "config/settings.hpp"

namespace uniqd {

// Reads the whole topic and prints every violation, then the counts; with `as_json` as JSON lines,
// the summary last. Gives up with an error where more than `memory_max_mib` would be needed.
// Returns the exit code. REQUIRES: the only thread of the process.
[[nodiscard]] int run_audit(const Settings& settings, bool as_json, std::uint64_t memory_max_mib);

}  // namespace uniqd

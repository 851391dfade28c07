#pragma once
// status.hpp - how things stand, for people and programs.

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "config/settings.hpp"
#include "readmodel/overview.hpp"

namespace uniqd {

// The end of each partition of the source topic; empty where the broker does not answer in time.
using PartitionEnds = std::map<Partition, Offset>;

// Asks the broker; takes at most about `timeout_ms`. Does not throw for failures of the world.
[[nodiscard]] PartitionEnds ask_for_ends(const Settings& settings, int timeout_ms);

[[nodiscard]] nlohmann::ordered_json status_json(const Settings& settings, const Overview& overview,
                                                 const PartitionEnds& ends);
// The same as a table; ends with a line feed.
[[nodiscard]] std::string status_text(const Settings& settings, const Overview& overview,
                                      const PartitionEnds& ends);

}  // namespace uniqd

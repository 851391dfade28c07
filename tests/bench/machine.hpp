#pragma once
// machine.hpp - what was measured on, and with.

#include <nlohmann/json.hpp>

namespace uniqd::bench {

// Sets the servers up for the work where they are ours (services.sh made them): PostgreSQL gets
// memory and rare checkpoints. fsync stays on. Restarts it.
void prepare_servers();

// CPU, cores, memory, how long the disk takes to make 8 KiB durable; versions; the server's
// settings that matter.
[[nodiscard]] nlohmann::ordered_json describe_machine();
[[nodiscard]] nlohmann::ordered_json describe_versions();
[[nodiscard]] nlohmann::ordered_json describe_postgres();

}  // namespace uniqd::bench

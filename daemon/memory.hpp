#pragma once
// memory.hpp - how much of it this process has, and may have.

#include <cstdint>
#include <string>

namespace uniqd {

// What this process has resident, in MiB; 0 where the system does not say.
[[nodiscard]] std::uint64_t resident_mib();

// What one may take who is not the only one here, in MiB: half of what is available, to the machine
// and within each control group that this process is in (cgroup v1 and v2). `root`: the folder that
// has proc and sys, for tests.
[[nodiscard]] std::uint64_t spare_mib(const std::string& root = "/");

}  // namespace uniqd

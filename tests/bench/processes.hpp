#pragma once
// processes.hpp - what processes have used, from /proc.

#include <sys/types.h>

#include <cstdint>

namespace uniqd::bench {

// CPU seconds so far, user and system; of children too: those that have ended and those that live.
// 0 where there is no such process.
[[nodiscard]] double cpu_seconds_with_children(pid_t pid);

// Resident memory in bytes; 0 where there is no such process.
[[nodiscard]] std::int64_t resident_bytes(pid_t pid);

// CPU seconds of the three that share the machine.
struct CpuUse {
  double uniqd = 0;
  double postgres = 0;  // 0 where the servers are not ours
  double kafka = 0;
  CpuUse operator-(const CpuUse& other) const {
    return {uniqd - other.uniqd, postgres - other.postgres, kafka - other.kafka};
  }
};
[[nodiscard]] CpuUse cpu_use(pid_t uniqd);

}  // namespace uniqd::bench

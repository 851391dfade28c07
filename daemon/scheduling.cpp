#include "daemon/scheduling.hpp"

#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>

namespace uniqd {
namespace {

// sched_setattr(2), whose types the C library does not have.
constexpr std::uint64_t reset_on_fork = 0x01;
struct Attributes {
  std::uint32_t size = sizeof(Attributes);
  std::uint32_t policy = SCHED_OTHER;
  std::uint64_t flags = reset_on_fork;
  std::int32_t nice = 0;
  std::uint32_t priority = 0;
  std::uint64_t runtime_ns = 0;
  std::uint64_t deadline_ns = 0;
  std::uint64_t period_ns = 0;
};

// Since Linux 6.12 who wakes up takes a core at once only from one whose slice of time is longer;
// 0.1 and 100 ms are the bounds of what may be asked for.
void ask_for(std::uint64_t slice_ns, int nice_min) noexcept {
  if ((sched_getscheduler(0) & ~SCHED_RESET_ON_FORK) != SCHED_OTHER) return;
  Attributes attributes;
  attributes.nice = std::max(getpriority(PRIO_PROCESS, 0), nice_min);
  attributes.runtime_ns = slice_ns;
  (void)syscall(SYS_sched_setattr, 0, &attributes, 0);
}

}  // namespace

void go_first() noexcept { ask_for(100'000, PRIO_MIN); }

// Before Linux 6.6 only being nicer counts.
void give_way() noexcept { ask_for(20'000'000, 10); }

}  // namespace uniqd

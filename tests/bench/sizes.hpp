#pragma once
// sizes.hpp - how much is measured: quickly by default, in full where there is time.

#include <chrono>
#include <cstdint>
#include <vector>

namespace uniqd::bench {

// As many records as the daemon takes in one batch (poll_limits in daemon/run_daemon.cpp).
inline constexpr std::size_t batch_events = 20'000;

struct Sizes {
  std::size_t runs = 3;
  std::size_t backlog_events = 600'000;
  std::chrono::seconds naive{5};
  std::uint64_t large_claims = 10'000'000;  // T2
  std::chrono::seconds large{20};           // a run, at least
  std::chrono::seconds latency{20};         // a run
  std::size_t rebuild_events = 2'000'000;
  std::vector<std::uint64_t> growth_claims{1'000'000};                 // beside 0 and large_claims
  std::vector<std::uint64_t> growth_compensations{10'000, 1'000'000};  // beside 0
  std::size_t growth_events = 800'000;
  std::chrono::seconds growth_latency{10};
  std::chrono::seconds soak{120};
  double soak_rate = 0;  // events a second; 0: by what T1 came to

  [[nodiscard]] static Sizes quick() { return {}; }
  [[nodiscard]] static Sizes full() {
    Sizes sizes;
    sizes.backlog_events = 1'000'000;
    sizes.naive = std::chrono::seconds{20};
    sizes.large = std::chrono::seconds{60};
    sizes.latency = std::chrono::seconds{60};
    sizes.rebuild_events = 10'000'000;
    sizes.growth_claims = {1'000'000, 50'000'000};
    sizes.growth_events = 2'000'000;
    sizes.growth_latency = std::chrono::seconds{30};
    sizes.soak = std::chrono::minutes{30};
    return sizes;
  }
  // Only to see that everything works.
  [[nodiscard]] static Sizes tiny() {
    Sizes sizes;
    sizes.runs = 1;
    sizes.backlog_events = 40'000;
    sizes.naive = std::chrono::seconds{1};
    sizes.large_claims = 50'000;
    sizes.large = std::chrono::seconds{1};
    sizes.latency = std::chrono::seconds{5};
    sizes.rebuild_events = 50'000;
    sizes.growth_claims = {10'000};
    sizes.growth_compensations = {1'000};
    sizes.growth_events = 40'000;
    sizes.growth_latency = std::chrono::seconds{4};
    sizes.soak = std::chrono::seconds{10};
    return sizes;
  }
};

}  // namespace uniqd::bench

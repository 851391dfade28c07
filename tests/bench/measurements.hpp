#pragma once
// measurements.hpp - what is measured, one function each. They print what they do, add their
// figures to the report, and throw std::runtime_error where something does not work.

#include <cstdint>
#include <vector>

#include "tests/bench/report.hpp"
#include "tests/bench/sizes.hpp"

namespace uniqd::bench {

// How fast with so many claims in the read model, and so many open compensations.
struct GrowthPoint {
  std::uint64_t claims = 0;
  std::uint64_t compensations = 0;
  double events_per_s = 0;
  double p50_ms = 0;  // a lone duplicate, as for T3; 0: not measured
  double p99_ms = 0;
};

// T1: a backlog and an empty read model; and where the CPU time goes.
void measure_backlog(const Sizes& sizes, Report& report);
// T2: a backlog and a large read model. REQUIRES: T1 is in the report.
GrowthPoint measure_large(const Sizes& sizes, Report& report);
// T3: how long until a lone duplicate's command can be read.
void measure_latency(const Sizes& sizes, Report& report);
// T4: the read model anew, from the topic.
void measure_rebuild(const Sizes& sizes, Report& report);
// T5: instructions an event. False: more than are allowed.
[[nodiscard]] bool measure_instructions(Report& report);
// Sizes in between.
[[nodiscard]] std::vector<GrowthPoint> measure_growth(const Sizes& sizes, Report& report);
// A steady stream at most of what T1 could take: neither memory nor lag may grow.
// REQUIRES: T1 is in the report.
void measure_soak(const Sizes& sizes, Report& report);

}  // namespace uniqd::bench

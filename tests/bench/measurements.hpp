#pragma once
// measurements.hpp - what is measured, one function each. They print what they do, add their
// figures to the report, and throw std::runtime_error where something does not work.

#include "tests/bench/report.hpp"
#include "tests/bench/sizes.hpp"

namespace uniqd::bench {

void measure_backlog(const Sizes& sizes, Report& report);  // T1

}  // namespace uniqd::bench

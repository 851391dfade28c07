#pragma once
// plot.hpp - rate and latency over the size of the read model, as SVG.

#include <string>
#include <vector>

#include "tests/bench/measurements.hpp"

namespace uniqd::bench {

// The whole file. The points are in the order of their size.
[[nodiscard]] std::string plot(const std::vector<GrowthPoint>& points);

}  // namespace uniqd::bench

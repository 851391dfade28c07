#include "tests/robustness/seed.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>

namespace uniqd::test {

unsigned run_seed() {
  static const unsigned seed = [] {
    const char* given = std::getenv("UNIQD_SEED");
    const unsigned chosen =
        given ? static_cast<unsigned>(std::strtoul(given, nullptr, 10)) : std::random_device{}();
    fmt::print("seed {}; again with UNIQD_SEED={}\n", chosen, chosen);
    std::fflush(stdout);
    return chosen;
  }();
  return seed;
}

}  // namespace uniqd::test

#pragma once
// seed.hpp - what a run does at random, and how to have it again.

namespace uniqd::test {

// UNIQD_SEED where it is set, else new for every run. Printed when first asked for.
[[nodiscard]] unsigned run_seed();

}  // namespace uniqd::test

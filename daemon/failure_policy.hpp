#pragma once
// failure_policy.hpp - what to do about a failure of the world. Pure, so all of it is tested.

#include <chrono>
#include <string>
#include <string_view>

namespace uniqd {

struct Reaction {
  bool halts = false;  // a person must act; otherwise pause, read the positions again, go on
  std::string remedy;  // a sentence for the log
};

// The reaction to a failure of PostgreSQL with this SQLSTATE (empty: no connection, or its answer
// was lost). A state that is not known to pass by itself halts.
[[nodiscard]] Reaction react_to_store_failure(std::string_view sqlstate);

// How long to wait before the `attempt`-th try in a row, counted from 1: doubling from 100 ms to
// 10 s.
[[nodiscard]] std::chrono::milliseconds retry_pause(unsigned attempt);

}  // namespace uniqd

#pragma once
// naive.hpp - the same job as samples of this pattern do it: one event, one transaction.

#include <chrono>
#include <string>

namespace uniqd::bench {

// Consumes `topic` from its beginning for `at_most`, or up to `events`: parse, look the address up,
// insert or note the violation, move the position, commit, synchronously; prepared statements. Its
// tables are made anew in `schema`, which exists. Throws std::runtime_error.
struct NaiveResult {
  std::int64_t events = 0;
  std::int64_t violations = 0;
  double seconds = 0;  // from the first event on
};
[[nodiscard]] NaiveResult run_naive(const std::string& brokers, const std::string& postgres,
                                    const std::string& schema, const std::string& topic,
                                    std::int64_t events, std::chrono::milliseconds at_most);

}  // namespace uniqd::bench

#pragma once
// wait.hpp - tests wait on conditions, never for luck.

#include <chrono>
#include <stdexcept>
#include <string>
#include <thread>

namespace uniqd::test {

// Asks until the answer is true; throws std::runtime_error, which says `what` was waited for, where
// it is not in time. What the condition throws ends the wait too.
template <class Condition>
void wait_until(const std::string& what, Condition condition,
                std::chrono::milliseconds deadline = std::chrono::seconds{30}) {
  const auto until = std::chrono::steady_clock::now() + deadline;
  while (!condition()) {
    if (std::chrono::steady_clock::now() >= until) {
      throw std::runtime_error("not in time: " + what);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds{10});
  }
}

}  // namespace uniqd::test

#pragma once
// clock.hpp - seam: time.

#include <chrono>
#include <cstdint>

namespace uniqd {

class Clock {
 public:
  Clock() = default;
  Clock(const Clock&) = delete;
  Clock& operator=(const Clock&) = delete;
  virtual ~Clock() = default;

  // Wall time since the epoch, UTC; may jump. For people and messages only.
  [[nodiscard]] virtual std::int64_t now_ms() const = 0;
  // Never goes back. For pauses and deadlines.
  [[nodiscard]] virtual std::chrono::milliseconds steady() const = 0;
};

}  // namespace uniqd

#pragma once
// manual_clock.hpp - time that moves when told to.

#include "daemon/clock.hpp"

namespace uniqd::simulation {

class ManualClock : public Clock {
 public:
  [[nodiscard]] std::int64_t now_ms() const override { return wall_ms_; }
  [[nodiscard]] std::chrono::milliseconds steady() const override { return steady_; }

  void advance(std::chrono::milliseconds duration) {
    steady_ += duration;
    wall_ms_ += duration.count();
  }
  // The wall clock alone, in either direction.
  void jump(std::chrono::milliseconds by) { wall_ms_ += by.count(); }

 private:
  std::int64_t wall_ms_ = 1'700'000'000'000;
  std::chrono::milliseconds steady_{1000};
};

}  // namespace uniqd::simulation

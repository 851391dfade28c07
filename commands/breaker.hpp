#pragma once
// breaker.hpp - when so many events violate that the rules, rather than the users, must be wrong.
// Pure.

#include <bitset>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace uniqd {

// The last claiming events, in the order in which they were committed. A claiming event is one that
// changes what its entity wants (outcome `taken` or `violating`); it counts as violating where a
// message answers the violation.
class ViolationWindow {
 public:
  static constexpr std::size_t events_max = 1000;
  // A window with fewer events is judged as if good ones filled it up to here: a few users who
  // collide are no reason to stop, and this many times the allowed share is all that can be sent
  // before a window that began empty stops it.
  static constexpr std::size_t events_judged_min = 100;

  void add(bool violates);
  [[nodiscard]] std::size_t events() const { return events_; }
  [[nodiscard]] std::size_t violations() const { return violations_; }
  [[nodiscard]] bool exceeds(double max_violation_share) const;

  // For storing: at most 127 bytes. decode() gives nothing for what encode() cannot have made.
  [[nodiscard]] std::string encode() const;
  [[nodiscard]] static std::optional<ViolationWindow> decode(std::string_view bytes);

  bool operator==(const ViolationWindow& other) const { return encode() == other.encode(); }

 private:
  std::bitset<events_max> violates_;  // a ring
  std::size_t next_ = 0;              // where the next one goes
  std::size_t events_ = 0;
  std::size_t violations_ = 0;
};

// What is stored of it; one for all instances that share a read model.
struct Safety {
  ViolationWindow window;
  bool is_paused = false;  // nothing is sent until a person says so
};

// What a batch changes of it.
struct SafetyChange {
  ViolationWindow window;
  std::string pause;  // why sending pauses from now on; empty: it does not
};

// Adds a batch's claiming events, in their order: does each violate? The first of them with which
// the share is exceeded pauses sending, wherever batches are cut. Nothing changes without claiming
// events, while paused, or where every share is allowed (1).
[[nodiscard]] std::optional<SafetyChange> judge_safety(const Safety& before,
                                                       const std::vector<bool>& claiming,
                                                       double max_violation_share);

}  // namespace uniqd

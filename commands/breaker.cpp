#include "commands/breaker.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace uniqd {
namespace {

constexpr std::size_t byte_bits = 8;

}  // namespace

void ViolationWindow::add(bool violates) {
  if (events_ == events_max) {
    violations_ -= violates_[next_] ? 1 : 0;
  } else {
    ++events_;
  }
  violates_[next_] = violates;
  violations_ += violates ? 1 : 0;
  next_ = (next_ + 1) % events_max;
}

bool ViolationWindow::exceeds(double max_violation_share) const {
  return static_cast<double>(violations_) >
         max_violation_share * static_cast<double>(std::max(events_, events_judged_min));
}

// How many bits of the last byte count, then the events, oldest first.
std::string ViolationWindow::encode() const {
  if (events_ == 0) return {};
  std::string bytes(1 + (events_ + byte_bits - 1) / byte_bits, '\0');
  bytes[0] = static_cast<char>((events_ - 1) % byte_bits + 1);
  for (std::size_t place = 0; place < events_; ++place) {
    if (!violates_[(next_ + events_max - events_ + place) % events_max]) continue;
    char& byte = bytes[1 + place / byte_bits];
    byte = static_cast<char>(static_cast<unsigned char>(byte) | (1U << (place % byte_bits)));
  }
  return bytes;
}

std::optional<ViolationWindow> ViolationWindow::decode(std::string_view bytes) {
  ViolationWindow window;
  if (bytes.empty()) return window;
  const auto last_bits = static_cast<unsigned char>(bytes[0]);
  if (bytes.size() < 2 || last_bits < 1 || last_bits > byte_bits) return std::nullopt;
  const std::size_t events = (bytes.size() - 2) * byte_bits + last_bits;
  if (events > events_max) return std::nullopt;
  for (std::size_t place = 0; place < events; ++place) {
    const auto byte = static_cast<unsigned char>(bytes[1 + place / byte_bits]);
    window.add(((byte >> (place % byte_bits)) & 1U) != 0);
  }
  return window;
}

std::optional<SafetyChange> judge_safety(const Safety& before, const std::vector<bool>& claiming,
                                         double max_violation_share) {
  if (before.is_paused || claiming.empty() || max_violation_share >= 1) return std::nullopt;
  SafetyChange change{before.window, {}};
  for (const bool violates : claiming) {
    change.window.add(violates);
    if (!change.window.exceeds(max_violation_share)) continue;
    change.pause = fmt::format(
        "{} of the last {} claiming events violate, and safety.max_violation_share is "
        "{}",
        change.window.violations(), change.window.events(), max_violation_share);
    break;
  }
  return change;
}

}  // namespace uniqd

#pragma once
// progress.hpp - how far a long job is: a bar on a terminal, a line every few seconds elsewhere.

#include <chrono>
#include <cstdint>
#include <string>

namespace uniqd {

// Writes to stderr. Thread safety: none.
class Progress {
 public:
  // `what` names what is counted, e.g. "events".
  explicit Progress(std::string what);

  // `total` 0: not known yet. `note` is shown beside; may be empty. Cheap: writes only so often.
  void show(std::uint64_t done, std::uint64_t total, const std::string& note);
  // Writes a line of its own, e.g. a warning.
  void tell(const std::string& text);
  // Writes the last state and ends the line.
  void finish(std::uint64_t done);

 private:
  using Clock = std::chrono::steady_clock;
  [[nodiscard]] std::string line(std::uint64_t done, std::uint64_t total) const;

  std::string what_;
  bool is_terminal_;
  Clock::time_point began_ = Clock::now();
  Clock::time_point next_ = began_;
};

}  // namespace uniqd

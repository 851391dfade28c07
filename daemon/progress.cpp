#include "daemon/progress.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

namespace uniqd {
namespace {

constexpr std::chrono::milliseconds bar_every{200};
constexpr std::chrono::seconds line_every{5};
constexpr std::size_t bar_width = 30;

}  // namespace

Progress::Progress(std::string what)
    : what_(std::move(what)), is_terminal_(isatty(fileno(stderr)) == 1) {}

std::string Progress::line(std::uint64_t done, std::uint64_t total) const {
  const double seconds = std::chrono::duration<double>(Clock::now() - began_).count();
  const double rate = seconds > 0 ? static_cast<double>(done) / seconds : 0;
  std::string text;
  if (total > 0) {
    const double share = std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
    if (is_terminal_) {
      const auto filled = static_cast<std::size_t>(share * bar_width);
      text = "[" + std::string(filled, '=') + std::string(bar_width - filled, ' ') + "] ";
    }
    text += fmt::format("{:3.0f} %  ", share * 100);
  }
  text += fmt::format("{} {}, {:.0f}/s", done, what_, rate);
  if (total > done && rate > 0) {
    text += fmt::format(", {:.0f} s left", static_cast<double>(total - done) / rate);
  }
  return text;
}

void Progress::show(std::uint64_t done, std::uint64_t total, const std::string& note) {
  if (Clock::now() < next_) return;
  next_ = Clock::now() + (is_terminal_ ? std::chrono::nanoseconds(bar_every)
                                       : std::chrono::nanoseconds(line_every));
  const std::string text = line(done, total) + (note.empty() ? "" : "  " + note);
  if (is_terminal_) {
    fmt::print(stderr, "\r\x1b[K{}", text);
  } else {
    fmt::print(stderr, "{}\n", text);
  }
  std::fflush(stderr);
}

void Progress::tell(const std::string& text) {
  fmt::print(stderr, "{}{}\n", is_terminal_ ? "\r\x1b[K" : "", text);
}

void Progress::finish(std::uint64_t done) { tell(line(done, done)); }

}  // namespace uniqd

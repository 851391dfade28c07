// kill -9 at every named point, and anywhere, again and again under load.

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <chrono>
#include <csignal>
#include <string>
#include <vector>

#include "tests/robustness/lives.hpp"
#include "tests/robustness/seed.hpp"
#include "tests/support/services.hpp"

namespace uniqd::test {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr int kills_each = 20;

// The points of daemon/crash_points.hpp, and how many passes to let through at most.
struct Point {
  const char* name;
  int passes_max;
};
constexpr Point points[] = {
    {"after_positions", 1},      {"after_poll", 10},      {"after_compare_and_set", 4},
    {"after_begin", 4},          {"before_commit", 4},    {"after_model_written", 4},
    {"after_outbox_written", 4}, {"after_commit", 4},     {"relay_before_publish", 3},
    {"relay_before_mark", 3},    {"relay_after_mark", 3},
};

// Returns what is wrong, in lines; empty when all is well.
std::vector<std::string> die_at(const Point& point, unsigned seed) {
  Lives lives(seed);
  for (int kill = 0; kill < kills_each; ++kill) {
    const int passes = lives.up_to(point.passes_max);
    lives.start({{"UNIQD_KILL_AT", fmt::format("{}:{}", point.name, passes)}});
    const auto deadline = Clock::now() + 30s;
    lives.feed_until([&] { return !lives.daemon().is_running() || Clock::now() >= deadline; });
    if (lives.daemon().is_running()) return {fmt::format("{} is never passed", point.name)};
    if (const int code = lives.daemon().wait_for_exit(); code != -SIGKILL) {
      return {fmt::format("{}: it ended with {} instead of being killed", point.name, code)};
    }
  }
  return lives.differences();
}

std::vector<std::string> die_anywhere(unsigned seed) {
  Lives lives(seed);
  for (int kill = 0; kill < kills_each; ++kill) {
    lives.start();
    const auto end = Clock::now() + std::chrono::milliseconds{lives.up_to(900)};
    lives.feed_until([&] { return Clock::now() >= end; });
    if (!lives.daemon().is_running()) return {"it ended by itself"};
    lives.daemon().kill();
  }
  return lives.differences();
}

TEST_CASE("kill -9 at every point, twenty times each under load: as if nothing had happened") {
  if (lacks_kafka()) return;
  std::vector<Trial> trials;
  for (const Point& point : points) {
    const unsigned seed = run_seed() + static_cast<unsigned>(trials.size());
    trials.push_back({point.name, [&point, seed] { return die_at(point, seed); }});
  }
  trials.push_back({"anywhere", [] { return die_anywhere(run_seed()); }});
  run_side_by_side(trials);
}

}  // namespace
}  // namespace uniqd::test

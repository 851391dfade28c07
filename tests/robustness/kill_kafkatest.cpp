// kill -9 at every named point, and anywhere, again and again under load.

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/robustness/seed.hpp"
#include "tests/support/oracle_check.hpp"
#include "tests/support/random_load.hpp"
#include "tests/support/services.hpp"
#include "tests/support/test_bed.hpp"

namespace uniqd::test {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr int kills_each = 20;
constexpr std::size_t side_by_side = 3;

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

// A bed with a daemon that is started, dies, and is started again. Every start has a group of its
// own: a killed member would hold up its group until its session ends.
class Lives {
 public:
  explicit Lives(unsigned seed) : random_(seed), load_(seed), daemon_(bed_.daemon()) {
    bed_.produce(load_.next(40));
  }

  TestBed& bed() { return bed_; }
  UniqdProcess& daemon() { return *daemon_; }
  int up_to(int most) { return 1 + static_cast<int>(random_() % static_cast<unsigned>(most)); }

  void start(std::map<std::string, std::string> environment = {}) {
    environment["UNIQD_TEST_GROUP"] = fmt::format("{}-{}", bed_.group, ++starts_);
    daemon_->start(environment);
  }

  // A few events at a time, until `is_over`.
  void feed_until(const std::function<bool()>& is_over) {
    while (!is_over()) {
      bed_.produce(load_.next(static_cast<std::size_t>(up_to(8))));
      std::this_thread::sleep_for(10ms);
    }
  }

  // The last life, in peace.
  std::vector<std::string> differences() {
    start();
    bed_.wait_settled(60s);
    auto differences = differences_from_oracle(bed_);
    if (const int code = daemon_->stop(); code != 0) {
      differences.push_back(fmt::format("the last stop ended with {}", code));
    }
    return differences;
  }

 private:
  TestBed bed_;
  std::mt19937 random_;
  RandomLoad load_;
  std::unique_ptr<UniqdProcess> daemon_;
  int starts_ = 0;
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

struct Trial {
  std::string name;
  std::function<std::vector<std::string>()> run;
};

// A few at a time; what a trial throws is its finding.
void run_side_by_side(const std::vector<Trial>& trials) {
  std::vector<std::vector<std::string>> findings(trials.size());
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    for (std::size_t i = next++; i < trials.size(); i = next++) {
      try {
        findings[i] = trials[i].run();
      } catch (const std::exception& failure) {
        findings[i] = {failure.what()};
      }
    }
  };
  std::vector<std::thread> workers;
  for (std::size_t i = 0; i < side_by_side; ++i) workers.emplace_back(work);
  for (std::thread& worker : workers) worker.join();
  for (std::size_t i = 0; i < trials.size(); ++i) {
    INFO(trials[i].name);
    CHECK(findings[i].empty());
    for (const std::string& finding : findings[i]) FAIL_CHECK(finding);
  }
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

#include "tests/robustness/lives.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <chrono>

#include "tests/support/oracle_check.hpp"

namespace uniqd::test {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t side_by_side = 3;

}  // namespace

Lives::Lives(unsigned seed, int partitions)
    : bed_(partitions), random_(seed), load_(seed, partitions) {
  // The shortest that brokers allow: what a dead or frozen member costs.
  bed_.source["kafka"] = "{ session.timeout.ms: 6000, heartbeat.interval.ms: 1000 }";
  bed_.produce(load_.next(40));
}

UniqdProcess& Lives::daemon() {
  if (!daemon_) daemon_ = bed_.daemon();
  return *daemon_;
}

int Lives::up_to(int most) { return 1 + static_cast<int>(random_() % static_cast<unsigned>(most)); }

void Lives::start(std::map<std::string, std::string> environment) {
  environment["UNIQD_TEST_GROUP"] = fmt::format("{}-{}", bed_.group, ++starts_);
  daemon().start(environment);
}

void Lives::feed_until(const std::function<bool()>& is_over) {
  while (!is_over()) {
    feed_a_few();
    std::this_thread::sleep_for(10ms);
  }
}

void Lives::feed_a_few() { bed_.produce(load_.next(static_cast<std::size_t>(up_to(8)))); }

std::vector<std::string> Lives::differences() {
  if (!daemon().is_running()) start();
  bed_.wait_settled(60s);
  auto differences = differences_from_oracle(bed_);
  if (const int code = daemon().stop(); code != 0) {
    differences.push_back(fmt::format("the last stop ended with {}", code));
  }
  return differences;
}

Feeder::Feeder(Lives& lives)
    : thread_([this, &lives] {
        try {
          lives.feed_until([this] { return is_over_.load(); });
        } catch (...) {
          failure_ = std::current_exception();
        }
      }) {}

Feeder::~Feeder() {
  is_over_ = true;
  if (thread_.joinable()) thread_.join();
}

void Feeder::stop() {
  is_over_ = true;
  thread_.join();
  if (failure_) std::rethrow_exception(failure_);
}

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

}  // namespace uniqd::test

// Two instances: one dies, or is frozen and comes back as a zombie, while the other takes over.

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <chrono>
#include <csignal>
#include <memory>
#include <string>
#include <vector>

#include "tests/robustness/lives.hpp"
#include "tests/robustness/seed.hpp"
#include "tests/support/oracle_check.hpp"
#include "tests/support/services.hpp"
#include "tests/support/wait.hpp"

namespace uniqd::test {
namespace {

using namespace std::chrono_literals;

// Partitions whose position moved between two looks.
bool have_all_moved(const std::vector<Position>& before, const std::vector<Position>& now) {
  if (now.empty() || now.size() != before.size()) return false;
  for (std::size_t i = 0; i < now.size(); ++i) {
    if (now[i] == before[i]) return false;
  }
  return true;
}

// Two daemons in one group, both at work on three partitions.
struct Pair {
  explicit Pair(unsigned seed) : lives(seed, 3) {
    lives.daemon().start_and_wait();
    second = lives.bed().daemon("second");
    second->start_and_wait();
    feed_until_all_move();
  }

  void feed_until_all_move() {
    const auto before = lives.bed().positions();
    const auto deadline = std::chrono::steady_clock::now() + 40s;
    lives.feed_until([&] {
      return have_all_moved(before, lives.bed().positions()) ||
             std::chrono::steady_clock::now() >= deadline;
    });
    if (!have_all_moved(before, lives.bed().positions())) {
      throw std::runtime_error("not in time: every partition moves");
    }
  }

  Lives lives;
  std::unique_ptr<UniqdProcess> second;
};

std::vector<std::string> die_and_take_over() {
  Pair pair(run_seed());
  pair.second->kill();
  pair.feed_until_all_move();
  return pair.lives.differences();
}

// A clean leave, and a join, need no session to end.
std::vector<std::string> come_and_go() {
  Pair pair(run_seed());
  std::vector<std::string> differences;
  for (int round = 0; round < 3; ++round) {
    if (pair.second->stop() != 0) differences.emplace_back("a stop did not end with 0");
    pair.feed_until_all_move();
    pair.second->start_and_wait();
    pair.feed_until_all_move();
  }
  if (pair.second->stop() != 0) differences.emplace_back("the last stop did not end with 0");
  for (auto& difference : pair.lives.differences()) differences.push_back(std::move(difference));
  return differences;
}

// Frozen in the middle of its work for longer than its session, then thawed.
std::vector<std::string> come_back_as_a_zombie() {
  Pair pair(run_seed());
  std::vector<std::string> differences;
  for (int round = 0; round < 2; ++round) {
    pair.second->send_signal(SIGSTOP);
    pair.feed_until_all_move();  // the first one has all partitions
    pair.second->send_signal(SIGCONT);
    pair.feed_until_all_move();
    pair.second->wait_until_ready();
    if (!pair.second->is_running()) differences.emplace_back("the zombie ended by itself");
  }
  pair.feed_until_all_move();
  if (pair.second->stop() != 0) differences.emplace_back("the zombie's stop did not end with 0");
  for (auto& difference : pair.lives.differences()) differences.push_back(std::move(difference));
  return differences;
}

// Two that both believe to own all partitions: only the positions stand between them.
std::vector<std::string> two_of_different_groups() {
  Lives lives(run_seed());
  auto second = lives.bed().daemon("second");
  lives.daemon().start_and_wait();
  second->start({{"UNIQD_TEST_GROUP", lives.bed().group + "-other"}});
  second->wait_until_ready();
  const auto is_fenced = [&] {
    return (second->log() + lives.daemon().log()).find("fenced") != std::string::npos;
  };
  const auto start = std::chrono::steady_clock::now();
  lives.feed_until([&] {
    const auto passed = std::chrono::steady_clock::now() - start;
    return (is_fenced() && passed >= 3s) || passed >= 20s;
  });
  std::vector<std::string> differences;
  if (!is_fenced()) differences.emplace_back("nobody was fenced");
  lives.bed().wait_settled(60s);
  if (second->stop() != 0) differences.emplace_back("the second's stop did not end with 0");
  for (auto& difference : lives.differences()) differences.push_back(std::move(difference));
  return differences;
}

TEST_CASE("two instances: one dies, leaves, freezes, or both own everything") {
  if (lacks_kafka()) return;
  run_side_by_side({{"dies", die_and_take_over},
                    {"leaves and joins", come_and_go},
                    {"zombie", come_back_as_a_zombie},
                    {"two groups", two_of_different_groups}});
}

}  // namespace
}  // namespace uniqd::test

#include "commands/breaker.hpp"

#include <doctest/doctest.h>

#include <deque>
#include <numeric>
#include <random>

namespace uniqd {
namespace {

// Feeds events one batch each; returns after how many sending paused, 0: it did not.
std::size_t paused_after(Safety& safety, const std::vector<bool>& events, double share) {
  for (std::size_t place = 0; place < events.size(); ++place) {
    const auto change = judge_safety(safety, {events[place]}, share);
    if (!change) continue;
    safety = {change->window, !change->pause.empty()};
    if (safety.is_paused) return place + 1;
  }
  return 0;
}

std::vector<bool> all_alike(std::size_t users) {
  std::vector<bool> events(users, true);
  events[0] = false;  // the first owns the value
  return events;
}

}  // namespace

TEST_CASE("breaker: users that all look alike pause it with the 51st violation") {
  Safety safety;
  CHECK(paused_after(safety, all_alike(1000), 0.5) == 52);
  // The same in one batch, and in any others.
  for (const std::size_t batch : {1000, 500, 100, 52, 7}) {
    Safety other;
    std::size_t seen = 0;
    std::string why;
    const auto events = all_alike(1000);
    while (why.empty()) {
      const std::vector<bool> part(
          events.begin() + static_cast<std::ptrdiff_t>(seen),
          events.begin() + static_cast<std::ptrdiff_t>(std::min(seen + batch, events.size())));
      seen += part.size();
      const auto change = judge_safety(other, part, 0.5);
      REQUIRE(change.has_value());
      other = {change->window, !change->pause.empty()};
      why = change->pause;
    }
    CHECK(other.window == safety.window);
    CHECK(why ==
          "51 of the last 52 claiming events violate, and safety.max_violation_share is 0.5");
  }
}

TEST_CASE("breaker: a few who collide do not pause it") {
  Safety safety;
  CHECK(paused_after(safety, all_alike(3), 0.5) == 0);
  CHECK(paused_after(safety, all_alike(40), 0.5) == 0);
  CHECK_FALSE(safety.is_paused);
}

TEST_CASE("breaker: the share is of the last 1,000") {
  Safety safety;
  CHECK(paused_after(safety, std::vector<bool>(5000, false), 0.5) == 0);
  CHECK(safety.window.events() == 1000);
  // Half of 1,000 is allowed, one more is not.
  CHECK(paused_after(safety, std::vector<bool>(2000, true), 0.5) == 501);
  Safety even;
  std::vector<bool> every_other(10'000);
  for (std::size_t place = 1; place < every_other.size(); place += 2) every_other[place] = true;
  CHECK(paused_after(even, every_other, 0.5) == 0);
  CHECK(even.window.violations() == 500);
}

TEST_CASE("breaker: a small share pauses early, 1 never") {
  Safety safety;
  CHECK(paused_after(safety, {false, true}, 0.001) == 2);
  Safety without;
  CHECK(paused_after(without, all_alike(5000), 1) == 0);
  CHECK(without.window.events() == 0);
}

TEST_CASE("breaker: nothing changes while paused, nor without claiming events") {
  Safety safety;
  CHECK_FALSE(judge_safety(safety, {}, 0.5).has_value());
  safety.is_paused = true;
  CHECK_FALSE(judge_safety(safety, {true}, 0.5).has_value());
}

TEST_CASE("breaker: the window is what a list of the last 1,000 is, also when stored") {
  std::mt19937 random(7);
  std::deque<bool> list;
  ViolationWindow window;
  for (int count = 0; count < 4000; ++count) {
    const bool violates = random() % 3 == 0;
    window.add(violates);
    list.push_back(violates);
    if (list.size() > 1000) list.pop_front();
    if (random() % 5 == 0) {
      const std::string bytes = window.encode();
      CHECK(bytes.size() <= 127);
      const auto decoded = ViolationWindow::decode(bytes);
      REQUIRE(decoded.has_value());
      CHECK(*decoded == window);
      window = *decoded;
    }
    REQUIRE(window.events() == list.size());
    REQUIRE(window.violations() ==
            static_cast<std::size_t>(std::accumulate(list.begin(), list.end(), 0)));
  }
}

TEST_CASE("breaker: what cannot have been stored is not read") {
  CHECK(ViolationWindow::decode("").has_value());
  CHECK_FALSE(ViolationWindow::decode("\x08").has_value());
  CHECK_FALSE(ViolationWindow::decode(std::string("\0x", 2)).has_value());
  CHECK_FALSE(ViolationWindow::decode(std::string("\x09x", 2)).has_value());
  CHECK_FALSE(ViolationWindow::decode("\x08" + std::string(126, 'x')).has_value());
}

}  // namespace uniqd

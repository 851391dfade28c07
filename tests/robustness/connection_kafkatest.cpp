// The line to PostgreSQL cut around COMMIT, and a line that swallows everything.

#include <doctest/doctest.h>

#include <chrono>
#include <thread>

#include "tests/robustness/lives.hpp"
#include "tests/robustness/seed.hpp"
#include "tests/support/chaos_proxy.hpp"
#include "tests/support/oracle_check.hpp"
#include "tests/support/services.hpp"
#include "tests/support/wait.hpp"

namespace uniqd::test {
namespace {

using namespace std::chrono_literals;

TEST_CASE("the answer to COMMIT lost, the COMMIT lost, or nobody knows which") {
  if (lacks_kafka()) return;
  ChaosProxy proxy(Services::get().postgres);
  Lives lives(run_seed());
  lives.bed().postgres = proxy.uri();
  lives.start();
  lives.daemon().wait_until_ready();
  proxy.cut_commits(4);
  lives.feed_until([&] {
    const auto cuts = proxy.cuts();
    return cuts.before >= 8 && cuts.during >= 8 && cuts.after >= 8;
  });
  proxy.cut_commits(0);
  CHECK(lives.daemon().is_running());
  for (const auto& difference : lives.differences()) FAIL_CHECK(difference);
}

TEST_CASE("a line that swallows everything for a while, and is then cut") {
  if (lacks_kafka()) return;
  ChaosProxy proxy(Services::get().postgres);
  Lives lives(run_seed());
  lives.bed().postgres = proxy.uri();
  lives.start();
  lives.daemon().wait_until_ready();
  for (const bool is_cut : {false, true}) {
    for (int round = 0; round < 20; ++round) lives.feed_a_few();
    proxy.swallow_all(true);
    for (int round = 0; round < 20; ++round) lives.feed_a_few();
    std::this_thread::sleep_for(1500ms);
    if (is_cut) proxy.cut_all();
    proxy.swallow_all(false);
    lives.bed().wait_applied();
  }
  CHECK(lives.daemon().is_running());
  for (const auto& difference : lives.differences()) FAIL_CHECK(difference);
}

}  // namespace
}  // namespace uniqd::test

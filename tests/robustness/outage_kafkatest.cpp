// PostgreSQL and Kafka stopped, killed and frozen under load: the daemon waits, says why, goes on.

#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "tests/robustness/lives.hpp"
#include "tests/robustness/seed.hpp"
#include "tests/robustness/servers_again.hpp"
#include "tests/support/oracle_check.hpp"
#include "tests/support/services.hpp"
#include "tests/support/wait.hpp"

namespace uniqd::test {
namespace {

using namespace std::chrono_literals;

void expect_peace(Lives& lives) {
  CHECK(lives.daemon().is_running());
  lives.daemon().wait_until_ready();
  for (const auto& difference : lives.differences()) FAIL_CHECK(difference);
}

TEST_CASE("PostgreSQL stopped, killed, and started again under load") {
  if (lacks_stoppable_servers()) return;
  const ServersAgain again;
  Lives lives(run_seed());
  lives.start();
  lives.daemon().wait_until_ready();
  for (const char* action : {"stop-postgres", "kill-postgres", "stop-postgres", "kill-postgres"}) {
    Feeder feeder(lives);
    lives.bed().wait_applied();
    Services::get().act(action);
    wait_for_reason(lives.daemon(), "PostgreSQL");
    CHECK(lives.daemon().get("/livez").status == 200);
    Services::get().act("start-postgres");
    lives.daemon().wait_until_ready();
    feeder.stop();
  }
  expect_peace(lives);
}

TEST_CASE("all connections ended by PostgreSQL, again and again under load") {
  if (lacks_kafka()) return;
  Lives lives(run_seed());
  lives.start();
  lives.daemon().wait_until_ready();
  Feeder feeder(lives);
  int ended = 0;
  const auto end_all = [&] {
    std::this_thread::sleep_for(std::chrono::milliseconds{lives.up_to(200)});
    const auto rows = lives.bed().sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'uniqd'"
        " AND pid <> pg_backend_pid()");
    ended += static_cast<int>(rows.size());
    return ended >= 20;
  };
  wait_until("20 connections ended", end_all);
  feeder.stop();
  expect_peace(lives);
}

TEST_CASE("the broker stopped, killed, and started again under load") {
  if (lacks_stoppable_servers()) return;
  const ServersAgain again;
  Lives lives(run_seed());
  lives.start();
  lives.daemon().wait_until_ready();
  for (const char* action : {"stop-kafka", "kill-kafka"}) {
    Feeder feeder(lives);
    lives.bed().wait_applied();
    Services::get().act(action);
    wait_for_reason(lives.daemon(), lives.bed().brokers);
    Services::get().act("start-kafka");
    lives.daemon().wait_until_ready(60s);
    feeder.stop();
  }
  expect_peace(lives);
}

TEST_CASE("servers frozen for some seconds under load") {
  if (lacks_stoppable_servers()) return;
  const ServersAgain again;
  Lives lives(run_seed());
  lives.start();
  lives.daemon().wait_until_ready();
  Feeder feeder(lives);
  for (const std::string server : {"postgres", "kafka"}) {
    Services::get().act("pause-" + server);
    std::this_thread::sleep_for(3s);
    Services::get().act("resume-" + server);
  }
  feeder.stop();
  expect_peace(lives);
}

}  // namespace
}  // namespace uniqd::test

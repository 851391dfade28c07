// PostgreSQL and Kafka stopped, killed and frozen under load: the daemon waits, says why, goes on.

#include <doctest/doctest.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "readmodel/pg_session.hpp"
#include "tests/robustness/lives.hpp"
#include "tests/robustness/seed.hpp"
#include "tests/robustness/servers_again.hpp"
#include "tests/support/oracle_check.hpp"
#include "tests/support/services.hpp"
#include "tests/support/test_bed.hpp"
#include "tests/support/user_events.hpp"
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

TEST_CASE("a broker that has gone leaves the lag that it was known to have") {
  if (lacks_stoppable_servers()) return;
  const ServersAgain again;
  TestBed bed;
  const auto daemon = bed.daemon();
  daemon->start_and_wait();
  bed.produce({cloud_event({"UserAdded", "u0", "e0", {{"email", "0@x"}}})});
  bed.wait_settled();
  PgSession somebody({bed.postgres, bed.schema});
  somebody.begin();
  take_lock(somebody, PgLock::batch, bed.schema);  // so that nothing can be applied
  somebody.flush();
  bed.produce({cloud_event({"UserAdded", "u1", "e1", {{"email", "a@x"}}}),
               cloud_event({"UserAdded", "u2", "e2", {{"email", "b@x"}}})});
  const auto lags = [&daemon] {
    return daemon->get("/metrics").body.find("uniqd_lag_records{partition=\"0\"} 2\n") !=
           std::string::npos;
  };
  wait_until("the lag shows", lags);
  Services::get().act("stop-kafka");
  wait_until("the end is not known", [&daemon] {
    const auto status = nlohmann::json::parse(daemon->get("/api/v1/status").body);
    return status["positions"].at(0)["end_offset"].is_null();
  });
  CHECK(lags());
  Services::get().act("start-kafka");
  somebody.roll_back();
  bed.wait_settled();
  CHECK(daemon->get("/livez").status == 200);
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

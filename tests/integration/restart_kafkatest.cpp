// Redeliveries, restarts, and the first start on a topic with a past.

#include <doctest/doctest.h>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <set>
#include <string>

#include "tests/support/oracle_check.hpp"
#include "tests/support/random_load.hpp"
#include "tests/support/test_bed.hpp"
#include "tests/support/user_events.hpp"
#include "tests/support/wait.hpp"

namespace uniqd::test {
namespace {

using namespace std::chrono_literals;

TestRecord added(const std::string& user, const std::string& email, const std::string& id) {
  return cloud_event({"UserAdded", user, id, {{"email", email}}});
}

TEST_CASE("events that come again, at other offsets, send nothing again") {
  TestBed bed;
  const auto daemon = bed.daemon();
  daemon->start_and_wait();
  const std::vector<TestRecord> events{added("u1", "a@x", "e1"), added("u2", "a@x", "e2"),
                                       cloud_event({"UserDeactivated", "u2", "e3"}),
                                       added("u3", "a@x", "e4")};
  bed.produce(events);
  bed.wait_settled();
  const auto sent = bed.command_count();
  // u2 is gone when its own event comes again.
  for (int round = 0; round < 3; ++round) {
    for (const TestRecord& event : events) {
      bed.produce({event});
      bed.wait_settled();
    }
  }
  CHECK(bed.sql_text("SELECT count(*) FROM compensations") == "2");
  expect_equal_to_oracle(bed);
  CHECK(bed.command_count() == sent);
}

TEST_CASE(
    "SIGTERM and SIGINT end it with 0 in time; a restart sends nothing twice, loses nothing") {
  TestBed bed;
  const auto daemon = bed.daemon();
  RandomLoad load(7);
  for (const int signal : {SIGTERM, SIGINT, SIGTERM}) {
    daemon->start_and_wait();
    bed.produce(load.next(150));
    bed.wait_settled();
    bed.produce(load.next(150));  // it is at work, or not yet
    daemon->send_signal(signal);
    CHECK(daemon->wait_for_exit(10s) == 0);
    bed.produce(load.next(50));  // while nobody listens
  }
  const auto before = bed.command_count();
  daemon->start_and_wait();
  bed.wait_settled();
  expect_equal_to_oracle(bed);

  const auto settled = bed.command_count();
  CHECK(settled >= before);
  CHECK(daemon->stop() == 0);
  daemon->start_and_wait();
  bed.produce({added("bystander", "nobody-else@x", "bystander-1")});
  bed.wait_settled();
  CHECK(bed.command_count() == settled);
  // Every stop was a clean one, so no command had to be sent again.
  std::set<std::string> ids;
  for (const TestRecord& command : bed.commands_sent()) ids.insert(command.header("ce_id"));
  CHECK(static_cast<std::int64_t>(ids.size()) == settled);
}

TEST_CASE("the first start on an old topic sends only what history has not corrected") {
  TestBed bed;
  std::vector<TestRecord> history;
  for (int i = 0; i < 200; ++i) {
    const std::string number = std::to_string(i);
    history.push_back(added("owner" + number, number + "@x", "o" + number));
    history.push_back(added("late" + number, number + "@x", "l" + number));
    history.push_back(cloud_event({"UserDeactivated", "late" + number, "d" + number}));
  }
  bed.produce(history);
  const auto daemon = bed.daemon();
  daemon->start_and_wait();
  bed.wait_settled();
  CHECK(bed.command_count() == 0);
  CHECK(bed.sql_text("SELECT count(*) FROM compensations WHERE state = 'confirmed'") == "200");
  expect_equal_to_oracle(bed);
  CHECK(daemon->stop() == 0);

  // A long stop, in which most is corrected again.
  history.clear();
  for (int i = 0; i < 20; ++i) {
    const std::string number = std::to_string(i);
    history.push_back(added("again" + number, number + "@x", "a" + number));
    if (i % 10 != 0)
      history.push_back(cloud_event({"UserDeactivated", "again" + number, "b" + number}));
  }
  bed.produce(history);
  daemon->start_and_wait();
  bed.wait_settled();
  CHECK(bed.command_count() == 2);
  expect_equal_to_oracle(bed);
}

TEST_CASE("start: latest passes over what was there before, and only that") {
  TestBed bed;
  bed.source["start"] = "latest";
  bed.produce({added("u1", "a@x", "e1"), added("u2", "a@x", "e2")});
  const auto daemon = bed.daemon();
  daemon->start_and_wait();
  bed.wait_applied();  // it has found the end and keeps it
  bed.produce({added("u3", "a@x", "e3"), added("u4", "a@x", "e4")});
  bed.wait_settled();
  const auto commands = bed.commands_sent();
  REQUIRE(commands.size() == 1);
  CHECK(commands[0].header("ce_subject") == "u4");
  CHECK(bed.sql_text("SELECT string_agg(entity, ',' ORDER BY entity) FROM entities") == "u3,u4");

  // The stored position counts from then on.
  CHECK(daemon->stop() == 0);
  bed.produce({added("u5", "a@x", "e5")});
  daemon->start_and_wait();
  bed.wait_settled();
  CHECK(bed.command_count() == 2);
}

}  // namespace
}  // namespace uniqd::test

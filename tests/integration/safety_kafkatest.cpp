// The breaker on real servers: a misconfigured pointer ends in a pause, not in mass deactivation.

#include <doctest/doctest.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/test_bed.hpp"
#include "tests/support/user_events.hpp"
#include "tests/support/wait.hpp"

namespace uniqd::test {
namespace {

using Json = nlohmann::json;

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// Users with an e-mail address each, and one company for all of them.
std::vector<TestRecord> users(int from, int count) {
  std::vector<TestRecord> records;
  for (int number = from; number < from + count; ++number) {
    const std::string name = std::to_string(number);
    records.push_back(cloud_event({"UserAdded",
                                   "u" + name,
                                   "e" + name,
                                   {{"email", name + "@x"}, {"company", "Everybody's Ltd"}}}));
  }
  return records;
}

// A bed whose `email` is read from where the company is.
TestBed& misconfigured(TestBed& bed) {
  bed.email_pointer = "/company";
  return bed;
}

Json status(const UniqdProcess& daemon) {
  const auto answer = daemon.command({"status", "--json"});
  REQUIRE(answer.exit_code == 0);
  return Json::parse(answer.out);
}

void expect_paused(const TestBed& bed, const UniqdProcess& daemon, int held) {
  const Json paused = status(daemon)["paused"];
  REQUIRE(paused.is_object());
  CHECK(paused["held"] == held);
  CHECK_FALSE(paused["since"].get<std::string>().empty());
  const auto text = daemon.command({"status"}).out;
  CHECK_MESSAGE(contains(text, "SENDING IS PAUSED since "), text);
  CHECK_MESSAGE(contains(text, std::to_string(held) + " messages are held back"), text);
  CHECK(contains(daemon.log_since_start(), "sending is paused: "));
  CHECK(contains(daemon.log_since_start(), "'uniqd resume'"));
  wait_until("the metric says so",
             [&] { return contains(daemon.get("/metrics").body, "uniqd_paused 1"); });
  CHECK(daemon.get("/readyz").status == 200);
  CHECK(bed.sql_text("SELECT count(*) FROM safety WHERE paused_at IS NOT NULL") == "1");
}

TEST_CASE("safety: a misconfigured pointer on a topic with a past sends nothing at all") {
  TestBed bed;
  bed.safety = "{}";
  misconfigured(bed).produce(users(0, 1200));
  const auto daemon = bed.daemon();
  daemon->start_and_wait();
  bed.wait_applied();
  expect_paused(bed, *daemon, 1199);
  CHECK(bed.command_count() == 0);
  CHECK(contains(status(*daemon)["paused"]["reason"].get<std::string>(),
                 "of the last 52 claiming events violate"));

  // Deciding goes on, also after death; sending does not.
  bed.produce(users(1200, 10));
  bed.wait_applied();
  daemon->kill();
  bed.produce(users(1210, 10));
  daemon->start_and_wait();
  bed.wait_applied();
  expect_paused(bed, *daemon, 1219);
  CHECK(bed.command_count() == 0);

  const auto resumed = daemon->command({"resume", "--json"});
  CHECK(resumed.exit_code == 0);
  CHECK(Json::parse(resumed.out)["resumed"] == true);
  CHECK(Json::parse(resumed.out)["released"] == 1219);
  bed.wait_settled();
  CHECK(bed.command_count() == 1219);
  CHECK(status(*daemon)["paused"].is_null());
  wait_until("the metric says so",
             [&] { return contains(daemon->get("/metrics").body, "uniqd_paused 0"); });
  const auto again = daemon->command({"resume"});
  CHECK(again.exit_code == 0);
  CHECK(again.out == "sending was not paused; there was nothing to do\n");
}

TEST_CASE("safety: a misconfigured pointer sends at most 50 commands of users added one by one") {
  TestBed bed;
  bed.safety = "{}";
  const auto daemon = misconfigured(bed).daemon();
  daemon->start_and_wait();
  const auto all = users(0, 120);
  for (const TestRecord& record : all) {
    bed.produce({record});
    bed.wait_applied();
    if (bed.sql_text("SELECT count(*) FROM safety WHERE paused_at IS NULL") == "1") {
      bed.wait_settled();
    }
  }
  // The first user owns the value, 50 more are half of the 100 that a young window counts as.
  expect_paused(bed, *daemon, 69);
  CHECK(bed.command_count() == 50);
  std::set<std::string> told;
  for (const TestRecord& command : bed.commands_sent()) told.insert(command.header("ce_subject"));
  for (int number = 1; number <= 50; ++number) CHECK(told.contains("u" + std::to_string(number)));
}

TEST_CASE("safety: the window begins anew with other rules, and is one for two instances") {
  TestBed bed(2);
  bed.safety = "{}";
  const auto good = bed.daemon("good");
  good->start_and_wait();
  bed.produce(users(0, 1000));
  bed.wait_settled();
  CHECK(good->stop() == 0);
  CHECK(bed.command_count() == 0);

  misconfigured(bed);
  const auto one = bed.daemon("one");
  const auto two = bed.daemon("two");
  one->start_and_wait();
  two->start();
  for (const TestRecord& record : users(1000, 60)) {
    bed.produce({record});
    bed.wait_applied();
  }
  CHECK(bed.sql_text("SELECT count(*) FROM safety WHERE paused_at IS NOT NULL") == "1");
  CHECK(bed.command_count() <= 50);
}

TEST_CASE("safety: three users, two of whom collide, are no reason to pause") {
  TestBed bed;
  bed.safety = "{}";
  const auto daemon = bed.daemon();
  daemon->start_and_wait();
  bed.produce({cloud_event({"UserAdded", "u1", "e1", {{"email", "a@x"}}}),
               cloud_event({"UserAdded", "u2", "e2", {{"email", "a@x"}}}),
               cloud_event({"UserAdded", "u3", "e3", {{"email", "a@x"}}})});
  bed.wait_settled();
  CHECK(bed.command_count() == 2);
  CHECK(status(*daemon)["paused"].is_null());
  CHECK(contains(daemon->get("/metrics").body, "uniqd_paused 0"));
}

TEST_CASE("safety: beyond the limit a minute sending pauses, and what was held goes out at once") {
  TestBed bed;
  bed.safety = "{ max_violation_share: 1, max_commands_per_minute: 20 }";
  misconfigured(bed).produce(users(0, 101));
  const auto daemon = bed.daemon();
  daemon->start_and_wait();
  daemon->wait_for_log("sending is paused: more commands than safety.max_commands_per_minute");
  wait_until("the commands before are there", [&] { return bed.command_count() == 20; });
  expect_paused(bed, *daemon, 80);
  daemon->kill();
  daemon->start_and_wait();
  expect_paused(bed, *daemon, 80);
  CHECK(bed.command_count() == 20);

  CHECK(contains(daemon->command({"resume"}).out, "80 messages were held back and go out now"));
  bed.wait_settled();
  CHECK(bed.command_count() == 100);
  // It counts anew since then.
  bed.produce(users(101, 21));
  daemon->wait_for_log("sending is paused: ");
  wait_until("20 more are there", [&] { return bed.command_count() == 120; });
  expect_paused(bed, *daemon, 1);
}

TEST_CASE("safety: in detect mode there is nothing to pause") {
  TestBed bed;
  bed.safety = "{}";
  bed.more = "mode: detect\n";
  misconfigured(bed).produce(users(0, 300));
  const auto daemon = bed.daemon();
  daemon->start_and_wait();
  bed.wait_applied();
  CHECK(status(*daemon)["paused"].is_null());
  CHECK(status(*daemon)["compensations"]["detected"] == 299);
  CHECK(bed.command_count() == 0);
}

TEST_CASE("safety: in detect mode, too, an idle daemon notices that the database fails") {
  TestBed bed;
  bed.more = "mode: detect\n";
  const auto daemon = bed.daemon();
  daemon->start_and_wait();
  bed.produce(users(0, 1));
  bed.wait_applied();
  wait_until("it is ready", [&] { return daemon->get("/readyz").status == 200; });
  bed.sql("ALTER TABLE compensations RENAME TO hidden");
  wait_until("it says so", [&] { return daemon->get("/readyz").status == 503; });
  bed.sql("ALTER TABLE hidden RENAME TO compensations");
  wait_until("all is well again", [&] { return daemon->get("/readyz").status == 200; });
}

TEST_CASE("safety: in detect mode nothing is sent, not even what was decided before") {
  TestBed bed;
  const std::string soon = "compensation: { deadline: 1s }\n";
  bed.more = soon;
  misconfigured(bed).produce(users(0, 2));
  const auto sending = bed.daemon();
  sending->start_and_wait();
  bed.wait_applied();
  wait_until("it is sent", [&] { return bed.command_count() > 0; });
  CHECK(sending->stop() == 0);
  const auto before = bed.command_count();

  bed.more = soon + "mode: detect\n";
  const auto detecting = bed.daemon("detecting");
  detecting->start_and_wait();
  detecting->wait_for_log("mode is detect: nothing is sent");
  bed.produce(users(2, 2));
  bed.wait_applied();
  const std::string is_due = "SELECT count(*) FROM compensations WHERE due_at < now()";
  wait_until("it is due again", [&] { return bed.sql_text(is_due) == "1"; });
  const std::string id = bed.sql_text("SELECT id FROM compensations WHERE state <> 'detected'");
  CHECK(detecting->command({"compensations", "retry", id}).exit_code == 0);
  std::this_thread::sleep_for(std::chrono::seconds{2});
  CHECK(bed.command_count() == before);
  CHECK(detecting->stop() == 0);

  bed.more = soon;
  const auto enforcing = bed.daemon("enforcing");
  enforcing->start_and_wait();
  wait_until("it is sent again", [&] { return bed.command_count() > before; });
}

}  // namespace
}  // namespace uniqd::test

// The rebuild on real servers: the same model again, beside a daemon at work, from nothing at all,
// under other rules.

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/oracle_check.hpp"
#include "tests/support/random_load.hpp"
#include "tests/support/test_bed.hpp"
#include "tests/support/user_events.hpp"
#include "tests/support/wait.hpp"

namespace uniqd::test {
namespace {

using Json = nlohmann::json;
using Words = std::vector<std::string>;
using std::chrono::seconds;

Json rebuild(const UniqdProcess& daemon, const Words& more = {}, int exit_code = 0) {
  Words words{"rebuild", "--json"};
  words.insert(words.end(), more.begin(), more.end());
  const ProgramResult result = daemon.command(words, seconds{120});
  INFO(result.err);
  REQUIRE(result.exit_code == exit_code);
  return Json::parse(result.out);
}

TestRecord added(const std::string& user, const std::string& email, const std::string& id,
                 std::int32_t partition = -1) {
  return cloud_event({"UserAdded", user, id, {{"email", email}}, partition});
}
TestRecord deactivated(const std::string& user, const std::string& id) {
  return cloud_event({"UserDeactivated", user, id, {}});
}

// By id, how often each command is on the topic.
std::map<std::string, int> sent_ids(TestBed& bed) {
  std::map<std::string, int> ids;
  for (const TestRecord& command : bed.commands_sent()) ++ids[command.header("ce_id")];
  return ids;
}

std::string owner(const UniqdProcess& daemon, const std::string& email) {
  const auto answer = daemon.command({"lookup", "email", "email=" + email, "--json"});
  REQUIRE(answer.exit_code == 0);
  const Json json = Json::parse(answer.out);
  return json["owner"].is_null() ? "" : json["owner"].get<std::string>();
}

std::string state_of(TestBed& bed, const std::string& entity) {
  return bed.sql_text("SELECT state FROM compensations WHERE entity = '" + entity +
                      "' ORDER BY ordinal DESC LIMIT 1");
}

TEST_CASE("rebuild --verify: equal models are shown to be equal, and nothing is changed") {
  for (const int partitions : {1, 3}) {
    TestBed bed(partitions);
    RandomLoad load(71, partitions);
    bed.produce(load.next(1500));
    const auto daemon = bed.daemon();
    daemon->start_and_wait();
    bed.wait_settled();
    const Json report = rebuild(*daemon, {"--verify"});
    CHECK(report["equal"] == true);
    CHECK(report["swapped"] == false);
    CHECK(report["reading_seconds"] > 0);
    CHECK(report["reading_seconds"] < report["seconds"]);
    CHECK(report["claims"]["both"].get<int>() > 50);
    CHECK(report["compensations"]["both"].get<int>() > 50);
    CHECK(report["to_send"] == 0);
    CHECK(bed.sql_text("SELECT max(generation) FROM positions") == "1");
    CHECK(daemon->stop() == 0);
  }
}

TEST_CASE("rebuild --verify: one row that is wrong is found, and the rebuild mends it") {
  TestBed bed;
  bed.produce({added("u1", "a@x", "e1"), added("u2", "a@x", "e2"), added("u3", "b@x", "e3")});
  const auto daemon = bed.daemon();
  daemon->start_and_wait();
  bed.wait_settled();
  bed.sql("UPDATE claims SET owner = 'u9' WHERE owner = 'u3'");
  const Json report = rebuild(*daemon, {"--verify"}, 1);
  CHECK(report["equal"] == false);
  CHECK(report["claims"]["changed"] == 1);
  CHECK(report["claims"]["both"] == 1);
  REQUIRE(report["examples"].size() == 1);
  CHECK(owner(*daemon, "b@x") == "u9");
  (void)rebuild(*daemon);
  CHECK(owner(*daemon, "b@x") == "u3");
  CHECK(rebuild(*daemon, {"--verify"})["equal"] == true);
}

TEST_CASE("a rebuild beside a daemon at work: nothing is lost, nothing is sent twice") {
  for (const int partitions : {1, 3}) {
    TestBed bed(partitions);
    RandomLoad load(72, partitions);
    bed.produce(load.next(1000));
    const auto daemon = bed.daemon();
    daemon->start_and_wait();
    std::atomic<bool> is_done{false};
    std::thread traffic([&] {
      while (!is_done) {
        bed.produce(load.next(20));
        std::this_thread::sleep_for(std::chrono::milliseconds{20});
      }
    });
    Json report;
    for (int round = 0; round < 3; ++round) report = rebuild(*daemon);
    is_done = true;
    traffic.join();
    CHECK(report["swapped"] == true);
    CHECK(report["equal"] == true);
    CHECK(report["to_send"] == 0);
    bed.wait_settled();
    expect_equal_to_oracle(bed);
    CHECK(bed.sql_text("SELECT min(generation) FROM positions") == "4");
    CHECK(daemon->is_running());
    CHECK(rebuild(*daemon, {"--verify"})["equal"] == true);
    CHECK(daemon->stop() == 0);
  }
}

// What two daemons made of users that want the same values in several partitions, and what people
// did in between, is not in the topic.
TEST_CASE("the order between partitions and what people did is followed") {
  TestBed bed(3);
  const auto first = bed.daemon("first");
  const auto second = bed.daemon("second");
  first->start_and_wait();
  second->start_and_wait();
  for (int round = 0; round < 5; ++round) {
    std::vector<TestRecord> records;
    for (int value = 0; value < 60; ++value) {
      const std::string user = fmt::format("u{}-{}", round, value);
      records.push_back(added(user, fmt::format("{}@x", value % 20), "e-" + user, value % 3));
    }
    bed.produce(records);
  }
  bed.wait_settled();
  const std::string dismissed =
      bed.sql_text("SELECT id FROM compensations WHERE state = 'sent' ORDER BY ordinal LIMIT 1");
  CHECK(first->command({"compensations", "dismiss", dismissed}).exit_code == 0);
  const std::string wanted = bed.sql_text(
      "SELECT v.owner FROM violations v WHERE v.compensation = '" + dismissed + "' LIMIT 1");
  const std::string place = bed.sql_text(
      "SELECT substr(entity, length(entity)) FROM compensations WHERE id = '" + dismissed + "'");
  // Its owner leaves; a dismissed one is promoted, one that waits for its correction is not.
  const int partition = std::stoi(wanted.substr(wanted.find('-') + 1)) % 3;
  auto leave = deactivated(wanted, "e-leave");
  leave.partition = partition;
  bed.produce({leave});
  bed.wait_settled();
  CHECK(bed.sql_text("SELECT state FROM compensations WHERE id = '" + dismissed + "'") ==
        "resolved");
  const Json report = rebuild(*first, {"--verify"});
  CHECK(report["equal"] == true);
  (void)rebuild(*second);
  CHECK(rebuild(*first, {"--verify"})["equal"] == true);
}

TEST_CASE("a lost database is made again from the topic, and sends what is open, by the same ids") {
  TestBed bed;
  bed.more = "compensation: { deadline: 1h }\n";
  bed.produce({added("u1", "a@x", "e1"), added("u2", "a@x", "e2"), added("u3", "a@x", "e3"),
               deactivated("u3", "e4"), added("u4", "d@x", "e5")});
  const auto daemon = bed.daemon();
  daemon->start_and_wait();
  bed.wait_settled();
  CHECK(daemon->stop() == 0);
  const auto before = sent_ids(bed);
  CHECK(before.size() == 1);
  bed.sql("DROP SCHEMA " + bed.schema + " CASCADE");
  const Json report = rebuild(*daemon);
  CHECK(report["swapped"] == true);
  CHECK(report["to_send"] == 1);
  CHECK(owner(*daemon, "a@x") == "u1");
  daemon->start_and_wait();
  bed.wait_settled();
  const auto after = sent_ids(bed);
  REQUIRE(after.size() == 1);
  CHECK(after.begin()->first == before.begin()->first);
  CHECK(after.begin()->second == 2);
  CHECK(daemon->stop() == 0);
}

TEST_CASE("under changed rules what is newly found is reported, and sent only with --send") {
  TestBed bed;
  bed.normalize = "[trim]";
  bed.produce({added("u1", "a@x", "e1"), added("u2", "A@x", "e2"), added("u3", "a@x", "e3")});
  const auto daemon = bed.daemon();
  daemon->start_and_wait();
  bed.wait_settled();
  CHECK(sent_ids(bed).size() == 1);

  bed.normalize = "[trim, casefold]";
  const auto changed = bed.daemon("changed");
  CHECK(changed->command({"run"}).exit_code == 78);
  const Json first = rebuild(*changed);
  CHECK(first["to_send"] == 0);
  CHECK(first["detected"] == 1);
  REQUIRE(first["rules_changed"].size() == 1);
  CHECK(state_of(bed, "u2") == "detected");
  CHECK(state_of(bed, "u3") == "sent");

  // The daemon with the old rules is not let near the new read model.
  bed.produce({added("u4", "B@x", "e4")});
  CHECK(daemon->wait_for_exit() == 3);
  CHECK(daemon->log().find("rebuilt under other rules") != std::string::npos);
  changed->start_and_wait();
  bed.wait_settled();
  CHECK(sent_ids(bed).size() == 1);
  CHECK(owner(*changed, "b@x") == "u4");

  // What was only reported stays so, until someone says that it is to be sent.
  CHECK(rebuild(*changed)["to_send"] == 0);
  CHECK(state_of(bed, "u2") == "detected");
  CHECK(rebuild(*changed, {"--send"})["equal"] == true);
  bed.wait_settled();
  CHECK(state_of(bed, "u2") == "sent");
  CHECK(sent_ids(bed).size() == 2);
  CHECK(changed->stop() == 0);
}

// What was only detected is told from what was sent later by nothing but the compensation's action.
TEST_CASE("a rebuild changes no words of what was decided, unless the rules have others") {
  TestBed bed;
  bed.more = "mode: detect\n";
  bed.produce({added("u1", "a@x", "e1"),
               cloud_event({"UserAdded", "u2", "e2", {{"username", "b"}}}),
               added("u3", "a@x", "e3")});
  const auto detecting = bed.daemon("detecting");
  detecting->start_and_wait();
  bed.wait_settled();
  CHECK(state_of(bed, "u3") == "detected");
  CHECK(detecting->stop() == 0);

  bed.more = "";
  const auto daemon = bed.daemon();
  daemon->start_and_wait();
  bed.produce({cloud_event({"UserNameChanged", "u3", "e4", {{"username", "b"}}}),
               cloud_event({"UserAdded", "u4", "e5", {{"username", "b"}}})});
  bed.wait_settled();
  const auto words_of = [&](const std::string& entity) {
    return bed.sql_text("SELECT command || ': ' || reason FROM compensations WHERE entity = '" +
                        entity + "'");
  };
  CHECK(state_of(bed, "u3") == "sent");
  CHECK(words_of("u3") == "DeactivateUser: This name is taken.");
  CHECK(rebuild(*daemon)["equal"] == true);
  CHECK(words_of("u3") == "DeactivateUser: This name is taken.");
  CHECK(words_of("u4") == "DeactivateUser: This name is taken.");
  CHECK(daemon->stop() == 0);

  bed.name_is_taken = "Somebody is called that.";
  CHECK(rebuild(*bed.daemon("other-words"))["equal"] == true);
  CHECK(words_of("u4") == "DeactivateUser: Somebody is called that.");
}

TEST_CASE("with little memory it goes on batch by batch, to the same end") {
  TestBed bed;
  RandomLoad load(73);
  bed.produce(load.next(3000));
  const auto daemon = bed.daemon();
  daemon->start_and_wait();
  bed.wait_settled();
  CHECK(rebuild(*daemon, {"--verify", "--memory-max-mib", "1"})["equal"] == true);
  const ProgramResult result = daemon->command({"rebuild", "--memory-max-mib", "1"}, seconds{120});
  CHECK(result.exit_code == 0);
  CHECK(
      result.err.find(" MiB in memory after 3000 events, more than --memory-max-mib allows (1)") !=
      std::string::npos);
  CHECK(rebuild(*daemon, {"--verify"})["equal"] == true);
}

TEST_CASE(
    "two rebuilds at once: the second says so and leaves; one that was killed is no obstacle") {
  TestBed bed;
  RandomLoad load(74);
  bed.produce(load.next(500));
  const auto daemon = bed.daemon();
  daemon->start_and_wait();
  bed.wait_settled();
  PgSession other({bed.postgres, bed.schema});
  other.run("SELECT pg_advisory_lock(hashtextextended('uniqd rebuild " + bed.schema + "', 0))");
  const auto refused = daemon->command({"rebuild"});
  CHECK(refused.exit_code == 1);
  CHECK(refused.err.find("another rebuild") != std::string::npos);
  other.run("SELECT pg_advisory_unlock_all()");
  // What a rebuild that died left behind.
  bed.sql("CREATE SCHEMA " + bed.schema + "_next; CREATE TABLE " + bed.schema +
          "_next.claims (x int)");
  CHECK(rebuild(*daemon)["equal"] == true);
  CHECK(bed.sql_text("SELECT count(*) FROM pg_namespace WHERE nspname = '" + bed.schema +
                     "_next'") == "0");
}

TEST_CASE("with values: plain a rebuild writes the texts that the daemon wrote") {
  TestBed bed;
  bed.readmodel["values"] = "plain";
  RandomLoad load(75);
  bed.produce(load.next(1500));
  const auto daemon = bed.daemon();
  daemon->start_and_wait();
  bed.wait_settled();
  const auto texts = [&bed] {
    return bed.sql_text(
        "SELECT count(*) || ': ' || string_agg(concat_ws(' ', entity, slot, value), ', '"
        " ORDER BY entity, slot) FROM value_texts");
  };
  const std::string written = texts();
  CHECK(written.size() > 1000);
  bed.sql("UPDATE value_texts SET value = 'lost'");
  SUBCASE("all at once") { (void)rebuild(*daemon); }
  SUBCASE("batch by batch") { (void)rebuild(*daemon, {"--memory-max-mib", "1"}); }
  CHECK(texts() == written);
}

TEST_CASE("others keep their rights on the tables") {
  TestBed bed;
  bed.produce({added("u1", "a@x", "e1")});
  const auto daemon = bed.daemon();
  daemon->start_and_wait();
  bed.wait_settled();
  const std::string role = unique_name("reader");
  bed.sql("CREATE ROLE \"" + role + "\"; GRANT SELECT ON claims, compensations TO \"" + role +
          "\"");
  (void)rebuild(*daemon);
  CHECK(bed.sql_text("SELECT has_table_privilege('" + role + "', 'claims', 'SELECT')") == "t");
  CHECK(bed.sql_text("SELECT has_table_privilege('" + role + "', 'claims', 'UPDATE')") == "f");
  bed.sql("DROP OWNED BY \"" + role + "\"; DROP ROLE \"" + role + "\"");
}

}  // namespace
}  // namespace uniqd::test

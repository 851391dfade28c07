// Records that are no events: parked and looked at, retried and dropped; or the daemon halts at
// them.

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/support/oracle_check.hpp"
#include "tests/support/services.hpp"
#include "tests/support/test_bed.hpp"
#include "tests/support/user_events.hpp"
#include "tests/support/wait.hpp"

namespace uniqd::test {
namespace {

using Json = nlohmann::json;

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// Plain events are not recognised where the configuration looks for their type in the wrong place.
constexpr const char* wrong_place = "{ type: /kind }";

Json answer_of(const ProgramResult& result) {
  REQUIRE_MESSAGE(result.exit_code == 0, result.err);
  return Json::parse(result.out);
}

std::vector<std::int64_t> history_again(const TestBed& bed) {
  std::vector<std::int64_t> offsets;
  for (const auto& row : bed.sql("SELECT \"offset\" FROM history WHERE what = 'again' AND "
                                 "partition = 0 ORDER BY ordinal")) {
    offsets.push_back(row[0].as<std::int64_t>());
  }
  return offsets;
}

// What the read model knows is what a rebuild makes of the topic and the history, all in memory or
// nearly all batch by batch.
void expect_equal_to_rebuild(const UniqdProcess& daemon) {
  for (const char* memory_max_mib : {"2048", "1"}) {
    const auto verified = daemon.command(
        {"rebuild", "--verify", "--memory-max-mib", memory_max_mib}, std::chrono::seconds{60});
    CHECK_MESSAGE(verified.exit_code == 0, verified.out, verified.err);
  }
}

TEST_CASE("a parked record is retried once it can be read, with what came after it") {
  TestBed bed;
  bed.source["plain"] = wrong_place;
  const auto daemon = bed.daemon();
  daemon->start_and_wait();
  bed.produce({cloud_event({"UserAdded", "u1", "e1", {{"email", "a@x"}}}),
               plain_event({"UserAdded", "u2", "e2", {{"email", "b@x"}}}),
               cloud_event({"UserEmailChanged", "u2", "e3", {{"email", "c@x"}}}),
               cloud_event({"UserAdded", "u4", "e4", {{"email", "b@x"}}}),
               plain_event({"UserAdded", "u5", "e5", {{"email", "a@x"}}})});
  bed.wait_settled();
  CHECK(bed.command_count() == 0);
  auto list = answer_of(daemon->command({"deadletters", "list", "--json"}));
  REQUIRE(list.size() == 2);
  CHECK(list[0]["offset"] == 4);  // the latest first
  CHECK(list[1]["offset"] == 1);
  CHECK(list[1]["state"] == "open");
  const std::string first = list[1]["id"].dump();
  const std::string second = list[0]["id"].dump();

  // As long as the configuration is wrong it stays what it is.
  const auto vain = daemon->command({"deadletters", "retry", first});
  CHECK(vain.exit_code == 1);
  CHECK_MESSAGE(contains(vain.err, "still no event: the payload has no event type at /kind"),
                vain.err);
  auto shown = answer_of(daemon->command({"deadletters", "show", first, "--json"}));
  CHECK(shown["today"] == "bad");

  bed.source.erase("plain");
  const auto mended = bed.daemon("mended");
  shown = answer_of(mended->command({"deadletters", "show", first, "--json"}));
  CHECK(shown["record"] == "there");
  CHECK(shown["today"] == "event");
  CHECK(shown["event"]["entity"] == "u2");
  CHECK(shown["event"]["fields"]["email.email"].get<std::string>().size() == 64);
  CHECK_FALSE(contains(shown.dump(), "b@x"));

  // u4 has b@x by now, but u2 has moved on to c@x.
  const auto retried = mended->command({"deadletters", "retry", first});
  CHECK_MESSAGE(retried.exit_code == 0, retried.err);
  CHECK_MESSAGE(contains(retried.out, "2 events, this one and those after it, of u2 judged"),
                retried.out);
  CHECK(history_again(bed) == std::vector<std::int64_t>{1, 2});
  CHECK(bed.sql_text("SELECT string_agg(owner, ',' ORDER BY owner) FROM claims") == "u1,u2,u4");
  CHECK(contains(mended->command({"lookup", "email", "email=c@x"}).out, "u2"));
  bed.wait_settled();
  CHECK(bed.command_count() == 0);

  // What violates now is answered by the daemon that runs.
  CHECK(mended->command({"deadletters", "retry", second}).exit_code == 0);
  bed.wait_settled();
  const auto commands = bed.commands_sent();
  REQUIRE(commands.size() == 1);
  CHECK(commands[0].header("ce_subject") == "u5");
  CHECK(answer_of(mended->command({"deadletters", "list", "--state", "open", "--json"})).empty());
  CHECK(
      answer_of(mended->command({"deadletters", "list", "--state", "retried", "--json"})).size() ==
      2);
  CHECK(contains(daemon->get("/metrics").body, "uniqd_dead_letters 0"));

  // The daemon goes on behind it, and a rebuild comes to the same.
  CHECK(daemon->stop() == 0);
  mended->start_and_wait();
  bed.produce({cloud_event({"UserDeactivated", "u5", "e6"}),
               cloud_event({"UserAdded", "u7", "e7", {{"email", "c@x"}}})});
  bed.wait_settled();
  CHECK(bed.command_count() == 2);
  expect_equal_to_rebuild(*mended);
}

TEST_CASE("a dead letter ends once, and what cannot be done is said") {
  TestBed bed;
  bed.source["plain"] = wrong_place;
  const auto daemon = bed.daemon();
  daemon->start_and_wait();
  bed.produce({plain_event({"UserAdded", "u1", "e1", {{"email", "a@x"}}}),
               plain_event({"UserAdded", "u2", "e2", {{"email", "b@x"}}})});
  bed.wait_settled();
  bed.source.erase("plain");
  const auto mended = bed.daemon("mended");
  const auto ask = [&](const std::string& what, const std::string& id) {
    return mended->command({"deadletters", what, id});
  };
  const std::string id = bed.sql_text("SELECT id FROM dead_letters WHERE \"offset\" = 0");
  const std::string other = bed.sql_text("SELECT id FROM dead_letters WHERE \"offset\" = 1");
  CHECK(ask("drop", id).exit_code == 0);
  for (const char* what : {"drop", "retry"}) {
    const auto again = ask(what, id);
    CHECK(again.exit_code == 1);
    CHECK_MESSAGE(contains(again.err, "was dropped at "), again.err);
    const auto unknown = ask(what, "999999");
    CHECK(unknown.exit_code == 1);
    CHECK_MESSAGE(contains(unknown.err, "there is no dead letter 999999"), unknown.err);
  }
  CHECK(mended->command({"deadletters", "list", "--state", "closed"}).exit_code == 2);
  CHECK(ask("show", "one").exit_code == 2);
  CHECK(bed.sql_text("SELECT count(*) FROM entities") == "0");

  if (lacks_kafka()) return;
  bed.kafka().delete_records_before(bed.topic, 0, 2);
  const auto gone = ask("retry", other);
  CHECK(gone.exit_code == 1);
  CHECK_MESSAGE(contains(gone.err, "not in the topic any more"), gone.err);
  CHECK(contains(ask("show", other).out, "not in the topic any more"));
  CHECK(ask("drop", other).exit_code == 0);
  CHECK(contains(ask("show", other).out, "dropped"));
}

// With a number in the source's sequence.
TestRecord numbered(TestRecord record, int number) {
  record.headers.emplace_back("esdb-record-log-position", std::to_string(number));
  return record;
}

TEST_CASE("on_bad_event: halt stops at the record, every time, until it can be read") {
  TestBed bed;
  bed.source["plain"] = wrong_place;
  bed.source["sequence"] = "esdb-record-log-position";
  bed.more = "on_bad_event: halt\n";
  bed.produce({numbered(cloud_event({"UserAdded", "u1", "e1", {{"email", "a@x"}}}), 1),
               numbered(cloud_event({"UserAdded", "u2", "e2", {{"email", "a@x"}}}), 2),
               numbered(plain_event({"UserAdded", "u3", "e3", {{"email", "c@x"}}}), 3),
               numbered(cloud_event({"UserAdded", "u4", "e4", {{"email", "c@x"}}}), 4)});
  const auto daemon = bed.daemon();
  for (int start = 0; start < 2; ++start) {
    daemon->start();
    CHECK(daemon->wait_for_exit() == 3);
    const std::string log = daemon->log_since_start();
    CHECK_MESSAGE(contains(log, "halted: partition 0 offset 2 is no event: "), log);
    CHECK_MESSAGE(contains(log, "on_bad_event: park"), log);
    // What was before it counts.
    CHECK(bed.positions().at(0).next_offset == Offset{2});
    CHECK(bed.sql_text("SELECT sequence FROM positions") == "2");
    CHECK(bed.sql_text("SELECT count(*) FROM entities") == "2");
    CHECK(bed.sql_text("SELECT count(*) FROM dead_letters") == "0");
  }
  bed.source.erase("plain");
  const auto mended = bed.daemon("mended");
  mended->start_and_wait();
  bed.wait_settled();
  CHECK(bed.command_count() == 2);
  CHECK(mended->stop() == 0);
}

TEST_CASE("source.sequence tells redeliveries at other offsets, also after a restart") {
  TestBed bed;
  bed.source["sequence"] = "esdb-record-log-position";
  const auto added = numbered(cloud_event({"UserAdded", "u1", "e1", {{"email", "a@x"}}}), 10);
  const auto changed =
      numbered(cloud_event({"UserEmailChanged", "u1", "e2", {{"email", "b@x"}}}), 25);
  const auto daemon = bed.daemon();
  daemon->start_and_wait();
  bed.produce({added, changed, added});
  bed.wait_settled();
  // The older event came again and did not take b@x back.
  CHECK(contains(daemon->command({"lookup", "email", "email=b@x"}).out, "owned by u1"));
  CHECK(contains(daemon->get("/metrics").body,
                 R"(uniqd_events_total{type="",outcome="redelivered"} 1)"));
  CHECK(daemon->stop() == 0);
  bed.produce({added, changed, cloud_event({"UserAdded", "u2", "e3", {{"email", "c@x"}}}),
               numbered(cloud_event({"UserAdded", "u4", "e4", {{"email", "d@x"}}}), 26)});
  daemon->start_and_wait();
  bed.wait_settled();
  CHECK(contains(daemon->command({"lookup", "email", "email=b@x"}).out, "owned by u1"));
  CHECK(bed.sql_text("SELECT sequence FROM positions") == "26");
  CHECK(bed.sql_text("SELECT reason || sequence FROM dead_letters") ==
        "the record has no sequence number in a header esdb-record-log-position25");
  CHECK(bed.sql_text("SELECT string_agg(entity, ',' ORDER BY entity) FROM entities") == "u1,u4");
  expect_equal_to_rebuild(*daemon);

  // A rebuild from nothing parks it with the same number.
  CHECK(daemon->stop() == 0);
  const std::string parked = "SELECT count(*) FROM dead_letters WHERE sequence = 25";
  CHECK(daemon->command({"rebuild", "--anew"}).exit_code == 0);
  CHECK(bed.sql_text(parked) == "1");

  // One that has been dropped has been met all the same, and its redelivery is nothing new.
  TestRecord bad = numbered(cloud_event({"UserAdded", "u5", "e5", {{"email", "e@x"}}}), 27);
  bad.payload = "{";
  bed.produce({bad});
  daemon->start_and_wait();
  bed.wait_settled();
  const std::string dropped = bed.sql_text("SELECT max(id) FROM dead_letters");
  CHECK(daemon->command({"deadletters", "drop", dropped}).exit_code == 0);
  bed.produce({bad});
  bed.wait_settled();
  CHECK(bed.sql_text("SELECT count(*) FROM dead_letters") == "2");
  CHECK(daemon->command({"rebuild"}).exit_code == 0);
  CHECK(bed.sql_text("SELECT count(*) FROM dead_letters") == "2");

  // Where the number is not asked for any more, the parked record is an event.
  CHECK(daemon->stop() == 0);
  bed.source.erase("sequence");
  const auto mended = bed.daemon("mended");
  const auto id = bed.sql_text("SELECT min(id) FROM dead_letters");
  CHECK(mended->command({"deadletters", "retry", id}).exit_code == 0);
  CHECK(bed.sql_text("SELECT string_agg(entity, ',' ORDER BY entity) FROM entities") == "u1,u2,u4");
}

TEST_CASE("source.sequence: what was read again, and is bad once more, keeps its place's number") {
  TestBed bed;
  bed.source["sequence"] = "esdb-record-log-position";
  bed.source["plain"] = wrong_place;
  bed.produce({numbered(plain_event({"UserAdded", "u1", "e1", {{"email", "a@x"}}}), 10),
               numbered(cloud_event({"UserAdded", "u2", "e2", {{"email", "b@x"}}}), 20)});
  const auto daemon = bed.daemon();
  daemon->start_and_wait();
  bed.wait_settled();
  CHECK(daemon->stop() == 0);
  const std::string letter = "SELECT sequence || coalesce(ended, '') FROM dead_letters";
  CHECK(bed.sql_text(letter) == "10");

  bed.source.erase("plain");
  const auto id = bed.sql_text("SELECT id FROM dead_letters");
  const auto reading = bed.daemon("reading");
  CHECK(reading->command({"deadletters", "retry", id}).exit_code == 0);
  CHECK(bed.sql_text("SELECT count(*) FROM entities") == "2");
  CHECK(bed.sql_text(letter) == "10retried");

  bed.source["plain"] = wrong_place;
  CHECK(bed.daemon("misplacing")->command({"rebuild"}).exit_code == 0);
  CHECK(bed.sql_text("SELECT count(*) FROM entities") == "1");
  CHECK(bed.sql_text(letter) == "10retried");
}

}  // namespace
}  // namespace uniqd::test

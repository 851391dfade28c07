// What uniqd says of a topic without a read model, and of an entity with one.

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "tests/simulation/oracle.hpp"
#include "tests/support/random_load.hpp"
#include "tests/support/test_bed.hpp"
#include "tests/support/user_events.hpp"
#include "tests/support/wait.hpp"

namespace uniqd::test {
namespace {

using Json = nlohmann::json;
using simulation::Deed;
using simulation::Oracle;
using Lines = std::vector<std::string>;

const Lines names{"email", "full_name", "username"};  // of the bed, in its order

Oracle oracle_of(TestBed& bed) {
  Oracle oracle({{{"email"}}, {{"first", "last"}, Deed::review, Deed::review}, {{"username"}}});
  for (const TestRecord& record : bed.kafka().read_all(bed.topic)) oracle.fold(told_by(record));
  return oracle;
}

struct Expected {
  Lines findings;                                              // in the order of decision
  std::map<std::string, std::map<std::string, int>> outcomes;  // by constraint
};

Expected expected_of(const Oracle& oracle) {
  std::vector<const Oracle::Compensation*> decided(oracle.compensations.size());
  for (const auto& [identity, known] : oracle.compensations) decided[known.decided] = &known;
  Expected expected;
  for (const auto& name : names) {
    expected.outcomes[name] = {{"open", 0}, {"confirmed", 0}, {"resolved", 0}};
  }
  for (const Oracle::Compensation* known : decided) {
    for (const auto& violation : known->violations) {
      const std::string& name = names[violation.rule];
      ++expected.outcomes[name][known->state];
      expected.findings.push_back(fmt::format("{} {} {} {} {}", name, known->cause.user,
                                              violation.owner, known->state, violation.event_id));
    }
  }
  return expected;
}

std::string finding(const Json& line) {
  CHECK(line["error"] == "UniqueConstraintViolation");
  CHECK(line["value"].get<std::string>().size() == 64);
  return fmt::format("{} {} {} {} {}", line["constraint"].get<std::string>(),
                     line["entity"].get<std::string>(), line["owner"].get<std::string>(),
                     line["outcome"].get<std::string>(), line["event_id"].get<std::string>());
}

Lines lines_of(const std::string& text) {
  Lines lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

Lines words_of(const std::string& text) {
  std::istringstream stream(text);
  Lines words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

// Neither a schema, nor an offset of the group, nor a command.
void expect_nothing_written(const TestBed& bed) {
  CHECK(bed.sql_text("SELECT count(*) FROM information_schema.schemata WHERE schema_name = '" +
                     bed.schema + "'") == "0");
  CHECK(bed.command_count() == 0);
  const auto asking = make_kafka_client(
      RD_KAFKA_CONSUMER,
      make_kafka_conf({}, {{"bootstrap.servers", bed.brokers}, {"group.id", bed.group}}, {}));
  const KafkaPartitions list(rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_list_add(list.get(), bed.topic.c_str(), 0);
  REQUIRE(rd_kafka_committed(asking.get(), list.get(), 10'000) == RD_KAFKA_RESP_ERR_NO_ERROR);
  CHECK(list->elems[0].offset == RD_KAFKA_OFFSET_INVALID);
}

TEST_CASE("audit: every violation that the oracle finds, and nothing is written") {
  TestBed bed;
  auto records = RandomLoad(7).next(600);
  TestRecord bad = cloud_event({"UserAdded", "u1", "e-bad", {}});
  bad.payload = "not JSON";
  records.push_back(bad);
  bed.produce(records);
  const Expected expected = expected_of(oracle_of(bed));
  REQUIRE(expected.findings.size() > 50);
  const auto daemon = bed.daemon();

  const auto json = daemon->command({"audit", "--json"});
  REQUIRE(json.exit_code == 0);
  Lines found;
  auto lines = lines_of(json.out);
  REQUIRE_FALSE(lines.empty());
  const Json summary = Json::parse(lines.back()).at("summary");
  lines.pop_back();
  for (const auto& line : lines) found.push_back(finding(Json::parse(line)));
  CHECK(found == expected.findings);
  CHECK(summary["violations"] == Json(expected.outcomes));
  CHECK(summary["records"] == records.size());
  CHECK(summary["bad_events"] == oracle_of(bed).dead_letters.size());

  const auto table = daemon->command({"audit"});
  REQUIRE(table.exit_code == 0);
  Lines rows;
  for (const auto& line : lines_of(table.out)) {
    const Lines words = words_of(line);  // partition, offset, constraint, entity, owner, outcome, …
    if (words.size() != 8 || words[0] != "0") continue;
    rows.push_back(fmt::format("{} {} {} {} {}", words[2], words[3], words[4], words[5], words[7]));
  }
  CHECK(rows == expected.findings);
  for (const auto& [name, outcomes] : expected.outcomes) {
    const Lines row{name, std::to_string(outcomes.at("open")),
                    std::to_string(outcomes.at("confirmed")),
                    std::to_string(outcomes.at("resolved"))};
    CHECK(std::ranges::count(lines_of(table.out), row, words_of) == 1);
  }
  expect_nothing_written(bed);
}

TEST_CASE("audit: 69 where the broker is away") {
  TestBed bed;
  bed.brokers = "127.0.0.1:1";
  const auto answer = bed.daemon()->command({"audit"}, std::chrono::seconds{60});
  CHECK(answer.exit_code == 69);
  CHECK_MESSAGE(answer.err.find("127.0.0.1:1") != std::string::npos, answer.err);
  CHECK(answer.out.empty());
}

Json explained(const UniqdProcess& daemon, const std::string& user) {
  const auto answer = daemon.command({"explain", user, "--json"});
  REQUIRE(answer.exit_code == 0);
  return Json::parse(answer.out);
}

// Each of `parts` is in the text, in this order.
void expect_text(const UniqdProcess& daemon, const std::string& user, const Lines& parts) {
  const auto answer = daemon.command({"explain", user});
  CHECK(answer.exit_code == 0);
  INFO(answer.out);
  std::size_t place = 0;
  for (const std::string& part : parts) {
    const auto found = answer.out.find(part, place);
    CHECK_MESSAGE(found != std::string::npos, part);
    if (found != std::string::npos) place = found + part.size();
  }
}

TEST_CASE("explain: unknown, owner, and a contender from pending to its end") {
  TestBed bed;
  bed.commands["kafka"] = "{ bootstrap.servers: \"127.0.0.1:1\" }";
  const auto silent = bed.daemon("silent");
  silent->start_and_wait();
  bed.produce({cloud_event({"UserAdded", "u1", "e1", {{"email", "a@x"}}}),
               cloud_event({"UserAdded", "u2", "e2", {{"email", "A@x"}}}),
               plain_event({"UserAdded", "u3", "e3", {{"email", "a@X"}, {"username", "cy"}}})});
  bed.wait_applied();

  Json unknown = explained(*silent, "nobody");
  CHECK(unknown["present"] == false);
  CHECK(unknown["claims"].empty());
  CHECK(unknown["compensations"].empty());
  expect_text(*silent, "nobody", {"nobody is not present", "no compensation was ever opened"});

  const Json owner = explained(*silent, "u1");
  CHECK(owner["present"] == true);
  CHECK(owner["claims"][0]["constraint"] == "email");
  CHECK(owner["claims"][0]["owns"] == owner["claims"][0]["wants"]);
  CHECK(owner["claims"][0]["owner_of_wanted"] == "u1");
  CHECK(owner["claims"][2]["owns"].is_null());
  CHECK(owner["compensations"].empty());
  expect_text(*silent, "u1", {"u1 is present", "email: owns value", "username: has no value"});

  const Json pending = explained(*silent, "u2");
  CHECK(pending["claims"][0]["wants"] == owner["claims"][0]["owns"]);
  CHECK(pending["claims"][0]["owns"].is_null());
  CHECK(pending["claims"][0]["owner_of_wanted"] == "u1");
  REQUIRE(pending["compensations"].size() == 1);
  const Json& first = pending["compensations"][0];
  CHECK(first["state"] == "pending");
  CHECK(first["command"] == "DeactivateUser");
  CHECK(first["attempts"] == 0);
  CHECK(first["sent_at"].is_null());
  CHECK(first["violations"][0]["owner"] == "u1");
  CHECK(first["violations"][0]["event_id"] == "e2");
  CHECK(first["decided_at_position"] ==
        Json{{"topic", bed.topic}, {"partition", 0}, {"offset", 1}});
  expect_text(*silent, "u2",
              {"u2 is present", "which is owned by u1; owns nothing", "of u2: pending",
               fmt::format("event e2 (UserAdded) at {}/0/1", bed.topic), "email that u1 owned"});
  silent->kill();

  bed.commands.clear();
  const auto daemon = bed.daemon();
  daemon->start_and_wait();
  bed.wait_settled();
  const Json sent = explained(*daemon, "u2")["compensations"][0];
  CHECK(sent["id"] == first["id"]);
  CHECK(sent["state"] == "sent");
  CHECK(sent["attempts"] == 1);
  CHECK_FALSE(sent["acknowledged_at"].is_null());
  CHECK_FALSE(sent["due_at"].is_null());
  CHECK(sent["ended_at"].is_null());
  expect_text(*daemon, "u2", {"of u2: sent", "DeactivateUser, 1 attempts", "next send"});

  bed.produce({cloud_event({"UserDeactivated", "u2", "e4"}),
               cloud_event({"UserEmailChanged", "u3", "e5", {{"email", "c@x"}}})});
  bed.wait_settled();
  const Json gone = explained(*daemon, "u2");
  CHECK(gone["present"] == false);
  CHECK(gone["compensations"][0]["state"] == "confirmed");
  CHECK(gone["compensations"][0]["ended_by"] == "e4");
  CHECK(gone["compensations"][0]["due_at"].is_null());
  expect_text(*daemon, "u2", {"u2 is not present", "of u2: confirmed", "confirmed", "by event e4"});
  const Json stays = explained(*daemon, "u3");
  CHECK(stays["compensations"][0]["state"] == "resolved");
  CHECK(stays["compensations"][0]["ended_by"] == "e5");
  CHECK(stays["claims"][0]["owner_of_wanted"] == "u3");
  CHECK(stays["claims"][2]["owns"] == stays["claims"][2]["wants"]);
  expect_text(*daemon, "u3", {"email: owns value", "username: owns value", "of u3: resolved"});
  CHECK(Json::parse(daemon->get("/api/v1/entities/u3").body) == stays);
}

}  // namespace
}  // namespace uniqd::test

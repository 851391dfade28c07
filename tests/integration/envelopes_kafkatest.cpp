// Records as each system writes them, through the whole daemon: the right command comes out.

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "tests/support/record_file.hpp"
#include "tests/support/test_bed.hpp"

namespace uniqd::test {
namespace {

using Json = nlohmann::json;

struct Case {
  const char* fixture;
  const char* envelope;
  const char* entity = "/userId";  // as the configuration has it
  const char* named = "userId";    // as the command has it
  const char* type = "UserAdded";
};

constexpr Case cases[] = {
    {"cloudevents-structured", "cloudevents"},
    {"cloudevents-binary", "cloudevents", "subject", "entity"},
    {"kurrentdb", "kurrentdb"},
    {"axon", "axon", "/userId", "userId", "com.example.users.UserAdded"},
    {"wolverine", "message-type"},
    {"eventuous", "message-type"},
    {"debezium-header", "debezium", "key", "entity"},
    {"debezium-schema-envelope", "debezium"},
    {"plain-confluent", "plain"},
    {"kurrentdb", "auto"},
    {"debezium-envelope", "auto"},
};

void replace_all(std::string& text, const std::string& what, const std::string& by) {
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size())) {
    text.replace(at, what.size(), by);
  }
}

// The fixture tells of user-2 and ends its id in 0002; of another number it is a user before.
TestRecord fixture_record(const std::string& name, char number) {
  std::string text = read_text_file(UNIQD_SOURCE_DIR "/tests/unit/fixtures/" + name + ".record");
  replace_all(text, "user-2", std::string("user-") + number);
  replace_all(text, "0002", std::string("000") + number);
  const RecordFile file = parse_record_file(text);
  TestRecord record;
  record.key = file.key;
  record.payload = file.payload;
  for (const auto& [header, value] : file.headers) record.headers.emplace_back(header, value);
  return record;
}

std::unique_ptr<UniqdProcess> make_daemon(TestBed& bed, const Case& one) {
  bed.source["envelope"] = one.envelope;
  UniqdOptions options;
  options.folder = bed.folder + "/uniqd";
  options.yaml = bed.config();
  replace_all(options.yaml, "UserAdded:", std::string(one.type) + ":");
  replace_all(options.yaml, "entity: /userId", std::string("entity: ") + one.entity);
  return std::make_unique<UniqdProcess>(std::move(options));
}

void check_command(const TestRecord& command, const Case& one) {
  CHECK(command.key == "user-2");
  CHECK(command.header("ce_type") == "DeactivateUser");
  CHECK(command.header("ce_causationid") == "7c0a6c1e-5d0b-4b6e-9a53-3f6e2f2d0002");
  CHECK(command.header("ce_correlationid") == "signup-7");
  CHECK(command.header("traceparent") == "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
  const Json body = Json::parse(command.payload.value_or(""));
  CHECK(body[one.named] == "user-2");
  REQUIRE(body["violations"].size() == 1);
  CHECK(body["violations"][0]["owner"] == "user-1");
  CHECK(body["violations"][0]["constraint"] == "email");
}

}  // namespace

TEST_CASE("every envelope comes in, and its violation's command goes out") {
  for (const Case& one : cases) {
    CAPTURE(std::string(one.fixture));
    CAPTURE(std::string(one.envelope));
    TestBed bed;
    const auto daemon = make_daemon(bed, one);
    daemon->start_and_wait();
    bed.produce({fixture_record(one.fixture, '1'), fixture_record(one.fixture, '2'),
                 fixture_record(one.fixture, '2')});
    bed.wait_settled();
    const auto commands = bed.commands_sent();
    REQUIRE(commands.size() == 1);
    check_command(commands[0], one);
    CHECK(bed.sql_text("SELECT count(*) FROM dead_letters") == "0");
    CHECK(daemon->stop() == 0);
  }
}

TEST_CASE("a record in another envelope than the configured one is a dead letter that says so") {
  TestBed bed;
  bed.source["envelope"] = "kurrentdb";
  const auto daemon = bed.daemon();
  daemon->start_and_wait();
  bed.produce({fixture_record("wolverine", '1')});
  bed.wait_applied();
  CHECK(bed.sql_text("SELECT reason FROM dead_letters") ==
        "an event of KurrentDB's Kafka sink has headers that this record lacks: "
        "esdb-record-schema-subject, esdb-record-id; set them where it is produced, or correct "
        "source.envelope");
  CHECK(daemon->stop() == 0);
}

}  // namespace uniqd::test

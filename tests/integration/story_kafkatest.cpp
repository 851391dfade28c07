// The story of the rules, one event after another, on the whole daemon.

#include <doctest/doctest.h>
#include <yaml-cpp/yaml.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "tests/support/oracle_check.hpp"
#include "tests/support/schema_check.hpp"
#include "tests/support/test_bed.hpp"
#include "tests/support/user_events.hpp"
#include "tests/support/wait.hpp"

namespace uniqd::test {
namespace {

using Json = nlohmann::json;

// One event, applied and settled before the next.
struct Line {
  const char* type;
  const char* user;
  const char* email;  // null: the event has none
  const char* sends;  // "USER OWNER", or null for nothing
  const char* id = nullptr;
};

constexpr Line story[] = {
    {"UserAdded", "u1", "a@x", nullptr},         {"UserAdded", "u2", "a@x", "u2 u1", "e-u2"},
    {"UserAdded", "u2", "a@x", nullptr, "e-u2"}, {"UserDeactivated", "u2", nullptr, nullptr},
    {"UserDeactivated", "u1", nullptr, nullptr}, {"UserAdded", "u3", "a@x", nullptr},
    {"UserAdded", "u4", "a@x", "u4 u3"},         {"UserDeactivated", "u3", nullptr, nullptr},
    {"UserAdded", "u5", "a@x", nullptr},         {"UserEmailChanged", "u5", "b@x", nullptr},
    {"UserEmailChanged", "u1", "b@x", nullptr},  {"UserAdded", "u1", "b@x", "u1 u5"},
    {"UserAdded", "u6", nullptr, nullptr},       {"UserAdded", "u7", nullptr, nullptr},
};

UserEvent event_of(const Line& line, std::size_t offset) {
  UserEvent event{line.type, line.user, line.id ? line.id : "e" + std::to_string(offset)};
  if (line.email) event.fields["email"] = line.email;
  return event;
}

void check_command(const TestRecord& command, const Line& line, const TestBed& bed,
                   std::int64_t offset) {
  const std::string said = line.sends;
  const std::string owner = said.substr(said.find(' ') + 1);
  const std::string event_id = line.id ? line.id : "e" + std::to_string(offset);
  CHECK(command.key == line.user);
  CHECK(command.header("ce_type") == "DeactivateUser");
  CHECK(command.header("ce_subject") == line.user);
  const Json body = Json::parse(command.payload.value_or(""));
  CHECK(body["userId"] == line.user);
  CHECK(body["violations"].size() == 1);
  CHECK(body["violations"][0]["owner"] == owner);
  CHECK(body["decidedAt"] == Json{{"topic", bed.topic}, {"partition", 0}, {"offset", offset}});
  CHECK(command.header("ce_causationid") == event_id);
}

// config/asyncapi.yaml with the bed's names in place of those of the shipped configuration.
YAML::Node described(const TestBed& bed) {
  YAML::Node document = YAML::LoadFile(UNIQD_SOURCE_DIR "/config/asyncapi.yaml");
  YAML::Node schemas = document["components"]["schemas"];
  const auto rename = [&](const char* schema, const char* property, const std::string& name) {
    YAML::Node names = schemas[schema]["properties"][property]["enum"];
    REQUIRE(names.size() == 1);
    names[0] = name;
  };
  rename("commandHeaders", "ce_source", "/uniqd/" + bed.topic);
  rename("violation", "constraint", "email");
  schemas["commandBody"]["properties"]["decidedAt"]["properties"]["topic"]["enum"][0] = bed.topic;
  return document;
}

// Every command on the topic is what the document says.
void expect_described(TestBed& bed) {
  const YAML::Node document = described(bed);
  const YAML::Node message = document["components"]["messages"]["deactivateUser"];
  for (const TestRecord& command : bed.commands_sent()) {
    Json headers = Json::object();
    for (const auto& [name, value] : command.headers) headers[name] = value.value_or("");
    CHECK(headers.size() == command.headers.size());
    const auto expect = [&](const YAML::Node& schema, const Json& value, const char* place) {
      for (const auto& complaint : check_against_schema(document, schema, value, place)) {
        FAIL_CHECK(complaint);
      }
    };
    expect(message["headers"], headers, "headers");
    expect(message["payload"], Json::parse(command.payload.value_or("")), "body");
    expect(message["bindings"]["kafka"]["key"], command.key.value_or(""), "key");
  }
}

TEST_CASE("the story: what each event sends, one after another") {
  TestBed bed;
  const auto daemon = bed.daemon();
  daemon->start_and_wait();
  std::int64_t sent = 0;
  std::int64_t offset = 0;
  for (const Line& line : story) {
    CAPTURE(offset);
    bed.produce({cloud_event(event_of(line, static_cast<std::size_t>(offset)))});
    bed.wait_settled();
    if (line.sends) ++sent;
    REQUIRE(bed.command_count() == sent);
    if (line.sends) check_command(bed.commands_sent().back(), line, bed, offset);
    ++offset;
  }
  expect_equal_to_oracle(bed);
  expect_described(bed);
  CHECK(daemon->stop() == 0);
}

TEST_CASE("a command is sent again in time, however many others are decided meanwhile") {
  TestBed bed;
  bed.more = "compensation: { deadline: 1s, attempts: 3, backoff: 1 }";
  const auto daemon = bed.daemon();
  daemon->start_and_wait();
  const auto add = [&bed](int number) {
    const std::string user = "u" + std::to_string(number);
    bed.produce({cloud_event({"UserAdded", user, "e-" + user, {{"email", "a@x"}}})});
  };
  add(1);
  add(2);
  const auto attempts = [&bed] {
    return bed.sql_text("SELECT attempts FROM compensations WHERE entity = 'u2'");
  };
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds{20};
  int number = 3;
  for (; attempts() != "3" && std::chrono::steady_clock::now() < until; ++number) {
    add(number);
    std::this_thread::sleep_for(std::chrono::milliseconds{100});
  }
  CHECK(attempts() == "3");
  CHECK(number > 6);
}

// Field by field, with nothing left over.
TEST_CASE("a command has every header and every field, and nothing more") {
  TestBed bed;
  const auto daemon = bed.daemon();
  daemon->start_and_wait();
  auto second = cloud_event({"UserAdded", "u2", "event-2", {{"email", " Joe@Example.com"}}});
  second.headers.emplace_back("ce_correlationid", "signup-7");
  const std::string trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  second.headers.emplace_back("traceparent", trace);
  bed.produce(
      {cloud_event({"UserAdded", "u1", "event-1", {{"email", "joe@example.com"}}}), second});
  bed.wait_settled();
  const auto commands = bed.commands_sent();
  REQUIRE(commands.size() == 1);
  const TestRecord& command = commands[0];

  CHECK(command.key == "u2");
  CHECK(command.header("ce_specversion") == "1.0");
  const std::string id = command.header("ce_id");
  CHECK(id == bed.sql_text("SELECT id FROM compensations"));
  CHECK(id.at(14) == '5');  // the version of a UUID
  CHECK(command.header("ce_type") == "DeactivateUser");
  CHECK(command.header("ce_source") == "/uniqd/" + bed.topic);
  CHECK(command.header("ce_subject") == "u2");
  CHECK(command.header("ce_time") ==
        bed.sql_text("SELECT to_char(decided_at, 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') FROM "
                     "compensations"));
  CHECK(command.header("ce_causationid") == "event-2");
  CHECK(command.header("ce_correlationid") == "signup-7");
  CHECK(command.header("ce_attempt") == "1");
  CHECK(command.header("traceparent") == trace);
  CHECK(command.header("content-type") == "application/json");
  CHECK(command.headers.size() == 11);

  const Json expected{{"userId", "u2"},
                      {"reason", "There is already a user with this email address."},
                      {"violations",
                       {{{"constraint", "email"},
                         {"fields", {"email"}},
                         {"value", bed.sql_text("SELECT encode(value, 'hex') FROM violations")},
                         {"owner", "u1"}}}},
                      {"decidedAt", {{"topic", bed.topic}, {"partition", 0}, {"offset", 1}}}};
  CHECK(Json::parse(command.payload.value_or("")) == expected);
  CHECK(expected["violations"][0]["value"].get<std::string>().size() == 64);
  expect_described(bed);
}

TEST_CASE("without a correlation id the event's own id correlates, and no trace is made up") {
  TestBed bed;
  const auto daemon = bed.daemon();
  daemon->start_and_wait();
  bed.produce({plain_event({"UserAdded", "u1", "event-1", {{"email", "a@x"}}}),
               plain_event({"UserAdded", "u2", "event-2", {{"email", "A@X "}}})});
  bed.wait_settled();
  const auto commands = bed.commands_sent();
  REQUIRE(commands.size() == 1);
  CHECK(commands[0].header("ce_correlationid") == "event-2");
  CHECK(commands[0].headers.size() == 10);
}

TEST_CASE("commands as structured CloudEvents") {
  TestBed bed;
  bed.commands["envelope"] = "cloudevents-structured";
  const auto daemon = bed.daemon();
  daemon->start_and_wait();
  bed.produce({cloud_event({"UserAdded", "u1", "event-1", {{"email", "a@x"}}}),
               cloud_event({"UserAdded", "u2", "event-2", {{"email", "a@x"}}})});
  bed.wait_settled();
  const auto commands = bed.commands_sent();
  REQUIRE(commands.size() == 1);
  CHECK(commands[0].key == "u2");
  CHECK(commands[0].headers.size() == 1);
  CHECK(commands[0].header("content-type").starts_with("application/cloudevents+json"));
  const Json message = Json::parse(commands[0].payload.value_or(""));
  CHECK(message["id"] == bed.sql_text("SELECT id FROM compensations"));
  CHECK(message["specversion"] == "1.0");
  CHECK(message["type"] == "DeactivateUser");
  CHECK(message["source"] == "/uniqd/" + bed.topic);
  CHECK(message["subject"] == "u2");
  CHECK(message["causationid"] == "event-2");
  CHECK(message["attempt"] == "1");
  CHECK(message["datacontenttype"] == "application/json");
  CHECK(message["data"]["userId"] == "u2");
  CHECK(message["data"]["violations"][0]["owner"] == "u1");
}

TEST_CASE("events in every envelope speak of the same users") {
  TestBed bed;
  const auto daemon = bed.daemon();
  daemon->start_and_wait();
  bed.produce({plain_event({"UserAdded", "u1", "e1", {{"email", "a@x"}, {"username", "ann"}}}),
               structured_event({"UserAdded", "u2", "e2", {{"email", "a@x"}}}),
               cloud_event({"UserAdded", "u3", "e3", {{"email", "c@x"}, {"username", "Ann"}}}),
               structured_event({"UserDeactivated", "u1", "e4"}),
               plain_event({"UserAdded", "u4", "e5", {{"email", "A@x"}}}),
               cloud_event({"UserNameChanged", "u4", "e6", {{"username", "ann"}}}),
               cloud_event({"UserEmailChanged", "u4", "e7", {{"email", std::nullopt}}})});
  bed.wait_settled();
  CHECK(bed.commands_sent().size() == 2);
  expect_equal_to_oracle(bed);
}

TestRecord person(const std::string& type, const std::string& user, const std::string& id,
                  const Json& data) {
  Json payload{{"id", id}, {"type", type}, {"data", data}};
  payload["data"]["userId"] = user;
  TestRecord record;
  record.key = user;
  record.payload = payload.dump();
  return record;
}

// Each event in a batch of its own, so that what it contests comes from PostgreSQL.
TEST_CASE("a value of several fields: all of them together are taken, or free") {
  TestBed bed;
  UniqdOptions options;
  options.folder = bed.folder + "/compound";
  options.topic = bed.topic;
  options.commands_topic = bed.commands_topic;
  options.schema = bed.schema;
  options.group = bed.group;
  options.events =
      R"(  UserAdded: { effect: claim, entity: /userId, fields: { first: /first, last: /last } }
  UserRenamed: { effect: change, entity: /userId, fields: { first: /first, last: /last } }
  UserDeactivated: { effect: release, entity: /userId }
)";
  options.constraints = R"(  full_name:
    fields: [first, last]
    normalize: [trim, casefold]
    on_violation: { send: DeactivateUser, reason: This name is taken. }
)";
  UniqdProcess daemon(options);
  daemon.start_and_wait();
  std::int64_t sent = 0;
  const auto tell = [&](const TestRecord& record, bool sends) {
    bed.produce({record});
    bed.wait_settled();
    if (sends) ++sent;
    CHECK(bed.command_count() == sent);
  };
  tell(person("UserAdded", "u1", "e1", {{"first", "Ann"}, {"last", "Lee"}}), false);
  tell(person("UserAdded", "u2", "e2", {{"first", "ann "}, {"last", "LEE"}}), true);
  tell(person("UserAdded", "u3", "e3", {{"first", "Ann"}, {"last", "Poe"}}), false);
  tell(person("UserRenamed", "u3", "e4", {{"last", "Lee"}}), true);
  tell(person("UserAdded", "u4", "e5", {{"first", "Ann"}}), false);
  tell(person("UserRenamed", "u4", "e6", {{"last", "Lee"}}), true);
  tell(person("UserDeactivated", "u1", "e7", {}), false);
  tell(person("UserAdded", "u5", "e8", {{"first", "Ann"}, {"last", "Lee"}}), false);
  CHECK(daemon.command({"lookup", "full_name", "last=lee", "first=ANN"}).out ==
        "full_name: owned by u5\n");
  CHECK(daemon.stop() == 0);
}

}  // namespace
}  // namespace uniqd::test

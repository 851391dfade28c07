// config/asyncapi.yaml against the code that reads and writes what it describes: real commands are
// held against its schemas, example events made from it are decoded, and its addresses, types and
// names are those of the shipped configuration.

#include <doctest/doctest.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "commands/encode_command.hpp"
#include "config/load_settings.hpp"
#include "readmodel/digest.hpp"
#include "tests/support/schema_check.hpp"

namespace uniqd {
namespace {

using Json = nlohmann::json;

const YAML::Node& document() {
  static const YAML::Node loaded = YAML::LoadFile(UNIQD_SOURCE_DIR "/config/asyncapi.yaml");
  return loaded;
}

Settings shipped() {
  Surroundings surroundings = system_surroundings();
  surroundings.get_env = [](const std::string&) { return std::nullopt; };
  return std::get<Settings>(
      load_settings_file(UNIQD_SOURCE_DIR "/config/uniqd.yaml", surroundings));
}

Compensation some_compensation(ActionKind kind, const std::string& command) {
  Compensation compensation;
  compensation.id = compensation_id("ce-users", "u2", "ce1:se2");
  compensation.entity = "u2";
  compensation.entity_field = "userId";
  compensation.action = {kind, command, "There is already a user with this email address."};
  compensation.event_id = "e2";
  compensation.correlation_id = "c1";
  compensation.decided_at_ms = 1'700'000'000'123;
  compensation.violations.push_back(
      {compensation.id, "email", {"email"}, {}, "u1", "e2", "UserAdded", Partition{0}, Offset{11}});
  return compensation;
}

std::vector<std::string> check_message(const Command& command, const std::string& message) {
  Json headers = Json::object();
  for (const auto& [name, value] : command.headers) headers[name] = value;
  const YAML::Node described = document()["components"]["messages"][message];
  auto complaints = check_against_schema(document(), described["headers"], headers, "headers");
  std::ranges::move(
      check_against_schema(document(), described["payload"], Json::parse(command.body), "body"),
      std::back_inserter(complaints));
  return complaints;
}

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const auto& line : lines) text += line + "\n";
  return text;
}

}  // namespace

TEST_CASE("asyncapi: a command is what the document says") {
  auto compensation = some_compensation(ActionKind::send, "DeactivateUser");
  for (const char* traceparent : {"", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}) {
    compensation.traceparent = traceparent;
    const Command command =
        encode_command(compensation, {"ce-users", CommandEnvelope::cloudevents_binary});
    CHECK(joined(check_message(command, "deactivateUser")) == "");
  }
  const Command alert = encode_command(some_compensation(ActionKind::alert, "UniquenessViolated"),
                                       {"ce-users", CommandEnvelope::cloudevents_binary});
  CHECK(joined(check_message(alert, "uniquenessViolated")) == "");
}

TEST_CASE("asyncapi: a command that is not what the document says is noticed") {
  const auto compensation = some_compensation(ActionKind::send, "DeactivateUser");
  Command command = encode_command(compensation, {"ce-users", CommandEnvelope::cloudevents_binary});
  for (std::size_t dropped = 0; dropped < command.headers.size(); ++dropped) {
    Command lacking = command;
    lacking.headers.erase(lacking.headers.begin() + static_cast<std::ptrdiff_t>(dropped));
    CHECK(check_message(lacking, "deactivateUser").size() == 1);
  }
  for (const char* key : {"userId", "reason", "violations", "decidedAt"}) {
    Json body = Json::parse(command.body);
    body.erase(key);
    Command lacking = command;
    lacking.body = body.dump();
    CHECK(check_message(lacking, "deactivateUser").size() == 1);
  }
  Json body = Json::parse(command.body);
  body["violations"][0]["value"] = "joe@example.com";
  command.body = body.dump();
  CHECK(check_message(command, "deactivateUser").size() == 1);
}

TEST_CASE("asyncapi: addresses, types and names are those of the shipped configuration") {
  const Settings settings = shipped();
  const YAML::Node& api = document();
  CHECK(api["channels"]["events"]["address"].Scalar() == settings.source.topic);
  CHECK(api["channels"]["commands"]["address"].Scalar() == settings.commands.topic);
  CHECK(api["operations"]["readEvents"]["bindings"]["kafka"]["groupId"]["enum"][0].Scalar() ==
        settings.source.group);

  std::set<std::string> described;
  for (const auto& message : api["channels"]["events"]["messages"]) {
    described.insert(api["components"]["messages"][message.first.Scalar()]["name"].Scalar());
  }
  std::set<std::string> configured;
  for (const auto& event : settings.events) configured.insert(event.type);
  CHECK(described == configured);

  const YAML::Node constraints =
      api["components"]["schemas"]["violation"]["properties"]["constraint"]["enum"];
  REQUIRE(constraints.size() == settings.constraints.size());
  CHECK(constraints[0].Scalar() == settings.constraints[0].name);
  CHECK(api["components"]["messages"]["deactivateUser"]["name"].Scalar() ==
        settings.constraints[0].on_claim.command);
}

}  // namespace uniqd

#include "commands/encode_command.hpp"

#include <doctest/doctest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <string>

namespace uniqd {
namespace {

Compensation example() {
  Compensation compensation;
  compensation.id.bytes = {0x4d, 0x74, 0x1a, 0x27, 0xb2, 0xcb, 0x50, 0xfe,
                           0xa9, 0xda, 0x27, 0xd6, 0x5c, 0x90, 0x2e, 0x70};
  compensation.entity = "u2";
  compensation.entity_field = "userId";
  compensation.action = {ActionKind::send, "DeactivateUser", "There is \"another\" user."};
  compensation.event_id = "event-2";
  compensation.correlation_id = "request-9";
  compensation.partition = Partition{0};
  compensation.offset = Offset{11};
  compensation.decided_at_ms = 1'714'564'800'007;
  Violation violation;
  violation.constraint = "full_name";
  violation.fields = {"first", "last"};
  violation.value.bytes.fill(0xab);
  violation.owner = "u1";
  compensation.violations = {violation};
  return compensation;
}

std::map<std::string, std::string> headers_of(const Command& command) {
  std::map<std::string, std::string> headers(command.headers.begin(), command.headers.end());
  CHECK(headers.size() == command.headers.size());
  return headers;
}

}  // namespace

TEST_CASE("a command in binary mode") {
  const Command command =
      encode_command(example(), {"ce-users", CommandEnvelope::cloudevents_binary});
  CHECK(command.id == example().id);
  CHECK(command.key == "u2");
  CHECK(headers_of(command) ==
        std::map<std::string, std::string>{{"ce_specversion", "1.0"},
                                           {"ce_id", "4d741a27-b2cb-50fe-a9da-27d65c902e70"},
                                           {"ce_type", "DeactivateUser"},
                                           {"ce_source", "/uniqd/ce-users"},
                                           {"ce_subject", "u2"},
                                           {"ce_time", "2024-05-01T12:00:00.007Z"},
                                           {"ce_causationid", "event-2"},
                                           {"ce_correlationid", "request-9"},
                                           {"ce_attempt", "1"},
                                           {"content-type", "application/json"}});
  CHECK(
      command.body ==
      R"({"userId":"u2","reason":"There is \"another\" user.","violations":[)"
      R"({"constraint":"full_name","fields":["first","last"],)"
      R"("value":"abababababababababababababababababababababababababababababababab","owner":"u1"}],)"
      R"("decidedAt":{"topic":"ce-users","partition":0,"offset":11}})");
}

TEST_CASE("a command in structured mode says the same") {
  const Command command =
      encode_command(example(), {"ce-users", CommandEnvelope::cloudevents_structured});
  CHECK(headers_of(command).at("content-type") == "application/cloudevents+json; charset=UTF-8");
  const auto message = nlohmann::json::parse(command.body);
  const Command binary =
      encode_command(example(), {"ce-users", CommandEnvelope::cloudevents_binary});
  for (const auto& [name, value] : headers_of(binary)) {
    if (name.starts_with("ce_")) CHECK(message.at(name.substr(3)) == value);
  }
  CHECK(message.at("datacontenttype") == "application/json");
  CHECK(message.at("data") == nlohmann::json::parse(binary.body));
}

TEST_CASE("an attempt more changes the attempt alone") {
  Compensation compensation = example();
  const Command first =
      encode_command(compensation, {"ce-users", CommandEnvelope::cloudevents_binary});
  compensation.attempts = 1;
  compensation.state = CompensationState::sent;
  Command second = encode_command(compensation, {"ce-users", CommandEnvelope::cloudevents_binary});
  CHECK(headers_of(second).at("ce_attempt") == "2");
  for (auto& [name, value] : second.headers) {
    if (name == "ce_attempt") value = "1";
  }
  CHECK(second == first);
}

TEST_CASE("a trace is passed on") {
  Compensation compensation = example();
  compensation.traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const Command binary =
      encode_command(compensation, {"ce-users", CommandEnvelope::cloudevents_binary});
  CHECK(headers_of(binary).at("traceparent") == compensation.traceparent);
  const Command structured =
      encode_command(compensation, {"ce-users", CommandEnvelope::cloudevents_structured});
  CHECK(nlohmann::json::parse(structured.body).at("traceparent") == compensation.traceparent);
}

TEST_CASE("times are RFC 3339 in UTC, before the epoch too") {
  CHECK(to_rfc3339(0) == "1970-01-01T00:00:00.000Z");
  CHECK(to_rfc3339(951'782'399'999) == "2000-02-28T23:59:59.999Z");
  CHECK(to_rfc3339(951'782'400'000) == "2000-02-29T00:00:00.000Z");
  CHECK(to_rfc3339(-1) == "1969-12-31T23:59:59.999Z");
}

}  // namespace uniqd

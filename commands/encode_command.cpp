#include "commands/encode_command.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <chrono>
#include <nlohmann/json.hpp>

namespace uniqd {
namespace {

using Json = nlohmann::ordered_json;
using Attributes = std::vector<std::pair<std::string, std::string>>;

// Member by member: lists of initialisers are copied once a level.
Json body_of(const Compensation& compensation, const std::string& source_topic) {
  Json violations = Json::array();
  for (const Violation& violation : compensation.violations) {
    Json& entry = violations.emplace_back();
    entry["constraint"] = violation.constraint;
    entry["fields"] = violation.fields;
    entry["value"] = to_hex(violation.value);
    entry["owner"] = violation.owner;
  }
  Json decided_at;
  decided_at["topic"] = source_topic;
  decided_at["partition"] = to_number(compensation.partition);
  decided_at["offset"] = compensation.offset.value;
  Json body;
  body[compensation.entity_field] = compensation.entity;
  body.emplace("reason", compensation.action.reason);
  body.emplace("violations", std::move(violations));
  body.emplace("decidedAt", std::move(decided_at));
  return body;
}

// CloudEvents attributes, without the ce_ that the binary mode puts before them.
Attributes attributes_of(const Compensation& compensation, const std::string& source_topic) {
  return {{"specversion", "1.0"},
          {"id", to_uuid_text(compensation.id)},
          {"type", compensation.action.command},
          {"source", "/uniqd/" + source_topic},
          {"subject", compensation.entity},
          {"time", to_rfc3339(compensation.decided_at_ms)},
          {"causationid", compensation.event_id},
          {"correlationid", compensation.correlation_id},
          {"attempt", std::to_string(compensation.attempts + 1)}};
}

}  // namespace

std::string to_rfc3339(std::int64_t ms_since_epoch) {
  const std::chrono::milliseconds since_epoch(ms_since_epoch);
  const auto seconds = std::chrono::floor<std::chrono::seconds>(since_epoch);
  const auto time = static_cast<std::time_t>(seconds.count());
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(time),
                     (since_epoch - seconds).count());
}

Command encode_command(const Compensation& compensation, const CommandForm& form) {
  const auto& [source_topic, envelope] = form;
  Command command;
  command.id = compensation.id;
  command.key = compensation.entity;
  command.partition = compensation.partition;
  command.decided_at_ms = compensation.decided_at_ms;
  Json body = body_of(compensation, source_topic);
  const Attributes attributes = attributes_of(compensation, source_topic);
  if (envelope == CommandEnvelope::cloudevents_binary) {
    for (const auto& [name, value] : attributes) command.headers.emplace_back("ce_" + name, value);
    command.headers.emplace_back("content-type", "application/json");
    command.body = body.dump();
  } else {
    Json message;
    for (const auto& [name, value] : attributes) message[name] = value;
    if (!compensation.traceparent.empty()) message["traceparent"] = compensation.traceparent;
    message["datacontenttype"] = "application/json";
    message["data"] = std::move(body);
    command.headers.emplace_back("content-type", "application/cloudevents+json; charset=UTF-8");
    command.body = message.dump();
  }
  if (!compensation.traceparent.empty()) {
    command.headers.emplace_back("traceparent", compensation.traceparent);
  }
  return command;
}

std::vector<Command> encode_commands(const std::vector<Compensation>& compensations,
                                     const CommandForm& form) {
  std::vector<Command> commands;
  commands.reserve(compensations.size());
  for (const Compensation& compensation : compensations) {
    commands.push_back(encode_command(compensation, form));
  }
  return commands;
}

}  // namespace uniqd

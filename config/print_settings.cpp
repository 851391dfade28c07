#include "config/print_settings.hpp"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include "config/checks.hpp"
#include "config/interpolate.hpp"
#include "config/secrets.hpp"
#include "config/words.hpp"

namespace uniqd::settings {
namespace {

YAML::Node new_map() { return YAML::Node{YAML::NodeType::Map}; }

YAML::Node flow(YAML::Node node) {
  node.SetStyle(YAML::EmitterStyle::Flow);
  return node;
}

void put(YAML::Node& map, std::string_view name, const std::string& value) {
  map[std::string{name}] = escape_dollars(value);
}

template <typename E>
std::string word(E value) {
  return std::string{to_word(value)};
}

void put_kafka(YAML::Node& map, const KafkaProperties& properties,
               const KafkaPropertyFiles& files) {
  if (properties.empty()) return;
  YAML::Node kafka = new_map();
  for (const auto& [name, value] : properties) {
    const auto file = files.find(name);
    if (file == files.end()) {
      kafka[name] = escape_dollars(value);
    } else {
      kafka[name + "_file"] = escape_dollars(file->second);
    }
  }
  map["kafka"] = kafka;
}

YAML::Node print(const Source& source) {
  YAML::Node map = new_map();
  if (!source.stream.empty()) put(map, "stream", source.stream);
  put(map, "topic", source.topic);
  put(map, "brokers", source.brokers);
  put(map, "group", source.group);
  put(map, "start", word(source.start));
  put(map, "sequence", source.sequence);
  put(map, "envelope", word(source.envelope));
  const bool plain_in_use =
      source.envelope == SourceEnvelope::plain || source.envelope == SourceEnvelope::automatic;
  if (plain_in_use) {
    YAML::Node plain = new_map();
    put(plain, "type", source.plain.type);
    put(plain, "id", source.plain.id);
    put(plain, "time", source.plain.time);
    put(plain, "data", source.plain.data);
    map["plain"] = flow(plain);
  }
  put_kafka(map, source.kafka, source.kafka_files);
  return map;
}

YAML::Node print(const Commands& commands) {
  YAML::Node map = new_map();
  put(map, "topic", commands.topic);
  put(map, "envelope", word(commands.envelope));
  put_kafka(map, commands.kafka, commands.kafka_files);
  return map;
}

YAML::Node print(const ReadModel& readmodel) {
  YAML::Node map = new_map();
  if (readmodel.postgres_file.empty()) {
    put(map, "postgres", readmodel.postgres);
  } else {
    put(map, "postgres_file", readmodel.postgres_file);
  }
  put(map, "schema", readmodel.schema);
  put(map, "values", word(readmodel.values));
  if (!readmodel.values_key_file.empty()) {
    put(map, "values_key_file", readmodel.values_key_file);
  }
  put(map, "memory_max_mib", fmt::to_string(readmodel.memory_max_mib));
  return map;
}

YAML::Node print(const EventRule& rule) {
  YAML::Node map = new_map();
  map["effect"] = word(rule.effect);
  map["entity"] = escape_dollars(rule.entity);
  if (rule.effect == Effect::release) return flow(map);
  YAML::Node fields = new_map();
  for (const EventField& field : rule.fields) fields[field.name] = escape_dollars(field.pointer);
  map["fields"] = fields;
  return flow(map);
}

YAML::Node print(const Action& action) {
  YAML::Node map = new_map();
  map[word(action.kind)] =
      action.kind == ActionKind::send ? escape_dollars(action.command) : std::string{"true"};
  map["reason"] = escape_dollars(action.reason);
  return map;
}

// A step without options is its word alone.
YAML::Node print(const NormalizeStep& step) {
  YAML::Node options = new_map();
  if (needs_region(step.name)) options["default_region"] = step.default_region;
  if (can_find_invalid(step.name)) options["on_invalid"] = word(step.on_invalid);
  if (options.size() == 0) return YAML::Node{step.name};
  YAML::Node map = new_map();
  map[step.name] = options;
  return map;
}

YAML::Node print(const Constraint& constraint) {
  YAML::Node map = new_map();
  YAML::Node fields{YAML::NodeType::Sequence};
  YAML::Node normalize = new_map();
  for (const ConstraintField& field : constraint.fields) {
    fields.push_back(field.name);
    YAML::Node steps{YAML::NodeType::Sequence};
    for (const NormalizeStep& step : field.normalize) steps.push_back(print(step));
    normalize[field.name] = steps;
  }
  map["fields"] = flow(fields);
  map["normalize"] = flow(normalize);
  if (constraint.on_claim == constraint.on_change) {
    map["on_violation"] = print(constraint.on_claim);
  } else {
    map["on_violation"]["claim"] = print(constraint.on_claim);
    map["on_violation"]["change"] = print(constraint.on_change);
  }
  return map;
}

YAML::Node print(const Compensation& compensation) {
  YAML::Node map = new_map();
  put(map, "deadline", duration_text(compensation.deadline));
  put(map, "attempts", fmt::to_string(compensation.attempts));
  put(map, "backoff", fmt::to_string(compensation.backoff));
  return map;
}

YAML::Node print(const Safety& safety) {
  YAML::Node map = new_map();
  put(map, "max_violation_share", fmt::to_string(safety.max_violation_share));
  put(map, "max_commands_per_minute", fmt::to_string(safety.max_commands_per_minute));
  return map;
}

YAML::Node print(const Admin& admin) {
  const bool ipv6 = admin.host.find(':') != std::string::npos;
  YAML::Node map = new_map();
  put(map, "listen",
      ipv6 ? fmt::format("[{}]:{}", admin.host, admin.port)
           : fmt::format("{}:{}", admin.host, admin.port));
  put(map, "token_file", admin.token_file);
  return map;
}

YAML::Node print(const Log& log) {
  YAML::Node map = new_map();
  put(map, "level", word(log.level));
  put(map, "format", word(log.format));
  return map;
}

void put_map(YAML::Node& root, const char* name, const YAML::Node& map) {
  if (map.size() > 0) root[name] = map;
}

YAML::Node print(const Settings& settings) {
  YAML::Node root = new_map();
  root["mode"] = word(settings.mode);
  put_map(root, "source", print(settings.source));
  put_map(root, "commands", print(settings.commands));
  put_map(root, "readmodel", print(settings.readmodel));
  for (const EventRule& rule : settings.events) root["events"][rule.type] = print(rule);
  root["unknown_events"] = word(settings.unknown_events);
  for (const Constraint& one : settings.constraints) root["constraints"][one.name] = print(one);
  put_map(root, "compensation", print(settings.compensation));
  put_map(root, "safety", print(settings.safety));
  root["on_bad_event"] = word(settings.on_bad_event);
  put_map(root, "admin", print(settings.admin));
  put_map(root, "log", print(settings.log));
  return root;
}

}  // namespace
}  // namespace uniqd::settings

namespace uniqd {

std::string print_settings(const Settings& settings) {
  YAML::Emitter out;
  out << settings::print(mask_settings(settings));
  return std::string{out.c_str()} + '\n';
}

}  // namespace uniqd

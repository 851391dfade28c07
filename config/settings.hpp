#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

// What the operator may set, as plain values. One struct a concern; every member starts with its
// default, so Settings{} plus the keys of a file is the effective configuration. Values made by
// load_settings hold everything the comments here promise; nothing needs to be checked again.
//
// The parts live in uniqd::settings, so that a room may have an Effect or a Constraint of its own.
namespace uniqd::settings {

enum class Mode {
  enforce,  // violations are answered with their action
  detect,   // violations are recorded, nothing is sent
};

// Where to begin in a partition for which the read model has no position.
enum class StartAt { earliest, latest };

enum class SourceEnvelope {
  automatic,  // written `auto`: recognised record by record
  cloudevents,
  kurrentdb,
  debezium,
  axon,
  message_type,  // written `message-type`
  plain,
};

enum class CommandEnvelope {
  cloudevents,             // binary mode
  cloudevents_structured,  // written `cloudevents-structured`
};

// How a value is kept in the read model.
enum class ValueForm {
  hmac_sha256,  // written `hmac-sha256`
  sha256,
  plain,  // sha256, and the text beside it
};

enum class Effect { claim, change, release };

enum class UnknownEvents {
  ignore,  // counted, otherwise passed over
  reject,  // a bad event
};

enum class OnBadEvent {
  park,  // a dead letter; the topic goes on
  halt,
};

// What becomes of a value that a normalisation step cannot take.
enum class OnInvalid {
  keep,    // indexed as it is at that point
  reject,  // its event is a bad event
};

enum class ActionKind {
  send,    // a command to commands.topic
  review,  // opened for a person, nothing is sent
  alert,   // opened for a person, and a UniquenessViolated event to commands.topic
  detect,  // recorded only
};

enum class LogLevel { trace, debug, info, warn, error };
enum class LogFormat { text, json };

// Where the parts of an event are for `envelope: plain`, and for what `auto` recognises as plain.
// A text that begins with '/' is a JSON Pointer (RFC 6901) into the payload, another one is the
// name of a header (compared without case).
struct PlainEnvelope {
  std::string type = "/type";
  std::string id = "/id";
  std::string time = "/time";
  std::string data = "/data";  // "" is the whole payload

  bool operator==(const PlainEnvelope&) const = default;
};

// librdkafka properties by name, passed on unchanged. Never one of those that uniqd owns.
using KafkaProperties = std::map<std::string, std::string>;

// Property name -> file its value was read from (`sasl.password_file: PATH`); the value itself is
// in the KafkaProperties beside it.
using KafkaPropertyFiles = std::map<std::string, std::string>;

struct Source {
  std::string stream;  // as written, "" when only the topic was given
  std::string topic;   // always set: as written, else the stream without its leading '$'
  std::string brokers = "localhost:9092";  // host:port, several separated by ','
  std::string group = "uniqd";             // not empty
  StartAt start = StartAt::earliest;
  // Header name or JSON Pointer of a number that only grows along a partition; "" for none.
  std::string sequence;
  SourceEnvelope envelope = SourceEnvelope::automatic;
  PlainEnvelope plain;
  KafkaProperties kafka;  // without bootstrap.servers and group.id
  KafkaPropertyFiles kafka_files;

  bool operator==(const Source&) const = default;
};

struct Commands {
  std::string topic = "user-commands";  // never that of the source
  CommandEnvelope envelope = CommandEnvelope::cloudevents;
  KafkaProperties kafka;  // always with bootstrap.servers: as written, else source.brokers
  KafkaPropertyFiles kafka_files;

  bool operator==(const Commands&) const = default;
};

struct ReadModel {
  std::string postgres = "postgresql:///uniqd";  // libpq URI or keywords; may hold a password
  std::string postgres_file;                     // "" or the file `postgres` was read from
  std::string schema = "uniqd";                  // a plain SQL identifier: ^[a-z_][a-z0-9_]{0,62}$
  ValueForm values = ValueForm::hmac_sha256;
  std::string values_key_file;  // "" or the file `values_key` was read from
  // The key of hmac-sha256, at least 16 bytes; "" when the read model makes and keeps its own.
  std::string values_key;
  int memory_max_mib = 256;  // 0 to 1,048,576; of what is remembered of it, to look up less

  bool operator==(const ReadModel&) const = default;
};

struct EventField {
  std::string name;
  std::string pointer;  // JSON Pointer into the event's data

  bool operator==(const EventField&) const = default;
};

struct EventRule {
  std::string type;  // the event's type, compared exactly; unique among the rules
  Effect effect = Effect::claim;
  // Where the entity's id is: a JSON Pointer into the event's data, whose last segment is not empty
  // and names the entity in a command; or `key`, the record's key; or `subject`, the CloudEvents
  // subject. Commands name the entity `entity` for the two words.
  std::string entity;
  std::vector<EventField>
      fields;  // in the order of the file; none for a release, some for a change

  bool operator==(const EventRule&) const = default;
};

struct Action {
  ActionKind kind = ActionKind::send;
  std::string command;  // the command's name for `send`, else ""
  std::string reason;   // never empty, never personal: it is sent as it stands

  bool operator==(const Action&) const = default;
};

struct NormalizeStep {
  std::string name;            // one of normalize_steps (words.hpp)
  std::string default_region;  // of a phone number without a country code; only e164 has one
  OnInvalid on_invalid = OnInvalid::keep;  // only for steps that can find a value invalid

  bool operator==(const NormalizeStep&) const = default;
};

struct ConstraintField {
  std::string name;                      // carried by at least one claim event
  std::vector<NormalizeStep> normalize;  // in order of application; may be empty

  bool operator==(const ConstraintField&) const = default;
};

struct Constraint {
  std::string name;                     // unique; ^[A-Za-z_][A-Za-z0-9_-]{0,62}$, as field names
  std::vector<ConstraintField> fields;  // one or more, in the order that counts; no name twice
  Action on_claim;                      // for a violation by a claim event
  Action on_change;                     // for a violation by a change event

  bool operator==(const Constraint&) const = default;
};

struct Compensation {
  std::chrono::milliseconds deadline = std::chrono::seconds{30};  // 1 s to 7 days
  int attempts = 5;                                               // 1 to 100, sends in all
  double backoff = 2.0;                                           // 1 to 100, factor per attempt

  bool operator==(const Compensation&) const = default;
};

struct Safety {
  double max_violation_share = 0.5;  // above 0, up to 1, of the last 1,000 claiming events
  int max_commands_per_minute = 0;   // 0 to 1,000,000; 0 is no limit

  bool operator==(const Safety&) const = default;
};

struct Admin {
  std::string host = "127.0.0.1";  // name or address, an IPv6 address without brackets
  std::uint16_t port = 8480;       // 0 takes any free port
  std::string token_file;          // "" for none; needed beyond loopback
  std::string token;               // what a state-changing call must show, at least 16 bytes, or ""

  bool operator==(const Admin&) const = default;
};

struct Log {
  LogLevel level = LogLevel::info;
  LogFormat format = LogFormat::text;

  bool operator==(const Log&) const = default;
};

}  // namespace uniqd::settings

namespace uniqd {

// The whole configuration.
struct Settings {
  settings::Mode mode = settings::Mode::enforce;
  settings::Source source;
  settings::Commands commands;
  settings::ReadModel readmodel;
  std::vector<settings::EventRule> events;  // in the order of the file, at least one claim
  settings::UnknownEvents unknown_events = settings::UnknownEvents::ignore;
  std::vector<settings::Constraint> constraints;  // in the order of the file, at least one
  settings::Compensation compensation;
  settings::Safety safety;
  settings::OnBadEvent on_bad_event = settings::OnBadEvent::park;
  settings::Admin admin;
  settings::Log log;

  bool operator==(const Settings&) const = default;
};

}  // namespace uniqd

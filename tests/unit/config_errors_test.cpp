#include <doctest/doctest.h>
#include <fmt/format.h>

#include <string>
#include <vector>

#include "config/load_settings.hpp"
#include "tests/unit/config_world.hpp"

// Every error word for word: what an operator reads is what is promised.
namespace uniqd::test {
namespace {

struct Case {
  const char* name;
  std::string yaml;
  std::vector<std::string> errors;  // without the file's name
};

// A text that is judged as it stands, else the sections that it lacks are added.
enum class Text { whole, part };

void check(const std::vector<Case>& cases, Text text = Text::part) {
  for (const Case& one : cases) {
    INFO(one.name);
    const std::string yaml = text == Text::whole ? one.yaml : with_needed_sections(one.yaml);
    const LoadedSettings loaded = load_settings(yaml, "uniqd.yaml", config_world());
    std::vector<std::string> seen;
    if (const auto* errors = std::get_if<std::vector<SettingsError>>(&loaded)) {
      for (const SettingsError& error : *errors) seen.push_back(format_error(error));
    }
    std::vector<std::string> wanted;
    for (const std::string& error : one.errors) wanted.push_back("uniqd.yaml:" + error);
    CHECK_EQ(fmt::format("{}", fmt::join(seen, "\n")), fmt::format("{}", fmt::join(wanted, "\n")));
    for (const std::string& error : seen) CHECK_EQ(error.find("hunter2"), std::string::npos);
  }
}

TEST_CASE("configuration errors: the file as a whole") {
  check(
      {
          {"an empty file",
           "",
           {"1: source: needs a topic, or a stream to derive it from; write e.g. topic: ce-users "
            "under source",
            "1: events: has no event with effect: claim; write e.g. UserAdded: { effect: claim, "
            "entity: /userId, fields: { email: /email } }",
            "1: constraints: holds no constraint; write e.g. email: { fields: [email], "
            "on_violation: { send: DeactivateUser } }"}},
          {"a list instead of a map",
           "- mode: enforce",
           {"1: is a list, a map is needed; write one `name: value` to a line"}},
          {"a bracket that is not closed",
           R"(mode: enforce
source: { topic: ce-users)",
           {"2: is not YAML: end of map flow not found (column 1); mend the text there; often a "
            "quote, a bracket or an indentation"}},
          {"a tab as indentation",
           "source:\n\ttopic: ce-users",
           {"2: is not YAML: illegal map value (column 7); mend the text there; often a quote, a "
            "bracket or an indentation"}},
          {"an unknown anchor",
           "source: *nowhere",
           {"1: is not YAML: the referenced anchor is not defined (column 9); mend the text there; "
            "often a quote, a bracket or an indentation"}},
          {"two documents",
           R"(mode: enforce
---
mode: enforce)",
           {"2: holds more than one YAML document; keep one, without --- and without a comma "
            "before "
            "a key"}},
          {"a stray comma",
           ",mode: enforce",
           {"1: holds more than one YAML document; keep one, without --- and without a comma "
            "before "
            "a key"}},
          {"a control character",
           "mode: enforce\nlog: \x04",
           {"2: holds a control character; allowed: text in UTF-8; remove it, or save the file as "
            "UTF-8 text"}},
      },
      Text::whole);
}

TEST_CASE("configuration errors: keys") {
  check({
      {"a NUL, written as YAML has it",
       R"(log: { level: "info\0" })",
       {R"(1: log.level: holds a NUL; remove the \0 from it)"}},
      {"a key that is not a text",
       R"(? [mode]
: enforce)",
       {"1: holds a key that is not a text; write `name: value`"}},
      {"an unknown key with a near one",
       "unknown_event: ignore",
       {"1: unknown_event: is not a known key; allowed: admin | commands | compensation | "
        "constraints | events | log | mode | on_bad_event | readmodel | safety | source | "
        "unknown_events; did you mean unknown_events?"}},
      {"an unknown key with none near",
       "colour: blue",
       {"1: colour: is not a known key; allowed: admin | commands | compensation | constraints | "
        "events | log | mode | on_bad_event | readmodel | safety | source | unknown_events; remove "
        "it"}},
      {"an unknown key of a section",
       R"(source:
  topic: ce-users
  grup: uniqd)",
       {"3: source.grup: is not a known key; allowed: brokers | envelope | group | kafka | plain | "
        "sequence | start | stream | topic; did you mean group?"}},
      {"unknown keys everywhere",
       R"(log: { levle: info }
admin: { port: 1 }
readmodel: { table: x }
commands: { topc: x })",
       {"1: log.levle: is not a known key; allowed: format | level; did you mean level?",
        "2: admin.port: is not a known key; allowed: listen | token_file; remove it",
        "3: readmodel.table: is not a known key; allowed: memory_max_mib | postgres | "
        "postgres_file | schema | values | values_key_file; remove it",
        "4: commands.topc: is not a known key; allowed: envelope | kafka | topic; did you mean "
        "topic?"}},
      {"a key given twice",
       R"(mode: enforce
mode: enforce)",
       {"2: mode: is given twice, first on line 1; keep one of the two"}},
      {"a key given twice inside",
       R"(source:
  topic: a
  group: g
  topic: b)",
       {"4: source.topic: is given twice, first on line 2; keep one of the two"}},
      {"an event type given twice",
       R"(events:
  A: { effect: claim, entity: /id, fields: { email: /email } }
  A: { effect: release, entity: /id })",
       {"3: events.A: is given twice, first on line 2; keep one of the two"}},
      {"merging is not a key",
       "log: { <<: { level: info } }",
       {"1: log.<<: is not a known key; allowed: format | level; remove it"}},
  });
}

TEST_CASE("configuration errors: kinds of value") {
  check({
      {"a section that is a text",
       "source: ce-users",
       {"1: source: is a single value, a map is needed; write one `name: value` to a line"}},
      {"a section that is empty",
       "source:",
       {"1: source: has no value, a map is needed; write one `name: value` to a line"}},
      {"a section that is a list",
       "log: [info]",
       {"1: log: is a list, a map is needed; write one `name: value` to a line"}},
      {"a value that is a map",
       "log: { level: { is: info } }",
       {"1: log.level: is a map, a single value is needed; write one value, or remove it"}},
      {"a value that is a list",
       "source: { topic: [a, b] }",
       {"1: source.topic: is a list, a single value is needed; write one value, or remove it"}},
      {"a value that is missing",
       R"(log:
  level:)",
       {"2: log.level: has no value, a single value is needed; write one value, or remove it"}},
      {"a list that is a text",
       R"(constraints:
  email:
    fields: email
    on_violation: { send: X })",
       {"3: constraints.email.fields: is a single value, a list is needed; write e.g. fields: "
        "[one, two]"}},
      {"a list with an empty item",
       R"(constraints:
  email:
    fields:
      - email
      -
    on_violation: { send: X })",
       {"3: constraints.email.fields[1]: has no value, a single value is needed; write one value, "
        "or remove it"}},
  });
}

TEST_CASE("configuration errors: closed sets of words") {
  check({
      {"a mode that is none",
       "mode: enforced",
       {"1: mode: \"enforced\" is not one of the allowed values; allowed: enforce | detect; write "
        "e.g. mode: enforce"}},
      {"a start that is none",
       R"(source:
  topic: ce-users
  start: soon)",
       {"3: source.start: \"soon\" is not one of the allowed values; allowed: earliest | latest; "
        "write e.g. start: earliest"}},
      {"a source envelope that is none",
       "source: { topic: ce-users, envelope: avro }",
       {"1: source.envelope: \"avro\" is not one of the allowed values; allowed: auto | "
        "cloudevents | kurrentdb | debezium | axon | message-type | plain; write e.g. envelope: "
        "auto"}},
      {"a command envelope that is none",
       "commands: { envelope: cloudevent }",
       {"1: commands.envelope: \"cloudevent\" is not one of the allowed values; allowed: "
        "cloudevents | cloudevents-structured; write e.g. envelope: cloudevents"}},
      {"a value form that is none",
       "readmodel: { values: md5 }",
       {"1: readmodel.values: \"md5\" is not one of the allowed values; allowed: hmac-sha256 | "
        "sha256 | plain; write e.g. values: hmac-sha256"}},
      {"a log level that is none",
       "log: { level: warning }",
       {"1: log.level: \"warning\" is not one of the allowed values; allowed: trace | debug | info "
        "| warn | error; write e.g. level: info"}},
      {"a log format that is none",
       "log: { format: yaml }",
       {"1: log.format: \"yaml\" is not one of the allowed values; allowed: text | json; write "
        "e.g. format: text"}},
      {"a policy that is none",
       "on_bad_event: skip",
       {"1: on_bad_event: \"skip\" is not one of the allowed values; allowed: park | halt; write "
        "e.g. "
        "on_bad_event: park"}},
      {"an answer to unknown events that is none",
       "unknown_events: Ignore",
       {"1: unknown_events: \"Ignore\" is not one of the allowed values; allowed: ignore | reject; "
        "write e.g. unknown_events: ignore"}},
  });
}

TEST_CASE("configuration errors: the source") {
  check({
      {"no topic and no stream",
       "source: { group: uniqd }",
       {"1: source: needs a topic, or a stream to derive it from; write e.g. topic: ce-users under "
        "source"}},
      {"a topic with a dollar sign",
       R"(source:
  topic: $ce-users)",
       {"2: source.topic: \"$ce-users\" holds a '$', which is not legal in a Kafka topic name; "
        "allowed: letters, digits, '.', '_' and '-', 1 to 249 characters; write topic: ce-users, "
        "the topic that carries the category stream $ce-users"}},
      {"a command topic with a dollar sign",
       "commands: { topic: user$commands }",
       {"1: commands.topic: \"user$commands\" holds a '$', which is not legal in a Kafka topic "
        "name; allowed: letters, digits, '.', '_' and '-', 1 to 249 characters; write topic: "
        "usercommands"}},
      {"a topic with a space",
       "source: { topic: ce users }",
       {"1: source.topic: \"ce users\" is not a Kafka topic name; allowed: letters, digits, '.', "
        "'_' and '-', 1 to 249 characters, not '.' or '..'; write e.g. topic: ce-users"}},
      {"a topic that is a dot",
       "source: { topic: . }",
       {"1: source.topic: \".\" is not a Kafka topic name; allowed: letters, digits, '.', '_' and "
        "'-', 1 to 249 characters, not '.' or '..'; write e.g. topic: ce-users"}},
      {"a topic that is too long",
       "source: { topic: " + std::string(250, 'x') + " }",
       {"1: source.topic: "
        "\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…\" is not a Kafka topic name; allowed: letters, digits, "
        "'.', '_' and '-', 1 to 249 characters, not '.' or '..'; write e.g. topic: ce-users"}},
      {"a stream that makes no topic",
       "source: { stream: \"$ce-users/new\" }",
       {"1: source.stream: \"$ce-users/new\" does not give a Kafka topic name without its first "
        "'$'; name the topic beside it, e.g. topic: ce-users"}},
      {"an empty stream",
       "source: { stream: \"\" }",
       {"1: source.stream: \"\" is empty; give stream a value, or remove the key"}},
      {"brokers without a host",
       "source: { topic: ce-users, brokers: \":9092\" }",
       {"1: source.brokers: \":9092\" is not a list of brokers; allowed: host:port, several "
        "separated by ','; write e.g. brokers: localhost:9092"}},
      {"brokers with a port out of range",
       "source: { topic: ce-users, brokers: \"a:9092, b:99999\" }",
       {"1: source.brokers: \"a:9092, b:99999\" is not a list of brokers; allowed: host:port, "
        "several separated by ','; write e.g. brokers: localhost:9092"}},
      {"an empty broker list",
       "source: { topic: ce-users, brokers: \"\" }",
       {"1: source.brokers: \"\" is not a list of brokers; allowed: host:port, several separated "
        "by ','; write e.g. brokers: localhost:9092"}},
      {"an empty group",
       "source: { topic: ce-users, group: \"\" }",
       {"1: source.group: \"\" is empty; give group a value, or remove the key"}},
      {"a plain block that is not used",
       R"(source:
  topic: ce-users
  envelope: cloudevents
  plain: { type: /kind })",
       {"4: source.plain: has no meaning with envelope: cloudevents; remove it, or write envelope: "
        "plain"}},
      {"a plain pointer with a bad escape",
       R"(source:
  topic: ce-users
  plain: { type: /a~2, id: "" })",
       {"3: source.plain.type: \"/a~2\" is not a JSON Pointer; allowed: /name or /name/inner (RFC "
        "6901; ~0 for '~', ~1 for '/'); write e.g. type: /type",
        "3: source.plain.id: \"\" is neither a header's name nor a JSON Pointer; write e.g. id: "
        "/id"}},
      {"a plain block with an unknown key",
       R"(source:
  topic: ce-users
  plain: { types: /a })",
       {"3: source.plain.types: is not a known key; allowed: data | id | time | type; did you mean "
        "type?"}},
  });
}

TEST_CASE("configuration errors: librdkafka's properties") {
  check({
      {"properties that uniqd owns",
       R"(source:
  topic: ce-users
  kafka:
    enable.auto.commit: true
    enable.auto.offset.store: true
    auto.offset.reset: earliest
    isolation.level: read_uncommitted
    enable.partition.eof: false
    partition.assignment.strategy: range
    group.id: other
    bootstrap.servers: other:9092
    group.protocol: consumer
    enable.idempotence: false
    check.crcs: false
    allow.auto.create.topics: true
    transactional.id: x
    enable.gapless.guarantee: true
    acks: 1
    opaque: x
    rebalance_cb: x)",
       {"4: source.kafka.enable.auto.commit: belongs to uniqd: positions are kept in the read "
        "model; remove it",
        "5: source.kafka.enable.auto.offset.store: belongs to uniqd: positions are kept in the "
        "read model; remove it",
        "6: source.kafka.auto.offset.reset: belongs to uniqd: a lost position must halt, never "
        "jump; use source.start for a partition without a position",
        "7: source.kafka.isolation.level: belongs to uniqd: aborted events must not be seen; "
        "remove it",
        "8: source.kafka.enable.partition.eof: belongs to uniqd: the end of a partition is learned "
        "from it; remove it",
        "9: source.kafka.partition.assignment.strategy: belongs to uniqd: all instances of a group "
        "must use the same one; remove it",
        "10: source.kafka.group.id: belongs to uniqd: it has a key of its own; use source.group",
        "11: source.kafka.bootstrap.servers: belongs to uniqd: it has a key of its own; use "
        "source.brokers",
        "12: source.kafka.group.protocol: belongs to uniqd: all instances of a group must use the "
        "same one; remove it",
        "13: source.kafka.enable.idempotence: belongs to uniqd: the producer is always idempotent "
        "with acks=all; remove it",
        "14: source.kafka.check.crcs: belongs to uniqd: a damaged record must be seen; remove it",
        "15: source.kafka.allow.auto.create.topics: belongs to uniqd: a misspelt topic must not "
        "come into being; remove it",
        "16: source.kafka.transactional.id: belongs to uniqd: commands leave through the outbox, "
        "not in Kafka transactions; remove it",
        "17: source.kafka.enable.gapless.guarantee: belongs to uniqd: the outbox sends again what "
        "is missing; remove it",
        "18: source.kafka.acks: belongs to uniqd: the producer is always idempotent with acks=all; "
        "remove it",
        "19: source.kafka.opaque: belongs to uniqd: it is set by code, not by configuration; "
        "remove it",
        "20: source.kafka.rebalance_cb: belongs to uniqd: it is set by code, not by configuration; "
        "remove it"}},
      {"properties of the producer that uniqd owns",
       R"(commands:
  kafka:
    bootstrap.servers: "other"
    acks: 1
    request.required.acks: 1
    metadata.broker.list: a)",
       {"4: commands.kafka.acks: belongs to uniqd: the producer is always idempotent with "
        "acks=all; remove it",
        "5: commands.kafka.request.required.acks: belongs to uniqd: the producer is always "
        "idempotent with acks=all; remove it",
        "6: commands.kafka.metadata.broker.list: belongs to uniqd: it has a key of its own; use "
        "source.brokers"}},
      {"brokers of the commands that are none",
       "commands: { kafka: { bootstrap.servers: \"a:b\" } }",
       {"1: commands.kafka.bootstrap.servers: \"a:b\" is not a list of brokers; allowed: "
        "host:port, several separated by ','; write e.g. bootstrap.servers: localhost:9092"}},
      {"a property that is a map",
       "source: { topic: ce-users, kafka: { sasl: { password: hunter2 } } }",
       {"1: source.kafka.sasl: is a map, a single value is needed; write one value, or remove it"}},
      {"a secret given twice",
       R"(source:
  topic: ce-users
  kafka:
    sasl.password: hunter2
    sasl.password_file: /run/password)",
       {"5: source.kafka.sasl.password_file: cannot be given together with sasl.password; keep one "
        "of the two"}},
      {"a file form of what is no secret",
       "source: { topic: ce-users, kafka: { sasl.username_file: /run/password } }",
       {"1: source.kafka.sasl.username_file: takes sasl.username from a file, which only secrets "
        "do; write sasl.username: and the value itself"}},
      {"a secret file that is not there",
       "source: { topic: ce-users, kafka: { sasl.password_file: /run/nothing } }",
       {"1: source.kafka.sasl.password_file: \"/run/nothing\" cannot be read; check that the file "
        "exists and that uniqd's user may read it"}},
      {"a secret file that is empty",
       "source: { topic: ce-users, kafka: { ssl.key.password_file: /run/empty } }",
       {"1: source.kafka.ssl.key.password_file: \"/run/empty\" is an empty file; write the secret "
        "into it"}},
  });
}

TEST_CASE("configuration errors: commands and read model") {
  check({
      {"a command topic that is the source's",
       R"(source: { stream: $ce-users }
commands: { topic: ce-users })",
       {"2: commands.topic: \"ce-users\" is the source's topic too, so uniqd would read its own "
        "commands; name a topic of its own, e.g. topic: user-commands"}},
      {"a command topic that is the source's by default",
       "source: { topic: user-commands }",
       {"1: commands.topic: \"user-commands\" is the source's topic too, so uniqd would read its "
        "own commands; name a topic of its own, e.g. topic: user-commands"}},
      {"a connection that is none",
       "readmodel: { postgres: \"localhost:5432\" }",
       {"1: readmodel.postgres: is not a PostgreSQL connection string; allowed: "
        "postgresql://user@host:5432/database | host=... dbname=...; write e.g. postgres: "
        "postgresql:///uniqd"}},
      {"a connection from a file that is none",
       "readmodel: { postgres_file: /run/password }",
       {"1: readmodel.postgres_file: is not a PostgreSQL connection string; allowed: "
        "postgresql://user@host:5432/database | host=... dbname=...; write e.g. postgres: "
        "postgresql:///uniqd"}},
      {"a connection given twice",
       R"(readmodel:
  postgres: postgresql:///a
  postgres_file: /run/postgres)",
       {"3: readmodel.postgres_file: cannot be given together with postgres; keep one of the two"}},
      {"a connection file that is not there",
       "readmodel: { postgres_file: /run/nothing }",
       {"1: readmodel.postgres_file: \"/run/nothing\" cannot be read; check that the file exists "
        "and that uniqd's user may read it"}},
      {"a schema in capitals",
       "readmodel: { schema: Uniqd }",
       {"1: readmodel.schema: \"Uniqd\" is not a plain SQL name; allowed: a-z, 0-9 and '_', not a "
        "digit first, 1 to 58 characters; write e.g. schema: uniqd"}},
      {"a schema with a hyphen",
       "readmodel: { schema: my-schema }",
       {"1: readmodel.schema: \"my-schema\" is not a plain SQL name; allowed: a-z, 0-9 and '_', "
        "not a digit first, 1 to 58 characters; write e.g. schema: uniqd"}},
      {"a schema that is too long",
       "readmodel: { schema: ssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss }",
       {"1: readmodel.schema: \"ssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss\" "
        "is not a plain SQL name; allowed: a-z, 0-9 and '_', not a digit first, 1 to 58 "
        "characters; write e.g. schema: uniqd"}},
      {"a key for a form without one",
       R"(readmodel:
  values: sha256
  values_key_file: /run/key)",
       {"3: readmodel.values_key_file: has no meaning with values: sha256; remove it, or write "
        "values: hmac-sha256"}},
      {"a key that is too short",
       "readmodel: { values_key_file: /run/password }",
       {"1: readmodel.values_key_file: \"/run/password\" holds a secret of 7 bytes; allowed: 16 "
        "bytes or more; make one with e.g. openssl rand -hex 32"}},
  });
}

TEST_CASE("configuration errors: events") {
  check({
      {"no events",
       "events: {}",
       {"1: events: has no event with effect: claim; write e.g. UserAdded: { effect: claim, "
        "entity: /userId, fields: { email: /email } }"}},
      {"events that are a list",
       "events: [UserAdded]",
       {"1: events: is a list, a map is needed; write one `name: value` to a line"}},
      {"events without a claim",
       R"(events:
  UserEmailChanged: { effect: change, entity: /userId, fields: { email: /email } })",
       {"1: events: has no event with effect: claim; write e.g. UserAdded: { effect: claim, "
        "entity: /userId, fields: { email: /email } }"}},
      {"an event without anything",
       R"(events:
  UserAdded: {})",
       {"2: events.UserAdded: has no effect; write e.g. effect: claim",
        "2: events.UserAdded: has no entity; write e.g. entity: /userId"}},
      {"an event with a wrong effect",
       R"(events:
  UserAdded: { effect: clam, entity: /userId, fields: { email: /email } })",
       {"2: events.UserAdded.effect: \"clam\" is not one of the allowed values; allowed: claim | "
        "change | release; write e.g. effect: claim"}},
      {"pointers that are none",
       R"(events:
  UserAdded: { effect: claim, entity: userId, fields: { email: $.email } })",
       {"2: events.UserAdded.entity: \"userId\" is neither key nor subject nor a JSON Pointer; "
        "allowed: key | subject | /name or /name/inner (RFC 6901; ~0 for '~', ~1 for '/'); write "
        "e.g. entity: /userId",
        "2: events.UserAdded.fields.email: \"$.email\" is not a JSON Pointer; allowed: /name or "
        "/name/inner (RFC 6901; ~0 for '~', ~1 for '/'); write e.g. email: /email"}},
      {"an entity without a name",
       R"(events:
  UserAdded: { effect: claim, entity: /user/, fields: { email: /email } })",
       {"2: events.UserAdded.entity: \"/user/\" ends without a name, and the name is used in "
        "commands; write e.g. entity: /userId"}},
      {"a subject that is no CloudEvent's",
       R"(source: { topic: ce-users, envelope: axon }
events:
  UserAdded: { effect: claim, entity: subject, fields: { email: /email } })",
       {"3: events.UserAdded.entity: \"subject\" has no meaning with envelope: axon; write entity: "
        "key for the record's key, or a JSON Pointer, e.g. /userId"}},
      {"an entity that a command could not name",
       R"(events:
  UserAdded: { effect: claim, entity: /reason, fields: { email: /email } })",
       {"2: events.UserAdded.entity: \"/reason\" ends in reason, which a command uses for itself; "
        "have the entity's id in a field with another name"}},
      {"a release with fields",
       R"(events:
  UserAdded: { effect: claim, entity: /userId, fields: { email: /email } }
  UserDeactivated:
    effect: release
    entity: /userId
    fields: { email: /email })",
       {"6: events.UserDeactivated.fields: has no meaning with effect: release, which frees "
        "everything; remove it, or write effect: change"}},
      {"a change without fields",
       R"(events:
  UserAdded: { effect: claim, entity: /userId, fields: { email: /email } }
  UserEmailChanged: { effect: change, entity: /userId })",
       {"3: events.UserEmailChanged: has no fields; write e.g. fields: { email: /email }"}},
      {"a field name that is none",
       R"(events:
  UserAdded: { effect: claim, entity: /userId, fields: { email: /email, e=mail: /email } })",
       {"2: events.UserAdded.fields.e=mail: is not a name; allowed: letters, digits, '_' and '-', "
        "a letter or '_' first, 1 to 63 characters; name it e.g. email"}},
  });
}

TEST_CASE("configuration errors: constraints") {
  check({
      {"no constraints",
       "constraints: {}",
       {"1: constraints: holds no constraint; write e.g. email: { fields: [email], on_violation: { "
        "send: DeactivateUser } }"}},
      {"a constraint without anything",
       R"(constraints:
  email: {})",
       {"2: constraints.email: has no fields; write e.g. fields: [email]",
        "2: constraints.email: has no on_violation; write e.g. on_violation: { send: "
        "DeactivateUser }"}},
      {"a constraint that is a text",
       R"(constraints:
  email: email)",
       {"2: constraints.email: is a single value, a map is needed; write one `name: value` to a "
        "line"}},
      {"a constraint with a bad name",
       R"(constraints:
  e.mail: { fields: [email], on_violation: { send: X } })",
       {"2: constraints.e.mail: is not a name; allowed: letters, digits, '_' and '-', a letter or "
        "'_' first, 1 to 63 characters; name it e.g. email"}},
      {"a constraint without fields",
       R"(constraints:
  email: { fields: [], on_violation: { send: X } })",
       {"2: constraints.email.fields: is empty; write e.g. fields: [email]"}},
      {"a field that no claim carries",
       R"(constraints:
  email:
    fields: [mail]
    on_violation: { send: X })",
       {"3: constraints.email.fields: \"mail\" is carried by no event with effect: claim; add it "
        "to the fields of one, e.g. fields: { mail: /mail }"}},
      {"a step that is none",
       R"(constraints:
  email:
    fields: [email]
    normalize: [trim, lowercas, rot13]
    on_violation: { send: X })",
       {"4: constraints.email.normalize[1]: \"lowercas\" is not a normalisation step; allowed: "
        "trim | lowercase | casefold | nfc | nfkc | email | email-gmail | digits | e164; did you "
        "mean lowercase?",
        "4: constraints.email.normalize[2]: \"rot13\" is not a normalisation step; allowed: trim | "
        "lowercase | casefold | nfc | nfkc | email | email-gmail | digits | e164; write e.g. "
        "normalize: [trim, nfkc, casefold]"}},
      {"steps for a field that is none",
       R"(constraints:
  email:
    fields: [email]
    normalize: { mail: [trim] }
    on_violation: { send: X })",
       {"4: constraints.email.normalize.mail: is not a known key; allowed: email; did you mean "
        "email?"}},
      {"options of a step that has none, and of one that has others",
       R"(constraints:
  email:
    fields: [email]
    normalize:
      - trim: { on_invalid: reject }
      - email: { on_invalid: drop, default_region: DE }
    on_violation: { send: X })",
       {"5: constraints.email.normalize[0].trim.on_invalid: is not a known key; remove it",
        "6: constraints.email.normalize[1].email.on_invalid: \"drop\" is not one of the allowed "
        "values; allowed: keep | reject; write e.g. on_invalid: keep",
        "6: constraints.email.normalize[1].email.default_region: is not a known key; allowed: "
        "on_invalid; remove it"}},
      {"a step that is neither a word nor a word with options",
       R"(constraints:
  email:
    fields: [email]
    normalize:
      - { trim: {}, nfkc: {} }
      - email:
      - [nfc]
      - emial: { on_invalid: keep }
    on_violation: { send: X })",
       {"5: constraints.email.normalize[0]: holds several words in one item of the list; begin "
        "each "
        "with a '-', or write [one, { two: { option: value } }]",
        "6: constraints.email.normalize[1].email: has no value, a map is needed; write one `name: "
        "value` to a line",
        "7: constraints.email.normalize[2]: is a list, a single value is needed; write one value, "
        "or remove it"}},
      {"a step with options that is none",
       R"(constraints:
  email:
    fields: [email]
    normalize: [{ emial: { on_invalid: keep } }]
    on_violation: { send: X })",
       {"4: constraints.email.normalize[0]: \"emial\" is not a normalisation step; allowed: trim | "
        "lowercase | casefold | nfc | nfkc | email | email-gmail | digits | e164; did you mean "
        "email?"}},
      {"phone numbers of nowhere",
       R"(constraints:
  email:
    fields: [email]
    normalize: [trim, e164]
    on_violation: { send: X })",
       {"4: constraints.email.normalize[1]: \"e164\" has no default_region, the country of a "
        "number "
        "that does not name one; write e.g. default_region: DE beside normalize"}},
      {"regions that are none",
       R"(constraints:
  email:
    fields: [email]
    default_region: UK
    normalize: [e164: { default_region: de }]
    on_violation: { send: X }
  mail:
    fields: [email]
    default_region: Germany
    normalize: [e164]
    on_violation: { send: X })",
       {"4: constraints.email.default_region: \"UK\" is not a region whose phone numbers are "
        "known; "
        "allowed: ISO 3166-1 alpha-2 codes in upper case; write e.g. default_region: GB",
        "5: constraints.email.normalize[0].e164.default_region: \"de\" is not a region whose phone "
        "numbers are known; allowed: ISO 3166-1 alpha-2 codes in upper case; write e.g. "
        "default_region: DE",
        "9: constraints.mail.default_region: \"Germany\" is not a region whose phone numbers are "
        "known; allowed: ISO 3166-1 alpha-2 codes in upper case; write e.g. default_region: DE"}},
      {"a region that nothing uses",
       R"(constraints:
  email:
    fields: [email]
    default_region: DE
    normalize: [email]
    on_violation: { send: X })",
       {"4: constraints.email.default_region: has no meaning without the step e164; remove it"}},
      {"two actions at once",
       R"(constraints:
  email:
    fields: [email]
    on_violation:
      send: X
      alert: true)",
       {"4: constraints.email.on_violation: says send and alert at once; allowed: send | review | "
        "alert | detect; write one of them, e.g. send: DeactivateUser"}},
      {"an action that is said not to be",
       R"(constraints:
  email:
    fields: [email]
    on_violation: { review: false })",
       {"4: constraints.email.on_violation.review: \"false\" is not one of the allowed values; "
        "allowed: true; write e.g. review: true"}},
      {"no action",
       R"(constraints:
  email:
    fields: [email]
    on_violation: { reason: Because. })",
       {"4: constraints.email.on_violation: does not say what to do; allowed: send | review | "
        "alert | detect; write one of them, e.g. send: DeactivateUser"}},
      {"an action for one effect only",
       R"(constraints:
  email:
    fields: [email]
    on_violation:
      claim: { send: X })",
       {"4: constraints.email.on_violation: has no change; write e.g. change: { send: "
        "RevertUserEmail }"}},
      {"an action for an effect that is none",
       R"(constraints:
  email:
    fields: [email]
    on_violation:
      claim: { send: X }
      change: { send: Y }
      release: { send: Z })",
       {"7: constraints.email.on_violation.release: is not a known key; allowed: change | claim; "
        "remove it"}},
      {"an empty command and an empty reason",
       R"(constraints:
  email:
    fields: [email]
    on_violation: { send: "", reason: "" })",
       {"4: constraints.email.on_violation.send: \"\" is empty; give send a value, or remove the "
        "key",
        "4: constraints.email.on_violation.reason: \"\" is empty; give reason a value, or remove "
        "the key"}},
      {"an action that is a text",
       R"(constraints:
  email:
    fields: [email]
    on_violation: DeactivateUser)",
       {"4: constraints.email.on_violation: is a single value, a map is needed; write one `name: "
        "value` to a line"}},
  });
}

TEST_CASE("configuration errors: the pace of a compensation") {
  check({
      {"a deadline without a unit",
       "compensation: { deadline: 30 }",
       {"1: compensation.deadline: \"30\" is not a duration in the allowed range; allowed: 1s to "
        "168h, a whole number and ms, s, m or h; write e.g. deadline: 30s"}},
      {"everything out of range",
       R"(compensation:
  deadline: 500ms
  attempts: 0
  backoff: 0.5)",
       {"2: compensation.deadline: \"500ms\" is not a duration in the allowed range; allowed: 1s "
        "to "
        "168h, a whole number and ms, s, m or h; write e.g. deadline: 30s",
        "3: compensation.attempts: \"0\" is not a whole number in the allowed range; allowed: 1 to "
        "100; write e.g. attempts: 5",
        "4: compensation.backoff: \"0.5\" is not a number in the allowed range; allowed: 1 to 100; "
        "write e.g. backoff: 2"}},
      {"a week and a second",
       "compensation: { deadline: 604801s, wait: 1s }",
       {"1: compensation.deadline: \"604801s\" is not a duration in the allowed range; allowed: 1s "
        "to 168h, a whole number and ms, s, m or h; write e.g. deadline: 30s",
        "1: compensation.wait: is not a known key; allowed: attempts | backoff | deadline; remove "
        "it"}},
  });
}

TEST_CASE("configuration errors: the admin address") {
  check({
      {"an address without a port",
       "admin: { listen: localhost }",
       {"1: admin.listen: \"localhost\" is not an address to listen on; allowed: host:port, an "
        "IPv6 address as [::1]:port; write e.g. listen: \"127.0.0.1:8480\""}},
      {"an address with a port out of range",
       "admin: { listen: \"127.0.0.1:65536\" }",
       {"1: admin.listen: \"127.0.0.1:65536\" is not an address to listen on; allowed: host:port, "
        "an IPv6 address as [::1]:port; write e.g. listen: \"127.0.0.1:8480\""}},
      {"an IPv6 address without brackets",
       "admin: { listen: \"::1:8480\" }",
       {"1: admin.listen: \"::1:8480\" is not an address to listen on; allowed: host:port, an IPv6 "
        "address as [::1]:port; write e.g. listen: \"127.0.0.1:8480\""}},
      {"an address beyond loopback",
       "admin: { listen: \"0.0.0.0:8480\" }",
       {"1: admin.listen: \"0.0.0.0:8480\" is reachable from other machines and no token guards "
        "it; name a token_file, or listen on 127.0.0.1"}},
      {"an IPv6 address beyond loopback",
       "admin: { listen: \"[::]:8480\" }",
       {"1: admin.listen: \"[::]:8480\" is reachable from other machines and no token guards it; "
        "name a token_file, or listen on 127.0.0.1"}},
      {"a name that only begins like loopback",
       "admin: { listen: \"127.0.0.1.example.org:8480\" }",
       {"1: admin.listen: \"127.0.0.1.example.org:8480\" is reachable from other machines and no "
        "token guards it; name a token_file, or listen on 127.0.0.1"}},
  });
}

TEST_CASE("configuration errors: environment variables") {
  check({
      {"a variable that is not set",
       R"(source:
  topic: ce-users
  brokers: ${NOWHERE})",
       {"3: source.brokers: the environment variable NOWHERE is not set; set it, or give a "
        "default: ${NOWHERE:-default}"}},
      {"a variable with a bad name",
       "source: { topic: \"${my topic}\" }",
       {"1: source.topic: has a ${ that is not followed by a variable's name; allowed: ${NAME} | "
        "${NAME:-default} | $$ for a dollar sign; write $${ where a literal ${ is meant"}},
      {"a variable without its end",
       "source: { topic: \"${TOPIC\" }",
       {"1: source.topic: has a ${ without its }; close it, or write $${ where a literal ${ is "
        "meant"}},
      {"a variable with a bad value",
       "source: { topic: ce-users, start: \"${START}\" }",
       {"1: source.start: \"soon\" is not one of the allowed values; allowed: earliest | latest; "
        "write e.g. start: earliest"}},
      {"a default with a bad value",
       "source: { topic: ce-users, start: \"${NOWHERE:-later}\" }",
       {"1: source.start: \"later\" is not one of the allowed values; allowed: earliest | latest; "
        "write e.g. start: latest"}},
      {"a secret with a variable that is not set",
       "readmodel: { postgres: \"postgresql://u:hunter2${NOWHERE}@h/d\" }",
       {"1: readmodel.postgres: the environment variable NOWHERE is not set; set it, or give a "
        "default: ${NOWHERE:-default}"}},
  });
}

TEST_CASE("configuration errors: several at once") {
  check({
      {"several errors, by line",
       R"(mode: enforced
log:
  level: loud
  colour: red
admin: { listen: here }
readmodel:
  schema: 1st)",
       {"1: mode: \"enforced\" is not one of the allowed values; allowed: enforce | detect; write "
        "e.g. mode: enforce",
        "3: log.level: \"loud\" is not one of the allowed values; allowed: trace | debug | info | "
        "warn | error; write e.g. level: info",
        "4: log.colour: is not a known key; allowed: format | level; remove it",
        "5: admin.listen: \"here\" is not an address to listen on; allowed: host:port, an IPv6 "
        "address as [::1]:port; write e.g. listen: \"127.0.0.1:8480\"",
        "7: readmodel.schema: \"1st\" is not a plain SQL name; allowed: a-z, 0-9 and '_', not a "
        "digit first, 1 to 58 characters; write e.g. schema: uniqd"}},
  });
}

}  // namespace
}  // namespace uniqd::test

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <set>
#include <string>
#include <vector>

#include "config/interpolate.hpp"
#include "config/kafka_properties.hpp"
#include "config/load_settings.hpp"
#include "config/print_settings.hpp"
#include "config/secrets.hpp"
#include "config/words.hpp"
#include "config/yaml_reader.hpp"
#include "tests/unit/config_world.hpp"

namespace uniqd::test {
namespace {

using namespace uniqd::settings;

const std::string shipped_path = UNIQD_SOURCE_DIR "/config/uniqd.yaml";

Surroundings no_environment() {
  return {[](const std::string&) { return std::nullopt; }, system_surroundings().read_file};
}

Settings sound(const LoadedSettings& loaded) {
  std::string errors;
  if (const auto* list = std::get_if<std::vector<SettingsError>>(&loaded)) {
    for (const SettingsError& error : *list) errors += format_error(error) + "\n";
  }
  REQUIRE_EQ(errors, "");
  return std::get<Settings>(loaded);
}

Settings load(const std::string& yaml) {
  return sound(load_settings(with_needed_sections(yaml), "uniqd.yaml", config_world()));
}

std::vector<NormalizeStep> steps(const std::vector<std::string>& names) {
  std::vector<NormalizeStep> result;
  for (const std::string& name : names) result.push_back({name, "", OnInvalid::keep});
  return result;
}

// Every scalar's key of a tree, list items left out.
void add_keys(const YAML::Node& node, const std::string& path, std::set<std::string>& keys) {
  if (!node.IsMap()) {
    keys.insert(path);
    return;
  }
  for (const auto& pair : node) {
    const std::string& name = pair.first.Scalar();
    add_keys(pair.second, path.empty() ? name : path + "." + name, keys);
  }
}

std::set<std::string> keys_of(const std::string& yaml) {
  std::set<std::string> keys;
  add_keys(YAML::Load(yaml), "", keys);
  return keys;
}

const char* const rich = R"(
source:
  stream: $ce-users
  topic: users
  brokers: a:9092, b:9093
  group: $$group ${BROKERS}
  start: latest
  envelope: plain
  plain: { type: kind, id: /meta/id, time: /meta/a~1b, data: "" }
  kafka:
    fetch.wait.max.ms: 100
    sasl.password_file: /run/password
    sasl.jaas: ${PRICE}
commands:
  topic: orders
  envelope: cloudevents-structured
  kafka: { bootstrap.servers: "c:1", ssl.key.password: hunter2, ssl.key.pem: hunter2 }
readmodel:
  postgres: postgresql://app:hunter2@db:5432/uniqd?application_name=x
  schema: other_1
  values: hmac-sha256
  values_key_file: /run/key
  memory_max_mib: 0
events:
  Added: { effect: claim, entity: /customer/id, fields: { zip: /z, email: /e, phone: /p } }
  Mail Changed: { effect: change, entity: /id, fields: { email: /e } }
  Gone: { effect: release, entity: key }
unknown_events: reject
constraints:
  phone:
    fields: [phone, zip]
    on_violation: { send: "null", reason: "Größe: \"#1\" {x}\n- two" }
  zip:
    fields: [zip, phone]
    default_region: DE
    normalize: { zip: [digits], phone: [trim, e164, e164: { default_region: FR, on_invalid: reject }, email: {}] }
    on_violation: { claim: { review: true }, change: { detect: true, reason: Only noted. } }
  email:
    fields: [email]
    normalize: { email: [trim, lowercase, nfc] }
    on_violation:
      claim: { send: Remove }
      change: { send: RevertEmail, reason: "costs $$${EMPTY} and ${NOWHERE:-nothing}" }
compensation: { deadline: 1500ms, attempts: 1, backoff: 1.5 }
admin: { listen: "[::1]:0" }
log: { level: trace, format: json }
)";

TEST_CASE("configuration: what is not given has its default") {
  const Settings settings = load("");
  Settings wanted;
  wanted.source.topic = "ce-users";
  wanted.commands.kafka = {{"bootstrap.servers", "localhost:9092"}};
  wanted.events = {{"UserAdded", Effect::claim, "/userId", {{"email", "/email"}}}};
  const Action action{ActionKind::send, "DeactivateUser", "This email is already taken."};
  wanted.constraints = {{"email", {{"email", {}}}, action, action}};
  CHECK(settings == wanted);
}

TEST_CASE("configuration: what is given is taken, in the order of the file") {
  const Settings settings = load(rich);
  CHECK_EQ(settings.source.stream, "$ce-users");
  CHECK_EQ(settings.source.topic, "users");
  CHECK_EQ(settings.source.group, "$group kafka:9092");
  CHECK_EQ(settings.source.start, StartAt::latest);
  CHECK_EQ(settings.source.envelope, SourceEnvelope::plain);
  CHECK(settings.source.plain == PlainEnvelope{"kind", "/meta/id", "/meta/a~1b", ""});
  CHECK(settings.source.kafka == KafkaProperties{{"fetch.wait.max.ms", "100"},
                                                 {"sasl.password", "hunter2"},
                                                 {"sasl.jaas", "${BROKERS} $$"}});
  CHECK(settings.source.kafka_files == KafkaPropertyFiles{{"sasl.password", "/run/password"}});
  CHECK_EQ(settings.commands.envelope, CommandEnvelope::cloudevents_structured);
  CHECK_EQ(settings.commands.kafka.at("bootstrap.servers"), "c:1");
  CHECK_EQ(settings.readmodel.schema, "other_1");
  CHECK_EQ(settings.readmodel.values_key, "0123456789abcdef");
  CHECK_EQ(settings.readmodel.memory_max_mib, 0);
  CHECK_EQ(settings.unknown_events, UnknownEvents::reject);
  CHECK_EQ(settings.admin.host, "::1");
  CHECK_EQ(settings.admin.port, 0);
  CHECK_EQ(settings.log.level, LogLevel::trace);
  CHECK_EQ(settings.log.format, LogFormat::json);
  REQUIRE_EQ(settings.events.size(), 3);
  CHECK(settings.events[0] == EventRule{"Added",
                                        Effect::claim,
                                        "/customer/id",
                                        {{"zip", "/z"}, {"email", "/e"}, {"phone", "/p"}}});
  CHECK(settings.events[2] == EventRule{"Gone", Effect::release, "key", {}});
  REQUIRE_EQ(settings.constraints.size(), 3);
  CHECK_EQ(settings.constraints[0].name, "phone");
  CHECK(settings.constraints[0].fields == std::vector<ConstraintField>{{"phone", {}}, {"zip", {}}});
  const Constraint& zip = settings.constraints[1];
  CHECK(zip.fields == std::vector<ConstraintField>{{"zip", steps({"digits"})},
                                                   {"phone",
                                                    {{"trim", "", OnInvalid::keep},
                                                     {"e164", "DE", OnInvalid::keep},
                                                     {"e164", "FR", OnInvalid::reject},
                                                     {"email", "", OnInvalid::keep}}}});
  CHECK(zip.on_claim == Action{ActionKind::review, "", "This zip is already taken."});
  CHECK(zip.on_change == Action{ActionKind::detect, "", "Only noted."});
  CHECK_EQ(settings.compensation.deadline, std::chrono::milliseconds{1500});
  CHECK_EQ(settings.compensation.attempts, 1);
  CHECK_EQ(settings.compensation.backoff, 1.5);
  const Constraint& email = settings.constraints[2];
  CHECK(email.fields ==
        std::vector<ConstraintField>{{"email", steps({"trim", "lowercase", "nfc"})}});
  CHECK(email.on_claim == Action{ActionKind::send, "Remove", "This email is already taken."});
  CHECK(email.on_change == Action{ActionKind::send, "RevertEmail", "costs $ and nothing"});
}

TEST_CASE("configuration: every mode, envelope and action, and where an entity may be") {
  CHECK_EQ(load("mode: detect").mode, Mode::detect);
  for (const auto& word : words(SourceEnvelope{})) {
    const std::string text{word.text};
    CHECK_EQ(load("source: { topic: t, envelope: " + text + " }").source.envelope, word.value);
  }
  for (const auto& word : words(ActionKind{})) {
    const Settings settings = load(fmt::format(
        "constraints: {{ a: {{ fields: [email], on_violation: {{ {}: true }} }} }}", word.text));
    CHECK_EQ(settings.constraints[0].on_claim.kind, word.value);
    CHECK_EQ(settings.constraints[0].on_change.kind, word.value);
  }
  for (const char* entity : {"key", "subject", "/a~1b/c"}) {
    const Settings settings = load(fmt::format(
        "events: {{ A: {{ effect: claim, entity: {}, fields: {{ email: /e }} }} }}", entity));
    CHECK_EQ(settings.events[0].entity, entity);
  }
}

TEST_CASE("configuration: the topic comes from the stream unless it is named") {
  CHECK_EQ(load("source: { stream: $ce-users }").source.topic, "ce-users");
  CHECK_EQ(load("source: { stream: users }").source.topic, "users");
  CHECK_EQ(load("source: { stream: $a/b, topic: c }").source.topic, "c");
}

TEST_CASE("configuration: commands use the brokers of the source") {
  CHECK_EQ(
      load("source: { topic: t, brokers: \"${BROKERS}\" }").commands.kafka.at("bootstrap.servers"),
      "kafka:9092");
}

TEST_CASE("configuration: the database may be named in a file, or by nothing at all") {
  const ReadModel from_file = load("readmodel: { postgres_file: /run/postgres }").readmodel;
  CHECK_EQ(from_file.postgres, "postgresql://app:hunter2@db/uniqd");
  CHECK_EQ(from_file.postgres_file, "/run/postgres");
  CHECK_EQ(load("readmodel: { postgres: \"\" }").readmodel.postgres, "");
  CHECK_EQ(load("readmodel: { postgres: host=db dbname=x }").readmodel.postgres,
           "host=db dbname=x");
}

TEST_CASE("configuration: loopback has several names, and an empty token file is none") {
  for (const char* listen : {"localhost:1", "127.0.0.1:1", "127.9.9.9:1", "[::1]:1"}) {
    INFO(listen);
    CHECK_EQ(load(fmt::format("admin: {{ listen: \"{}\", token_file: \"\" }}", listen)).admin.port,
             1);
  }
}

TEST_CASE("configuration: with a token the admin port may be reached from other machines") {
  const Admin admin = load("admin: { listen: \"0.0.0.0:8480\", token_file: /run/key }").admin;
  CHECK_EQ(admin.host, "0.0.0.0");
  CHECK_EQ(admin.token, "0123456789abcdef");
  CHECK_EQ(admin.token_file, "/run/key");
}

TEST_CASE("configuration: the shipped file is sound and says what the documentation says") {
  const Settings settings = sound(load_settings_file(shipped_path, no_environment()));
  CHECK_EQ(settings.source.stream, "$ce-users");
  CHECK_EQ(settings.source.topic, "ce-users");
  CHECK_EQ(settings.source.brokers, "localhost:9092");
  CHECK_EQ(settings.commands.topic, "user-commands");
  CHECK_EQ(settings.readmodel.postgres, "postgresql:///uniqd");
  CHECK_EQ(settings.admin.host, "127.0.0.1");
  CHECK_EQ(settings.admin.port, 8480);
  REQUIRE_EQ(settings.constraints.size(), 1);
  CHECK(settings.constraints[0].fields ==
        std::vector<ConstraintField>{{"email", steps({"trim", "nfkc", "casefold"})}});
  CHECK(settings.constraints[0].on_claim == Action{ActionKind::send, "DeactivateUser",
                                                   "There is already a user with this email "
                                                   "address."});
  const std::vector<EventRule> events{
      {"UserAdded", Effect::claim, "/userId", {{"email", "/email"}}},
      {"UserEmailChanged", Effect::change, "/userId", {{"email", "/email"}}},
      {"UserDeactivated", Effect::release, "/userId", {}}};
  CHECK(settings.events == events);
}

TEST_CASE("configuration: the shipped file takes its places from the environment") {
  Surroundings surroundings = no_environment();
  surroundings.get_env = [](const std::string& name) -> std::optional<std::string> {
    if (name == "UNIQD_BROKERS") return "kafka:1";
    if (name == "UNIQD_POSTGRES") return "host=db";
    if (name == "UNIQD_ADMIN_LISTEN") return "127.0.0.1:2";
    return std::nullopt;
  };
  const Settings settings = sound(load_settings_file(shipped_path, surroundings));
  CHECK_EQ(settings.source.brokers, "kafka:1");
  CHECK_EQ(settings.commands.kafka.at("bootstrap.servers"), "kafka:1");
  CHECK_EQ(settings.readmodel.postgres, "host=db");
  CHECK_EQ(settings.admin.port, 2);
}

TEST_CASE("configuration: the shipped file shows every key there is, with its default") {
  const std::string text = *system_surroundings().read_file(shipped_path);
  std::set<std::string> shown = keys_of(text);
  const Settings settings = sound(load_settings_file(shipped_path, no_environment()));
  std::set<std::string> printed = keys_of(print_settings(settings));
  // Shown another way: as the stream, as the brokers of the source, and as a list for all fields.
  for (const char* key :
       {"source.topic", "commands.kafka.bootstrap.servers", "constraints.email.normalize.email"}) {
    CHECK_EQ(printed.erase(key), 1);
  }
  CHECK_EQ(shown.erase("constraints.email.normalize"), 1);
  CHECK_EQ(fmt::format("{}", fmt::join(shown, "\n")), fmt::format("{}", fmt::join(printed, "\n")));
}

TEST_CASE("configuration: a file that is not there") {
  const LoadedSettings loaded = load_settings_file("/run/nothing.yaml", config_world());
  REQUIRE(std::holds_alternative<std::vector<SettingsError>>(loaded));
  CHECK_EQ(format_error(std::get<std::vector<SettingsError>>(loaded).at(0)),
           "/run/nothing.yaml: cannot be read; check that the file exists and that uniqd's user "
           "may read it");
  CHECK_FALSE(system_surroundings().read_file(UNIQD_SOURCE_DIR).has_value());
  CHECK_FALSE(system_surroundings().get_env("UNIQD_NO_SUCH_VARIABLE").has_value());
}

TEST_CASE("configuration: no text makes the loader throw") {
  const std::string text = *system_surroundings().read_file(shipped_path);
  for (std::size_t size = 0; size < text.size(); size += 37) {
    CHECK_NOTHROW(load_settings(text.substr(0, size), "cut", config_world()));
    std::string changed = text;
    changed[size] = "{[]}:,&*\"'\n\t$-"[size % 14];
    CHECK_NOTHROW(load_settings(changed, "changed", config_world()));
  }
  for (const char* odd :
       {"a: &a [*a]", "? ? ? x", "!!binary x", "{{{{{{", "\xff\xfe", "%YAML 9\n--- x",
        "source: !t &b { kafka: *b }", "'", "\"\\x\"", "- - - - -", ":", "---"}) {
    INFO(odd);
    CHECK(std::holds_alternative<std::vector<SettingsError>>(
        load_settings(odd, "odd", config_world())));
  }
}

TEST_CASE("configuration: the print loads again to the same settings") {
  for (const std::string& yaml : {std::string{}, std::string{rich},
                                  std::string{"readmodel: { postgres_file: /run/postgres }"}}) {
    const Settings settings = load(yaml);
    const std::string printed = print_settings(settings);
    INFO(printed);
    const Settings again = sound(load_settings(printed, "printed", config_world()));
    CHECK(mask_settings(again) == mask_settings(settings));
    CHECK_EQ(print_settings(again), printed);
  }
}

TEST_CASE("configuration: no secret is in the print") {
  for (const std::string& yaml :
       {std::string{rich}, std::string{"readmodel: { postgres_file: /run/postgres }"},
        std::string{"readmodel: { postgres: host=db password=hunter2 }"}}) {
    const std::string printed = print_settings(load(yaml));
    INFO(printed);
    CHECK_EQ(printed.find("hunter2"), std::string::npos);
    CHECK_EQ(printed.find("0123456789abcdef"), std::string::npos);
  }
  const std::string printed = print_settings(load(rich));
  CHECK_NE(printed.find("postgresql://app:***@db:5432/uniqd?application_name=x"),
           std::string::npos);
  CHECK_NE(printed.find("ssl.key.password: \"***\""), std::string::npos);
  CHECK_NE(printed.find("sasl.password_file: /run/password"), std::string::npos);
}

TEST_CASE("configuration: the password of a connection is masked, whatever its form") {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"", ""},
      {"postgresql:///uniqd", "postgresql:///uniqd"},
      {"postgresql://host:5432/db", "postgresql://host:5432/db"},
      {"postgresql://a:1,b:2/db?target_session_attrs=any",
       "postgresql://a:1,b:2/db?target_session_attrs=any"},
      {"postgresql://u@host:5432/db", "postgresql://u@host:5432/db"},
      {"postgres://u:pw@h/db", "postgres://u:***@h/db"},
      {"postgres://u:@h/db", "postgres://u:***@h/db"},
      {"postgres://u:p@w@h/db", "postgres://u:***@h/db"},
      {"postgres://u:p/w@h/db", "postgres://u:***@h/db"},
      {"postgres://u:p?w@h/db", "postgres://u:***@h/db"},
      {"postgres://u:p?a=w@h/db", "postgres://u:***@h/db"},
      {"postgres://u:p:w@[::1]:5432/db", "postgres://u:***@[::1]:5432/db"},
      {"postgres://h/db?user=u&password=pw&port=1", "postgres://h/db?user=u&password=***&port=1"},
      {"postgres://h/db?p%61ssword=pw", "postgres://h/db?p%61ssword=***"},
      {"postgres://h/db?sslpassword=p?w", "postgres://h/db?sslpassword=***"},
      {"postgres://h/db?user=a@b", "postgres://h/db?user=a@b"},
      {"host=h password=pw user=u", "host=h password=*** user=u"},
      {"password = 'p w' user=u", "password=*** user=u"},
      {"password='p\\'w' user=u", "password=*** user=u"},
      {"password=p\\ w user=u", "password=*** user=u"},
      {"host='/a b' sslpassword=pw", "host='/a b' sslpassword=***"},
      {"password=p w user=u", "***"},
      {"password='pw", "***"},
      {"=pw", "***"},
      {"pw", "***"},
  };
  for (const auto& [connection, masked] : cases) CHECK_EQ(mask_postgres(connection), masked);
}

TEST_CASE("configuration: which properties are secrets") {
  for (const char* name :
       {"sasl.password", "ssl.key.password", "ssl.keystore.password",
        "sasl.oauthbearer.client.secret", "ssl.key.pem", "sasl.oauthbearer.config"}) {
    CHECK_MESSAGE(is_secret_property(name), name);
  }
  for (const char* name : {"sasl.username", "ssl.key.location", "security.protocol"}) {
    CHECK_MESSAGE(!is_secret_property(name), name);
  }
}

TEST_CASE("configuration: environment variables in a text") {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"$ce-users", "$ce-users"},
      {"a$", "a$"},
      {"$$", "$"},
      {"$$$", "$$"},
      {"$${BROKERS}", "${BROKERS}"},
      {"${BROKERS}", "kafka:9092"},
      {"<${BROKERS}|${BROKERS}>", "<kafka:9092|kafka:9092>"},
      {"${BROKERS:-x}", "kafka:9092"},
      {"${EMPTY}", ""},
      {"${EMPTY:-x}", "x"},
      {"${NOWHERE:-}", ""},
      {"${NOWHERE:-a:-b}", "a:-b"},
      {"${PRICE}", "${BROKERS} $$"},
  };
  for (const auto& [text, wanted] : cases) {
    INFO(text);
    const auto result = interpolate(text, config_world());
    REQUIRE(std::holds_alternative<std::string>(result));
    CHECK_EQ(std::get<std::string>(result), wanted);
    const auto escaped = interpolate(escape_dollars(text), config_world());
    CHECK_EQ(std::get<std::string>(escaped), text);
  }
  for (const char* text : {"${}", "${1A}", "${A-b}", "${:-x}", "${ A}", "${BROKERS"}) {
    INFO(text);
    CHECK(std::holds_alternative<Complaint>(interpolate(text, config_world())));
  }
}

TEST_CASE("configuration: durations") {
  using std::chrono::milliseconds;
  const std::vector<std::pair<std::string, std::int64_t>> cases{
      {"500ms", 500}, {"30s", 30'000}, {"5m", 300'000}, {"1h", 3'600'000}, {"0s", 0}};
  for (const auto& [text, count_ms] : cases) {
    CHECK_EQ(parse_duration(text).value().count(), count_ms);
    CHECK_EQ(duration_text(milliseconds{count_ms}), text);
  }
  CHECK_EQ(duration_text(milliseconds{61'000}), "61s");
  for (const char* text : {"", "s", "5", "5 s", "-5s", "1.5s", "5d", "9999999999999999h",
                           "99999999999999999999s", "+5s"}) {
    CHECK_MESSAGE(!parse_duration(text), text);
  }
}

TEST_CASE("configuration: numbers and their ranges") {
  const Surroundings surroundings = config_world();
  const auto read = [&](const std::string& yaml, int& whole, double& share) {
    Reading reading{"n.yaml", surroundings};
    MapReader map{reading, YAML::Load(yaml), Place{"numbers", "numbers", 1}};
    read_number(map, "whole", whole, 0, 10);
    read_number(map, "share", share, 0.5, 1.0);
    std::string seen;
    for (const auto& error : std::move(reading).errors_by_line())
      seen += format_error(error) + '\n';
    return seen;
  };
  int whole = 7;
  double share = 0.75;
  CHECK_EQ(read("{}", whole, share), "");
  CHECK_EQ(whole, 7);
  CHECK_EQ(read("{ whole: 10, share: 1 }", whole, share), "");
  CHECK_EQ(whole, 10);
  CHECK_EQ(share, 1.0);
  CHECK_EQ(read("{ whole: 0, share: 0.5 }", whole, share), "");
  CHECK_EQ(read("whole: 11\nshare: nan", whole, share),
           "n.yaml:1: numbers.whole: \"11\" is not a whole number in the allowed range; allowed: 0 "
           "to 10; write e.g. whole: 0\n"
           "n.yaml:2: numbers.share: \"nan\" is not a number in the allowed range; allowed: 0.5 to "
           "1; write e.g. share: 0.5\n");
  for (const char* bad : {"1.5", "ten", "", "1 ", "-1", "0x1", "99999999999"}) {
    CHECK_MESSAGE(!read(fmt::format("whole: \"{}\"", bad), whole, share).empty(), bad);
  }
}

}  // namespace
}  // namespace uniqd::test

#include "config/read_services.hpp"

#include <fmt/format.h>

#include "config/kafka_properties.hpp"
#include "config/read_word.hpp"
#include "config/secrets.hpp"

namespace uniqd::settings {
namespace {

constexpr std::string_view file_suffix = "_file";

// The content of the file that a key names, without one line end at its end. The path goes to
// `path` in any case.
std::optional<std::string> read_secret_file(MapReader& map, std::string_view name,
                                            std::string& path) {
  const std::optional<Text> text = map.text(name);
  if (!text) return std::nullopt;
  Reading& reading = map.reading();
  path = text->value;
  std::optional<std::string> content = reading.surroundings().read_file(path);
  if (!content) {
    reading.fail(*text, {"cannot be read", "",
                         "check that the file exists and that uniqd's user may read it"});
    return std::nullopt;
  }
  if (content->ends_with('\n')) content->pop_back();
  if (content->ends_with('\r')) content->pop_back();
  if (content->empty()) {
    reading.fail(*text, {"is an empty file", "", "write the secret into it"});
    return std::nullopt;
  }
  return content;
}

// Answers whether both are there, which is an error.
bool both_given(MapReader& map, std::string_view name, std::string_view other) {
  if (!map.has(name) || !map.has(other)) return false;
  map.reading().fail(map.place_of(other), {fmt::format("cannot be given together with {}", name),
                                           "", "keep one of the two"});
  return true;
}

void try_property(const MapReader& map, const std::string& key, const std::string& property,
                  const std::string& value) {
  const auto why = map.reading().surroundings().why_kafka_refuses(property, value);
  if (!why) return;
  map.reading().fail(map.place_of(key), {fmt::format("is not taken by librdkafka: {}", *why), "",
                                         "correct or remove it"});
}

void read_property_file(MapReader& map, const std::string& key, KafkaProperties& properties,
                        KafkaPropertyFiles& files) {
  const std::string property = key.substr(0, key.size() - file_suffix.size());
  if (!is_secret_property(property)) {
    map.reading().fail(map.place_of(key),
                       {fmt::format("takes {} from a file, which only secrets do", property), "",
                        fmt::format("write {}: and the value itself", property)});
    return;
  }
  if (both_given(map, property, key)) return;
  std::string path;
  if (auto content = read_secret_file(map, key, path)) {
    try_property(map, key, property, *content);
    properties[property] = *std::move(content);
    files[property] = path;
  }
}

// `brokers` is what a commands section may set here and a source may not.
void read_kafka(MapReader map, bool may_set_brokers, KafkaProperties& properties,
                KafkaPropertyFiles& files) {
  for (const std::string& key : map.names()) {
    const bool brokers = key == "bootstrap.servers" && may_set_brokers;
    if (brokers) {
      std::string value;
      if (read_text(map, key, value, check_brokers)) properties[key] = value;
    } else if (const auto complaint = check_kafka_property(key)) {
      map.reading().fail(map.place_of(key), *complaint);
    } else if (key.ends_with(file_suffix)) {
      read_property_file(map, key, properties, files);
    } else if (const auto text = map.text(key)) {
      try_property(map, key, key, text->value);
      properties[key] = text->value;
    }
  }
}

void read_source_topic(MapReader& map, Source& source) {
  if (!map.is_sound()) return;
  const bool has_topic = map.has("topic");
  if (!map.has("stream") && !has_topic) {
    map.reading().fail(map.place(), {"needs a topic, or a stream to derive it from", "",
                                     "write e.g. topic: ce-users under source"});
    return;
  }
  const bool stream_read = read_text(map, "stream", source.stream, check_not_empty);
  if (has_topic) {
    read_text(map, "topic", source.topic, check_topic);
    return;
  }
  if (!stream_read) return;
  source.topic = source.stream.substr(source.stream.starts_with('$') ? 1 : 0);
  if (check_topic("topic", source.topic)) {
    map.reading().fail(Text{map.place_of("stream"), source.stream},
                       {"does not give a Kafka topic name without its first '$'", "",
                        "name the topic beside it, e.g. topic: ce-users"});
  }
}

void read_plain(MapReader& map, Source& source) {
  if (!map.has("plain")) return;
  MapReader plain = map.map("plain");
  const bool in_use =
      source.envelope == SourceEnvelope::plain || source.envelope == SourceEnvelope::automatic;
  if (!in_use) {
    map.reading().fail(plain.place(),
                       {fmt::format("has no meaning with envelope: {}", to_word(source.envelope)),
                        "", "remove it, or write envelope: plain"});
  }
  read_text(plain, "type", source.plain.type, check_pointer_or_header);
  read_text(plain, "id", source.plain.id, check_pointer_or_header);
  read_text(plain, "time", source.plain.time, check_pointer_or_header);
  read_text(plain, "data", source.plain.data, [](std::string_view name, std::string_view value) {
    return value.empty() ? std::nullopt : check_pointer_or_header(name, value);
  });
  plain.finish();
}

void read_source(MapReader map, Source& source) {
  read_source_topic(map, source);
  read_text(map, "brokers", source.brokers, check_brokers);
  read_text(map, "group", source.group, check_not_empty);
  read_word(map, "start", source.start);
  read_text(map, "sequence", source.sequence, [](std::string_view name, std::string_view value) {
    return value.empty() ? std::nullopt : check_pointer_or_header(name, value);
  });
  read_word(map, "envelope", source.envelope);
  read_plain(map, source);
  if (map.has("kafka")) read_kafka(map.map("kafka"), false, source.kafka, source.kafka_files);
  map.finish();
}

void read_commands(MapReader map, const Source& source, Commands& commands) {
  read_text(map, "topic", commands.topic, check_topic);
  if (commands.topic == source.topic) {
    map.reading().fail(Text{map.place_of("topic"), commands.topic},
                       {"is the source's topic too, so uniqd would read its own commands", "",
                        "name a topic of its own, e.g. topic: user-commands"});
  }
  read_word(map, "envelope", commands.envelope);
  if (map.has("kafka")) read_kafka(map.map("kafka"), true, commands.kafka, commands.kafka_files);
  commands.kafka.try_emplace("bootstrap.servers", source.brokers);
  map.finish();
}

void read_postgres(MapReader& map, ReadModel& readmodel) {
  if (both_given(map, "postgres", "postgres_file")) return;
  std::optional<std::string> content =
      read_secret_file(map, "postgres_file", readmodel.postgres_file);
  const std::string_view key = content ? "postgres_file" : "postgres";
  if (!content) {
    if (auto text = map.text("postgres")) content = std::move(text->value);
  }
  if (!content) return;
  // The value may hold a password, so it is not shown.
  if (const auto complaint = check_postgres("postgres", *content)) {
    map.reading().fail(map.place_of(key), *complaint);
  } else if (const auto why = map.reading().surroundings().why_libpq_refuses(*content)) {
    map.reading().fail(map.place_of(key),
                       {fmt::format("is not taken by libpq: {}", *why), "",
                        "write it as libpq takes it, a URI or keywords and values"});
  }
  readmodel.postgres = *std::move(content);
}

// A secret that nobody types, so there is no reason for a short one.
std::string read_long_secret(MapReader& map, std::string_view name, std::string& path) {
  constexpr std::size_t bytes_min = 16;
  const auto secret = read_secret_file(map, name, path);
  if (!secret) return "";
  if (secret->size() < bytes_min) {
    map.reading().fail(
        Text{map.place_of(name), path},
        {fmt::format("holds a secret of {} bytes", secret->size()),
         fmt::format("{} bytes or more", bytes_min), "make one with e.g. openssl rand -hex 32"});
  }
  return *secret;
}

void read_values_key(MapReader& map, ReadModel& readmodel) {
  readmodel.values_key = read_long_secret(map, "values_key_file", readmodel.values_key_file);
  if (!map.has("values_key_file") || readmodel.values == ValueForm::hmac_sha256) return;
  map.reading().fail(map.place_of("values_key_file"),
                     {fmt::format("has no meaning with values: {}", to_word(readmodel.values)), "",
                      "remove it, or write values: hmac-sha256"});
}

void read_readmodel(MapReader map, ReadModel& readmodel) {
  read_postgres(map, readmodel);
  read_text(map, "schema", readmodel.schema, check_schema);
  read_word(map, "values", readmodel.values);
  read_values_key(map, readmodel);
  read_number(map, "memory_max_mib", readmodel.memory_max_mib, 0, 1'048'576);
  map.finish();
}

void read_deadline(MapReader& map, std::chrono::milliseconds& deadline) {
  using std::chrono::hours;
  using std::chrono::seconds;
  const std::optional<Text> text = map.text("deadline");
  if (!text) return;
  const auto duration = parse_duration(text->value);
  if (duration && *duration >= seconds{1} && *duration <= hours{168}) {
    deadline = *duration;
    return;
  }
  map.reading().fail(*text,
                     {"is not a duration in the allowed range",
                      "1s to 168h, a whole number and ms, s, m or h", "write e.g. deadline: 30s"});
}

void read_compensation(MapReader map, Compensation& compensation) {
  read_deadline(map, compensation.deadline);
  read_number(map, "attempts", compensation.attempts, 1, 100);
  read_number(map, "backoff", compensation.backoff, 1.0, 100.0);
  map.finish();
}

void read_safety(MapReader map, Safety& safety) {
  read_number(map, "max_violation_share", safety.max_violation_share, 0.001, 1.0);
  read_number(map, "max_commands_per_minute", safety.max_commands_per_minute, 0, 1'000'000);
  map.finish();
}

void check_reach(MapReader& map, const Text& listen, const Admin& admin) {
  if (!admin.token.empty() || is_loopback(admin.host)) return;
  map.reading().fail(listen, {"is reachable from other machines and no token guards it", "",
                              "name a token_file, or listen on 127.0.0.1"});
}

void read_admin(MapReader map, Admin& admin) {
  const std::size_t errors_before = map.reading().error_count();
  // An empty name is how to say that there is none.
  std::string token_file;
  if (read_text(map, "token_file", token_file) && !token_file.empty()) {
    admin.token = read_long_secret(map, "token_file", admin.token_file);
  }
  const bool token_is_sound = map.reading().error_count() == errors_before;
  const std::optional<Text> listen = map.text("listen");
  map.finish();
  if (!listen) return;
  const std::optional<HostPort> address = parse_host_port(listen->value);
  if (!address) {
    map.reading().fail(
        *listen, {"is not an address to listen on", "host:port, an IPv6 address as [::1]:port",
                  "write e.g. listen: \"127.0.0.1:8480\""});
    return;
  }
  admin.host = address->host;
  admin.port = address->port;
  if (token_is_sound) check_reach(map, *listen, admin);
}

void read_log(MapReader map, Log& log) {
  read_word(map, "level", log.level);
  read_word(map, "format", log.format);
  map.finish();
}

}  // namespace

void read_services(MapReader& root, Settings& settings) {
  read_source(root.map("source"), settings.source);
  read_commands(root.map("commands"), settings.source, settings.commands);
  read_readmodel(root.map("readmodel"), settings.readmodel);
  read_compensation(root.map("compensation"), settings.compensation);
  read_safety(root.map("safety"), settings.safety);
  read_admin(root.map("admin"), settings.admin);
  read_log(root.map("log"), settings.log);
}

}  // namespace uniqd::settings

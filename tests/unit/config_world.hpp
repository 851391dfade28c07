#pragma once

#include <map>
#include <optional>
#include <string>

#include "config/load_settings.hpp"

// A world for configuration tests: environment variables and files that need neither.
namespace uniqd::test {

inline std::optional<std::string> look_up(const std::map<std::string, std::string>& world,
                                          const std::string& name) {
  const auto found = world.find(name);
  return found == world.end() ? std::nullopt : std::optional{found->second};
}

inline Surroundings config_world() {
  static const std::map<std::string, std::string> environment{
      {"BROKERS", "kafka:9092"},
      {"EMPTY", ""},
      {"START", "soon"},
      {"PRICE", "${BROKERS} $$"},
  };
  static const std::map<std::string, std::string> files{
      {"/run/password", "hunter2\n"},
      {"/run/empty", "\n"},
      {"/run/postgres", "postgresql://app:hunter2@db/uniqd\r\n"},
      {"/run/key", "0123456789abcdef\n"},
  };
  return {[](const std::string& name) { return look_up(environment, name); },
          [](const std::string& path) { return look_up(files, path); }};
}

// The text with the sections added that a configuration needs and the text does not have. They come
// last, so the lines of the text keep their numbers.
inline std::string with_needed_sections(const std::string& text) {
  std::string whole = text + "\n";
  const std::map<std::string, std::string> needed{
      {"source:", " { topic: ce-users }\n"},
      {"events:", "\n  UserAdded: { effect: claim, entity: /userId, fields: { email: /email } }\n"},
      {"constraints:", "\n  email: { fields: [email], on_violation: { send: DeactivateUser } }\n"},
  };
  for (const auto& [name, body] : needed) {
    if (("\n" + text).find("\n" + name) == std::string::npos) whole += name + body;
  }
  return whole;
}

}  // namespace uniqd::test

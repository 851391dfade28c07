#pragma once

#include <functional>
#include <optional>
#include <string>

namespace uniqd {

// What a configuration takes from outside its own text. Functions, so that a test needs neither
// environment nor disk.
struct Surroundings {
  // The value of an environment variable; nothing when it is not set.
  std::function<std::optional<std::string>(const std::string& name)> get_env;
  // The whole content of a file; nothing when it cannot be read.
  std::function<std::optional<std::string>(const std::string& path)> read_file;
  // Why librdkafka does not take a property with this value, and libpq a connection string, without
  // a secret in it; nothing when they do.
  std::function<std::optional<std::string>(const std::string& name, const std::string& value)>
      why_kafka_refuses = [](const auto&, const auto&) { return std::nullopt; };
  std::function<std::optional<std::string>(const std::string& conninfo)> why_libpq_refuses =
      [](const auto&) { return std::nullopt; };
};

// The real environment and files; no library is asked. get_env reads the process environment: not
// while another thread changes it.
Surroundings system_surroundings();

}  // namespace uniqd

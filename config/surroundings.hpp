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
};

// The real ones. get_env reads the process environment: not while another thread changes it.
Surroundings system_surroundings();

}  // namespace uniqd

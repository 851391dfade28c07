#pragma once

#include <optional>
#include <string>

namespace uniqd {

// One thing that is wrong with a configuration. Never holds a secret.
struct SettingsError {
  std::string file;
  int line = 0;                      // from 1; 0 where the file as a whole is meant
  std::string key;                   // dotted path, e.g. source.start; "" for the whole file
  std::optional<std::string> value;  // as seen, where showing it helps
  std::string problem;
  std::string allowed;  // "" where there is nothing to list
  std::string remedy;

  bool operator==(const SettingsError&) const = default;
};

// One line without a line end:
//   uniqd.yaml:12: source.start: "soon" is not one of the allowed values; allowed: earliest |
//   latest; write e.g. start: earliest
// A long value is cut, control characters in it are shown as escapes.
std::string format_error(const SettingsError& error);

}  // namespace uniqd

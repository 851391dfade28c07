#include "config/load_settings.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "config/read_rules.hpp"
#include "config/read_services.hpp"
#include "config/yaml_documents.hpp"
#include "config/yaml_reader.hpp"

namespace uniqd {
namespace {

using settings::MapReader;
using settings::Place;
using settings::Reading;

// YAML has none but tab and line ends, and yaml-cpp takes some for the end of the text.
bool has_control_character(std::string_view text, Reading& reading) {
  const auto found = std::ranges::find_if(text, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < ' ' && c != '\t' && c != '\n' && c != '\r') || byte == 0x7f;
  });
  if (found == text.end()) return false;
  const auto line = static_cast<int>(std::count(text.begin(), found, '\n')) + 1;
  reading.fail(Place{"", "", line}, {"holds a control character", "text in UTF-8",
                                     "remove it, or save the file as UTF-8 text"});
  return true;
}

// Nothing, and an error, when the text is not one YAML document.
std::optional<YAML::Node> parse(std::string_view text, Reading& reading) {
  if (has_control_character(text, reading)) return std::nullopt;
  try {
    const std::string whole{text};
    if (const auto line = settings::line_of_second_document(whole)) {
      reading.fail(Place{"", "", *line},
                   {"holds more than one YAML document", "",
                    "keep one, without --- and without a comma before a key"});
      return std::nullopt;
    }
    const YAML::Node document = YAML::Load(whole);
    return document.IsNull() ? YAML::Node{YAML::NodeType::Map} : document;
  } catch (const YAML::Exception& error) {
    reading.fail(Place{"", "", error.mark.line + 1},
                 {fmt::format("is not YAML: {} (column {})", error.msg, error.mark.column + 1), "",
                  "mend the text there; often a quote, a bracket or an indentation"});
    return std::nullopt;
  }
}

Settings read(MapReader root) {
  Settings settings;
  if (!root.is_sound()) return settings;
  read_services(root, settings);
  read_rules(root, settings);
  root.finish();
  return settings;
}

}  // namespace

LoadedSettings load_settings(std::string_view text, const std::string& file_name,
                             const Surroundings& surroundings) {
  Reading reading{file_name, surroundings};
  Settings settings;
  if (const auto node = parse(text, reading)) {
    settings = read(MapReader{reading, *node, Place{"", "", 1}});
  }
  if (reading.error_count() > 0) return std::move(reading).errors_by_line();
  return settings;
}

LoadedSettings load_settings_file(const std::string& path, const Surroundings& surroundings) {
  const std::optional<std::string> text = surroundings.read_file(path);
  if (text) return load_settings(*text, path, surroundings);
  SettingsError error;
  error.file = path;
  error.problem = "cannot be read";
  error.remedy = "check that the file exists and that uniqd's user may read it";
  return std::vector{error};
}

}  // namespace uniqd

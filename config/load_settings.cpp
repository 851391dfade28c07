#include "config/load_settings.hpp"

#include <fmt/format.h>

#include "config/read_rules.hpp"
#include "config/read_services.hpp"
#include "config/yaml_reader.hpp"

namespace uniqd {
namespace {

using settings::MapReader;
using settings::Place;
using settings::Reading;

// Nothing, and an error, when the text is not one YAML document.
std::optional<YAML::Node> parse(std::string_view text, Reading& reading) {
  try {
    const std::vector<YAML::Node> documents = YAML::LoadAll(std::string{text});
    if (documents.size() > 1) {
      reading.fail(Place{"", "", documents[1].Mark().line + 1},
                   {"holds more than one YAML document", "", "keep one, without ---"});
      return std::nullopt;
    }
    if (documents.empty() || documents.front().IsNull()) return YAML::Node{YAML::NodeType::Map};
    return documents.front();
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

#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/settings.hpp"
#include "config/settings_error.hpp"
#include "config/surroundings.hpp"

namespace uniqd {

// Either the settings, or everything that is wrong with them, by line; never an empty list.
using LoadedSettings = std::variant<Settings, std::vector<SettingsError>>;

// Reads a configuration from its YAML text. `file_name` is only for the errors. Environment
// variables and the files of the `*_file` keys come through `surroundings`. Does not throw for any
// text.
LoadedSettings load_settings(std::string_view text, const std::string& file_name,
                             const Surroundings& surroundings);

// As load_settings, the text being the content of a file, read through `surroundings` too.
LoadedSettings load_settings_file(const std::string& path, const Surroundings& surroundings);

}  // namespace uniqd

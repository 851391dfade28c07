#pragma once

#include <string>

#include "config/settings.hpp"

namespace uniqd {

// The effective configuration as YAML: every key that may be set, defaults too, secrets masked. It
// loads again to mask_settings(settings). A secret that came from a file is printed as its file.
std::string print_settings(const Settings& settings);

}  // namespace uniqd

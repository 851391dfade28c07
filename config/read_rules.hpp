#pragma once

#include "config/settings.hpp"
#include "config/yaml_reader.hpp"

namespace uniqd::settings {

// The part of a configuration about the domain: mode, events, constraints.
void read_rules(MapReader& root, Settings& settings);

}  // namespace uniqd::settings

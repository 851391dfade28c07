#pragma once

#include "config/settings.hpp"
#include "config/yaml_reader.hpp"

namespace uniqd::settings {

// The part of a configuration about the world outside: broker, topics, database, pace, admin, log.
void read_services(MapReader& root, Settings& settings);

}  // namespace uniqd::settings

#pragma once

#include <optional>
#include <string_view>

#include "config/checks.hpp"

namespace uniqd::settings {

// Whether a librdkafka property is one that uniqd must set itself; the complaint says why.
// Properties that are not known here are librdkafka's to judge.
std::optional<Complaint> check_kafka_property(std::string_view name);

}  // namespace uniqd::settings

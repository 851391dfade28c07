#pragma once

#include <string>
#include <string_view>

#include "config/settings.hpp"

// Keeping secrets out of what people read: the printed configuration and the logs. Whatever cannot
// be understood is masked as a whole.
namespace uniqd {

inline constexpr std::string_view secret_mask = "***";

// A libpq URI or keyword string with its passwords masked.
std::string mask_postgres(std::string_view connection);

// Whether the value of a librdkafka property is a secret. Those alone have a `*_file` form.
bool is_secret_property(std::string_view name);

// The configuration with every secret replaced by the mask, also those read from files.
Settings mask_settings(Settings settings);

}  // namespace uniqd

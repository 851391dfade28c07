#pragma once
// record_header.hpp - finding a record's headers. Names are matched without case (ASCII).

#include <string_view>

#include "readmodel/record.hpp"

namespace uniqd {

[[nodiscard]] bool begins_without_case(std::string_view text, std::string_view prefix);

// The first header of that name that says something; empty where there is none, or where all of
// them are null or empty.
[[nodiscard]] std::string_view header(const Record& record, std::string_view name);

}  // namespace uniqd

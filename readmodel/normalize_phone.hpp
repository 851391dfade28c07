#pragma once
// normalize_phone.hpp - one spelling for a phone number.

#include <optional>
#include <string>
#include <string_view>

namespace uniqd {

// The number in E.164, e.g. +493012345678; with its extension, if it has one, behind ";ext=", as in
// RFC 3966. A number without a country code is taken to be of `default_region` (ISO 3166-1 alpha-2,
// upper case). Blanks alone are no number: the result is empty. Nothing where the text is not a
// number, or has a length that no number of its country has; whether it is given out to anybody is
// not asked. REQUIRES: valid UTF-8.
[[nodiscard]] std::optional<std::string> phone_number(std::string_view text,
                                                      const std::string& default_region);

}  // namespace uniqd

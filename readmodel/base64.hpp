#pragma once
// base64.hpp - bytes out of their Base64 text.

#include <optional>
#include <string>
#include <string_view>

namespace uniqd {

// RFC 4648 section 4, padded. Nothing where `text` is not that.
[[nodiscard]] std::optional<std::string> decode_base64(std::string_view text);

}  // namespace uniqd

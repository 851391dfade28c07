#pragma once
// normalize_text.hpp - what Unicode has to say about texts. Pure; all texts but that of
// is_utf8 are valid UTF-8.

#include <string>
#include <string_view>

namespace uniqd {

[[nodiscard]] bool is_utf8(std::string_view text);
[[nodiscard]] bool is_ascii(std::string_view text);

// Without the Unicode White_Space at both ends; a part of `text`.
[[nodiscard]] std::string_view without_outer_blanks(std::string_view text);

// A-Z to a-z, nothing else.
[[nodiscard]] std::string ascii_lowercase(std::string_view text);

// Full case folding (not the Turkish one).
[[nodiscard]] std::string fold_case(std::string_view text);

[[nodiscard]] std::string compose(std::string_view text);                // NFC
[[nodiscard]] std::string compose_compatibility(std::string_view text);  // NFKC

// Full case folding under which canonically equivalent texts stay so, composed (NFC). Texts that
// differ only in case, or in how accents are encoded, become the same.
[[nodiscard]] std::string fold_canonically(std::string_view text);

// The decimal digits of any script, as 0-9; everything else is dropped.
[[nodiscard]] std::string decimal_digits(std::string_view text);

}  // namespace uniqd

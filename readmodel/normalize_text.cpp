#include "readmodel/normalize_text.hpp"

#include <simdjson.h>
#include <unicode/bytestream.h>
#include <unicode/casemap.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <stdexcept>

namespace uniqd {
namespace {

using Form = const icu::Normalizer2* (*)(UErrorCode&);

void require(UErrorCode status, const char* what) {
  if (U_FAILURE(status)) {
    throw std::runtime_error(std::string("ICU failed at ") + what + ": " + u_errorName(status));
  }
}

icu::StringPiece piece(std::string_view text) {
  return {text.data(), static_cast<std::int32_t>(text.size())};
}

// The normalizers are ICU's own and live as long as the process.
std::string to_form(Form form, std::string_view text) {
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2* normalizer = form(status);
  require(status, "normalisation");
  std::string result;
  icu::StringByteSink<std::string> sink(&result);
  normalizer->normalizeUTF8(0, piece(text), sink, nullptr, status);
  require(status, "normalisation");
  return result;
}

}  // namespace

bool is_utf8(std::string_view text) { return simdjson::validate_utf8(text.data(), text.size()); }

bool is_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

std::string_view without_outer_blanks(std::string_view text) {
  const auto size = static_cast<std::int32_t>(text.size());
  std::int32_t begin = 0;
  while (begin < size) {
    std::int32_t next = begin;
    UChar32 c = 0;
    U8_NEXT(text.data(), next, size, c);
    if (!u_isUWhiteSpace(c)) break;
    begin = next;
  }
  std::int32_t end = size;
  while (end > begin) {
    std::int32_t previous = end;
    UChar32 c = 0;
    U8_PREV(text.data(), 0, previous, c);
    if (!u_isUWhiteSpace(c)) break;
    end = previous;
  }
  return text.substr(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin));
}

std::string ascii_lowercase(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

std::string fold_case(std::string_view text) {
  if (is_ascii(text)) return ascii_lowercase(text);
  std::string folded;
  icu::StringByteSink<std::string> sink(&folded);
  UErrorCode status = U_ZERO_ERROR;
  icu::CaseMap::utf8Fold(0, piece(text), sink, nullptr, status);
  require(status, "case folding");
  return folded;
}

std::string compose(std::string_view text) {
  return is_ascii(text) ? std::string(text) : to_form(icu::Normalizer2::getNFCInstance, text);
}

std::string compose_compatibility(std::string_view text) {
  return is_ascii(text) ? std::string(text) : to_form(icu::Normalizer2::getNFKCInstance, text);
}

// Unicode's canonical caseless matching (D145): decomposed first, for the sake of a few Greek
// signs.
std::string fold_canonically(std::string_view text) {
  if (is_ascii(text)) return ascii_lowercase(text);
  return compose(fold_case(to_form(icu::Normalizer2::getNFDInstance, text)));
}

std::string decimal_digits(std::string_view text) {
  const auto size = static_cast<std::int32_t>(text.size());
  std::string digits;
  for (std::int32_t i = 0; i < size;) {
    UChar32 c = 0;
    U8_NEXT(text.data(), i, size, c);
    const std::int32_t digit = u_charDigitValue(c);
    if (digit >= 0) digits += static_cast<char>('0' + digit);
  }
  return digits;
}

}  // namespace uniqd

#include "readmodel/normalize.hpp"

#include <unicode/bytestream.h>
#include <unicode/casemap.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <stdexcept>

namespace uniqd {
namespace {

bool is_ascii(std::string_view value) {
  return std::ranges::all_of(value, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

std::string lowercase(std::string_view value) {
  std::string lower(value);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

std::string trim(std::string_view value) {
  const auto size = static_cast<std::int32_t>(value.size());
  std::int32_t begin = 0;
  while (begin < size) {
    std::int32_t next = begin;
    UChar32 c = 0;
    U8_NEXT(value.data(), next, size, c);
    if (!u_isUWhiteSpace(c)) break;
    begin = next;
  }
  std::int32_t end = size;
  while (end > begin) {
    std::int32_t previous = end;
    UChar32 c = 0;
    U8_PREV(value.data(), 0, previous, c);
    if (!u_isUWhiteSpace(c)) break;
    end = previous;
  }
  return std::string(
      value.substr(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin)));
}

void require(UErrorCode status, const char* step) {
  if (U_FAILURE(status)) {
    throw std::runtime_error(std::string("ICU failed at ") + step + ": " + u_errorName(status));
  }
}

std::string casefold(std::string_view value) {
  if (is_ascii(value)) return lowercase(value);
  std::string folded;
  icu::StringByteSink<std::string> sink(&folded);
  UErrorCode status = U_ZERO_ERROR;
  icu::CaseMap::utf8Fold(0, icu::StringPiece(value.data(), static_cast<int>(value.size())), sink,
                         nullptr, status);
  require(status, "casefold");
  return folded;
}

std::string compose(const icu::Normalizer2* (*form)(UErrorCode&), std::string_view value,
                    const char* step) {
  if (is_ascii(value)) return std::string(value);
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2* normalizer = form(status);
  require(status, step);
  std::string composed;
  icu::StringByteSink<std::string> sink(&composed);
  normalizer->normalizeUTF8(0, icu::StringPiece(value.data(), static_cast<int>(value.size())), sink,
                            nullptr, status);
  require(status, step);
  return composed;
}

std::string apply_step(NormalizeStep step, std::string_view value) {
  switch (step) {
    case NormalizeStep::trim:
      return trim(value);
    case NormalizeStep::lowercase:
      return lowercase(value);
    case NormalizeStep::casefold:
      return casefold(value);
    case NormalizeStep::nfc:
      return compose(icu::Normalizer2::getNFCInstance, value, "nfc");
    case NormalizeStep::nfkc:
      return compose(icu::Normalizer2::getNFKCInstance, value, "nfkc");
  }
  return std::string(value);
}

}  // namespace

std::string Normalizer::operator()(std::string_view value) const {
  std::string text(value);
  for (const NormalizeStep step : steps_) text = apply_step(step, text);
  return text;
}

}  // namespace uniqd

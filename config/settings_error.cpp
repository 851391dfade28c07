#include "config/settings_error.hpp"

#include <fmt/format.h>

#include <string_view>

namespace uniqd {
namespace {

constexpr std::size_t shown_bytes_max = 120;

bool is_continuation(char byte) { return (static_cast<unsigned char>(byte) & 0xC0U) == 0x80U; }

std::string shown(std::string_view value) {
  std::string_view cut = value;
  if (cut.size() > shown_bytes_max) {
    std::size_t end = shown_bytes_max;
    while (end > 0 && is_continuation(value[end])) --end;
    cut = value.substr(0, end);
  }
  std::string result;
  for (char c : cut) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n') {
      result += "\\n";
    } else if (byte < 0x20 || byte == 0x7F) {
      result += fmt::format("\\x{:02x}", byte);
    } else {
      result += c;
    }
  }
  return cut.size() < value.size() ? result + "…" : result;
}

}  // namespace

std::string format_error(const SettingsError& error) {
  std::string text = error.file;
  if (error.line > 0) text += fmt::format(":{}", error.line);
  text += ": ";
  if (!error.key.empty()) text += shown(error.key) + ": ";
  if (error.value) text += fmt::format("\"{}\" ", shown(*error.value));
  text += error.problem;
  if (!error.allowed.empty()) text += "; allowed: " + error.allowed;
  if (!error.remedy.empty()) text += "; " + error.remedy;
  return text;
}

}  // namespace uniqd

#include "config/not_yet_supported.hpp"

#include <array>

namespace uniqd::settings {
namespace {

struct Row {
  std::string_view key;    // '*' stands for any characters but '.'
  std::string_view value;  // "*" stands for any value but the empty one
  std::string_view remedy;
};

constexpr std::array table{
    Row{"source.sequence", "*", "remove the key; redeliveries are known by their offset"},
    Row{"on_bad_event", "halt", "write on_bad_event: park"},
};

bool matches(std::string_view pattern, std::string_view text) {
  if (pattern.empty()) return text.empty();
  if (pattern.front() != '*') {
    return !text.empty() && text.front() == pattern.front() &&
           matches(pattern.substr(1), text.substr(1));
  }
  for (std::size_t taken = 0; taken <= text.size(); ++taken) {
    if (matches(pattern.substr(1), text.substr(taken))) return true;
    if (taken < text.size() && text[taken] == '.') return false;
  }
  return false;
}

}  // namespace

std::optional<std::string> not_yet_supported(std::string_view key, std::string_view value) {
  for (const Row& row : table) {
    const bool value_hit = row.value == "*" ? !value.empty() : row.value == value;
    if (value_hit && matches(row.key, key)) return std::string{row.remedy};
  }
  return std::nullopt;
}

}  // namespace uniqd::settings

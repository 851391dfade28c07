#include "readmodel/record_header.hpp"

#include <algorithm>

namespace uniqd {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool same_without_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, lower, lower);
}

}  // namespace

bool begins_without_case(std::string_view text, std::string_view prefix) {
  return same_without_case(text.substr(0, prefix.size()), prefix);
}

std::string_view header(const Record& record, std::string_view name) {
  for (const Header& candidate : record.headers) {
    if (candidate.value && !candidate.value->empty() && same_without_case(candidate.name, name)) {
      return *candidate.value;
    }
  }
  return {};
}

}  // namespace uniqd

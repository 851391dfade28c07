#include "config/interpolate.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace uniqd::settings {
namespace {

bool is_letter(char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_'; }

bool is_variable_name(std::string_view name) {
  return !name.empty() && is_letter(name.front()) &&
         std::all_of(name.begin(), name.end(),
                     [](char c) { return is_letter(c) || (c >= '0' && c <= '9'); });
}

// `inside` is what stands between "${" and "}".
std::variant<std::string, Complaint> variable(std::string_view inside,
                                              const Surroundings& surroundings) {
  const std::size_t colon = inside.find(":-");
  const std::string name{inside.substr(0, colon)};
  if (!is_variable_name(name)) {
    return Complaint{"has a ${ that is not followed by a variable's name",
                     "${NAME} | ${NAME:-default} | $$ for a dollar sign",
                     "write $${ where a literal ${ is meant"};
  }
  std::optional<std::string> value = surroundings.get_env(name);
  const bool has_default = colon != std::string_view::npos;
  if (has_default && (!value || value->empty())) return std::string{inside.substr(colon + 2)};
  if (value) return *value;
  return Complaint{fmt::format("the environment variable {} is not set", name), "",
                   fmt::format("set it, or give a default: ${{{}:-default}}", name)};
}

}  // namespace

std::variant<std::string, Complaint> interpolate(std::string_view text,
                                                 const Surroundings& surroundings) {
  std::string result;
  std::size_t at = 0;
  while (at < text.size()) {
    const std::string_view rest = text.substr(at);
    if (rest.starts_with("$$")) {
      result += '$';
      at += 2;
    } else if (rest.starts_with("${")) {
      const std::size_t close = rest.find('}');
      if (close == std::string_view::npos) {
        return Complaint{"has a ${ without its }", "",
                         "close it, or write $${ where a literal ${ is meant"};
      }
      auto value = variable(rest.substr(2, close - 2), surroundings);
      if (std::holds_alternative<Complaint>(value)) return value;
      result += std::get<std::string>(value);
      at += close + 1;
    } else {
      result += rest.front();
      ++at;
    }
  }
  return result;
}

std::string escape_dollars(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    result += text[i];
    const bool special = i + 1 < text.size() && (text[i + 1] == '$' || text[i + 1] == '{');
    if (text[i] == '$' && special) result += '$';
  }
  return result;
}

}  // namespace uniqd::settings

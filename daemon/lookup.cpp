#include "daemon/lookup.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "readmodel/digest.hpp"
#include "readmodel/normalize_text.hpp"

namespace uniqd {

std::variant<const Constraint*, BadQuestion> find_constraint(const ConstraintSet& constraints,
                                                             const std::string& name) {
  const auto found = std::ranges::find(constraints, name, &Constraint::name);
  if (found != constraints.end()) return &*found;
  std::vector<std::string> names;
  for (const Constraint& known : constraints) names.push_back(known.name);
  return BadQuestion{
      fmt::format("there is no constraint \"{}\"; there are: {}", name, fmt::join(names, ", "))};
}

std::variant<std::optional<ClaimKey>, BadQuestion> find_part(const Constraint& constraint,
                                                             std::size_t field,
                                                             const std::string& value,
                                                             const std::string& value_key) {
  const std::string& name = constraint.fields[field];
  if (!is_utf8(value)) {
    return BadQuestion{fmt::format("the value for {} is not valid UTF-8", name)};
  }
  const Normalized normal = constraint.normalizers[field](value);
  if (normal.rejected_by) {
    return BadQuestion{rejection_text(constraint.name, name, *normal.rejected_by)};
  }
  if (normal.text.empty()) return std::optional<ClaimKey>{};
  return std::optional(ValueHasher(value_key).digest(constraint, field, normal.text).key());
}

std::variant<std::optional<ClaimKey>, BadQuestion> find_key(
    const Constraint& constraint, const std::map<std::string, std::string>& values,
    const std::string& value_key) {
  std::vector<ClaimKey> parts;
  for (std::size_t field = 0; field < constraint.fields.size(); ++field) {
    const auto given = values.find(constraint.fields[field]);
    if (given == values.end() || values.size() != constraint.fields.size()) {
      return BadQuestion{
          fmt::format("constraint {} needs a value for each of its fields, and for "
                      "no other: {}",
                      constraint.name, fmt::join(constraint.fields, ", "))};
    }
    const auto found = find_part(constraint, field, given->second, value_key);
    if (const auto* bad = std::get_if<BadQuestion>(&found)) return *bad;
    if (const auto& part = std::get<std::optional<ClaimKey>>(found)) parts.push_back(*part);
  }
  if (parts.size() != constraint.fields.size()) return std::optional<ClaimKey>{};
  return std::optional(parts.size() == 1 ? parts[0] : combine(parts).key());
}

std::variant<std::map<std::string, std::string>, BadQuestion> split_arguments(
    const std::vector<std::string>& arguments) {
  std::map<std::string, std::string> values;
  for (const std::string& argument : arguments) {
    const auto equals = argument.find('=');
    if (equals == std::string::npos || equals == 0) {
      return BadQuestion{"write each value as FIELD=VALUE, e.g. email=joe@example.com"};
    }
    values[argument.substr(0, equals)] = argument.substr(equals + 1);
  }
  return values;
}

}  // namespace uniqd

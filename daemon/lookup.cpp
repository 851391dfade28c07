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

std::variant<std::optional<ClaimKey>, BadQuestion> find_key(
    const Constraint& constraint, const std::map<std::string, std::string>& values,
    const std::string& value_key) {
  ValueHasher hasher(value_key);
  std::vector<ClaimKey> parts;
  bool is_indexed = true;
  for (std::size_t field = 0; field < constraint.fields.size(); ++field) {
    const auto given = values.find(constraint.fields[field]);
    if (given == values.end() || values.size() != constraint.fields.size()) {
      return BadQuestion{
          fmt::format("constraint {} needs a value for each of its fields, and for "
                      "no other: {}",
                      constraint.name, fmt::join(constraint.fields, ", "))};
    }
    if (!is_utf8(given->second)) {
      return BadQuestion{fmt::format("the value for {} is not valid UTF-8", given->first)};
    }
    const Normalized normal = constraint.normalizers[field](given->second);
    if (normal.rejected_by) {
      return BadQuestion{rejection_text(constraint.name, given->first, *normal.rejected_by)};
    }
    is_indexed = is_indexed && !normal.text.empty();
    if (is_indexed) parts.push_back(hasher.digest(constraint, field, normal.text).key());
  }
  if (!is_indexed) return std::optional<ClaimKey>{};
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

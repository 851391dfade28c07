#pragma once
// lookup.hpp - a value as a person gives it becomes the key that the read model knows it by.

#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "readmodel/identifiers.hpp"
#include "readmodel/rules.hpp"

namespace uniqd {

// Why a question cannot be answered; the text says how to ask.
struct BadQuestion {
  std::string text;
};

// The constraint of that name, or which there are.
[[nodiscard]] std::variant<const Constraint*, BadQuestion> find_constraint(
    const ConstraintSet& constraints, const std::string& name);

// The key of the values, given by field name, after normalisation. No key where a value is empty
// then: such values are not indexed (R6). `value_key` is the HMAC's, empty without one.
[[nodiscard]] std::variant<std::optional<ClaimKey>, BadQuestion> find_key(
    const Constraint& constraint, const std::map<std::string, std::string>& values,
    const std::string& value_key);

// The same of one of its fields.
[[nodiscard]] std::variant<std::optional<ClaimKey>, BadQuestion> find_part(
    const Constraint& constraint, std::size_t field, const std::string& value,
    const std::string& value_key);

// FIELD=VALUE arguments by field name.
[[nodiscard]] std::variant<std::map<std::string, std::string>, BadQuestion> split_arguments(
    const std::vector<std::string>& arguments);

}  // namespace uniqd

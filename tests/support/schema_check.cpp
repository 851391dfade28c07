#include "tests/support/schema_check.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <regex>
#include <set>

namespace uniqd {
namespace {

using Json = nlohmann::json;
using Complaints = std::vector<std::string>;

// YAML::Node assigns through, so each step takes a node of its own.
YAML::Node resolve(const YAML::Node& document, const std::string& reference) {
  std::vector<YAML::Node> path{document};
  std::size_t begin = 2;  // "#/"
  while (begin <= reference.size()) {
    const std::size_t end = std::min(reference.find('/', begin), reference.size());
    path.push_back(path.back()[reference.substr(begin, end - begin)]);
    begin = end + 1;
  }
  return path.back();
}

bool has_type(const Json& value, const std::string& type) {
  static const std::map<std::string, bool (*)(const Json&)> types{
      {"string", [](const Json& v) { return v.is_string(); }},
      {"integer", [](const Json& v) { return v.is_number_integer(); }},
      {"object", [](const Json& v) { return v.is_object(); }},
      {"array", [](const Json& v) { return v.is_array(); }},
      {"null", [](const Json& v) { return v.is_null(); }}};
  return types.at(type)(value);
}

struct Check {
  const YAML::Node& document;
  const YAML::Node& schema;
  const Json& value;
  const std::string& place;
  Complaints complaints;

  void complain(const std::string& text) { complaints.push_back(place + ": " + text); }
  void check_inner(const YAML::Node& inner, const Json& part, const std::string& at) {
    std::ranges::move(check_against_schema(document, inner, part, at),
                      std::back_inserter(complaints));
  }

  void type(const YAML::Node& wanted) {
    const YAML::Node list = wanted.IsSequence() ? wanted : YAML::Load("[" + wanted.Scalar() + "]");
    const bool fits = std::any_of(list.begin(), list.end(), [&](const YAML::Node& one) {
      return has_type(value, one.Scalar());
    });
    if (!fits) complain("is not of type " + YAML::Dump(wanted));
  }
  void one_of(const YAML::Node& allowed) {
    const bool fits = std::any_of(allowed.begin(), allowed.end(), [&](const YAML::Node& one) {
      return value.is_string() && value == one.Scalar();
    });
    if (!fits) complain(value.dump() + " is not one of " + YAML::Dump(allowed));
  }
  void pattern(const YAML::Node& wanted) {
    if (value.is_string() &&
        !std::regex_search(value.get<std::string>(), std::regex(wanted.Scalar()))) {
      complain(value.dump() + " does not match " + wanted.Scalar());
    }
  }
  void required(const YAML::Node& names) {
    for (const auto& name : names) {
      if (!value.contains(name.Scalar())) complain("lacks " + name.Scalar());
    }
  }
  void properties(const YAML::Node& known) {
    if (!value.is_object()) return;
    for (const auto& [name, part] : value.items()) {
      if (known[name]) {
        check_inner(known[name], part, place + "/" + name);
      } else if (schema["additionalProperties"] && !schema["additionalProperties"].as<bool>()) {
        complain("has " + name + ", which is not in the schema");
      }
    }
  }
  void items(const YAML::Node& each) {
    if (!value.is_array()) return;
    for (const Json& part : value) check_inner(each, part, place + "/*");
  }

  void keyword(const std::string& name, const YAML::Node& with) {
    const std::map<std::string, std::function<void()>> keywords{
        {"type", [&] { type(with); }},
        {"enum", [&] { one_of(with); }},
        {"pattern", [&] { pattern(with); }},
        {"required", [&] { required(with); }},
        {"properties", [&] { properties(with); }},
        {"items", [&] { items(with); }},
        {"additionalProperties", [] {}},  // looked at with the properties
        {"description", [] {}},
        {"$ref", [&] { check_inner(resolve(document, with.Scalar()), value, place); }},
        {"allOf",
         [&] {
           for (const auto& one : with) check_inner(one, value, place);
         }},
        {"minLength",
         [&] {
           if (value.is_string() && value.get<std::string>().size() < with.as<std::size_t>()) {
             complain("is too short");
           }
         }},
        {"minItems",
         [&] {
           if (value.is_array() && value.size() < with.as<std::size_t>()) complain("is too short");
         }},
        {"minimum", [&] {
           if (value.is_number() && value.get<double>() < with.as<double>())
             complain("is too small");
         }}};
    const auto found = keywords.find(name);
    if (found == keywords.end()) {
      complain("the schema says " + name + ", which this check does not know");
    } else {
      found->second();
    }
  }
};

}  // namespace

std::vector<std::string> check_against_schema(const YAML::Node& document, const YAML::Node& schema,
                                              const Json& value, const std::string& place) {
  if (!schema.IsDefined() || !schema.IsMap()) return {place + ": there is no such schema"};
  Check check{document, schema, value, place, {}};
  for (const auto& entry : schema) check.keyword(entry.first.Scalar(), entry.second);
  return std::move(check.complaints);
}

}  // namespace uniqd

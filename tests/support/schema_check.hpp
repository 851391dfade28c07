#pragma once
// schema_check.hpp - holds a JSON value against a schema of config/asyncapi.yaml.

#include <yaml-cpp/yaml.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace uniqd {

// The part of JSON Schema that the file uses: $ref within the document, allOf, type, enum, pattern,
// minLength, minimum, minItems, items, required, properties, additionalProperties. Another keyword
// is a complaint, so that nothing in the file goes unchecked. Returns the complaints.
std::vector<std::string> check_against_schema(const YAML::Node& document, const YAML::Node& schema,
                                              const nlohmann::json& value,
                                              const std::string& place = "");

}  // namespace uniqd

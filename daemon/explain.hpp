#pragma once
// explain.hpp - everything known of an entity, as JSON and for people. Pure.

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "commands/compensation_queries.hpp"
#include "readmodel/overview.hpp"
#include "readmodel/rules.hpp"

namespace uniqd {

// A violation as every answer of uniqd shows it:
// {"error":"UniqueConstraintViolation","constraint":..,"fields":[..],"owner":..,"message":..}
[[nodiscard]] nlohmann::ordered_json violation_json(const std::string& constraint,
                                                    const std::vector<std::string>& fields,
                                                    const std::string& owner,
                                                    const std::string& message);

// `entity` is nothing where it is not present; `records` are its compensations, the latest first.
[[nodiscard]] nlohmann::ordered_json explain_json(const std::string& topic, const std::string& name,
                                                  const ConstraintSet& constraints,
                                                  const std::optional<EntityView>& entity,
                                                  const std::vector<CompensationRecord>& records);

// The same in sentences, made of explain_json()'s answer; ends with a line feed.
[[nodiscard]] std::string explain_text(const nlohmann::ordered_json& explained);

// Who owns a value: {"constraint":..,"fields":[..],"owner":..}; a null owner: it is free.
[[nodiscard]] nlohmann::ordered_json ownership_json(const Constraint& constraint,
                                                    const std::optional<std::string>& owner);

[[nodiscard]] nlohmann::ordered_json compensation_json(const std::string& topic,
                                                       const CompensationRecord& record);
// The same in sentences, made of compensation_json()'s answer; ends with a line feed.
[[nodiscard]] std::string compensation_text(const nlohmann::ordered_json& compensation);

}  // namespace uniqd

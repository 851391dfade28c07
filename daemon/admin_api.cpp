#include "daemon/admin_api.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <utility>
#include <variant>
#include <vector>

#include "commands/compensation_queries.hpp"
#include "commands/safety_store.hpp"
#include "daemon/assembly.hpp"
#include "daemon/explain.hpp"
#include "daemon/lookup.hpp"
#include "daemon/open_read_model.hpp"
#include "daemon/resume.hpp"
#include "readmodel/overview.hpp"
#include "readmodel/schema.hpp"

namespace uniqd {
namespace {

using Json = nlohmann::ordered_json;
using Values = std::map<std::string, std::string>;

Answer answer(int status, const Json& body) { return {status, body.dump() + "\n"}; }

Answer refuse(int status, const char* error, const std::string& message) {
  return answer(status, {{"error", error}, {"message", message}});
}

// A text, number or true/false as events have it; nothing for null.
std::optional<std::string> scalar_text(const Json& value) {
  if (value.is_null()) return std::nullopt;
  return value.is_string() ? value.get<std::string>() : value.dump();
}

// The values of a constraint's fields among those given; nothing where one is missing or null,
// since nothing is claimed then (R6).
std::optional<Values> values_of(const Constraint& constraint, const Json& fields) {
  Values values;
  for (const std::string& field : constraint.fields) {
    const auto value = fields.contains(field) ? scalar_text(fields[field]) : std::nullopt;
    if (!value) return std::nullopt;
    values[field] = *value;
  }
  return values;
}

// {"fields":{..},"entity":..} with scalars only.
bool is_question(const Json& asked) {
  return asked.is_object() && asked.contains("fields") && asked["fields"].is_object() &&
         std::ranges::none_of(asked["fields"],
                              [](const Json& value) { return value.is_structured(); }) &&
         (!asked.contains("entity") || !asked["entity"].is_structured());
}

constexpr std::size_t limit_max = 1000;

// "" asks for all; nothing where a word is no state.
std::optional<std::vector<std::optional<CompensationState>>> read_states(const std::string& text) {
  std::vector<std::optional<CompensationState>> states;
  if (text.empty()) return std::vector{std::optional<CompensationState>{}};
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const auto state = compensation_state(text.substr(begin, end - begin));
    if (!state) return std::nullopt;
    states.emplace_back(state);
    begin = end + 1;
  }
  return states;
}

}  // namespace

AdminApi::AdminApi(const Settings& settings)
    : settings_(settings), constraints_(make_constraints(settings)) {}

template <class Work>
Answer AdminApi::with_read_model(Work work) {
  const std::lock_guard lock(mutex_);
  try {
    if (!opened_) {
      PgSession session(make_pg_target(settings_));
      std::string key = open_read_model(session, settings_, constraints_);
      opened_ = std::make_unique<Opened>(Opened{std::move(session), std::move(key)});
    }
    return work(*opened_);
  } catch (const StoreFailure& failure) {
    opened_.reset();
    if (failure.sqlstate() == not_utf8_sqlstate) {
      return refuse(400, "BadRequest", "ids and values are UTF-8, and without NUL");
    }
    return refuse(503, "ReadModelUnreachable", "PostgreSQL does not answer; see /readyz");
  } catch (const std::runtime_error& failure) {
    opened_.reset();
    return refuse(503, "ReadModelUnusable", failure.what());
  }
}

Answer AdminApi::claims(const Values& parameters) {
  Values values = parameters;
  const auto name = values.extract("constraint");
  const auto rule = find_constraint(constraints_, name ? name.mapped() : "");
  if (const auto* bad = std::get_if<BadQuestion>(&rule))
    return refuse(400, "BadRequest", bad->text);
  const Constraint& constraint = *std::get<const Constraint*>(rule);
  return with_read_model([&](Opened& opened) {
    const auto key = find_key(constraint, values, opened.value_key);
    if (const auto* bad = std::get_if<BadQuestion>(&key)) {
      return refuse(400, "BadRequest", bad->text);
    }
    const auto known = std::get<std::optional<ClaimKey>>(key);
    return answer(
        200, ownership_json(constraint, known ? find_owner(opened.session, *known) : std::nullopt));
  });
}

Answer AdminApi::entity(const std::string& name) {
  return with_read_model([&](Opened& opened) {
    CompensationFilter filter;
    filter.entity = name;
    const auto entity = read_entity(opened.session, constraints_, name);
    const auto records = read_compensations(opened.session, filter);
    if (!entity && records.empty()) {
      return refuse(404, "NotFound", "this entity was never heard of, or left without a trace");
    }
    return answer(200, explain_json(settings_.source.topic, name, constraints_, entity, records));
  });
}

Answer AdminApi::compensations(const std::string& states, const std::string& limit) {
  CompensationFilter filter;
  if (!limit.empty()) {
    const auto [end, error] =
        std::from_chars(limit.data(), limit.data() + limit.size(), filter.limit);
    if (error != std::errc{} || end != limit.data() + limit.size() || filter.limit < 1 ||
        filter.limit > limit_max) {
      return refuse(400, "BadRequest", "limit is a number from 1 to 1000");
    }
  }
  const auto wanted = read_states(states);
  if (!wanted) {
    return refuse(400, "BadRequest",
                  "state is one of pending, sent, confirmed, resolved, overdue, open, detected, "
                  "dismissed, or several of them with commas between");
  }
  return with_read_model([&](Opened& opened) {
    Json list = Json::array();
    for (const auto& state : *wanted) {
      filter.state = state;
      for (const auto& record : read_compensations(opened.session, filter)) {
        list.push_back(compensation_json(settings_.source.topic, record));
      }
    }
    return answer(200, {{"compensations", std::move(list)}});
  });
}

Answer AdminApi::intervene(const std::string& id, Intervention intervention) {
  CompensationFilter filter;
  filter.id.emplace();
  if (!parse_uuid(id, filter.id->bytes)) {
    return refuse(400, "BadRequest", "a compensation's id is a UUID; /api/v1/compensations has it");
  }
  return with_read_model([&](Opened& opened) {
    const auto result =
        uniqd::intervene(opened.session, settings_.readmodel.schema, *filter.id, intervention);
    const auto known = read_compensations(opened.session, filter);
    if (known.empty()) return refuse(404, "NotFound", result.text);
    if (!result.is_done) return refuse(409, "NotAllowed", result.text);
    spdlog::info("over HTTP: compensation {} is {}", id, result.text);
    return answer(200, {{"id", id},
                        {"result", result.text},
                        {"compensation", compensation_json(settings_.source.topic, known[0])}});
  });
}

Answer AdminApi::resume() {
  return with_read_model([&](Opened& opened) {
    const Resumed resumed = resume_sending(opened.session, settings_.readmodel.schema);
    if (resumed.was_paused) {
      spdlog::warn("over HTTP: sending goes on, {} messages were held", resumed.messages_held);
    }
    return answer(200, resumed_json(resumed));
  });
}

Answer AdminApi::check(const std::string& body) {
  const Json asked = Json::parse(body, nullptr, false);
  if (!is_question(asked)) {
    return refuse(
        400, "BadRequest",
        R"(send {"fields":{"email":"joe@example.com"},"entity":"u1"}; entity is optional)");
  }
  const std::string entity =
      asked.contains("entity") ? scalar_text(asked["entity"]).value_or("") : "";
  const Policy policy = make_policy(settings_);
  return with_read_model([&](Opened& opened) {
    Json violations = Json::array();
    for (std::size_t index = 0; index < constraints_.size(); ++index) {
      const Constraint& constraint = constraints_[index];
      const auto values = values_of(constraint, asked["fields"]);
      if (!values) continue;
      const auto key = find_key(constraint, *values, opened.value_key);
      if (const auto* bad = std::get_if<BadQuestion>(&key)) {
        return refuse(400, "BadRequest", bad->text);
      }
      const auto known = std::get<std::optional<ClaimKey>>(key);
      const auto owner = known ? find_owner(opened.session, *known) : std::nullopt;
      if (!owner || *owner == entity) continue;
      violations.push_back(violation_json(constraint.name, constraint.fields, *owner,
                                          policy.by_constraint[index].claim.reason));
    }
    if (violations.empty()) return answer(200, {{"violations", violations}});
    Json first = violations[0];
    first["violations"] = std::move(violations);
    return answer(409, first);
  });
}

}  // namespace uniqd

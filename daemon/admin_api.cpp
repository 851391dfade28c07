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
#include "readmodel/json_document.hpp"
#include "readmodel/overview.hpp"
#include "readmodel/schema.hpp"

namespace uniqd {
namespace {

using Json = nlohmann::ordered_json;
using Values = std::map<std::string, std::string>;

// What was asked may come back in it, whatever bytes it had.
Answer answer(int status, const Json& body) {
  return {status, body.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n"};
}

Answer refuse(int status, const char* error, const std::string& message) {
  return answer(status, {{"error", error}, {"message", message}});
}

// What POST check is asked, with values as events have them: numbers as they are written.
struct Question {
  std::string entity;                                        // empty: a new one
  std::map<std::string, std::optional<std::string>> fields;  // nothing: null
};

// Nothing where it is none.
std::optional<Question> read_question(const std::string& body, const ConstraintSet& constraints) {
  JsonDocument document;
  const auto parsed = document.parse(body);
  if (std::holds_alternative<Refusal>(parsed)) return std::nullopt;
  const auto& root = std::get<JsonNode>(parsed);
  const auto fields = child(root, "/fields");
  simdjson::dom::object given;
  if (!fields || fields->value.get(given) != simdjson::SUCCESS) return std::nullopt;
  for (const auto& field : given) {
    if (field.value.is_object() || field.value.is_array()) return std::nullopt;
  }
  Question question;
  const Scalar entity = scalar_at(root, "/entity");
  if (entity.kind == Scalar::Kind::compound || entity.kind == Scalar::Kind::inexact) {
    return std::nullopt;
  }
  question.entity = entity.text;
  for (const Constraint& constraint : constraints) {
    for (const std::string& field : constraint.fields) {
      const Scalar value = scalar_at(*fields, "/" + field);
      if (value.kind == Scalar::Kind::inexact) return std::nullopt;
      if (value.kind == Scalar::Kind::missing) continue;
      auto& known = question.fields[field];
      if (value.kind == Scalar::Kind::text) known = value.text;
    }
  }
  return question;
}

// What the entity would want: of a compound value the fields that are not asked about keep their
// last known value (R7). Nothing where none is asked about, or one is lacking (R6).
std::variant<std::optional<ClaimKey>, BadQuestion> would_want(
    const Constraint& constraint, const Question& question, PerSlot<std::optional<ClaimKey>> parts,
    const std::string& value_key) {
  bool is_asked = false;
  for (std::size_t index = 0; index < constraint.fields.size(); ++index) {
    const auto given = question.fields.find(constraint.fields[index]);
    if (given == question.fields.end()) continue;
    is_asked = true;
    auto& part = parts[constraint.first_slot + index];
    part.reset();
    if (!given->second) continue;
    const auto found = find_part(constraint, index, *given->second, value_key);
    if (const auto* bad = std::get_if<BadQuestion>(&found)) return *bad;
    part = std::get<std::optional<ClaimKey>>(found);
  }
  return is_asked ? wanted_key(constraint, parts) : std::nullopt;
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
  const auto question = read_question(body, constraints_);
  if (!question) {
    return refuse(
        400, "BadRequest",
        R"(send {"fields":{"email":"joe@example.com"},"entity":"u1"}; entity is optional)");
  }
  const Policy policy = make_policy(settings_);
  return with_read_model([&](Opened& opened) {
    PerSlot<std::optional<ClaimKey>> parts(constraints_.slot_count());
    if (const auto known = find_entity(opened.session, constraints_, question->entity)) {
      parts = known->parts;
    }
    Json violations = Json::array();
    for (std::size_t index = 0; index < constraints_.size(); ++index) {
      const Constraint& constraint = constraints_[index];
      const auto wanted = would_want(constraint, *question, parts, opened.value_key);
      if (const auto* bad = std::get_if<BadQuestion>(&wanted)) {
        return refuse(400, "BadRequest", bad->text);
      }
      const auto key = std::get<std::optional<ClaimKey>>(wanted);
      const auto owner = key ? find_owner(opened.session, *key) : std::nullopt;
      if (!owner || *owner == question->entity) continue;
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

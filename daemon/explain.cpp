#include "daemon/explain.hpp"

#include <fmt/format.h>

#include <iterator>
#include <nlohmann/json.hpp>

#include "commands/compensation_rows.hpp"

namespace uniqd {
namespace {

using Json = nlohmann::ordered_json;

template <class Tag>
Json hex_or_null(const std::optional<Bytes16<Tag>>& key) {
  return key ? Json(to_hex(key->bytes.data(), key->bytes.size())) : Json(nullptr);
}

Json text_or_null(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

Json claim_json(const Constraint& constraint, const EntityView::Claimed& claimed) {
  Json claim{
      {"constraint", constraint.name},
      {"fields", constraint.fields},
      {"wants", hex_or_null(claimed.wanted)},
      {"owns", hex_or_null(claimed.owned)},
      {"owner_of_wanted", claimed.owner_of_wanted ? Json(*claimed.owner_of_wanted) : nullptr}};
  if (claimed.text) claim["text"] = *claimed.text;
  return claim;
}

std::string said(const Json& value) { return value.is_null() ? "-" : value.get<std::string>(); }

void tell_claims(std::string& text, const Json& explained) {
  auto out = std::back_inserter(text);
  for (const Json& claim : explained["claims"]) {
    fmt::format_to(out, "  {}: ", claim["constraint"].get<std::string>());
    if (claim["wants"].is_null() && claim["owns"].is_null()) {
      text += "has no value\n";
    } else if (claim["wants"] == claim["owns"]) {
      fmt::format_to(out, "owns value {}\n", said(claim["owns"]));
    } else {
      fmt::format_to(out, "wants value {}, which is {}", said(claim["wants"]),
                     claim["owner_of_wanted"].is_null()
                         ? "free"
                         : "owned by " + said(claim["owner_of_wanted"]));
      fmt::format_to(out, "; owns {}\n",
                     claim["owns"].is_null() ? "nothing" : "value " + said(claim["owns"]));
    }
  }
}

}  // namespace

std::string compensation_text(const Json& compensation) {
  std::string text;
  auto out = std::back_inserter(text);
  fmt::format_to(out, "compensation {} of {}: {}\n", said(compensation["id"]),
                 said(compensation["entity"]), said(compensation["state"]));
  for (const Json& violation : compensation["violations"]) {
    fmt::format_to(out,
                   "  because event {} ({}) at {}/{}/{} asked for a value of {} that {} owned\n",
                   said(violation["event_id"]), said(violation["event_type"]),
                   said(compensation["decided_at_position"]["topic"]),
                   violation["partition"].get<int>(), violation["offset"].get<std::int64_t>(),
                   said(violation["constraint"]), said(violation["owner"]));
  }
  fmt::format_to(out, "  decided       {}\n", said(compensation["decided_at"]));
  if (compensation["action"] == "send" || compensation["action"] == "alert") {
    fmt::format_to(out, "  sent          {} ({}, {} attempts)\n", said(compensation["sent_at"]),
                   said(compensation["command"]), compensation["attempts"].get<int>());
    fmt::format_to(out, "  acknowledged  {}\n", said(compensation["acknowledged_at"]));
  } else {
    fmt::format_to(out, "  action        {}: nothing is sent\n", said(compensation["action"]));
  }
  if (!compensation["due_at"].is_null()) {
    fmt::format_to(out, "  next send     {}\n", said(compensation["due_at"]));
  }
  if (!compensation["ended_at"].is_null()) {
    fmt::format_to(out, "  {:<13} {} by event {}\n", said(compensation["state"]),
                   said(compensation["ended_at"]), said(compensation["ended_by"]));
  }
  return text;
}

Json violation_json(const std::string& constraint, const std::vector<std::string>& fields,
                    const std::string& owner, const std::string& message) {
  return {{"error", "UniqueConstraintViolation"},
          {"constraint", constraint},
          {"fields", fields},
          {"owner", owner},
          {"message", message}};
}

Json ownership_json(const Constraint& constraint, const std::optional<std::string>& owner) {
  return {{"constraint", constraint.name},
          {"fields", constraint.fields},
          {"owner", owner ? Json(*owner) : Json(nullptr)}};
}

Json compensation_json(const std::string& topic, const CompensationRecord& record) {
  const Compensation& known = record.compensation;
  Json violations = Json::array();
  for (const Violation& violation : known.violations) {
    Json one = violation_json(violation.constraint, violation.fields, violation.owner,
                              known.action.reason);
    one["value"] = to_hex(violation.value);
    one["event_id"] = violation.event_id;
    one["event_type"] = violation.event_type;
    one["partition"] = to_number(violation.partition);
    one["offset"] = violation.offset.value;
    violations.push_back(std::move(one));
  }
  return {{"id", to_uuid_text(known.id)},
          {"entity", known.entity},
          {"state", to_text(known.state)},
          {"action", to_text(known.action.kind)},
          {"command", text_or_null(known.action.command)},
          {"reason", known.action.reason},
          {"violations", std::move(violations)},
          {"decided_at_position",
           {{"topic", topic},
            {"partition", to_number(known.partition)},
            {"offset", known.offset.value}}},
          {"attempts", known.attempts},
          {"decided_at", text_or_null(record.decided_at)},
          {"due_at", text_or_null(record.due_at)},
          {"sent_at", text_or_null(record.sent_at)},
          {"acknowledged_at", text_or_null(record.acknowledged_at)},
          {"ended_at", text_or_null(record.ended_at)},
          {"ended_by", text_or_null(known.ended_by)}};
}

Json explain_json(const std::string& topic, const std::string& name,
                  const ConstraintSet& constraints, const std::optional<EntityView>& entity,
                  const std::vector<CompensationRecord>& records) {
  Json claims = Json::array();
  if (entity) {
    for (const auto& claimed : entity->claims) {
      claims.push_back(claim_json(constraints[claimed.constraint], claimed));
    }
  }
  Json compensations = Json::array();
  for (const CompensationRecord& record : records) {
    compensations.push_back(compensation_json(topic, record));
  }
  return {{"entity", name},
          {"present", entity.has_value()},
          {"claims", std::move(claims)},
          {"compensations", std::move(compensations)}};
}

std::string explain_text(const Json& explained) {
  std::string text = said(explained["entity"]);
  const bool is_present = explained["present"].get<bool>();
  text += is_present ? " is present\n" : " is not present: never added, or gone again\n";
  tell_claims(text, explained);
  for (const Json& compensation : explained["compensations"]) {
    text += "\n" + compensation_text(compensation);
  }
  if (explained["compensations"].empty()) text += "no compensation was ever opened for it\n";
  return text;
}

}  // namespace uniqd

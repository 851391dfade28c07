#include "tests/support/user_events.hpp"

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>

namespace uniqd::test {
namespace {

using Json = nlohmann::ordered_json;
using simulation::Told;

Json data_of(const UserEvent& event) {
  Json data{{"userId", event.user}};
  for (const auto& [field, value] : event.fields)
    data[field] = value ? Json(*value) : Json(nullptr);
  return data;
}

// CloudEvents attributes, without the ce_ of the binary mode.
Json attributes_of(const UserEvent& event) {
  return {{"specversion", "1.0"}, {"id", event.id},        {"type", event.type},
          {"source", "/users"},   {"subject", event.user}, {"time", "2026-01-02T03:04:05Z"}};
}

TestRecord record_of(const UserEvent& event, const Json& payload) {
  TestRecord record;
  record.key = event.user;
  record.partition = event.partition;
  record.payload = payload.dump();
  return record;
}

std::string normal(std::string text) {
  const auto is_blank = [](unsigned char c) { return std::isspace(c) != 0; };
  while (!text.empty() && is_blank(text.back())) text.pop_back();
  while (!text.empty() && is_blank(text.front())) text.erase(text.begin());
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

std::string text_of(const Json& value) { return value.is_string() ? value.get<std::string>() : ""; }

Told::Kind kind_of(const std::string& type) {
  if (type == "UserAdded") return Told::Kind::claim;
  if (type == "UserEmailChanged" || type == "UserNameChanged" || type == "UserRenamed") {
    return Told::Kind::change;
  }
  if (type == "UserDeactivated") return Told::Kind::release;
  return Told::Kind::passed_over;
}

}  // namespace

TestRecord cloud_event(const UserEvent& event) {
  TestRecord record = record_of(event, data_of(event));
  const Json attributes = attributes_of(event);
  for (const auto& [name, value] : attributes.items()) {
    record.headers.emplace_back("ce_" + name, value.get<std::string>());
  }
  record.headers.emplace_back("content-type", "application/json");
  return record;
}

TestRecord structured_event(const UserEvent& event) {
  Json message = attributes_of(event);
  message["data"] = data_of(event);
  TestRecord record = record_of(event, message);
  record.headers.emplace_back("content-type", "application/cloudevents+json; charset=UTF-8");
  return record;
}

TestRecord plain_event(const UserEvent& event) {
  return record_of(event, {{"id", event.id}, {"type", event.type}, {"data", data_of(event)}});
}

Told told_by(const TestRecord& record) {
  Told told;
  told.partition = record.partition;
  told.offset = record.offset;
  if (!record.payload) return told;
  const bool is_binary = !record.header("ce_type").empty();
  if (is_binary && kind_of(record.header("ce_type")) == Told::Kind::passed_over) return told;
  told.kind = Told::Kind::bad;
  const Json message = Json::parse(*record.payload, nullptr, false);
  if (message.is_discarded() || !message.is_object()) return told;
  const Json data = is_binary ? message : message.value("data", Json::object());
  told.event_id = is_binary ? record.header("ce_id") : message.value("id", "");
  told.user = text_of(data.value("userId", Json()));
  if (told.user.empty()) return told;
  told.kind = kind_of(is_binary ? record.header("ce_type") : message.value("type", ""));
  for (const char* field : {"email", "username", "first", "last"}) {
    if (data.contains(field)) told.fields[field] = normal(text_of(data[field]));
  }
  return told;
}

}  // namespace uniqd::test

#include "commands/compensation_rows.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

namespace uniqd {
namespace {

constexpr PgStatement select_violations{
    "select_violations", "SELECT v.compensation, " UNIQD_VIOLATION_COLUMNS
                         " FROM violations v WHERE v.compensation = ANY($1::uuid[])"
                         " ORDER BY v.partition, v.\"offset\", v.constraint_name COLLATE \"C\""};

constexpr std::array<std::pair<ActionKind, std::string_view>, 4> action_names{{
    {ActionKind::detect, "detect"},
    {ActionKind::review, "review"},
    {ActionKind::alert, "alert"},
    {ActionKind::send, "send"},
}};

ActionKind action_kind(std::string_view text) {
  const auto found =
      std::ranges::find(action_names, text, [](const auto& name) { return name.second; });
  if (found == action_names.end()) throw StoreFailure("XX001", "an unknown action is stored");
  return found->first;
}

// `column`: the text of a column, by its number; empty for null.
template <class Column>
Compensation compensation_from(Column column) {
  Compensation compensation;
  compensation.id = uuid_of<CompensationId>(column(0));
  compensation.entity = column(1);
  compensation.entity_field = column(2);
  const auto state = compensation_state(column(3));
  if (!state) throw StoreFailure("XX001", "an unknown compensation state is stored");
  compensation.state = *state;
  compensation.action = {action_kind(column(4)), column(5), column(6)};
  compensation.event_id = column(7);
  compensation.correlation_id = column(8);
  compensation.traceparent = column(9);
  compensation.partition = Partition{std::stoi(column(10))};
  compensation.offset = Offset{std::stoll(column(11))};
  compensation.decided_at_ms = std::stoll(column(12));
  compensation.attempts = std::stoi(column(13));
  compensation.ended_by = column(14);
  return compensation;
}

}  // namespace

std::string_view to_text(ActionKind kind) {
  return std::ranges::find(action_names, kind, [](const auto& name) { return name.first; })->second;
}

PgArray id_array(const std::vector<CompensationId>& ids) {
  PgArray array = PgArray::of_uuid();
  for (const CompensationId& id : ids) array.add_uuid(id);
  return array;
}

Compensation compensation_of(const pqxx::row& row) {
  return compensation_from([&row](int column) { return std::string(row[column].c_str()); });
}

Compensation compensation_of(const PgRows& rows, int row) {
  return compensation_from([&](int column) { return std::string(rows.text(row, column)); });
}

Violation violation_of(const pqxx::row& row) {
  Violation violation;
  violation.cause = uuid_of<CompensationId>(row["cause"]);
  violation.constraint = row["constraint_name"].c_str();
  violation.fields = nlohmann::json::parse(row["fields"].c_str()).get<std::vector<std::string>>();
  const std::string value = bytes_of(row["value"]);
  std::copy_n(value.begin(), std::min(value.size(), violation.value.bytes.size()),
              violation.value.bytes.begin());
  violation.owner = row["owner"].c_str();
  violation.event_id = row["violation_event_id"].c_str();
  violation.event_type = row["event_type"].c_str();
  violation.partition = Partition{row["violation_partition"].as<std::int32_t>()};
  violation.offset = Offset{row["violation_offset"].as<std::int64_t>()};
  return violation;
}

void load_violations(PgSession& session, const std::vector<Compensation*>& compensations) {
  PgArray ids = PgArray::of_uuid();
  std::map<CompensationId, Compensation*> by_id;
  for (Compensation* compensation : compensations) {
    ids.add_uuid(compensation->id);
    by_id[compensation->id] = compensation;
  }
  for (const auto& row : session.run(select_violations, ids)) {
    by_id.at(uuid_of<CompensationId>(row[0]))->violations.push_back(violation_of(row));
  }
}

}  // namespace uniqd

#include "commands/compensation_queries.hpp"

#include "commands/compensation_rows.hpp"

namespace uniqd {
namespace {

#define UNIQD_TIME(column) ", to_char(" column ", 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"
#define UNIQD_SELECT_RECORDS                                                         \
  "SELECT " UNIQD_COMPENSATION_COLUMNS UNIQD_TIME("decided_at") UNIQD_TIME("due_at") \
      UNIQD_TIME("sent_at") UNIQD_TIME("acknowledged_at")                            \
          UNIQD_TIME("ended_at") " FROM compensations "
constexpr int first_time_column = 15;

// One statement a way to ask, so that each uses its index.
constexpr PgStatement records_by_id{"records_by_id", UNIQD_SELECT_RECORDS "WHERE id = $1::uuid"};
constexpr PgStatement records_by_entity{"records_by_entity", UNIQD_SELECT_RECORDS
                                        "WHERE entity = $1 ORDER BY ordinal DESC LIMIT $2::int8"};
constexpr PgStatement records_by_state{"records_by_state", UNIQD_SELECT_RECORDS
                                       "WHERE state = $1 ORDER BY ordinal DESC LIMIT $2::int8"};
constexpr PgStatement all_records{"all_records",
                                  UNIQD_SELECT_RECORDS "ORDER BY ordinal DESC LIMIT $1::int8"};

constexpr PgStatement retry_compensation{
    "retry_compensation",
    "UPDATE compensations SET state = 'pending', due_at = now(), attempts_before = attempts"
    " WHERE id = $1::uuid AND action = 'send' AND state IN ('sent', 'overdue', 'dismissed')"};
constexpr PgStatement dismiss_compensation{
    "dismiss_compensation",
    "UPDATE compensations SET state = 'dismissed', due_at = NULL WHERE id = $1::uuid"
    " AND state IN ('pending', 'sent', 'overdue', 'open', 'detected')"};

constexpr PgStatement write_intervention{
    "write_intervention",
    "INSERT INTO history (topic, what, compensation)"
    " SELECT topic, $2, id FROM compensations WHERE id = $1::uuid"};

pqxx::result select(PgSession& session, const CompensationFilter& filter) {
  const auto limit = static_cast<std::int64_t>(filter.limit);
  if (filter.id) return session.run(records_by_id, to_uuid_text(*filter.id));
  if (filter.entity) return session.run(records_by_entity, *filter.entity, limit);
  if (filter.state) {
    return session.run(records_by_state, std::string(to_text(*filter.state)), limit);
  }
  return session.run(all_records, limit);
}

std::string text_of(const pqxx::field& field) { return field.is_null() ? "" : field.c_str(); }

}  // namespace

std::vector<CompensationRecord> read_compensations(PgSession& session,
                                                   const CompensationFilter& filter) {
  std::vector<CompensationRecord> records;
  for (const auto& row : select(session, filter)) {
    CompensationRecord record;
    record.compensation = compensation_of(row);
    int column = first_time_column;
    for (std::string* time : {&record.decided_at, &record.due_at, &record.sent_at,
                              &record.acknowledged_at, &record.ended_at}) {
      *time = text_of(row[column++]);
    }
    records.push_back(std::move(record));
  }
  std::vector<Compensation*> loaded;
  loaded.reserve(records.size());
  for (CompensationRecord& record : records) loaded.push_back(&record.compensation);
  if (!loaded.empty()) load_violations(session, loaded);
  return records;
}

InterventionResult intervene(PgSession& session, const std::string& schema, CompensationId id,
                             Intervention intervention) {
  const bool retries = intervention == Intervention::retry;
  session.begin();
  take_lock(session, PgLock::batch, schema);
  const auto changed =
      session.run(retries ? retry_compensation : dismiss_compensation, to_uuid_text(id));
  if (changed.affected_rows() == 1) {
    session.run(write_intervention, to_uuid_text(id), retries ? "retry" : "dismiss");
  }
  session.commit_transaction();
  if (changed.affected_rows() == 1) {
    return {true, retries ? "pending: the command is sent again" : "dismissed: nothing is sent"};
  }
  CompensationFilter filter;
  filter.id = id;
  const auto known = read_compensations(session, filter);
  if (known.empty()) return {false, "there is no such compensation"};
  const Compensation& found = known[0].compensation;
  std::string text = "the compensation is " + std::string(to_text(found.state));
  if (retries && !has_ended(found.state) && found.action.kind != ActionKind::send) {
    text += " and sends no command, so there is nothing to retry";
  } else {
    text += retries ? "; sent, overdue and dismissed ones can be retried"
                    : "; pending, sent, overdue, open and detected ones can be dismissed";
  }
  return {false, text};
}

}  // namespace uniqd

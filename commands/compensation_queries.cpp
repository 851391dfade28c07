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
  for (CompensationRecord& record : records) loaded.push_back(&record.compensation);
  if (!loaded.empty()) load_violations(session, loaded);
  return records;
}

}  // namespace uniqd

#include "commands/postgres_outbox.hpp"

#include <utility>

#include "commands/compensation_rows.hpp"

namespace uniqd {
namespace {

constexpr PgStatement select_due{
    "select_due",
    "SELECT " UNIQD_COMPENSATION_COLUMNS
    ", attempts - attempts_before >= $4::int AS is_exhausted"
    " FROM compensations WHERE due_at <= now() AND topic = $1 AND partition = ANY($2::int4[])"
    " ORDER BY due_at, ordinal LIMIT $3::int8"};
// No deadline is longer than a year, whatever the backoff comes to.
constexpr PgStatement mark_as_sent{
    "mark_as_sent",
    "UPDATE compensations SET state = CASE action WHEN 'send' THEN 'sent' ELSE state END,"
    " attempts = attempts + 1, acknowledged_at = clock_timestamp(),"
    " sent_at = clock_timestamp() - make_interval(secs => $2::float8),"
    " due_at = CASE action WHEN 'send' THEN clock_timestamp() + make_interval(secs => least("
    " $3::float8 * power($4::float8, least(attempts - attempts_before, 1000)), 31536000)) END"
    " WHERE id = ANY($1::uuid[]) AND due_at IS NOT NULL"};
constexpr PgStatement mark_as_overdue{
    "mark_as_overdue",
    "UPDATE compensations SET state = 'overdue', due_at = NULL"
    " WHERE id = ANY($1::uuid[]) AND state = 'sent' AND due_at IS NOT NULL"};
}  // namespace

PostgresOutbox::PostgresOutbox(PgTarget target, std::string topic, SendPolicy policy)
    : target_(std::move(target)), topic_(std::move(topic)), policy_(policy) {}

template <class Work>
auto PostgresOutbox::with_session(Work work) {
  try {
    if (!session_) {
      session_ = std::make_unique<PgSession>(target_);
      // A mark that a crash forgets is made again after sending again, with the same id.
      session_->run("SET synchronous_commit = off");
    }
    return work(*session_);
  } catch (const StoreFailure&) {
    session_.reset();
    throw;
  }
}

std::vector<Compensation> PostgresOutbox::due(const std::vector<Partition>& partitions,
                                              std::size_t limit) {
  return with_session([&](PgSession& session) {
    PgArray wanted = PgArray::of_int4();
    for (const Partition partition : partitions) wanted.add_int4(to_number(partition));
    std::vector<Compensation> due;
    for (const auto& row : session.run(select_due, topic_, wanted, static_cast<std::int64_t>(limit),
                                       policy_.attempts_max)) {
      due.push_back(compensation_of(row));
      due.back().is_exhausted =
          due.back().state == CompensationState::sent && row["is_exhausted"].as<bool>();
    }
    std::vector<Compensation*> loaded;
    loaded.reserve(due.size());
    for (Compensation& compensation : due) loaded.push_back(&compensation);
    if (!loaded.empty()) load_violations(session, loaded);
    return due;
  });
}

void PostgresOutbox::mark_sent(const std::vector<CompensationId>& ids,
                               std::chrono::milliseconds publish_took) {
  with_session([&](PgSession& session) {
    const auto seconds = [](std::chrono::milliseconds duration) {
      return std::chrono::duration<double>(duration).count();
    };
    return session.run(mark_as_sent, id_array(ids), seconds(publish_took),
                       seconds(policy_.deadline), policy_.backoff);
  });
}

void PostgresOutbox::mark_overdue(const std::vector<CompensationId>& ids) {
  with_session([&](PgSession& session) { return session.run(mark_as_overdue, id_array(ids)); });
}

}  // namespace uniqd

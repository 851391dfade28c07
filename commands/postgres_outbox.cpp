#include "commands/postgres_outbox.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "commands/compensation_rows.hpp"

namespace uniqd {
namespace {

constexpr PgStatement select_due{
    "select_due",
    "SELECT c.*, " UNIQD_VIOLATION_COLUMNS " FROM (SELECT " UNIQD_COMPENSATION_COLUMNS
    ", attempts - attempts_before >= $4::int AS is_exhausted, due_at, ordinal"
    " FROM compensations WHERE due_at <= now() AND topic = $1 AND partition = ANY($2::int4[])"
    " AND NOT EXISTS (SELECT FROM safety WHERE paused_at IS NOT NULL)"
    " ORDER BY due_at, ordinal LIMIT $3::int8) c"
    " LEFT JOIN violations v ON v.compensation = c.id"
    " ORDER BY c.due_at, c.ordinal, v.partition, v.\"offset\", v.constraint_name COLLATE \"C\""};
// No deadline is longer than a year, whatever the backoff comes to.
constexpr PgStatement mark_as_sent{
    "mark_as_sent",
    "UPDATE compensations c SET state = CASE action WHEN 'send' THEN 'sent' ELSE state END,"
    " attempts = attempts + 1, acknowledged_at = clock_timestamp(),"
    " sent_at = clock_timestamp() - make_interval(secs => $2::float8),"
    " due_at = CASE action WHEN 'send' THEN clock_timestamp() + make_interval(secs => least("
    " $3::float8 * power($4::float8, least(attempts - attempts_before, 1000)), 31536000)) END"
    " FROM " UNIQD_LOCKED_IN_ORDER(
        "id = ANY($1::uuid[]) AND due_at IS NOT NULL") " WHERE c.id = locked.id"};
constexpr PgStatement mark_as_overdue{
    "mark_as_overdue",
    "UPDATE compensations c SET state = 'overdue', due_at = NULL"
    " FROM " UNIQD_LOCKED_IN_ORDER("id = ANY($1::uuid[]) AND state = 'sent' AND due_at IS "
                                   "NOT NULL") " WHERE c.id = locked.id"};
constexpr PgStatement count_given{"count_given",
                                  "SELECT count(*) FROM compensations"
                                  " WHERE first_given_at > (SELECT greatest(now() - interval '1 "
                                  "minute', resumed_at) FROM safety)"};
constexpr PgStatement select_never_given{
    "select_never_given",
    "SELECT id FROM compensations"
    " WHERE id = ANY($1::uuid[]) AND attempts = 0 AND first_given_at IS NULL"};
constexpr PgStatement mark_as_given{
    "mark_as_given",
    "UPDATE compensations c SET first_given_at = now()"
    " FROM " UNIQD_LOCKED_IN_ORDER("id = ANY($1::uuid[])") " WHERE c.id = locked.id"};
constexpr PgStatement pause_sending{"pause_sending",
                                    "UPDATE safety SET paused_at = now(), reason = $1"};

}  // namespace

PostgresOutbox::PostgresOutbox(PgTarget target, std::string topic, SendPolicy policy)
    : target_(std::move(target)), topic_(std::move(topic)), policy_(policy) {}

template <class Work>
auto PostgresOutbox::with_session(Work work) {
  try {
    if (!session_) {
      session_ = std::make_unique<PgSession>(target_);
      // A mark that a crash forgets is made again after sending again, with the same id. A plan
      // that does not know the limit would rather sort all that is due, each time.
      session_->run("SET synchronous_commit = off; SET plan_cache_mode = force_custom_plan");
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
      Compensation compensation = compensation_of(row);
      if (due.empty() || due.back().id != compensation.id) {
        compensation.is_exhausted =
            compensation.state == CompensationState::sent && row["is_exhausted"].as<bool>();
        due.push_back(std::move(compensation));
      }
      if (!row["cause"].is_null()) due.back().violations.push_back(violation_of(row));
    }
    if (policy_.first_sends_max > 0 && !due.empty()) keep_to_limit(session, due);
    return due;
  });
}

// Counted before they are sent, so that neither a crash nor another instance sends more; whatever
// is beyond the limit stays due, and sending pauses.
void PostgresOutbox::keep_to_limit(PgSession& session, std::vector<Compensation>& due) {
  session.begin();
  session.run("SET LOCAL synchronous_commit = on");
  const auto safety = session.run("SELECT paused_at IS NOT NULL FROM safety FOR UPDATE");
  if (safety[0][0].as<bool>()) {
    session.commit_transaction();
    due.clear();
    return;
  }
  std::vector<CompensationId> ids;
  ids.reserve(due.size());
  for (const Compensation& compensation : due) ids.push_back(compensation.id);
  std::set<CompensationId> firsts;
  for (const auto& row : session.run(select_never_given, id_array(ids))) {
    firsts.insert(uuid_of<CompensationId>(row[0]));
  }
  const auto limit = static_cast<std::int64_t>(policy_.first_sends_max);
  std::int64_t given = session.run(count_given)[0][0].as<std::int64_t>();
  std::vector<CompensationId> allowed;
  const auto beyond = std::ranges::find_if(due, [&](const Compensation& compensation) {
    if (!firsts.contains(compensation.id)) return false;
    if (given >= limit) return true;
    ++given;
    allowed.push_back(compensation.id);
    return false;
  });
  const bool pauses = beyond != due.end();
  due.erase(beyond, due.end());
  if (!allowed.empty()) session.run(mark_as_given, id_array(allowed));
  const std::string reason = fmt::format(
      "more commands than safety.max_commands_per_minute allows ({}) were to be sent in a minute",
      policy_.first_sends_max);
  if (pauses) session.run(pause_sending, reason);
  session.commit_transaction();
  if (pauses) pause_ = reason;
}

std::optional<std::string> PostgresOutbox::take_pause() {
  return std::exchange(pause_, std::nullopt);
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

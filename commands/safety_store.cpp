#include "commands/safety_store.hpp"

#include "commands/compensation_rows.hpp"

namespace uniqd {
namespace {

constexpr PgStatement select_safety{"select_safety",
                                    "SELECT claiming, paused_at IS NOT NULL FROM safety"};
constexpr PgStatement update_safety{"update_safety",
                                    "UPDATE safety SET claiming = decode($1, 'hex'),"
                                    " paused_at = CASE WHEN $2 <> '' THEN now() ELSE paused_at END,"
                                    " reason = CASE WHEN $2 <> '' THEN $2 ELSE reason END"};
constexpr PgStatement update_rules{
    "update_safety_rules",
    "UPDATE safety SET rules = $1, claiming = '' WHERE rules IS DISTINCT FROM $1"};

}  // namespace

void ask_safety(PgSession& session, Safety& safety) {
  const auto take = [&safety](const PgRows& rows) {
    if (rows.size() == 0) throw StoreFailure("XX001", "the table safety has lost its row");
    const auto window = ViolationWindow::decode(bytes_of(rows.text(0, 0)));
    if (!window) throw StoreFailure("XX001", "the row of the table safety is not readable");
    safety = {*window, rows.text(0, 1) == "t"};
  };
  session.ask(take, select_safety);
}

void save_safety(PgSession& session, const SafetyChange& change) {
  const std::string bytes = change.window.encode();
  session.post(update_safety,
               to_hex(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()),
               change.pause);
}

void begin_safety_rules(PgSession& session, const std::string& schema, const std::string& rules) {
  const auto known = session.run("SELECT rules FROM safety");
  if (!known.empty() && known[0][0].c_str() == rules) return;
  session.begin();
  take_lock(session, PgLock::batch, schema);
  session.run(update_rules, rules);
  session.commit_transaction();
}

Resumed resume_sending(PgSession& session, const std::string& schema) {
  session.begin();
  take_lock(session, PgLock::batch, schema);
  Resumed resumed;
  // The lock on the row also holds off a relay that counts.
  const auto rows = session.run(
      "SELECT to_char(paused_at, 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'), reason"
      " FROM safety WHERE paused_at IS NOT NULL FOR UPDATE");
  if (!rows.empty()) {
    resumed = {true, rows[0][0].c_str(), rows[0][1].c_str(), 0};
    resumed.messages_held =
        session.run("SELECT count(*) FROM compensations WHERE due_at <= now()")[0][0]
            .as<std::int64_t>();
    session.run(
        "UPDATE compensations c SET first_given_at = now()"
        " FROM " UNIQD_LOCKED_IN_ORDER("due_at <= now() AND first_given_at IS NULL")
        " WHERE c.id = locked.id;"
        "UPDATE safety SET paused_at = NULL, reason = NULL, claiming = '', resumed_at = now()");
  }
  session.commit_transaction();
  return resumed;
}

}  // namespace uniqd

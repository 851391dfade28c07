#include "readmodel/overview.hpp"

namespace uniqd {
namespace {

constexpr PgStatement select_stored_positions{
    "select_stored_positions",
    "SELECT partition, next_offset, to_char(applied_at, 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"
    " FROM positions WHERE topic = $1 ORDER BY partition"};
constexpr PgStatement select_owner{"select_owner",
                                   "SELECT owner FROM claims WHERE key = ANY($1::uuid[])"};

}  // namespace

Overview read_overview(PgSession& session, const std::string& topic) {
  Overview overview;
  for (const auto& row : session.run(select_stored_positions, topic)) {
    const auto next = row[1].as<std::int64_t>();
    overview.positions.push_back({{Partition{row[0].as<std::int32_t>()},
                                   next < 0 ? std::nullopt : std::optional(Offset{next})},
                                  row[2].c_str()});
  }
  for (const auto& row : session.run("SELECT name, claim_count FROM constraints")) {
    overview.claims[row[0].c_str()] = row[1].as<std::int64_t>();
  }
  for (const char* state :
       {"pending", "sent", "confirmed", "resolved", "overdue", "open", "detected", "dismissed"}) {
    overview.compensations[state] = 0;
  }
  for (const auto& row : session.run("SELECT state, count(*) FROM compensations GROUP BY state")) {
    overview.compensations[row[0].c_str()] = row[1].as<std::int64_t>();
  }
  const auto oldest = session.run(
      "SELECT extract(epoch FROM now() - min(decided_at)) FROM compensations"
      " WHERE ended_at IS NULL");
  if (!oldest[0][0].is_null()) {
    overview.oldest_open_compensation_seconds = oldest[0][0].as<double>();
  }
  overview.dead_letters = session.run("SELECT count(*) FROM dead_letters")[0][0].as<std::int64_t>();
  return overview;
}

std::optional<std::string> find_owner(PgSession& session, ClaimKey key) {
  PgArray keys = PgArray::of_uuid();
  keys.add_uuid(key);
  const auto found = session.run(select_owner, keys);
  return found.empty() ? std::nullopt : std::optional<std::string>(found[0][0].c_str());
}

}  // namespace uniqd

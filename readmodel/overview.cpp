#include "readmodel/overview.hpp"

#include "readmodel/entity_codec.hpp"

namespace uniqd {
namespace {

constexpr PgStatement select_stored_positions{
    "select_stored_positions",
    "SELECT partition, next_offset, to_char(applied_at, 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"
    " FROM positions WHERE topic = $1 ORDER BY partition"};
constexpr PgStatement select_owner{"select_owner",
                                   "SELECT owner FROM claims WHERE key = ANY($1::uuid[])"};
constexpr PgStatement select_entity{"select_entity",
                                    "SELECT state, compensation FROM entities WHERE entity = $1"};
constexpr PgStatement select_text{"select_text",
                                  "SELECT value FROM value_texts WHERE entity = $1 AND slot = $2"};

// One that died has left its words behind, but not its lock.
std::optional<RebuildProgress> read_rebuild(PgSession& session) {
  const auto rows = session.run(
      "SELECT coalesce((value::json->>'events')::bigint, 0),"
      " coalesce((value::json->>'total')::bigint, 0), coalesce(value::json->>'phase', '')"
      " FROM meta, hashtextextended('uniqd rebuild ' || current_schema(), 0) lock"
      " WHERE name = 'rebuild' AND EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory'"
      " AND classid::bigint = lock >> 32 & 4294967295 AND objid::bigint = lock & 4294967295)");
  if (rows.empty()) return std::nullopt;
  return RebuildProgress{rows[0][0].as<std::int64_t>(), rows[0][1].as<std::int64_t>(),
                         rows[0][2].c_str()};
}

}  // namespace

std::optional<Pause> read_pause(PgSession& session) {
  const auto rows = session.run(
      "SELECT to_char(paused_at, 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'), reason FROM safety"
      " WHERE paused_at IS NOT NULL");
  if (rows.empty()) return std::nullopt;
  return Pause{rows[0][0].c_str(), rows[0][1].c_str()};
}

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
      " WHERE ended_at IS NULL AND state <> 'dismissed'");
  if (!oldest[0][0].is_null()) {
    overview.oldest_open_compensation_seconds = oldest[0][0].as<double>();
  }
  overview.dead_letters =
      session.run("SELECT count(*) FROM dead_letters WHERE ended IS NULL")[0][0].as<std::int64_t>();
  overview.paused = read_pause(session);
  overview.messages_due =
      session.run("SELECT count(*) FROM compensations WHERE due_at <= now()")[0][0]
          .as<std::int64_t>();
  overview.rebuild = read_rebuild(session);
  return overview;
}

std::optional<std::string> find_owner(PgSession& session, ClaimKey key) {
  PgArray keys = PgArray::of_uuid();
  keys.add_uuid(key);
  const auto found = session.run(select_owner, keys);
  return found.empty() ? std::nullopt : std::optional<std::string>(found[0][0].c_str());
}

std::optional<Entity> find_entity(PgSession& session, const ConstraintSet& constraints,
                                  const std::string& name) {
  const auto rows = session.run(select_entity, name);
  if (rows.empty()) return std::nullopt;
  auto entity = decode_entity(bytes_of(rows[0][0]), constraints);
  if (!entity) throw StoreFailure("XX001", "an entity's state is not readable");
  if (!rows[0][1].is_null()) entity->compensation = uuid_of<CompensationId>(rows[0][1]);
  return entity;
}

std::optional<EntityView> read_entity(PgSession& session, const ConstraintSet& constraints,
                                      const std::string& name) {
  const auto entity = find_entity(session, constraints, name);
  if (!entity) return std::nullopt;
  EntityView view;
  view.compensation = entity->compensation;
  for (std::size_t index = 0; index < constraints.size(); ++index) {
    EntityView::Claimed claimed;
    claimed.constraint = index;
    claimed.wanted = wanted_key(constraints[index], entity->parts);
    claimed.owned = entity->owned[index];
    if (claimed.wanted) claimed.owner_of_wanted = find_owner(session, *claimed.wanted);
    const auto text =
        session.run(select_text, name, static_cast<int>(constraints[index].first_slot));
    if (constraints[index].fields.size() == 1 && !text.empty()) claimed.text = text[0][0].c_str();
    view.claims.push_back(std::move(claimed));
  }
  return view;
}

}  // namespace uniqd

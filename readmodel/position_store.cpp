#include "readmodel/position_store.hpp"

#include <cstring>
#include <utility>

namespace uniqd {
namespace {

constexpr std::int64_t never_read = -1;

constexpr PgStatement insert_positions{
    "insert_positions",
    "INSERT INTO positions (topic, partition, next_offset, generation)"
    " SELECT $1, p, -1, (SELECT coalesce(max(generation), 1) FROM positions)"
    " FROM unnest($2::int4[]) p ON CONFLICT (topic, partition) DO NOTHING"};
constexpr PgStatement select_positions{
    "select_positions",
    "SELECT partition, next_offset, generation, anchor_offset, anchor, sequence FROM positions"
    " WHERE topic = $1 AND partition = ANY($2::int4[]) ORDER BY partition FOR UPDATE"};
// Of what may be missing, an empty text stands for null.
constexpr PgStatement move_position{
    "move_position",
    "UPDATE positions SET next_offset = $5::int8, applied_at = now(),"
    " first_offset = coalesce(first_offset, $4::int8),"
    " anchor_offset = coalesce(nullif($6, '')::int8, anchor_offset),"
    " anchor = coalesce(nullif($7, '')::bytea, anchor),"
    " sequence = coalesce(nullif($8, '')::int8, sequence)"
    " WHERE topic = $1 AND partition = $2::int4 AND next_offset = $3::int8"
    " AND generation = $9::int RETURNING (SELECT writer FROM last_writer)"};
// The last line of the history grows where the order goes on with its partition.
constexpr PgStatement grow_history{"grow_history",
                                   "UPDATE history SET next_offset = $3::int8 WHERE ordinal ="
                                   " (SELECT max(ordinal) FROM history) AND what = 'applied'"
                                   " AND topic = $1 AND partition = $2::int4 RETURNING ordinal"};
constexpr PgStatement add_to_history{"add_to_history",
                                     "INSERT INTO history (topic, what, partition, next_offset)"
                                     " VALUES ($1, 'applied', $2::int4, $3::int8)"};
constexpr PgStatement select_writer{"select_writer", "SELECT writer FROM last_writer"};
constexpr PgStatement update_writer{"update_writer", "UPDATE last_writer SET writer = $1::int8"};

}  // namespace

Anchor read_anchor(const pqxx::field& offset, const pqxx::field& digest) {
  Anchor anchor{Offset{offset.as<std::int64_t>()}, {}};
  const std::string bytes = bytes_of(digest);
  if (bytes.size() != anchor.digest.bytes.size()) {
    throw StoreFailure("XX001", "a position's anchor is not readable");
  }
  std::memcpy(anchor.digest.bytes.data(), bytes.data(), bytes.size());
  return anchor;
}

LockedPositions lock_positions(PgSession& session, const std::string& topic,
                               const std::vector<Partition>& partitions) {
  PgArray wanted = PgArray::of_int4();
  for (const Partition partition : partitions) wanted.add_int4(to_number(partition));
  LockedPositions locked;
  session.begin();
  session.run(insert_positions, topic, wanted);
  for (const auto& row : session.run(select_positions, topic, wanted)) {
    const auto offset = row[1].as<std::int64_t>();
    Position position{Partition{row[0].as<std::int32_t>()},
                      offset == never_read ? std::nullopt : std::optional(Offset{offset})};
    if (!row[3].is_null()) position.anchor = read_anchor(row[3], row[4]);
    if (!row[5].is_null()) position.sequence = row[5].as<std::int64_t>();
    locked.positions.push_back(position);
    locked.generation = row[2].as<int>();
  }
  session.commit_transaction();
  return locked;
}

std::optional<Writer> advance_positions(PgSession& session, const std::string& topic,
                                        const std::vector<Advance>& advances, int generation,
                                        Writer writer) {
  Advancing advancing;
  ask_to_advance(session, topic, advances, generation, advancing);
  session.flush();
  if (advancing.before) finish_advance(session, topic, advances, advancing, writer);
  return advancing.before;
}

void ask_to_advance(PgSession& session, const std::string& topic,
                    const std::vector<Advance>& advances, int generation, Advancing& advancing) {
  advancing = {Writer{}, false};  // until one that has not moved says otherwise
  const auto take_moved = [&before = advancing.before](const PgRows& rows) {
    if (rows.size() == 0) {
      before.reset();
    } else if (before) {
      before = Writer{std::stoll(std::string(rows.text(0, 0)))};
    }
  };
  // What is judged once more moves nothing.
  if (advances.empty()) return session.ask(take_moved, select_writer);
  const auto text = [](const std::optional<std::int64_t>& number) {
    return number ? std::to_string(*number) : "";
  };
  for (const Advance& advance : advances) {
    std::optional<std::int64_t> anchor_offset;
    std::string digest;
    if (advance.anchor) {
      const auto& bytes = advance.anchor->digest.bytes;
      anchor_offset = advance.anchor->offset.value;
      digest = "\\x" + to_hex(bytes.data(), bytes.size());
    }
    session.ask(take_moved, move_position, topic, to_number(advance.partition),
                advance.expected ? advance.expected->value : never_read, advance.first.value,
                advance.next.value, text(anchor_offset), digest, text(advance.sequence),
                generation);
  }
  const auto take_grown = [&advancing](const PgRows& rows) {
    advancing.has_grown_history = rows.size() > 0;
  };
  session.ask(take_grown, grow_history, topic, to_number(advances.front().partition),
              advances.front().next.value);
}

void finish_advance(PgSession& session, const std::string& topic,
                    const std::vector<Advance>& advances, const Advancing& advancing,
                    Writer writer) {
  for (const Advance& advance : advances) {
    if (&advance == &advances.front() && advancing.has_grown_history) continue;
    session.post(add_to_history, topic, to_number(advance.partition), advance.next.value);
  }
  if (advancing.before != writer) session.post(update_writer, static_cast<std::int64_t>(writer));
}

}  // namespace uniqd

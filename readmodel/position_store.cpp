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
// The batch's partitions come in the order of their numbers; the last line of the history grows
// where that order goes on with its partition.
constexpr PgStatement move_positions{
    "move_positions",
    "WITH moved AS (UPDATE positions p SET next_offset = i.next, applied_at = now(),"
    " first_offset = coalesce(p.first_offset, i.first),"
    " anchor_offset = coalesce(i.anchor_offset, p.anchor_offset),"
    " anchor = coalesce(i.anchor, p.anchor), sequence = coalesce(i.sequence, p.sequence)"
    " FROM unnest($2::int4[], $3::int8[], $4::int8[], $5::int8[], $7::int8[], $8::bytea[],"
    " $9::int8[]) i (partition, expected, first, next, anchor_offset, anchor, sequence)"
    " WHERE p.topic = $1 AND p.partition = i.partition AND p.next_offset = i.expected"
    " AND p.generation = $6::int RETURNING p.partition, p.next_offset),"
    " last AS (SELECT ordinal, partition FROM history WHERE ordinal ="
    " (SELECT max(ordinal) FROM history) AND what = 'applied' AND topic = $1),"
    " grown AS (UPDATE history h SET next_offset = m.next_offset FROM moved m, last l"
    " WHERE h.ordinal = l.ordinal AND m.partition = l.partition"
    " AND l.partition = (SELECT min(partition) FROM moved) RETURNING h.partition),"
    " added AS (INSERT INTO history (topic, what, partition, next_offset)"
    " SELECT $1, 'applied', partition, next_offset FROM moved"
    " WHERE partition NOT IN (SELECT partition FROM grown) ORDER BY partition),"
    " before AS (SELECT writer FROM last_writer),"
    " wrote AS (UPDATE last_writer SET writer = $10::int8)"
    " SELECT count(*), (SELECT writer FROM before) FROM moved"};

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
  std::optional<Writer> before;
  ask_to_advance(session, topic, advances, generation, writer, before);
  session.flush();
  return before;
}

void ask_to_advance(PgSession& session, const std::string& topic,
                    const std::vector<Advance>& advances, int generation, Writer writer,
                    std::optional<Writer>& before) {
  PgArray partitions = PgArray::of_int4();
  PgArray expected = PgArray::of_int8();
  PgArray first = PgArray::of_int8();
  PgArray next = PgArray::of_int8();
  PgArray anchor_offsets = PgArray::of_int8();
  PgArray anchors = PgArray::of_bytea();
  PgArray sequences = PgArray::of_int8();
  for (const Advance& advance : advances) {
    partitions.add_int4(to_number(advance.partition));
    expected.add_int8(advance.expected ? advance.expected->value : never_read);
    first.add_int8(advance.first.value);
    next.add_int8(advance.next.value);
    if (advance.anchor) {
      anchor_offsets.add_int8(advance.anchor->offset.value);
      const auto& bytes = advance.anchor->digest.bytes;
      anchors.add_bytes({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    } else {
      anchor_offsets.add_null();
      anchors.add_null();
    }
    if (advance.sequence) {
      sequences.add_int8(*advance.sequence);
    } else {
      sequences.add_null();
    }
  }
  const auto take = [&before, expected_count = advances.size()](const PgRows& rows) {
    const bool have_all_moved = std::stoul(std::string(rows.text(0, 0))) == expected_count;
    if (have_all_moved) before = Writer{std::stoll(std::string(rows.text(0, 1)))};
  };
  session.ask(take, move_positions, topic, partitions, expected, first, next, generation,
              anchor_offsets, anchors, sequences, static_cast<std::int64_t>(writer));
}

}  // namespace uniqd

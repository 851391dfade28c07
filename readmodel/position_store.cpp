#include "readmodel/position_store.hpp"

#include <algorithm>
#include <utility>

namespace uniqd {
namespace {

constexpr std::int64_t never_read = -1;

constexpr PgStatement insert_positions{
    "insert_positions",
    "INSERT INTO positions (topic, partition, next_offset)"
    " SELECT $1, p, -1 FROM unnest($2::int4[]) p ON CONFLICT (topic, partition) DO NOTHING"};
constexpr PgStatement select_positions{
    "select_positions",
    "SELECT partition, next_offset FROM positions"
    " WHERE topic = $1 AND partition = ANY($2::int4[]) ORDER BY partition FOR UPDATE"};
constexpr PgStatement move_positions{
    "move_positions",
    "UPDATE positions p SET next_offset = i.next, applied_at = now()"
    " FROM unnest($2::int4[], $3::int8[], $4::int8[]) i (partition, expected, next)"
    " WHERE p.topic = $1 AND p.partition = i.partition AND p.next_offset = i.expected"};

}  // namespace

std::vector<Position> lock_positions(PgSession& session, const std::string& topic,
                                     const std::vector<Partition>& partitions) {
  PgArray wanted = PgArray::of_int4();
  for (const Partition partition : partitions) wanted.add_int4(to_number(partition));
  std::vector<Position> positions;
  session.begin();
  session.run(insert_positions, topic, wanted);
  for (const auto& row : session.run(select_positions, topic, wanted)) {
    const auto offset = row[1].as<std::int64_t>();
    positions.push_back({Partition{row[0].as<std::int32_t>()},
                         offset == never_read ? std::nullopt : std::optional(Offset{offset})});
  }
  session.commit_transaction();
  return positions;
}

bool advance_positions(PgSession& session, const std::string& topic,
                       const std::vector<Advance>& advances) {
  PgArray partitions = PgArray::of_int4();
  PgArray expected = PgArray::of_int8();
  PgArray next = PgArray::of_int8();
  for (const Advance& advance : advances) {
    partitions.add_int4(to_number(advance.partition));
    expected.add_int8(advance.expected ? advance.expected->value : never_read);
    next.add_int8(advance.next.value);
  }
  const auto moved = session.run(move_positions, topic, partitions, expected, next);
  return moved.affected_rows() == advances.size();
}

}  // namespace uniqd

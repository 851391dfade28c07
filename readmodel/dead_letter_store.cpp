#include "readmodel/dead_letter_store.hpp"

namespace uniqd {
namespace {

#define UNIQD_LETTERS                                              \
  "SELECT id, partition, \"offset\", reason, sequence,"            \
  " to_char(seen_at, 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'), ended," \
  " to_char(ended_at, 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') FROM dead_letters WHERE topic = $1"

constexpr PgStatement all_letters{"all_letters", UNIQD_LETTERS " ORDER BY id DESC LIMIT $2::int8"};
constexpr PgStatement letters_by_state{
    "letters_by_state",
    UNIQD_LETTERS " AND coalesce(ended, 'open') = $2 ORDER BY id DESC LIMIT $3::int8"};
constexpr PgStatement letter_by_id{"letter_by_id", UNIQD_LETTERS " AND id = $2::int8"};
constexpr PgStatement letters_of_partition{
    "letters_of_partition", UNIQD_LETTERS " AND partition = $2::int4 ORDER BY \"offset\""};
constexpr PgStatement end_letters{"end_letters",
                                  "UPDATE dead_letters SET ended = $3, ended_at = now()"
                                  " WHERE topic = $1 AND id = ANY($2::int8[]) AND ended IS NULL"};
constexpr PgStatement write_again{
    "write_again",
    "INSERT INTO history (topic, what, partition, \"offset\")"
    " SELECT $1, 'again', $2::int4, place FROM unnest($3::int8[]) WITH ORDINALITY n (place, rank)"
    " ORDER BY rank"};

DeadLetter letter_of(const pqxx::row& row) {
  DeadLetter letter;
  letter.id = row[0].as<std::int64_t>();
  letter.partition = Partition{row[1].as<std::int32_t>()};
  letter.offset = Offset{row[2].as<std::int64_t>()};
  letter.reason = row[3].c_str();
  if (!row[4].is_null()) letter.sequence = row[4].as<std::int64_t>();
  letter.seen_at = row[5].c_str();
  if (!row[6].is_null()) {
    const auto state = dead_letter_state(row[6].c_str());
    if (!state) throw StoreFailure("XX001", "a dead letter's state is not readable");
    letter.state = *state;
    letter.ended_at = row[7].c_str();
  }
  return letter;
}

std::vector<DeadLetter> letters_of(const pqxx::result& rows) {
  std::vector<DeadLetter> letters;
  for (const auto& row : rows) letters.push_back(letter_of(row));
  return letters;
}

// How many were open.
std::size_t end(PgSession& session, const std::string& topic, const std::vector<std::int64_t>& ids,
                DeadLetterState state) {
  PgArray numbers = PgArray::of_int8();
  for (const auto id : ids) numbers.add_int8(id);
  return session.run(end_letters, topic, numbers, std::string(to_text(state))).affected_rows();
}

}  // namespace

std::vector<DeadLetter> read_dead_letters(PgSession& session, const std::string& topic,
                                          std::optional<DeadLetterState> state, std::size_t limit) {
  const auto most = static_cast<std::int64_t>(limit);
  if (!state) return letters_of(session.run(all_letters, topic, most));
  return letters_of(session.run(letters_by_state, topic, std::string(to_text(*state)), most));
}

std::optional<DeadLetter> find_dead_letter(PgSession& session, const std::string& topic,
                                           std::int64_t id) {
  const auto found = session.run(letter_by_id, topic, id);
  return found.empty() ? std::nullopt : std::optional(letter_of(found[0]));
}

std::vector<DeadLetter> dead_letters_of(PgSession& session, const std::string& topic,
                                        Partition partition) {
  return letters_of(session.run(letters_of_partition, topic, to_number(partition)));
}

void save_retried(PgSession& session, const std::string& topic, const Retried& retried) {
  if (end(session, topic, retried.letters, DeadLetterState::retried) != retried.letters.size()) {
    throw StoreFailure("40001", "a dead letter has ended meanwhile");
  }
  PgArray places = PgArray::of_int8();
  for (const Offset offset : retried.judged) places.add_int8(offset.value);
  session.run(write_again, topic, to_number(retried.partition), places);
}

bool drop_dead_letter(PgSession& session, const std::string& schema, const std::string& topic,
                      std::int64_t id) {
  session.begin();
  take_lock(session, PgLock::batch, schema);
  const bool is_dropped = end(session, topic, {id}, DeadLetterState::dropped) == 1;
  session.commit_transaction();
  return is_dropped;
}

}  // namespace uniqd

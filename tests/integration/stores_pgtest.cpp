// The stores on PostgreSQL: positions, and everything a batch changes, there and back.

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <functional>
#include <map>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "commands/compensation_queries.hpp"
#include "commands/compensation_store.hpp"
#include "commands/postgres_outbox.hpp"
#include "daemon/intake.hpp"
#include "daemon/postgres_ledger.hpp"
#include "daemon/process_batch.hpp"
#include "readmodel/claim_store.hpp"
#include "readmodel/entity_codec.hpp"
#include "readmodel/known_keys.hpp"
#include "readmodel/position_store.hpp"
#include "tests/integration/pg_schema.hpp"
#include "tests/support/memory_store.hpp"
#include "tests/support/table_language.hpp"
#include "tests/support/wait.hpp"

namespace uniqd::test {
namespace {

using Lines = std::set<std::string>;

const std::string topic = "users";

Probe no_probe() {
  return [](std::string_view) {};
}

// As PostgreSQL reads it.
std::string as_bytea(std::string_view bytes) {
  std::string hex = "\\x";
  for (const char byte : bytes) hex += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return hex;
}

TEST_CASE("positions move from what is expected, all or none, and are never read when new") {
  const PgSchema schema;
  PgSession session(schema.target);
  (void)migrate(session, schema.target.schema);
  const std::vector<Partition> partitions{Partition{0}, Partition{2}};
  const auto move = [&](const std::vector<Advance>& advances) {
    session.begin();
    const bool has_moved = advance_positions(session, topic, advances, 1, Writer{}).has_value();
    if (has_moved) {
      session.commit_transaction();
    } else {
      session.roll_back();
    }
    return has_moved;
  };
  using Positions = std::vector<Position>;
  CHECK(lock_positions(session, topic, partitions).positions ==
        Positions{{Partition{0}, std::nullopt}, {Partition{2}, std::nullopt}});
  CHECK(move({{Partition{0}, std::nullopt, Offset{0}, Offset{0}}}));
  CHECK(move({{Partition{0}, Offset{0}, Offset{0}, Offset{5}},
              {Partition{2}, std::nullopt, Offset{0}, Offset{7}}}));
  CHECK_FALSE(move({{Partition{0}, Offset{4}, Offset{4}, Offset{6}}}));
  CHECK_FALSE(move({{Partition{0}, std::nullopt, Offset{0}, Offset{6}}}));
  CHECK_FALSE(move({{Partition{0}, Offset{5}, Offset{5}, Offset{6}},
                    {Partition{2}, Offset{6}, Offset{6}, Offset{8}}}));
  CHECK_FALSE(move({{Partition{1}, std::nullopt, Offset{0}, Offset{1}}}));
  const std::int64_t far = 9'000'000'000'000'000'000;
  CHECK(move({{Partition{2}, Offset{7}, Offset{7}, Offset{far}}}));
  CHECK(lock_positions(session, topic, partitions).positions ==
        Positions{{Partition{0}, Offset{5}}, {Partition{2}, Offset{far}}});
  CHECK(lock_positions(session, "another topic", {Partition{0}}).positions ==
        Positions{{Partition{0}, std::nullopt}});
}

// Each session moves it as far as it can; every step is taken by one of them alone.
TEST_CASE("two sessions racing for a position: each step is one session's alone") {
  const PgSchema schema;
  PgSession first(schema.target);
  (void)migrate(first, schema.target.schema);
  (void)lock_positions(first, topic, {Partition{0}});
  constexpr std::int64_t steps = 300;
  std::atomic<std::int64_t> taken{0};
  const auto race = [&] {
    PgSession session(schema.target);
    std::optional<Offset> known;
    while (!known || known->value < steps) {
      session.begin();
      const Offset next = known ? known->next() : Offset{1};
      if (advance_positions(session, topic,
                            {{Partition{0}, known, known.value_or(Offset{0}), next}}, 1,
                            Writer{})) {
        session.commit_transaction();
        known = next;
        ++taken;
      } else {
        session.roll_back();
        known = lock_positions(session, topic, {Partition{0}}).positions[0].next_offset;
      }
    }
  };
  std::thread other(race);
  race();
  other.join();
  CHECK(taken == steps);
  CHECK(lock_positions(first, topic, {Partition{0}}).positions[0].next_offset == Offset{steps});
}

TEST_CASE("the positions are read only when a transaction under way has ended") {
  const PgSchema schema;
  PgSession writer(schema.target);
  (void)migrate(writer, schema.target.schema);
  (void)lock_positions(writer, topic, {Partition{0}});
  writer.begin();
  REQUIRE(advance_positions(writer, topic, {{Partition{0}, std::nullopt, Offset{0}, Offset{9}}}, 1,
                            Writer{}));
  std::atomic<bool> has_read{false};
  std::optional<Offset> read;
  std::thread reader([&] {
    PgSession session(schema.target);
    read = lock_positions(session, topic, {Partition{0}}).positions[0].next_offset;
    has_read = true;
  });
  PgSession observer(schema.target);
  const auto is_waiting = [&] {
    const auto waiting = observer.run(
        "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE NOT l.granted"
        " AND a.query LIKE '%positions%' AND a.pid <> pg_backend_pid()");
    return waiting[0][0].as<int>() > 0;
  };
  while (!is_waiting() && !has_read) std::this_thread::yield();
  CHECK_FALSE(has_read);
  writer.commit_transaction();
  reader.join();
  CHECK(read == Offset{9});
}

// The same random batches on PostgreSQL and on the store in memory.
class Twins {
 public:
  explicit Twins(unsigned seed)
      : constraints_(make_constraints({{"e"}, {"f", "l"}, {"n"}})),
        policy_(
            make_policy(constraints_, {ActionKind::send, ActionKind::review, ActionKind::detect})),
        maker_(constraints_),
        random_(seed) {
    PgSession session(schema_.target);
    (void)migrate(session, schema_.target.schema);
    REQUIRE(agree_on_fingerprint(session, schema_.target.schema,
                                 fingerprint(constraints_, ValueForm::sha256, ""), constraints_)
                .empty());
    memory_.claim_counts.resize(constraints_.size());
  }

  void apply_batch() {
    if (below(4) == 0) dismiss_one();
    if (below(2) == 0) send_some();
    // Two who write by turns, now and then on connections of their own, mostly without a look at
    // the position: one that knows what there is, or has looked ahead, must notice the other.
    Writing& writing = writings_[below(4) == 0 ? 1 : 0];
    if (!writing.ledger || below(20) == 0) {
      writing.ledger = std::make_unique<PostgresLedger>(
          schema_.target, topic, constraints_, false, no_probe(), Fingerprint{}, LearnPolicy{1, 2});
      writing.position = writing.ledger->positions({writing.partition})[0].next_offset;
      writing.ahead.reset();
    }
    const bool looked_ahead = writing.ahead.has_value();
    if (!looked_ahead) writing.ahead.emplace(constraints_).events = some_events();
    Ahead batch = std::move(*writing.ahead);
    writing.ahead.reset();
    auto& [loaded, counts, outcome] = batch.judged;

    PostgresLedger& ledger = *writing.ledger;
    const Offset next_position{offset_};
    // What is judged once more moves nothing.
    const bool moves = below(10) > 0;
    std::vector<Advance> advances;
    if (moves) {
      advances.push_back({writing.partition, writing.position, writing.position.value_or(Offset{0}),
                          next_position});
    }
    REQUIRE(ledger.begin(advances, batch.events, loaded));
    if (looked_ahead) ++(loaded.is_ahead ? ahead_in_time_ : ahead_in_vain_);
    if (!loaded.is_ahead) {
      outcome = fold(batch.events, loaded, [&](Loaded& partial) { ledger.load_missing(partial); });
    }
    if (below(4) == 0) {
      outcome.bad_events.push_back({Partition{0}, Offset{offset_++}, "a reason", "raw \xff\x01"});
    }
    std::thread looking;
    if (below(3) > 0) {
      looking = std::thread([this, &next = writing.ahead.emplace(constraints_),
                             events = some_events(), look = *ledger.look_ahead(loaded, outcome)] {
        next.events = events;
        look.load(next.events, next.judged.loaded);
        next.judged.outcome = fold(next.events, next.judged.loaded, look.load_missing);
        look.prepare(next.judged.outcome);
      });
    }
    ledger.commit_transaction(outcome);
    if (looking.joinable()) looking.join();
    if (moves) writing.position = next_position;
    check_messages(outcome.compensations);

    Loaded in_memory(constraints_);
    memory_.load(batch.events, in_memory);
    Outcome remembered =
        fold(batch.events, in_memory, [&](Loaded& partial) { memory_.load_missing(partial); });
    remembered.bad_events = outcome.bad_events;
    memory_.apply(remembered);
    for (const auto& [id, known] : memory_.compensations) states_.emplace(to_text(known.state));
  }

  void compare() {
    PgSession session(schema_.target);
    CHECK(stored(session,
                 "SELECT entity || ' ' || encode(state, 'hex') || ' ' || "
                 "coalesce(compensation::text, '-') FROM entities") == entities());
    CHECK(stored(session, "SELECT key || ' ' || constraint_id || ' ' || owner FROM claims") ==
          claims());
    CHECK(stored(session,
                 "SELECT key || ' ' || string_agg(entity, ' ' ORDER BY ordinal) FROM contenders "
                 "GROUP BY key") == contenders());
    CHECK(stored(session, "SELECT id || ' ' || claim_count FROM constraints") == counts());
    CHECK(
        stored(session,
               "SELECT c.id || ' ' || entity || ' ' || state || ' ' || action || ' ' || command "
               "|| ' ' || c.event_id || ' ' || c.partition || ':' || c.\"offset\" || ' ' || "
               "attempts || '-' || attempts_before || ' ' || "
               "coalesce((SELECT string_agg(constraint_name || '=' || encode(value, 'hex') || ' ' "
               "|| owner || ' ' || v.event_id, ', ' ORDER BY v.\"offset\", constraint_name) FROM "
               "violations v WHERE v.compensation = c.id), '') FROM compensations c") ==
        compensations());
    CHECK(stored(session, "SELECT DISTINCT cause FROM violations") == causes());
    // In the order in which they were opened, and each due or ended as its state says.
    std::string opened;
    for (const CompensationId id : memory_.decided) opened += to_uuid_text(id) + " ";
    CHECK(opened == session
                        .run("SELECT coalesce(string_agg(id || ' ', '' ORDER BY ordinal), '')"
                             " FROM compensations")[0][0]
                        .c_str());
    CHECK(stored(session,
                 "SELECT id FROM compensations"
                 " WHERE (due_at IS NOT NULL) <> (state IN ('pending', 'sent'))"
                 " OR (ended_at IS NOT NULL) <> (state IN ('confirmed', 'resolved'))")
              .empty());
    CHECK(stored(session,
                 "SELECT \"offset\" || ' ' || reason || ' ' || encode(raw, 'hex') FROM "
                 "dead_letters") == dead_letters());
  }

  // Of all compensations, at some time.
  [[nodiscard]] const std::set<std::string>& states() const { return states_; }
  // How often what was looked up ahead still held, and how often it did not.
  [[nodiscard]] int ahead_in_time() const { return ahead_in_time_; }
  [[nodiscard]] int ahead_in_vain() const { return ahead_in_vain_; }
  [[nodiscard]] std::size_t message_count() const { return message_count_; }

 private:
  int below(int bound) { return static_cast<int>(random_() % static_cast<unsigned>(bound)); }

  std::vector<Event> some_events() {
    std::vector<Event> events;
    const int count = below(20) == 0 ? 200 : 1 + below(15);
    for (int left = count; left > 0; --left) events.push_back(next_event());
    return events;
  }

  Event next_event() {
    const std::string user = "u" + std::to_string(below(25));
    const auto value = [&] { return below(6) == 0 ? "null" : "v" + std::to_string(below(12)); };
    EventMaker::Fields fields;
    const int dice = below(10);
    const std::string type =
        dice < 5 ? "UserAdded" : (dice < 8 ? "UserChanged" : "UserDeactivated");
    for (const char* field : {"e", "f", "l", "n"}) {
      if (dice < 8 && below(3) > 0) fields.emplace_back(field, value());
    }
    const auto offset = offset_++;
    // Some events come again.
    const auto id = below(12) == 0 ? offset / 2 : offset;
    return maker_.make(type, user, fields, "e" + std::to_string(id), offset);
  }

  Outcome fold(const std::vector<Event>& events, Loaded& loaded,
               const std::function<void(Loaded&)>& load_missing) const {
    EventCounts counts;
    process_batch(events, policy_, 1'700'000'000'123, load_missing, loaded, counts);
    return {loaded.model.changes(), loaded.compensations.changes(), {}};
  }

  // What is handed to the relay is what it would have read.
  void check_messages(const Compensations::Changes& changes) {
    const auto few = changes.few_messages(100);
    if (few.empty()) return;
    const auto due = outbox_.due({Partition{0}, Partition{1}}, 1'000'000);
    for (const Compensation& compensation : few) {
      CAPTURE(to_uuid_text(compensation.id));
      CHECK(std::ranges::count(due, compensation) == 1);
    }
    message_count_ += few.size();
  }

  // A person, at any time.
  void dismiss_one() {
    for (const CompensationId id : memory_.decided) {
      if (below(3) > 0 || !memory_.intervene(id, Intervention::dismiss)) continue;
      PgSession session(schema_.target);
      CHECK(intervene(session, schema_.target.schema, id, Intervention::dismiss).is_done);
      return;
    }
  }

  // The relay, at any time.
  void send_some() {
    std::vector<CompensationId> sent;
    std::vector<CompensationId> overdue;
    for (const auto& [id, known] : memory_.compensations) {
      if (below(2) == 0) continue;
      if (known.state == CompensationState::pending) sent.push_back(id);
      if (known.state == CompensationState::sent) overdue.push_back(id);
    }
    outbox_.mark_sent(sent, std::chrono::milliseconds{1});
    memory_.mark_sent(sent, 0);
    outbox_.mark_overdue(overdue);
    memory_.mark_overdue(overdue);
  }

  static Lines stored(PgSession& session, const std::string& query) {
    Lines lines;
    for (const auto& row : session.run(query)) {
      CHECK(lines.insert(row[0].c_str()).second);
    }
    return lines;
  }

  Lines entities() const {
    Lines lines;
    for (const auto& [name, entity] : memory_.entities) {
      const std::string state = encode_entity(entity, constraints_);
      CHECK(decode_entity(state, constraints_)->parts == entity.parts);
      CHECK(decode_entity(state, constraints_)->owned == entity.owned);
      lines.insert(fmt::format("{} {} {}", name, hex(state),
                               entity.compensation ? to_uuid_text(*entity.compensation) : "-"));
    }
    return lines;
  }
  Lines claims() const {
    Lines lines;
    for (const auto& [key, claim] : memory_.claims) {
      lines.insert(fmt::format("{} {} {}", to_uuid_text(key), claim.constraint, claim.owner));
    }
    return lines;
  }
  Lines contenders() const {
    Lines lines;
    for (const auto& [key, waiting] : memory_.contenders) {
      std::string line = to_uuid_text(key);
      for (const Contender& contender : waiting) line += " " + contender.entity;
      if (!waiting.empty()) lines.insert(line);
    }
    return lines;
  }
  Lines counts() const {
    Lines lines;
    for (std::size_t i = 0; i < memory_.claim_counts.size(); ++i) {
      lines.insert(fmt::format("{} {}", i, memory_.claim_counts[i]));
    }
    return lines;
  }
  Lines compensations() const {
    Lines lines;
    for (const auto& [id, known] : memory_.compensations) {
      std::map<std::pair<std::int64_t, std::string>, std::string> violations;
      for (const Violation& violation : known.violations) {
        violations[{violation.offset.value, violation.constraint}] =
            fmt::format("{}={} {} {}", violation.constraint, to_hex(violation.value),
                        violation.owner, violation.event_id);
      }
      std::vector<std::string> texts;
      texts.reserve(violations.size());
      for (const auto& [place, text] : violations) texts.push_back(text);
      const auto before = memory_.attempts_before.find(id);
      lines.insert(fmt::format(
          "{} {} {} {} {} {} {}:{} {}-{} {}", to_uuid_text(id), known.entity, to_text(known.state),
          action_name(known.action.kind), known.action.command, known.event_id,
          to_number(known.partition), known.offset.value, known.attempts,
          before == memory_.attempts_before.end() ? 0 : before->second, fmt::join(texts, ", ")));
    }
    return lines;
  }
  Lines causes() const {
    Lines lines;
    for (const CompensationId& cause : memory_.causes) lines.insert(to_uuid_text(cause));
    return lines;
  }
  Lines dead_letters() const {
    Lines lines;
    for (const BadEvent& bad : memory_.dead_letters) {
      lines.insert(fmt::format("{} {} {}", bad.offset.value, bad.reason, hex(bad.raw)));
    }
    return lines;
  }

  static std::string hex(const std::string& bytes) {
    return to_hex(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  }
  static const char* action_name(ActionKind kind) {
    switch (kind) {
      case ActionKind::detect:
        return "detect";
      case ActionKind::review:
        return "review";
      case ActionKind::alert:
        return "alert";
      case ActionKind::send:
        break;
    }
    return "send";
  }

  PgSchema schema_;
  PostgresOutbox outbox_{schema_.target, topic, {}};
  ConstraintSet constraints_;
  Policy policy_;
  EventMaker maker_;
  std::mt19937 random_;
  MemoryStore memory_;
  struct Ahead {
    explicit Ahead(const ConstraintSet& constraints) : judged(constraints) {}
    std::vector<Event> events;
    Judged judged;
  };
  struct Writing {
    Partition partition;
    std::unique_ptr<PostgresLedger> ledger{};
    std::optional<Offset> position{};
    std::optional<Ahead> ahead{};
  };
  std::array<Writing, 2> writings_{Writing{Partition{0}}, Writing{Partition{1}}};
  std::set<std::string> states_;
  int ahead_in_time_ = 0;
  int ahead_in_vain_ = 0;
  std::size_t message_count_ = 0;
  std::int64_t offset_ = 0;
};

TEST_CASE("whatever random batches change is there again when the next ones load it") {
  Twins twins(4711);
  for (int round = 0; round < 8; ++round) {
    for (int batch = 0; batch < 25; ++batch) twins.apply_batch();
    CAPTURE(round);
    twins.compare();
  }
  CHECK(fmt::format("{}", fmt::join(twins.states(), " ")) ==
        "confirmed detected dismissed open overdue pending resolved sent");
  CHECK(twins.ahead_in_time() > 50);
  CHECK(twins.ahead_in_vain() > 20);
  CHECK(twins.message_count() > 20);
}

TEST_CASE("a row that another writer added first is 23505, and nothing is half done") {
  const PgSchema schema;
  PgSession session(schema.target);
  (void)migrate(session, schema.target.schema);
  const ConstraintSet constraints = make_constraints({{"e"}});
  REQUIRE(agree_on_fingerprint(session, schema.target.schema,
                               fingerprint(constraints, ValueForm::sha256, ""), constraints)
              .empty());
  ModelChanges changes;
  Entity entity;
  entity.parts.resize(1);
  entity.owned.resize(1);
  changes.entities_added.emplace_back("u1", entity);
  changes.claim_count_deltas.resize(1);
  const auto save = [&] {
    PgWrites writes;
    save_model(writes, changes, constraints, false);
    session.begin();
    writes.send(session);
    session.commit_transaction();
  };
  save();
  changes.entities_added.emplace_back("u0", entity);
  std::string sqlstate;
  try {
    save();
  } catch (const StoreFailure& failure) {
    sqlstate = failure.sqlstate();
  }
  session.roll_back();
  CHECK(sqlstate == "23505");
  CHECK(session.run("SELECT string_agg(entity, ',') FROM entities")[0][0].c_str() ==
        std::string("u1"));
}

// As where a rebuild swaps the tables between two questions that look ahead.
TEST_CASE("an open compensation that is not there is a passing failure") {
  const PgSchema schema;
  PgSession session(schema.target);
  (void)migrate(session, schema.target.schema);
  const ConstraintSet constraints = make_constraints({{"e"}});
  PostgresLedger ledger(schema.target, topic, constraints, false, no_probe());
  (void)ledger.positions({Partition{0}});
  const Entity entity{{std::nullopt}, {std::nullopt}, std::nullopt};
  session.run("INSERT INTO entities VALUES ('u1', '" +
              as_bytea(encode_entity(entity, constraints)) + "', gen_random_uuid())");
  EventMaker maker(constraints);
  const std::vector<Event> events{maker.make("UserDeactivated", "u1", {}, "e1", 1)};
  Loaded loaded(constraints);
  std::string sqlstate;
  try {
    (void)ledger.begin({}, events, loaded);
  } catch (const StoreFailure& failure) {
    sqlstate = failure.sqlstate();
  }
  CHECK(sqlstate == "40001");
}

TEST_CASE("what is posted is done in its order, and fails where it is waited for") {
  constexpr PgStatement make_table{"make_table", "CREATE TABLE posted (number bigint PRIMARY KEY)"};
  constexpr PgStatement add_number{"add_number", "INSERT INTO posted VALUES ($1::bigint)"};
  const PgSchema schema;
  PgSession session(schema.target);
  (void)migrate(session, schema.target.schema);
  session.begin();
  session.post(make_table);
  session.flush();
  session.post(add_number, std::int64_t{1});
  session.post(add_number, std::int64_t{2});
  CHECK(session.run("SELECT count(*) FROM posted")[0][0].as<int>() == 2);
  session.post(add_number, std::int64_t{3});
  session.commit_transaction();
  CHECK(session.run("SELECT count(*) FROM posted")[0][0].as<int>() == 3);

  session.begin();
  session.post(add_number, std::int64_t{4});
  session.post(add_number, std::int64_t{3});
  session.post(add_number, std::int64_t{5});
  std::string sqlstate;
  try {
    session.commit_transaction();
  } catch (const StoreFailure& failure) {
    sqlstate = failure.sqlstate();
  }
  CHECK(sqlstate == "23505");
  session.roll_back();
  // Given up without having been waited for.
  session.begin();
  session.post(add_number, std::int64_t{6});
  session.roll_back();
  CHECK(session.run("SELECT max(number) FROM posted")[0][0].as<int>() == 3);
  CHECK_THROWS_AS(session.post(add_number, std::int64_t{7}), std::logic_error);
}

TEST_CASE("what is there is known while there is memory for it, and then looked up again") {
  constexpr std::size_t mib = std::size_t{1} << 20;
  // The first is of one value, the second of two.
  const ConstraintSet constraints = make_constraints({{"e"}, {"f", "l"}});
  const auto key = [](std::uint64_t number) {
    ClaimKey made;
    number *= 0x9e3779b97f4a7c15U;  // as evenly spread as digests are
    std::memcpy(made.bytes.data(), &number, sizeof number);
    return made;
  };
  const auto insert = [&](PgSession& session, const std::string& name, const Entity& entity) {
    session.run("INSERT INTO entities VALUES ('" + name + "', '" +
                as_bytea(encode_entity(entity, constraints)) + "')");
  };
  const auto owning = [&](ClaimKey owned) {
    return Entity{{owned, std::nullopt, std::nullopt}, {owned, std::nullopt}, std::nullopt};
  };
  const auto read = [](KnownKeys& known, const PgSchema& schema) {
    known.begin_reading(schema.target);
    CHECK(known.is_active());
    CHECK(known.may_have_entity("nobody"));
    wait_until("the tables have been read, or not",
               [&] { return known.is_ready() || !known.is_active(); });
    return known.is_active();
  };
  SUBCASE("from nothing on") {
    KnownKeys known(constraints, 3 * mib);
    known.begin_empty();
    std::uint64_t count = 0;
    for (; known.is_active() && count < 10'000'000; count += 1000) {
      ModelChanges changes;
      for (std::uint64_t i = 0; i < 1000; ++i) {
        changes.claims_added.push_back({key(count + i), 0, {}});
      }
      known.remember(changes);
      CHECK(known.bytes() <= 3 * mib);
      CHECK(known.may_have_key(key(count)));
      if (count == 500'000) CHECK_FALSE(known.may_have_key(key(99'999'999)));
    }
    CHECK(count > 2'000'000);
    CHECK(count < 2'200'000);
    CHECK(known.bytes() == 0);
    CHECK(known.may_have_key(key(99'999'999)));
    // All but one of them have left the tables since.
    const PgSchema schema;
    PgSession session(schema.target);
    (void)migrate(session, schema.target.schema);
    insert(session, "u1", owning(key(1)));
    CHECK(known.may_begin());
    CHECK(read(known, schema));
    CHECK(known.may_have_key(key(1)));
    CHECK_FALSE(known.may_have_key(key(2)));
  }
  SUBCASE("read from the tables") {
    const PgSchema schema;
    PgSession session(schema.target);
    (void)migrate(session, schema.target.schema);
    insert(session, "u1", owning(key(1)));
    // Owns what it wanted before, wants what another owns, and of two values one that is free.
    const Entity violator{{key(2), key(3), key(4)}, {key(5), std::nullopt}, std::nullopt};
    insert(session, "u2", violator);
    session.run(
        "INSERT INTO violations VALUES ('00000000-0000-5000-8000-000000000001', 'e',"
        " gen_random_uuid(), '{e}', '', 'u9', '', '', 0, 0)");
    KnownKeys known(constraints, 2 * mib);
    CHECK(read(known, schema));
    CHECK(known.may_have_entity("u1"));
    CHECK(known.may_have_entity("u2"));
    CHECK_FALSE(known.may_have_entity("u3"));
    const ClaimKey pair = *wanted_key(constraints[1], violator.parts);
    for (const ClaimKey there : {key(1), key(2), pair, key(5)}) CHECK(known.may_have_key(there));
    for (const ClaimKey part : {key(3), key(4), key(6)}) CHECK_FALSE(known.may_have_key(part));
    for (const ClaimKey wanted : {key(2), pair}) CHECK(known.may_have_contenders(wanted));
    for (const ClaimKey owned : {key(1), key(5)}) CHECK_FALSE(known.may_have_contenders(owned));
    CHECK(known.may_have_cause(uuid_of<CompensationId>("00000000-0000-5000-8000-000000000001")));
    CHECK_FALSE(
        known.may_have_cause(uuid_of<CompensationId>("00000000-0000-5000-8000-000000000002")));
  }
  SUBCASE("awaited, but not for long") {
    const PgSchema schema;
    PgSession session(schema.target);
    (void)migrate(session, schema.target.schema);
    insert(session, "u1", owning(key(1)));
    PgSession locking(schema.target);
    locking.begin();
    locking.run("LOCK TABLE violations");
    KnownKeys known(constraints, 2 * mib);
    known.await(std::chrono::minutes{1});  // for nothing
    known.begin_reading(schema.target);
    known.await(std::chrono::milliseconds{50});
    CHECK_FALSE(known.is_ready());
    CHECK(known.is_active());
    locking.roll_back();
    known.await(std::chrono::minutes{1});
    CHECK(known.is_ready());
    CHECK(known.may_have_entity("u1"));
    CHECK_FALSE(known.may_have_entity("u2"));
  }
  SUBCASE("too much to be read, or not readable") {
    const PgSchema schema;
    PgSession session(schema.target);
    (void)migrate(session, schema.target.schema);
    insert(session, "u1", owning(key(1)));
    CHECK_FALSE(KnownKeys(constraints, 0).may_begin());
    // By two keys too many: half of the memory is for reading, and 12 bits are for a key.
    session.run(
        "INSERT INTO entities SELECT 'u1-' || n, state FROM entities,"
        " generate_series(1, 42 * (1 << 14) / 2) n");
    KnownKeys more(constraints, 2 * mib);
    CHECK_FALSE(read(more, schema));
    CHECK_FALSE(more.may_begin());
    CHECK(more.may_have_key(key(2)));
    for (const char* breakage : {"UPDATE entities SET state = '?'", "DROP TABLE entities"}) {
      session.run(breakage);
      KnownKeys failing(constraints, 2 * mib);
      CHECK_FALSE(read(failing, schema));
      CHECK(failing.may_begin());
      CHECK(failing.may_have_key(key(2)));
    }
  }
}

TEST_CASE("however much is due, no more is read than is asked for") {
  const PgSchema schema;
  PgSession session(schema.target);
  (void)migrate(session, schema.target.schema);
  session.run(
      "INSERT INTO compensations (id, entity, entity_field, state, action, command, reason,"
      " event_id, correlation_id, traceparent, topic, partition, \"offset\", decided_at, due_at)"
      " SELECT gen_random_uuid(), 'u' || n, 'userId', 'pending', 'send', 'DeactivateUser', '', '',"
      " '', '', 'users', 0, n, now(), now() - random() * interval '1 hour' FROM generate_series(1, "
      "100000) n;"
      "INSERT INTO violations (cause, constraint_name, compensation, fields, value, owner,"
      " event_id, event_type, partition, \"offset\")"
      " SELECT id, 'email', id, '{email}', '', 'u0', '', '', 0, \"offset\" FROM compensations;"
      "ANALYZE compensations; ANALYZE violations");
  const auto fetched = [&session] {
    return session
        .run(
            "SELECT sum(idx_tup_fetch)::int8 FROM pg_stat_user_tables WHERE relid IN"
            " ('compensations'::regclass, 'violations'::regclass)")[0][0]
        .as<std::int64_t>();
  };
  CHECK(PostgresOutbox(schema.target, topic, {}).due({Partition{0}}, 10).size() == 10);
  wait_until("the server counts what a session did", [&] { return fetched() >= 20; });
  CHECK(fetched() < 100);
}

TEST_CASE("who decides and who sends may change the same compensations at the same time") {
  const PgSchema schema;
  PgSession session(schema.target);
  (void)migrate(session, schema.target.schema);
  session.run(
      "INSERT INTO compensations (id, entity, entity_field, state, action, command, reason,"
      " event_id, correlation_id, traceparent, topic, partition, \"offset\", decided_at, due_at)"
      " SELECT gen_random_uuid(), 'u' || n, 'userId', 'pending', 'send', 'DeactivateUser', '', '',"
      " '', '', 'users', 0, n, now(), now() FROM generate_series(1, 500) n");
  std::vector<CompensationId> ids;
  Compensations::Changes changes;
  for (const auto& row : session.run("SELECT id FROM compensations ORDER BY ordinal")) {
    ids.push_back(uuid_of<CompensationId>(row[0]));
  }
  session.begin();
  ask_compensations(session, ids,
                    [&](Compensation found) { changes.changed.push_back({std::move(found)}); });
  session.commit_transaction();
  constexpr int rounds = 30;
  std::thread sending([&] {
    PostgresOutbox outbox(schema.target, topic, {});
    for (int round = 0; round < rounds; ++round) {
      std::ranges::reverse(ids);
      CHECK_NOTHROW(outbox.mark_sent(ids, std::chrono::milliseconds{1}));
    }
  });
  const auto decide = [&] {
    PgWrites writes;
    save_compensations(writes, topic, changes);
    session.begin();
    writes.send(session);
    session.commit_transaction();
  };
  for (int round = 0; round < rounds; ++round) {
    std::ranges::reverse(changes.changed);
    CHECK_NOTHROW(decide());
  }
  sending.join();
  // What the batches read when they were pending is no longer so, and stays.
  CHECK(session
            .run("SELECT count(*) FROM compensations WHERE state = 'sent' AND attempts = " +
                 std::to_string(rounds))[0][0]
            .as<int>() == 500);
}

TEST_CASE("dead letters: once for each place, with any bytes, with the first reason") {
  const PgSchema schema;
  PgSession session(schema.target);
  (void)migrate(session, schema.target.schema);
  const auto save = [&](const std::vector<BadEvent>& bad) {
    session.begin();
    save_dead_letters(session, topic, bad);
    session.commit_transaction();
  };
  std::string every_byte;
  for (int byte = 0; byte < 256; ++byte) every_byte += static_cast<char>(byte);
  save({{Partition{0}, Offset{1}, "first", every_byte}, {Partition{1}, Offset{1}, "bare", ""}});
  save({{Partition{0}, Offset{1}, "second", "other"}, {Partition{0}, Offset{2}, "first", ""}});
  const auto rows =
      session.run("SELECT reason, raw FROM dead_letters ORDER BY partition, \"offset\"");
  REQUIRE(rows.size() == 3);
  CHECK(rows[0][0].c_str() == std::string("first"));
  CHECK(bytes_of(rows[0][1]) == every_byte);
  CHECK(rows[1][1].is_null());
}

}  // namespace
}  // namespace uniqd::test

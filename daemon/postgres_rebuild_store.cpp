#include "daemon/postgres_rebuild_store.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <future>
#include <nlohmann/json.hpp>
#include <set>

#include "commands/compensation_queries.hpp"
#include "commands/compensation_store.hpp"
#include "readmodel/bulk_load.hpp"
#include "readmodel/claim_store.hpp"
#include "readmodel/history_store.hpp"
#include "readmodel/position_store.hpp"

namespace uniqd {
namespace {

constexpr std::size_t compensations_a_part = 5'000;
constexpr std::size_t examples_max = 20;

constexpr PgStatement try_rebuild_lock{
    "try_rebuild_lock", "SELECT pg_try_advisory_lock(hashtextextended('uniqd rebuild ' || $1, 0))"};
constexpr PgStatement select_known_positions{
    "select_known_positions",
    "SELECT partition, next_offset, first_offset, anchor_offset, anchor FROM positions"
    " WHERE topic = $1 AND next_offset >= 0 ORDER BY partition"};
constexpr PgStatement select_decided{
    "select_decided",
    "SELECT v.cause, max(CASE c.action WHEN 'send' THEN 3 WHEN 'alert' THEN 2 WHEN 'review' THEN 1"
    " ELSE 0 END) FROM violations v JOIN compensations c ON c.id = v.compensation"
    " WHERE c.topic = $1 GROUP BY v.cause"};
constexpr PgStatement select_passed_over{
    "select_passed_over",
    "SELECT partition, \"offset\" FROM dead_letters WHERE topic = $1 AND ended IS NOT NULL"};
constexpr PgStatement insert_order{
    "insert_order",
    "INSERT INTO history (topic, what, partition, next_offset) SELECT $1, 'applied', partition, o"
    " FROM unnest($2::int4[], $3::int8[]) WITH ORDINALITY AS n (partition, o, place)"
    " ORDER BY place"};
constexpr PgStatement select_indexes{
    "select_indexes",
    "SELECT conrelid::regclass,"
    " format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname),"
    " format('ALTER TABLE %s ADD CONSTRAINT %I %s', conrelid::regclass, conname,"
    " pg_get_constraintdef(oid))"
    " FROM pg_constraint WHERE connamespace = $1::regnamespace AND contype IN ('p', 'u')"
    " AND conrelid::regclass::text = ANY($2::text[])"
    " UNION ALL SELECT i.indrelid::regclass, format('DROP INDEX %s', i.indexrelid::regclass),"
    " pg_get_indexdef(i.indexrelid) FROM pg_index i"
    " WHERE i.indrelid::regclass::text = ANY($2::text[])"
    " AND NOT EXISTS (SELECT 1 FROM pg_constraint c WHERE c.conindid = i.indexrelid)"};

// The tables that are made anew; of the others the generation in use keeps its own.
constexpr std::array replaced{"entities",      "claims",     "contenders", "value_texts",
                              "compensations", "violations", "constraints"};

// What the relay and people did is no matter of the topic: it is carried over by the id. A command
// that was sent is not sent again for being decided again. {1} is the new, {0} the old schema.
constexpr const char* carry_over = R"sql(
UPDATE {1}.compensations n SET
  decided_at = o.decided_at, attempts = o.attempts, attempts_before = o.attempts_before,
  first_given_at = o.first_given_at,
  sent_at = o.sent_at, acknowledged_at = o.acknowledged_at,
  state = CASE WHEN n.state <> 'pending' THEN n.state
               WHEN o.state IN ('pending', 'sent', 'overdue') THEN o.state
               WHEN o.attempts > 0 THEN 'sent' ELSE n.state END,
  due_at = CASE WHEN n.due_at IS NULL THEN NULL
                WHEN n.state = 'pending' AND o.state IN ('pending', 'sent', 'overdue') THEN o.due_at
                WHEN o.attempts > 0 AND n.state = 'pending' THEN now() + interval '30 seconds'
                WHEN o.attempts > 0 THEN CASE WHEN o.action = 'alert' THEN o.due_at END
                ELSE n.due_at END,
  ended_at = CASE WHEN n.ended_at IS NOT NULL THEN coalesce(o.ended_at, n.ended_at) END
FROM {0}.compensations o WHERE o.id = n.id)sql";

// What was decided keeps its words, as long as the rules have them. Of an event that was held back
// to less than its rules say, only the compensation's action is known; where a later one made that
// stronger, the fold takes the first for it, and its words. $1: reasons, $2: commands.
constexpr const char* keep_words = R"sql(
UPDATE {1}.compensations n SET command = o.command, reason = o.reason
FROM {0}.compensations o
WHERE o.id = n.id AND o.action = n.action AND (o.command, o.reason) <> (n.command, n.reason)
  AND o.reason = ANY($1::text[]) AND (o.command = n.command OR o.command = ANY($2::text[])))sql";

constexpr const char* count_prospect = R"sql(
SELECT count(*) FILTER (WHERE n.due_at IS NOT NULL), count(*) FILTER (WHERE n.state = 'detected')
FROM {1}.compensations n
WHERE (n.due_at IS NOT NULL OR n.state = 'detected')
  AND NOT EXISTS (SELECT 1 FROM {0}.compensations o WHERE o.id = n.id))sql";

// Dead letters that decode now are none any more; those that a person has ended stay ended, and
// keep their number: read again, they are not where they were in the order.
constexpr const char* merge_dead_letters = R"sql(
DELETE FROM {0}.dead_letters o WHERE o.ended IS NULL AND o.topic = '{2}' AND NOT EXISTS (
  SELECT 1 FROM {1}.dead_letters n
  WHERE n.topic = o.topic AND n.partition = o.partition AND n."offset" = o."offset");
INSERT INTO {0}.dead_letters (topic, partition, "offset", reason, raw, sequence)
  SELECT topic, partition, "offset", reason, raw, sequence FROM {1}.dead_letters
  ORDER BY partition, "offset"
  ON CONFLICT (topic, partition, "offset") DO UPDATE
  SET reason = excluded.reason, raw = excluded.raw,
    sequence = CASE WHEN dead_letters.ended IS NULL THEN excluded.sequence
                    ELSE dead_letters.sequence END)sql";

constexpr const char* move_positions = R"sql(
INSERT INTO {0}.positions (topic, partition, next_offset, first_offset, anchor_offset, anchor,
    sequence)
  SELECT topic, partition, next_offset, first_offset, anchor_offset, anchor, sequence
  FROM {1}.positions WHERE next_offset >= 0
  ON CONFLICT (topic, partition) DO UPDATE SET next_offset = excluded.next_offset,
    first_offset = coalesce(positions.first_offset, excluded.first_offset),
    anchor_offset = coalesce(excluded.anchor_offset, positions.anchor_offset),
    anchor = coalesce(excluded.anchor, positions.anchor),
    sequence = coalesce(excluded.sequence, positions.sequence);
UPDATE {0}.positions SET generation = (SELECT max(generation) + 1 FROM {0}.positions))sql";

constexpr const char* move_small_facts = R"sql(
INSERT INTO {0}.history (topic, what, partition, next_offset, "offset", compensation)
  SELECT topic, what, partition, next_offset, "offset", compensation FROM {1}.history
  WHERE NOT EXISTS (SELECT 1 FROM {0}.history WHERE topic = '{2}') ORDER BY ordinal;
DELETE FROM {0}.meta WHERE name LIKE 'fingerprint:%' OR name = 'rebuild';
INSERT INTO {0}.meta SELECT name, value FROM {1}.meta WHERE name LIKE 'fingerprint:%')sql";

// The generation goes on being counted.
constexpr const char* forget_what_was_read = R"sql(
UPDATE {0}.positions SET next_offset = -1, first_offset = NULL, anchor_offset = NULL, anchor = NULL,
  sequence = NULL WHERE topic = '{2}';
DELETE FROM {0}.history WHERE topic = '{2}';
DELETE FROM {0}.dead_letters WHERE topic = '{2}';
DELETE FROM {0}.meta WHERE name LIKE 'cluster%')sql";

// The rights of others on a table, as statements that give them on the one that takes its place.
constexpr const char* select_grants = R"sql(
SELECT format('GRANT %s ON TABLE {1}.%I TO %s', a.privilege_type, c.relname,
              CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END)
FROM pg_class c, aclexplode(c.relacl) a
WHERE c.relnamespace = '{0}'::regnamespace AND a.grantee <> c.relowner
  AND c.relname = ANY('{{3}}'))sql";

// Statements of an hour are nothing unusual here, nor those that go through a whole table.
void make_patient(PgSession& session) {
  session.run(
      "SET statement_timeout = 0; SET lock_timeout = '10s';"
      " SET idle_in_transaction_session_timeout = 0; SET synchronous_commit = off;"
      " SET enable_seqscan = on");
}

template <class Work>
void in_transaction(PgSession& session, Work work) {
  session.begin();
  try {
    work();
    session.commit_transaction();
  } catch (...) {
    session.roll_back();
    throw;
  }
}

// Rows of text and text in the order of the first, a part at a time, through a cursor.
class SortedRows {
 public:
  SortedRows(PgSession& session, std::string name, const std::string& query)
      : session_(session), name_(std::move(name)) {
    session_.run("DECLARE " + name_ + " NO SCROLL CURSOR FOR " + query);
    fetch();
  }

  [[nodiscard]] bool is_at_end() const { return rows_.empty(); }
  [[nodiscard]] std::string_view key() const { return rows_[at_][0].c_str(); }
  [[nodiscard]] std::string_view value() const { return rows_[at_][1].c_str(); }
  void advance() {
    if (++at_ == rows_.size()) fetch();
  }

 private:
  void fetch() {
    rows_ = session_.run("FETCH 20000 FROM " + name_);
    at_ = 0;
  }

  PgSession& session_;
  std::string name_;
  pqxx::result rows_;
  pqxx::result::size_type at_ = 0;
};

// Names of columns come from this file alone.
Compared compare_rows(PgSession& old_session, PgSession& new_session, const std::string& table,
                      const std::string& columns, std::vector<std::string>& examples) {
  const std::string select = "SELECT " + columns + " FROM " + table;
  const std::string query = select + " ORDER BY 1";
  Compared compared;
  const auto give_example = [&](const char* what, std::string_view key) {
    if (examples.size() < examples_max)
      examples.push_back(fmt::format("{}: {} {}", table, what, key));
  };
  SortedRows before(old_session, "old_" + table, query);
  if (before.is_at_end()) {  // as after a loss: nothing to compare with, all there is to count
    compared.only_new = new_session.run("SELECT count(*) FROM " + table)[0][0].as<std::uint64_t>();
    for (const auto& row : new_session.run(fmt::format("{} LIMIT {}", select, examples_max))) {
      give_example("only in the new", row[0].c_str());
    }
    return compared;
  }
  SortedRows after(new_session, "new_" + table, query);
  while (!before.is_at_end() || !after.is_at_end()) {
    if (after.is_at_end() || (!before.is_at_end() && before.key() < after.key())) {
      ++compared.only_old;
      give_example("only in the old", before.key());
      before.advance();
    } else if (before.is_at_end() || after.key() < before.key()) {
      ++compared.only_new;
      give_example("only in the new", after.key());
      after.advance();
    } else {
      const bool is_alike = before.value() == after.value();
      ++(is_alike ? compared.both : compared.changed);
      if (!is_alike) give_example("changed", before.key());
      before.advance();
      after.advance();
    }
  }
  return compared;
}

}  // namespace

std::string next_schema(const std::string& schema) { return schema + "_next"; }

PostgresRebuildStore::PostgresRebuildStore(PgTarget in_use, GenerationRules rules,
                                           const ConstraintSet& constraints)
    : target_(std::move(in_use)),
      next_target_{target_.conninfo, next_schema(target_.schema)},
      rules_(std::move(rules)),
      constraints_(constraints),
      keep_words_(filled_in(keep_words)),
      in_use_(target_),
      next_(next_target_),
      ledger_(
          next_target_, rules_.topic, constraints, rules_.keeps_texts, [](std::string_view) {},
          Fingerprint{}, rules_.learn) {
  make_patient(in_use_);
  make_patient(next_);
  if (!in_use_.run(try_rebuild_lock, target_.schema)[0][0].as<bool>()) {
    throw RebuildRuns("another rebuild of the read model in schema " + target_.schema +
                      " is at work; wait for its end, or stop it first");
  }
  differences_ = compare_fingerprint(in_use_, rules_.fingerprint);
  read_what_was_decided();
  make_next_schema();
}

PostgresRebuildStore::~PostgresRebuildStore() {
  try {
    in_use_.roll_back();
    in_use_.run(
        filled_in("DROP SCHEMA IF EXISTS {1} CASCADE;"
                  " DELETE FROM {0}.meta WHERE name = 'rebuild'"));
  } catch (const StoreFailure&) {
    // The next rebuild does it.
  }
}

std::string PostgresRebuildStore::filled_in(std::string sql) const {
  const auto put = [&](std::string_view what, const std::string& text) {
    for (std::size_t at = 0; (at = sql.find(what, at)) != std::string::npos; at += text.size()) {
      sql.replace(at, what.size(), text);
    }
  };
  put("{0}", '"' + target_.schema + '"');
  put("{1}", '"' + next_target_.schema + '"');
  put("{2}", rules_.topic);
  put("{3}", fmt::format("{}", fmt::join(replaced, ",")));
  return sql;
}

void PostgresRebuildStore::read_what_was_decided() {
  for (const auto& row : in_use_.run(select_known_positions, rules_.topic)) {
    if (rules_.is_anew || row[2].is_null()) continue;
    beginnings_.push_back(
        {Partition{row[0].as<std::int32_t>()}, Offset{row[2].as<std::int64_t>()}});
  }
  if (!rules_.sends_all) {
    for (const auto& row : in_use_.run(select_decided, rules_.topic)) {
      decided_.emplace(uuid_of<CompensationId>(row[0]), static_cast<ActionKind>(row[1].as<int>()));
    }
  }
  if (rules_.is_anew) return;
  for (const auto& row : in_use_.run(select_passed_over, rules_.topic)) {
    passed_over_.emplace(row[0].as<std::int32_t>(), row[1].as<std::int64_t>());
  }
}

void PostgresRebuildStore::make_next_schema() {
  const std::string& schema = next_target_.schema;
  try {
    next_.run("DROP SCHEMA IF EXISTS \"" + schema + "\" CASCADE");
    (void)migrate(next_, schema);
  } catch (const StoreFailure& failure) {
    if (failure.sqlstate() != "42501") throw;
    throw StoreFailure("42501", fmt::format("the next generation of the read model is made in "
                                            "schema {}, which the database user may not make "
                                            "(GRANT CREATE ON DATABASE ... TO ...)",
                                            schema));
  }
  (void)agree_on_fingerprint(next_, schema, rules_.fingerprint, constraints_);
  take_indexes_off();
}

void PostgresRebuildStore::take_indexes_off() {
  PgArray tables = PgArray::of_text();
  for (const std::string_view table : replaced) {
    if (table != "constraints") tables.add_bytes(table);
  }
  for (const auto& row : next_.run(select_indexes, next_target_.schema, tables)) {
    indexes_.push_back({row[0].c_str(), row[1].c_str(), row[2].c_str()});
  }
  for (const Index& index : indexes_) next_.run(index.take_off);
}

// Those of entities, which take the longest, beside the others.
void PostgresRebuildStore::put_indexes_on() {
  const auto put_on = [this](PgSession& session, bool those_of_entities) {
    // 256 MB for both of them. A small sample will do until PostgreSQL takes its own.
    session.run("SET maintenance_work_mem = '128MB'; SET default_statistics_target = 10");
    std::set<std::string> tables;
    for (const Index& index : indexes_) {
      if ((index.table == "entities") != those_of_entities) continue;
      session.run(index.put_on);
      tables.insert(index.table);
    }
    if (!tables.empty()) session.run(fmt::format("ANALYZE {}", fmt::join(tables, ", ")));
    session.run("RESET default_statistics_target");
  };
  auto beside = std::async(std::launch::async, [&] {
    PgSession session(next_target_);
    make_patient(session);
    put_on(session, true);
  });
  put_on(next_, false);
  beside.get();
}

std::optional<ActionKind> PostgresRebuildStore::strongest_allowed(CompensationId cause) const {
  if (rules_.sends_all) return std::nullopt;
  if (const auto found = decided_.find(cause); found != decided_.end()) return found->second;
  if (differences_.empty()) return std::nullopt;
  return ActionKind::detect;
}

bool PostgresRebuildStore::is_passed_over(Place place) const {
  return !passed_over_.empty() &&
         passed_over_.contains({to_number(place.partition), place.offset.value});
}

InUse PostgresRebuildStore::read_in_use(PgSession& session, std::int64_t from_ordinal) const {
  InUse in_use;
  for (const auto& row : session.run(select_known_positions, rules_.topic)) {
    in_use.positions.push_back(
        {Partition{row[0].as<std::int32_t>()}, Offset{row[1].as<std::int64_t>()}});
    if (!row[3].is_null()) in_use.positions.back().anchor = read_anchor(row[3], row[4]);
  }
  in_use.history = read_history(session, rules_.topic, from_ordinal);
  return in_use;
}

InUse PostgresRebuildStore::look(std::int64_t from_ordinal) {
  InUse in_use;
  in_transaction(in_use_, [&] {
    in_use_.run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ");
    in_use = read_in_use(in_use_, from_ordinal);
  });
  return in_use;
}

void PostgresRebuildStore::load(Loaded& loaded, const std::vector<BadEvent>& bad_events,
                                const std::vector<Advance>& advances,
                                const std::vector<HistoryStep>& order) {
  auto compensations = std::async(std::launch::async, [&] {
    loaded.compensations.drain(compensations_a_part, [&](const Compensations::Changes& part) {
      PgWrites writes;
      save_compensations(writes, rules_.topic, part);
      in_transaction(next_, [&] { writes.send(next_); });
    });
  });
  bulk_load(next_target_, loaded.model, rules_.keeps_texts);
  loaded.model = Model(loaded.model.constraints());
  compensations.get();
  std::vector<Partition> partitions;
  partitions.reserve(advances.size());
  for (const Advance& advance : advances) partitions.push_back(advance.partition);
  if (!partitions.empty()) (void)ledger_.positions(partitions);
  in_transaction(next_, [&] {
    save_dead_letters(next_, rules_.topic, bad_events);
    (void)advance_positions(next_, rules_.topic, advances, 1, Writer{});
    // The line that moving the positions wrote says less.
    next_.run("DELETE FROM history");
    PgArray order_partitions = PgArray::of_int4();
    PgArray offsets = PgArray::of_int8();
    for (const HistoryStep& step : order) {
      order_partitions.add_int4(to_number(step.partition));
      offsets.add_int8(step.offset.value);
    }
    next_.run(insert_order, rules_.topic, order_partitions, offsets);
  });
  put_indexes_on();
}

void PostgresRebuildStore::intervene(CompensationId id, Intervention intervention) {
  (void)uniqd::intervene(next_, next_target_.schema, id, intervention);
}

InUse PostgresRebuildStore::pin(std::int64_t from_ordinal) {
  pinned_ = std::make_unique<PgSession>(target_);
  make_patient(*pinned_);
  pinned_->begin();
  pinned_->run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY");
  return read_in_use(*pinned_, from_ordinal);
}

Comparison PostgresRebuildStore::compare() {
  Comparison comparison;
  in_transaction(next_, [&] {
    const auto compare_table = [&](const char* table, const char* columns) {
      return compare_rows(*pinned_, next_, table, columns, comparison.examples);
    };
    comparison.claims = compare_table("claims", "key::text COLLATE \"C\", owner");
    if (differences_.empty()) {
      comparison.entities = compare_table(
          "entities", "entity, encode(state, 'hex') || coalesce(compensation::text, '')");
    }
    comparison.compensations = compare_table(
        "compensations",
        "id::text COLLATE \"C\", entity ||"
        " CASE WHEN state IN ('confirmed', 'resolved') THEN ' ' || state ELSE '' END");
  });
  pinned_.reset();
  return comparison;
}

InUse PostgresRebuildStore::hold(std::int64_t from_ordinal) {
  in_use_.begin();
  take_lock(in_use_, PgLock::batch, target_.schema);
  return read_in_use(in_use_, from_ordinal);
}

void PostgresRebuildStore::release() noexcept { in_use_.roll_back(); }

void PostgresRebuildStore::keep_words_of_the_rules() {
  PgArray reasons = PgArray::of_text();
  PgArray commands = PgArray::of_text();
  for (const auto& [on_claim, on_change] : rules_.actions) {
    for (const Action* action : {&on_claim, &on_change}) {
      reasons.add_bytes(action->reason);
      commands.add_bytes(action->command);
    }
  }
  in_use_.run(PgStatement{"keep_words", keep_words_.c_str()}, reasons, commands);
}

Prospect PostgresRebuildStore::prospect() {
  const auto counted = in_use_.run(filled_in(count_prospect));
  return {counted[0][0].as<std::uint64_t>(), counted[0][1].as<std::uint64_t>()};
}

std::optional<Prospect> PostgresRebuildStore::swap() {
  try {
    std::string tables;
    for (const std::string table : replaced) {
      tables += (tables.empty() ? "{0}." : ", {0}.") + table;
    }
    in_use_.run(filled_in("LOCK TABLE " + tables + " IN ACCESS EXCLUSIVE MODE"));
    in_use_.run(filled_in(carry_over));
    const Prospect found = prospect();
    if (rules_.is_anew) {
      in_use_.run(filled_in(forget_what_was_read));
    } else {
      keep_words_of_the_rules();
    }
    in_use_.run(filled_in(merge_dead_letters));
    in_use_.run(filled_in(move_positions));
    in_use_.run(filled_in(move_small_facts));
    std::vector<std::string> grants;
    for (const auto& row : in_use_.run(filled_in(select_grants))) {
      grants.emplace_back(row[0].c_str());
    }
    for (const std::string& grant : grants) in_use_.run(grant);
    in_use_.run(filled_in("DROP TABLE " + tables));
    for (const std::string table : replaced) {
      in_use_.run(filled_in("ALTER TABLE {1}." + table + " SET SCHEMA {0}"));
    }
    in_use_.run(filled_in("DROP SCHEMA {1} CASCADE; SET LOCAL synchronous_commit = on"));
    in_use_.commit_transaction();
    return found;
  } catch (const StoreFailure& failure) {
    in_use_.roll_back();
    // Someone was reading the tables in another order, or for a long time.
    if (failure.sqlstate() == "40001" || failure.sqlstate() == "40P01" ||
        failure.sqlstate() == "55P03") {
      return std::nullopt;
    }
    throw;
  }
}

void PostgresRebuildStore::tell(const std::string& phase, std::uint64_t done,
                                std::uint64_t total) noexcept {
  try {
    const nlohmann::json facts{{"phase", phase}, {"events", done}, {"total", total}};
    next_.run(filled_in("INSERT INTO {0}.meta VALUES ('rebuild', '" + facts.dump() +
                        "') ON CONFLICT (name) DO UPDATE SET value = excluded.value"));
  } catch (const std::exception&) {
    // Nobody will miss it.
  }
}

}  // namespace uniqd

#include "readmodel/schema.hpp"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <array>

namespace uniqd {
namespace {

// Each entry brings the schema from the version before to its own. Entries are never edited once
// released; a change is a new entry. All names are found through the search path.
constexpr std::array<const char*, 1> migrations{R"sql(
-- Small facts: the value key, the fingerprint, the Kafka cluster.
CREATE TABLE meta (
  name  text PRIMARY KEY,
  value text NOT NULL
);

-- How far each partition has been applied. next_offset is exclusive; -1: never read. A rebuild
-- counts the generation up, which fences whoever wrote to the one before.
CREATE TABLE positions (
  topic         text        NOT NULL,
  partition     integer     NOT NULL,
  next_offset   bigint      NOT NULL,
  first_offset  bigint,             -- where reading began; null: nothing read yet
  generation    integer     NOT NULL DEFAULT 1,
  anchor_offset bigint,             -- the last record applied
  anchor        bytea,              -- and its digest: tells another topic of the same name
  sequence      bigint,             -- the greatest number met, where source.sequence is set
  applied_at    timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (topic, partition)
) WITH (fillfactor = 50);

-- In which order things happened where the topic does not say it: how the records of several
-- partitions came between each other, and what people did in between. A rebuild follows it.
CREATE TABLE history (
  ordinal      bigint  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  topic        text    NOT NULL,
  what         text    NOT NULL, -- applied: up to next_offset; again: the record at "offset" once
                                 -- more; retry, dismiss: of the compensation, by a person
  partition    integer,
  next_offset  bigint,           -- exclusive
  "offset"     bigint,
  compensation uuid
) WITH (fillfactor = 50);

-- Who committed the last batch: one who did so himself knows what the tables hold.
CREATE TABLE last_writer (
  is_alone boolean PRIMARY KEY DEFAULT true CHECK (is_alone),
  writer   bigint  NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
INSERT INTO last_writer DEFAULT VALUES;

-- The numbers claims know their constraints by, and how many claims each has.
CREATE TABLE constraints (
  id          smallint PRIMARY KEY,
  name        text     NOT NULL UNIQUE,
  claim_count bigint   NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

-- Every present entity; state as entity_codec.hpp has it, compensation the open one.
CREATE TABLE entities (
  entity       text COLLATE "C" PRIMARY KEY,
  state        bytea NOT NULL,
  compensation uuid
) WITH (fillfactor = 90);

-- Who owns which value. The key is a digest of constraint and value.
CREATE TABLE claims (
  key           uuid PRIMARY KEY,
  constraint_id smallint NOT NULL,
  owner         text COLLATE "C" NOT NULL
) WITH (fillfactor = 90);

-- Who wants a value without owning it; a smaller ordinal came to want it earlier.
CREATE TABLE contenders (
  key     uuid   NOT NULL,
  entity  text COLLATE "C" NOT NULL,
  ordinal bigint GENERATED ALWAYS AS IDENTITY,
  PRIMARY KEY (key, entity)
);

-- The values as text, only where the configuration says `values: plain`.
CREATE TABLE value_texts (
  entity text COLLATE "C" NOT NULL,
  slot   smallint NOT NULL,
  value  text NOT NULL,
  PRIMARY KEY (entity, slot)
);

-- Every compensation ever opened. due_at: when its message has to be sent (again); those that have
-- one are the outbox.
CREATE TABLE compensations (
  id              uuid PRIMARY KEY,
  ordinal         bigint GENERATED ALWAYS AS IDENTITY,
  entity          text COLLATE "C" NOT NULL,
  entity_field    text        NOT NULL,
  state           text        NOT NULL,
  action          text        NOT NULL,
  command         text        NOT NULL,
  reason          text        NOT NULL,
  event_id        text        NOT NULL,
  correlation_id  text        NOT NULL,
  traceparent     text        NOT NULL,
  topic           text        NOT NULL,
  partition       integer     NOT NULL,
  "offset"        bigint      NOT NULL,
  decided_at      timestamptz NOT NULL,
  due_at          timestamptz,
  attempts        integer     NOT NULL DEFAULT 0,
  attempts_before integer     NOT NULL DEFAULT 0, -- those that do not count since it began anew
  first_given_at  timestamptz, -- to the broker; only where a limit a minute is set
  sent_at         timestamptz, -- the last attempt, given to the broker
  acknowledged_at timestamptz, -- and acknowledged
  ended_at        timestamptz,
  ended_by        text         -- the id of the event that ended it
) WITH (fillfactor = 80);
CREATE INDEX compensations_due ON compensations (due_at, ordinal) WHERE due_at IS NOT NULL;
CREATE INDEX compensations_entity ON compensations (entity);
CREATE INDEX compensations_first_given ON compensations (first_given_at)
  WHERE first_given_at IS NOT NULL;

-- Which event asked for which value of which owner; one compensation may have several.
CREATE TABLE violations (
  cause           uuid     NOT NULL,
  constraint_name text     NOT NULL,
  compensation    uuid     NOT NULL, -- its id; the batch that adds one adds or has the other
  fields          text[]   NOT NULL,
  value           bytea    NOT NULL,
  owner           text COLLATE "C" NOT NULL,
  event_id        text     NOT NULL,
  event_type      text     NOT NULL,
  partition       integer  NOT NULL,
  "offset"        bigint   NOT NULL,
  PRIMARY KEY (cause, constraint_name)
);
CREATE INDEX violations_compensation ON violations (compensation);

-- The breaker, one row: the last claiming events as breaker.hpp encodes them, the rules they were
-- judged by, and since when and why nothing is sent.
CREATE TABLE safety (
  is_alone   boolean PRIMARY KEY DEFAULT true CHECK (is_alone),
  rules      text,
  claiming   bytea       NOT NULL DEFAULT '',
  paused_at  timestamptz,
  reason     text,
  resumed_at timestamptz NOT NULL DEFAULT '-infinity'
) WITH (fillfactor = 50);
INSERT INTO safety DEFAULT VALUES;

-- Records that could not be understood. The bytes only with `values: plain`.
CREATE TABLE dead_letters (
  id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  topic     text        NOT NULL,
  partition integer     NOT NULL,
  "offset"  bigint      NOT NULL,
  reason    text        NOT NULL,
  raw       bytea,
  sequence  bigint, -- as in positions, up to this record
  seen_at   timestamptz NOT NULL DEFAULT now(),
  ended     text, -- retried, dropped; null: waits for a person
  ended_at  timestamptz,
  UNIQUE (topic, partition, "offset")
);
)sql"};

constexpr PgStatement select_meta{"select_meta", "SELECT value FROM meta WHERE name = $1"};
constexpr PgStatement insert_meta{
    "insert_meta", "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING"};
constexpr PgStatement select_fingerprint{
    "select_fingerprint",
    "SELECT substr(name, 13), value FROM meta WHERE name LIKE 'fingerprint:%'"};
constexpr PgStatement number_constraint{
    "number_constraint",
    "INSERT INTO constraints (id, name) VALUES ($1::smallint, $2) ON CONFLICT (name) DO NOTHING"};
// Not of information_schema, which shows only what the user has rights on.
constexpr PgStatement find_table{"find_table",
                                 "SELECT count(*) FROM pg_catalog.pg_tables"
                                 " WHERE schemaname = $1 AND tablename = 'schema_version'"};

// Runs `work` in a transaction of its own that no other migration or start shares.
template <class Work>
auto in_locked_transaction(PgSession& session, const std::string& schema, Work work) {
  session.begin();
  try {
    take_lock(session, PgLock::migration, schema);
    auto result = work();
    session.commit_transaction();
    return result;
  } catch (...) {
    session.roll_back();
    throw;
  }
}

int read_version(PgSession& session, const std::string& schema) {
  if (session.run(find_table, schema)[0][0].as<int>() == 0) return 0;
  return session.run("SELECT coalesce(max(version), 0) FROM schema_version")[0][0].as<int>();
}

std::string describe(const Constraint& constraint) {
  std::string text;
  for (std::size_t field = 0; field < constraint.fields.size(); ++field) {
    if (field > 0) text += "; ";
    text += constraint.fields[field] + ":";
    for (const NormalizeStep& step : constraint.normalizers[field].steps()) {
      text += " " + describe(step);
    }
  }
  return text;
}

// Tells keys apart without telling the key.
std::string key_id(const std::string& key) {
  std::array<std::uint8_t, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  std::string message = "uniqd key id 1";
  message += key;
  EVP_Digest(message.data(), message.size(), digest.data(), &size, EVP_sha256(), nullptr);
  return to_hex(digest.data(), 8);
}

}  // namespace

int newest_schema_version() { return static_cast<int>(migrations.size()); }

int schema_version(PgSession& session, const std::string& schema) {
  return read_version(session, schema);
}

Migrated migrate(PgSession& session, const std::string& schema) {
  return in_locked_transaction(session, schema, [&] {
    const int from = read_version(session, schema);
    if (from > newest_schema_version()) {
      throw SchemaTooNew("the read model in schema " + schema + " has version " +
                         std::to_string(from) + ", this uniqd knows versions up to " +
                         std::to_string(newest_schema_version()) + "; run a newer uniqd");
    }
    if (from == 0) {
      // A user without the right to create schemas may use one that exists.
      if (session.run("SELECT 1 FROM pg_namespace WHERE nspname = '" + schema + "'").empty()) {
        session.run("CREATE SCHEMA \"" + schema + "\"");
      }
      session.run(
          "CREATE TABLE schema_version (version integer PRIMARY KEY,"
          " applied_at timestamptz NOT NULL DEFAULT now())");
    }
    for (int version = from + 1; version <= newest_schema_version(); ++version) {
      session.run(std::string(migrations[static_cast<std::size_t>(version) - 1]));
      session.run("INSERT INTO schema_version (version) VALUES (" + std::to_string(version) + ")");
    }
    return Migrated{from, newest_schema_version()};
  });
}

Fingerprint fingerprint(const ConstraintSet& constraints, ValueForm form,
                        const std::string& value_key) {
  Fingerprint parts;
  for (const Constraint& constraint : constraints) {
    parts["constraint " + constraint.name] = describe(constraint);
  }
  const bool keyed = form == ValueForm::hmac_sha256;
  parts["values"] = keyed ? "hmac-sha256" : "sha256";
  if (form == ValueForm::plain) parts["values"] += " with text";
  if (keyed) parts["values key"] = key_id(value_key);
  return parts;
}

std::vector<std::string> compare_fingerprint(PgSession& session, const Fingerprint& mine) {
  Fingerprint theirs;
  for (const auto& row : session.run(select_fingerprint)) theirs[row[0].c_str()] = row[1].c_str();
  std::vector<std::string> differences;
  if (theirs.empty()) return differences;
  for (const auto& [part, text] : mine) {
    const auto other = theirs.find(part);
    if (other == theirs.end()) {
      differences.push_back(part + " is new (" + text + ")");
    } else if (other->second != text) {
      differences.push_back(part + " is \"" + text + "\", the read model was made with \"" +
                            other->second + "\"");
    }
  }
  for (const auto& [part, text] : theirs) {
    if (!mine.contains(part)) differences.push_back(part + " is gone (" + text + ")");
  }
  return differences;
}

std::vector<std::string> agree_on_fingerprint(PgSession& session, const std::string& schema,
                                              const Fingerprint& mine,
                                              const ConstraintSet& constraints) {
  return in_locked_transaction(session, schema, [&] {
    if (session.run(select_fingerprint).empty()) {
      for (const auto& [part, text] : mine) session.run(insert_meta, "fingerprint:" + part, text);
      for (std::size_t index = 0; index < constraints.size(); ++index) {
        session.run(number_constraint, static_cast<int>(index), constraints[index].name);
      }
    }
    return compare_fingerprint(session, mine);
  });
}

std::string stored_value_key(PgSession& session, const std::string& schema) {
  return in_locked_transaction(session, schema, [&]() -> std::string {
    const auto stored = session.run(select_meta, "value_key");
    if (!stored.empty()) return stored[0][0].c_str();
    std::array<std::uint8_t, 32> key{};
    if (RAND_bytes(key.data(), static_cast<int>(key.size())) != 1) {
      throw std::runtime_error("the system has no random bytes to make a key of");
    }
    std::string text = to_hex(key.data(), key.size());
    session.run(insert_meta, "value_key", text);
    return text;
  });
}

std::string keep_cluster(PgSession& session, const std::string& cluster) {
  session.run(insert_meta, "cluster id", cluster);
  return session.run(select_meta, "cluster id")[0][0].c_str();
}

}  // namespace uniqd

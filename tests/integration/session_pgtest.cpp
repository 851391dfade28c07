// The session and the schema: arrays as parameters, failures by their names, versions.

#include <doctest/doctest.h>

#include <limits>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "readmodel/pg_copy.hpp"
#include "readmodel/pg_writes.hpp"
#include "tests/integration/pg_schema.hpp"
#include "tests/support/table_language.hpp"

namespace uniqd::test {
namespace {

constexpr PgStatement spell_texts{
    "spell_texts",
    "SELECT count(*), string_agg(coalesce('<' || t || '>', 'null'), '' ORDER BY place)"
    " FROM unnest($1::text[]) WITH ORDINALITY AS x (t, place)"};
constexpr PgStatement add_numbers{
    "add_numbers",
    "SELECT (SELECT string_agg(n::text, ' ') FROM unnest($1::int2[]) n) || ' ' ||"
    " (SELECT string_agg(n::text, ' ') FROM unnest($2::int4[]) n) || ' ' ||"
    " (SELECT string_agg(n::text, ' ') FROM unnest($3::int8[]) n)"};
constexpr PgStatement spell_bytes{"spell_bytes",
                                  "SELECT string_agg(coalesce(encode(b, 'hex'), 'null'), ' ')"
                                  " FROM unnest($1::bytea[]) b"};
constexpr PgStatement spell_uuids{
    "spell_uuids", "SELECT string_agg(coalesce(u::text, 'null'), ' ') FROM unnest($1::uuid[]) u"};

TEST_CASE("a text that cannot go over whole does not go over, asked, run or posted") {
  const PgSchema schema;
  const std::string cut_off("a\0b", 3);
  constexpr PgStatement spell{"spell", "SELECT $1::text"};
  for (const int way : {0, 1, 2}) {
    CAPTURE(way);
    PgSession session(schema.target);
    session.begin();
    try {
      if (way == 0) (void)session.run(spell, cut_off);
      if (way == 1) session.post(spell, cut_off);
      if (way == 2) session.ask([](const PgRows&) {}, spell, cut_off);
      FAIL("it went over");
    } catch (const StoreFailure& failure) {
      CHECK(failure.sqlstate() == not_utf8_sqlstate);
    }
  }
}

TEST_CASE("arrays go over as they are: empty, with nulls, with odd texts, large") {
  const PgSchema schema;
  PgSession session(schema.target);
  PgArray texts = PgArray::of_text();
  CHECK(session.run(spell_texts, texts)[0][0].as<int>() == 0);
  for (const char* text : {"", "a,b", "{\"}", "NULL", "\xC3\xA4\xE2\x82\xAC", "\\"}) {
    texts.add_bytes(text);
  }
  texts.add_null();
  CHECK(session.run(spell_texts, texts)[0][1].c_str() ==
        std::string("<><a,b><{\"}><NULL><\xC3\xA4\xE2\x82\xAC><\\>null"));

  PgArray large = PgArray::of_text();
  for (int i = 0; i < 200'000; ++i) large.add_bytes(std::to_string(i));
  CHECK(session.run(spell_texts, large)[0][0].as<int>() == 200'000);

  PgArray small = PgArray::of_int2();
  small.add_int2(std::numeric_limits<std::int16_t>::min());
  PgArray middle = PgArray::of_int4();
  middle.add_int4(std::numeric_limits<std::int32_t>::max());
  middle.add_int4(-1);
  PgArray big = PgArray::of_int8();
  big.add_int8(std::numeric_limits<std::int64_t>::min());
  CHECK(session.run(add_numbers, small, middle, big)[0][0].c_str() ==
        std::string("-32768 2147483647 -1 -9223372036854775808"));

  PgArray bytes = PgArray::of_bytea();
  bytes.add_bytes(std::string("\0\xff", 2));
  bytes.add_null();
  bytes.add_bytes("");
  CHECK(session.run(spell_bytes, bytes)[0][0].c_str() == std::string("00ff null "));

  PgArray uuids = PgArray::of_uuid();
  ClaimKey key;
  key.bytes[0] = 0xab;
  key.bytes[15] = 1;
  uuids.add_uuid(key);
  uuids.add_null();
  CHECK(session.run(spell_uuids, uuids)[0][0].c_str() ==
        std::string("ab000000-0000-0000-0000-000000000001 null"));
}

TEST_CASE("rows are copied out one by one, as long as they are wanted") {
  const PgSchema schema;
  PgSession session(schema.target);
  std::string seen;
  const auto take = [&seen](CopiedRow row) {
    for (const std::string_view field : row) seen += "<" + std::string(field) + ">";
    return row[0] != "c";
  };
  CHECK(copy_out(session, "SELECT 'a' WHERE false", take));
  CHECK(seen.empty());
  session.begin();
  CHECK(copy_out(session, "SELECT * FROM unnest('{a,\"\",b}'::text[])", take));
  CHECK(seen == "<a><><b>");
  CHECK(session.run("SELECT 1")[0][0].as<int>() == 1);
  session.commit_transaction();
  seen.clear();
  CHECK(copy_out(session, "VALUES ('a', 'b', ''), ('d', 'e', 'f')", take));
  CHECK(seen == "<a><b><><d><e><f>");
  seen.clear();
  PgSession without(schema.target);
  CHECK_THROWS_AS((void)copy_out(without, "SELECT 'a', NULL", take), StoreFailure);

  PgSession given_up(schema.target);
  CHECK_FALSE(copy_out(given_up, "SELECT * FROM unnest('{b,c,d}'::text[])", take));
  CHECK(seen == "<b><c>");
  PgSession failing(schema.target);
  try {
    (void)copy_out(failing, "SELECT (1 / (3 - n))::text FROM generate_series(1, 5) n", take);
    FAIL("it divides by zero");
  } catch (const StoreFailure& failure) {
    CHECK(failure.sqlstate() == "22012");
  }
}

TEST_CASE("rows come in as they are, few or many") {
  static constexpr PgTable table{"kept (id, name)", 2, "insert_kept",
                                 "INSERT INTO kept (id, name) VALUES ($1::int8, $2::text)"};
  const PgSchema schema;
  PgSession session(schema.target);
  session.run("CREATE SCHEMA \"" + schema.target.schema +
              "\"; CREATE TABLE kept (ordinal bigint GENERATED ALWAYS AS IDENTITY, id bigint,"
              " name text)");
  for (const std::int64_t count : {0, 1, 2, 19, 20, 1000}) {
    CAPTURE(count);
    PgNewRows rows(table);
    for (std::int64_t id = count; id > 0; --id) {
      PgFields& row = rows.add();
      row.add_int8(id);
      if (id % 3 == 0) {
        row.add_null();
      } else {
        row.add_bytes(id % 3 == 1 ? "" : "Zo\xC3\xAB\n");
      }
    }
    PgWrites writes;
    writes.insert(std::move(rows));
    session.begin();
    session.run("TRUNCATE kept RESTART IDENTITY");
    writes.send(session);
    session.commit_transaction();
    // All there, in their order.
    CHECK(session.run("SELECT count(*) FROM kept")[0][0].as<std::int64_t>() == count);
    CHECK(session
              .run("SELECT count(*) FROM kept WHERE id + ordinal <> (SELECT count(*) + 1 FROM kept)"
                   " OR name IS DISTINCT FROM"
                   " CASE id % 3 WHEN 0 THEN NULL WHEN 1 THEN '' ELSE E'Zo\\u00EB\\n' END")[0][0]
              .as<std::int64_t>() == 0);
  }
}

// What the failure policy goes by.
TEST_CASE("failures have the SQLSTATE of the server") {
  const PgSchema schema;
  PgSession session(schema.target);
  session.run(
      "CREATE SCHEMA \"" + schema.target.schema +
      "\"; CREATE TABLE here (a int PRIMARY KEY CHECK (a < 9)); INSERT INTO here VALUES (1)");
  const auto state_of = [&](const std::string& sql) -> std::string {
    try {
      session.run(sql);
    } catch (const StoreFailure& failure) {
      return failure.sqlstate();
    }
    return "no failure";
  };
  CHECK(state_of("SELECT * FROM nowhere") == "42P01");
  CHECK(state_of("SELECT b FROM here") == "42703");
  CHECK(state_of("CREATE TABLE no_such_schema.t ()") == "3F000");
  CHECK(state_of("INSERT INTO here VALUES (1)") == "23505");
  CHECK(state_of("SET statement_timeout = '50ms'; SELECT pg_sleep(10)") == "57014");
  session.run("SET statement_timeout = '30s'");
  CHECK(state_of("SET default_transaction_read_only = on; SELECT 1") == "no failure");
  CHECK(state_of("INSERT INTO here VALUES (2)") == "25006");
  session.run("SET default_transaction_read_only = off");
  session.run("GRANT USAGE ON SCHEMA \"" + schema.target.schema + "\" TO pg_monitor");
  CHECK(state_of("SET ROLE pg_monitor; SELECT * FROM here") == "42501");
  CHECK(state_of("RESET ROLE") == "no failure");

  PgSession other(schema.target);
  other.begin();
  other.run("LOCK TABLE here");
  CHECK(state_of("SET lock_timeout = '50ms'; SELECT * FROM here") == "55P03");
  other.roll_back();
  CHECK(state_of("SELECT pg_terminate_backend(pg_backend_pid())") == "");
}

TEST_CASE("an aborted transaction does not pass for a committed one") {
  const PgSchema schema;
  PgSession session(schema.target);
  session.run("CREATE SCHEMA \"" + schema.target.schema + "\"; CREATE TABLE here (a int)");
  session.begin();
  session.run("INSERT INTO here VALUES (1)");
  CHECK_THROWS_AS(session.run("SELECT 1 / 0"), StoreFailure);
  session.roll_back();
  CHECK(session.run("SELECT count(*) FROM here")[0][0].as<int>() == 0);
}

TEST_CASE("the schema is made once, by whoever comes first, and a newer one is left alone") {
  const PgSchema schema;
  const std::string& name = schema.target.schema;
  std::vector<Migrated> migrated(4);
  std::vector<std::thread> threads;
  threads.reserve(migrated.size());
  for (Migrated& one : migrated) {
    threads.emplace_back([&] {
      PgSession session(schema.target);
      one = migrate(session, name);
    });
  }
  for (std::thread& thread : threads) thread.join();
  int made = 0;
  for (const Migrated& one : migrated) {
    if (one.from_version == 0) ++made;
    CHECK(one.to_version == newest_schema_version());
  }
  CHECK(made == 1);

  PgSession session(schema.target);
  CHECK(schema_version(session, name) == newest_schema_version());
  CHECK(migrate(session, name).from_version == newest_schema_version());
  session.run("INSERT INTO schema_version (version) VALUES (" +
              std::to_string(newest_schema_version() + 1) + ")");
  CHECK_THROWS_AS((void)migrate(session, name), SchemaTooNew);
}

TEST_CASE("the value key is made once and stays; the fingerprint names what differs") {
  const PgSchema schema;
  const std::string& name = schema.target.schema;
  PgSession session(schema.target);
  (void)migrate(session, name);
  const std::string key = stored_value_key(session, name);
  CHECK(key.size() == 64);
  CHECK(stored_value_key(session, name) == key);

  const ConstraintSet one = make_constraints({{"e"}});
  const ConstraintSet two = make_constraints({{"e"}, {"n"}});
  const auto differences = [&](const ConstraintSet& constraints, ValueForm form,
                               const std::string& with_key) {
    return agree_on_fingerprint(session, name, fingerprint(constraints, form, with_key),
                                constraints);
  };
  CHECK(differences(one, ValueForm::hmac_sha256, key).empty());
  CHECK(differences(one, ValueForm::hmac_sha256, key).empty());
  const auto added = differences(two, ValueForm::hmac_sha256, key);
  REQUIRE(added.size() == 1);
  CHECK(added[0].starts_with("constraint n is new"));
  const auto keyed = differences(one, ValueForm::hmac_sha256, "another key, long enough");
  REQUIRE(keyed.size() == 1);
  CHECK(keyed[0].starts_with("values key is"));
  CHECK(keyed[0].find("another key") == std::string::npos);
  CHECK(differences(one, ValueForm::plain, "").size() == 2);
}

}  // namespace
}  // namespace uniqd::test

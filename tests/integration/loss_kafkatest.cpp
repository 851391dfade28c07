// Loss is loud: what becomes of the topic, of its cluster or of the database behind the daemon's
// back halts it with a reason, or costs nothing.

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <string>
#include <vector>

#include "tests/support/oracle_check.hpp"
#include "tests/support/services.hpp"
#include "tests/support/test_bed.hpp"
#include "tests/support/user_events.hpp"
#include "tests/support/wait.hpp"

namespace uniqd::test {
namespace {

using namespace std::chrono_literals;

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// Users with addresses of their own, numbered.
std::vector<TestRecord> users(int from, int count, const std::string& world = "x") {
  std::vector<TestRecord> records;
  for (int i = from; i < from + count; ++i) {
    const std::string number = std::to_string(i);
    records.push_back(cloud_event(
        {"UserAdded", world + number, world + "-e" + number, {{"email", number + "@" + world}}}));
  }
  return records;
}

// The daemon halts with 3, and says so; and does it again when it is started again.
void expect_halt(UniqdProcess& daemon, const std::vector<std::string>& parts) {
  for (int start = 0; start < 2; ++start) {
    if (start > 0) daemon.start();
    CHECK(daemon.wait_for_exit(60s) == 3);
    const std::string log = daemon.log_since_start();
    const std::string said = log.substr(std::min(log.size(), log.find("halted: ")));
    for (const std::string& part : parts) CHECK_MESSAGE(contains(said, part), daemon.log_tail(20));
  }
}

void create_again(TestBed& bed) {
  bed.kafka().delete_topic(bed.topic);
  bed.kafka().create_topic(bed.topic);
}

TEST_CASE("a retention gap between two runs halts, and says what is missing") {
  if (lacks_kafka()) return;
  TestBed bed;
  const auto daemon = bed.daemon();
  daemon->start_and_wait();
  bed.produce(users(0, 10));
  bed.wait_settled();
  REQUIRE(daemon->stop() == 0);
  bed.produce(users(10, 20));
  bed.kafka().delete_records_before(bed.topic, 0, 25);
  daemon->start();
  expect_halt(*daemon,
              {"the next record to read is 10", "offsets 10 to 24 (15 in all)", "uniqd rebuild"});
}

TEST_CASE("retention that has removed only what was applied is no loss") {
  if (lacks_kafka()) return;
  TestBed bed;
  const auto daemon = bed.daemon();
  daemon->start_and_wait();
  bed.produce(users(0, 10));
  bed.wait_settled();
  REQUIRE(daemon->stop() == 0);
  // Nothing is left at all: the oldest, the end and the position are one.
  bed.kafka().delete_records_before(bed.topic, 0, 10);
  daemon->start();
  daemon->wait_for_log("retention has removed the last record applied, at offset 9");
  daemon->wait_until_ready();
  bed.produce(users(10, 3));
  bed.wait_settled();
  CHECK(bed.sql_text("SELECT count(*) FROM entities") == "13");
  REQUIRE(daemon->stop() == 0);
  // And where something is left.
  bed.produce(users(13, 3));
  bed.kafka().delete_records_before(bed.topic, 0, 13);
  daemon->start_and_wait();
  bed.wait_settled();
  CHECK(bed.sql_text("SELECT count(*) FROM entities") == "16");
  CHECK(daemon->stop() == 0);
}

TEST_CASE("an anchor that is not there any more compares with nothing, and that is said") {
  if (lacks_kafka()) return;
  TestBed bed;
  const auto daemon = bed.daemon();
  daemon->start_and_wait();
  bed.produce(users(0, 4));
  bed.kafka().produce_transaction(bed.topic, users(4, 1), true);  // 4, and its marker at 5
  bed.wait_settled();
  REQUIRE(daemon->stop() == 0);
  // As if the record at the marker's place had been applied, and compacted away since.
  bed.sql("UPDATE positions SET anchor_offset = 5");
  daemon->start();
  daemon->wait_for_log("at offset 5, is not there any more (compaction)");
  bed.produce(users(5, 2));
  bed.wait_settled();
  CHECK(bed.sql_text("SELECT count(*) FROM entities") == "7");
  CHECK(daemon->stop() == 0);
}

TEST_CASE("a topic that was deleted and created again halts, also where the position is in range") {
  if (lacks_kafka()) return;
  for (const int records : {0, 3, 5, 9}) {
    CAPTURE(records);
    TestBed bed;
    const auto daemon = bed.daemon();
    daemon->start_and_wait();
    bed.produce(users(0, 5));
    bed.wait_settled();
    REQUIRE(daemon->stop() == 0);
    create_again(bed);
    if (records > 0) bed.produce(users(0, records, "other"));
    daemon->start();
    if (records < 5) {
      expect_halt(*daemon, {fmt::format("the partition ends at {}", records), "uniqd rebuild"});
    } else {
      expect_halt(*daemon, {"the record at offset 4 is not the one that was applied last",
                            "deleted and created again", "uniqd rebuild"});
    }
    CHECK(bed.sql_text("SELECT count(*) FROM entities WHERE entity LIKE 'other%'") == "0");
  }
}

TEST_CASE("a topic that is deleted and created again under a running daemon halts it") {
  if (lacks_kafka()) return;
  for (const bool is_noticed : {true, false}) {
    CAPTURE(is_noticed);
    TestBed bed;
    const auto daemon = bed.daemon();
    daemon->start_and_wait();
    bed.produce(users(0, 5));
    bed.wait_settled();
    if (is_noticed) {
      bed.kafka().delete_topic(bed.topic);
      daemon->wait_for_log("\"" + bed.topic + "\" does not exist");
      bed.kafka().create_topic(bed.topic);
    } else {
      create_again(bed);
    }
    bed.produce(users(0, 9, "other"));
    expect_halt(*daemon, {"the record at offset 4 is not the one that was applied last"});
    CHECK(bed.sql_text("SELECT count(*) FROM entities WHERE entity LIKE 'other%'") == "0");
  }
}

TEST_CASE("brokers of another cluster than the read model was filled from halt it") {
  if (lacks_kafka()) return;
  TestBed bed;
  const auto daemon = bed.daemon();
  daemon->start_and_wait();
  bed.produce(users(0, 3));
  bed.wait_settled();
  const std::string cluster = bed.sql_text("SELECT value FROM meta WHERE name = 'cluster id'");
  CHECK_FALSE(cluster.empty());
  REQUIRE(daemon->stop() == 0);
  daemon->start_and_wait();
  REQUIRE(daemon->stop() == 0);

  bed.sql("UPDATE meta SET value = 'another' WHERE name = 'cluster id'");
  bed.produce(users(3, 3));
  daemon->start();
  expect_halt(*daemon, {"are of Kafka cluster " + cluster,
                        "the read model was filled from cluster another", "uniqd rebuild"});
  CHECK(bed.sql_text("SELECT count(*) FROM entities") == "3");
}

// All tables of the read model as they are now, and back to them in one transaction.
class Backup {
 public:
  explicit Backup(TestBed& bed) : bed_(bed), copy_(bed.schema + "_copy") {
    bed.sql("CREATE SCHEMA \"" + copy_ + "\"");
    for (const auto& row : bed.sql("SELECT tablename FROM pg_tables WHERE schemaname = '" +
                                   bed.schema + "' AND tablename <> 'schema_version'")) {
      tables_.emplace_back(row[0].c_str());
    }
    std::string copying;
    for (const auto& table : tables_) {
      copying += fmt::format("CREATE TABLE \"{}\".{} AS TABLE {};", copy_, table, table);
    }
    bed.sql("BEGIN ISOLATION LEVEL REPEATABLE READ; " + copying + " COMMIT");
  }
  ~Backup() {
    try {
      bed_.sql("DROP SCHEMA \"" + copy_ + "\" CASCADE");
    } catch (const StoreFailure& failure) {
      FAIL_CHECK(failure.what());
    }
  }
  Backup(const Backup&) = delete;
  Backup& operator=(const Backup&) = delete;

  void restore() {
    std::string restoring = fmt::format("TRUNCATE {};", fmt::join(tables_, ", "));
    for (const auto& table : tables_) {
      restoring += fmt::format("INSERT INTO {} OVERRIDING SYSTEM VALUE TABLE \"{}\".{};", table,
                               copy_, table);
    }
    bed_.sql("BEGIN; " + restoring + " COMMIT");
  }

 private:
  TestBed& bed_;
  std::string copy_;
  std::vector<std::string> tables_;
};

TEST_CASE("a database restored to an earlier point costs nothing but the reading") {
  for (const bool is_running : {false, true}) {
    CAPTURE(is_running);
    TestBed bed;
    const auto daemon = bed.daemon();
    daemon->start_and_wait();
    bed.produce(users(0, 20));
    bed.wait_settled();
    Backup backup(bed);
    // Takes what is taken, so that commands go out, and one correction.
    auto records = users(20, 20);
    for (int i = 0; i < 6; ++i) {
      const std::string number = std::to_string(i);
      records.push_back(
          cloud_event({"UserAdded", "late" + number, "l" + number, {{"email", number + "@x"}}}));
    }
    records.push_back(cloud_event({"UserDeactivated", "late0", "d0"}));
    bed.produce(records);
    bed.wait_settled();
    const auto history = bed.sql_text("SELECT max(next_offset) FROM history");
    const auto ids =
        bed.sql_text("SELECT string_agg(id::text, ',' ORDER BY id) FROM compensations");

    if (!is_running) REQUIRE(daemon->stop() == 0);
    backup.restore();
    CHECK(bed.sql_text("SELECT count(*) FROM compensations") == "0");
    if (is_running) {
      bed.produce(users(40, 1));
      daemon->wait_for_log("fenced: another writer moved a position");
    } else {
      daemon->start_and_wait();
      bed.produce(users(40, 1));
    }
    bed.wait_settled();
    // A command that was sent before is sent again: with the same id, and the time of its decision
    // is another.
    for (const std::string& difference : differences_from_oracle(bed)) {
      if (!difference.starts_with("decided twice: ")) FAIL_CHECK(difference);
    }
    CHECK(bed.sql_text("SELECT string_agg(id::text, ',' ORDER BY id) FROM compensations") == ids);
    CHECK(bed.sql_text("SELECT max(next_offset) FROM history") ==
          std::to_string(std::stoi(history) + 1));
    CHECK(bed.sql_text("SELECT count(*) FROM history WHERE what = 'applied'") == "1");
    CHECK(daemon->stop() == 0);
  }
}

}  // namespace
}  // namespace uniqd::test

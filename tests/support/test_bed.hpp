#pragma once
// test_bed.hpp - topics, a schema and a configuration of one's own for a test of the whole daemon.

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "commands/kafka_handles.hpp"
#include "readmodel/pg_session.hpp"
#include "readmodel/position.hpp"
#include "readmodel/rules.hpp"
#include "tests/support/kafka_admin.hpp"
#include "tests/support/uniqd_process.hpp"

namespace uniqd::test {

// Three constraints on the events of user_events.hpp: email and username, whose violations send
// DeactivateUser, and full_name of first and last, whose violations are for review. Both topics
// exist. The schema goes away at the end, where PostgreSQL answers. Thread safety: none, but beds
// side by side do not touch each other.
class TestBed {
 public:
  explicit TestBed(int partitions = 1);
  ~TestBed();
  TestBed(const TestBed&) = delete;
  TestBed& operator=(const TestBed&) = delete;

  // Any of these may be set before the daemon is started, and between its starts.
  std::string postgres;
  std::string sql_postgres;  // where sql() goes: the same server, as a superuser
  std::string brokers;
  std::string topic;
  std::string commands_topic;
  std::string schema;
  std::string group;   // of a start whose environment does not name another as UNIQD_TEST_GROUP
  std::string folder;  // in the build folder; stays, for the logs
  std::map<std::string, std::string> source;          // more keys under `source`, as YAML
  std::map<std::string, std::string> readmodel;       // and under `readmodel`
  std::map<std::string, std::string> commands;        // and under `commands`
  std::string safety = "{ max_violation_share: 1 }";  // the load of most tests is mostly duplicates
  std::string more;                                   // more YAML, at the top level
  std::string normalize = "[trim, nfkc, casefold]";
  std::string email_pointer = "/email";
  std::string name_is_taken = "This name is taken.";  // the reason that a command gives
  std::string token_file;                             // of the admin port; "": none

  // The configuration file for all of it.
  [[nodiscard]] std::string config() const;
  // A daemon with that configuration, its file and log in a folder of this name in `folder`; not
  // started yet.
  [[nodiscard]] std::unique_ptr<UniqdProcess> daemon(const std::string& name = "uniqd") const;

  [[nodiscard]] KafkaAdmin& kafka() { return kafka_; }
  void produce(const std::vector<TestRecord>& records) { kafka_.produce(topic, records); }

  // Runs SQL in the schema, on a connection of its own as a superuser. Throws StoreFailure.
  pqxx::result sql(const std::string& statements) const;
  // The first field of the first row; empty where there is none.
  [[nodiscard]] std::string sql_text(const std::string& query) const;
  // How far each partition has been applied, by partition; nothing where there is no table yet or
  // no PostgreSQL.
  [[nodiscard]] std::vector<Position> positions() const;

  // Waits until all records that the topic has now have been applied; `settled` also waits until
  // nothing is left to be sent.
  void wait_applied(std::chrono::milliseconds deadline = std::chrono::seconds{30});
  void wait_settled(std::chrono::milliseconds deadline = std::chrono::seconds{30});

  // One past the last stable record of each partition of a topic; the sum is their number, where
  // there were no transactions. Throws std::runtime_error where the broker does not answer in time.
  [[nodiscard]] std::vector<std::int64_t> ends_of(const std::string& some_topic) const;
  [[nodiscard]] std::int64_t command_count() const;
  [[nodiscard]] std::vector<TestRecord> commands_sent() { return kafka_.read_all(commands_topic); }

 private:
  int partitions_;
  KafkaAdmin kafka_;
  KafkaClient watcher_;
};

// The constraints of a bed as the read model knows them, in its order.
[[nodiscard]] const ConstraintSet& bed_constraints();

}  // namespace uniqd::test

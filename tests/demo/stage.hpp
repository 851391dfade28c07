#pragma once
// stage.hpp - what the parts of the demo play on: the servers, uniqd as a process, the user
// service, and eyes on the topics and the read model that do not go through uniqd.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <pqxx/pqxx>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/demo/topic_reader.hpp"
#include "tests/demo/user_service.hpp"
#include "tests/support/kafka_admin.hpp"
#include "tests/support/uniqd_process.hpp"

namespace uniqd::demo {

using test::TestRecord;

// The demo did not come true; the text says where, what was expected and what was seen.
class DemoFailed : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// What one look showed.
struct Look {
  bool is_as_expected = false;
  std::string seen;
};

// A topic and all that was read of it.
class WatchedTopic {
 public:
  WatchedTopic(const std::string& brokers, const std::string& topic)
      : reader_(brokers, topic, "demo") {}

  // Reads what has come since; what is being published now may be missing.
  const std::vector<TestRecord>& look();

 private:
  TopicReader reader_;
  std::vector<TestRecord> records_;
};

// Thread safety: none.
class Stage {
 public:
  // Makes topics, schema and uniqd's configuration, all new, and starts uniqd and the service.
  Stage();
  // Ends what runs. Where the servers are not ours to remove, takes away topics and schema, unless
  // keep() was called.
  ~Stage();
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;

  // From here on everything stays: uniqd goes on in a session of its own.
  void keep();

  [[nodiscard]] UserService& service() { return *service_; }
  [[nodiscard]] test::UniqdProcess& uniqd() { return *uniqd_; }
  [[nodiscard]] test::KafkaAdmin& kafka() { return kafka_; }
  [[nodiscard]] const std::string& events_topic() const { return options_.topic; }
  [[nodiscard]] const std::string& commands_topic() const { return options_.commands_topic; }
  [[nodiscard]] const std::string& schema() const { return options_.schema; }
  [[nodiscard]] bool has_real_kafka() const;

  // What is on the topics, as far as it has come.
  [[nodiscard]] const std::vector<TestRecord>& events() { return events_->look(); }
  [[nodiscard]] const std::vector<TestRecord>& commands() { return commands_->look(); }

  // Rows of the read model, straight from PostgreSQL; null is "".
  using Rows = std::vector<std::vector<std::string>>;
  [[nodiscard]] Rows query(const std::string& sql);
  [[nodiscard]] std::int64_t count(const std::string& sql);
  // Exclusive; -1 where uniqd has read nothing.
  [[nodiscard]] std::int64_t next_offset();

  // What `uniqd lookup` says: the owner, or "" where the value is free.
  [[nodiscard]] std::string lookup(const std::string& email);

  // Looks again and again until it is as expected. Throws DemoFailed, which begins with `what`,
  // where it is not in time, or where uniqd ended meanwhile.
  void wait_for(const std::string& what, const std::string& expected,
                const std::function<Look()>& look, std::chrono::seconds within);

 private:
  test::KafkaAdmin kafka_;
  test::UniqdOptions options_;
  pqxx::connection database_;
  std::unique_ptr<WatchedTopic> events_;
  std::unique_ptr<WatchedTopic> commands_;
  std::unique_ptr<UserService> service_;
  std::unique_ptr<test::UniqdProcess> uniqd_;
  bool is_kept_ = false;
};

// Where the demo has its files: uniqd's configuration and log, and uniqd.pid of one that was kept.
[[nodiscard]] std::string demo_folder();

// Ends the uniqd that an earlier demo was told to keep; false where there is none.
bool stop_kept_uniqd();

}  // namespace uniqd::demo

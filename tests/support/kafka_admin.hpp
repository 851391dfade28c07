#pragma once
// kafka_admin.hpp - topics and records for tests and the demo, on a real Kafka or the mock.

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "commands/kafka_handles.hpp"

namespace uniqd::test {

// A record that owns its bytes. Null and empty are not the same.
struct TestRecord {
  std::optional<std::string> key;
  std::optional<std::string> payload;
  std::vector<std::pair<std::string, std::optional<std::string>>> headers;
  std::int32_t partition = -1;  // to produce to; -1: by key
  std::int64_t offset = -1;     // where it was read

  // The value of the first header of this name; empty where there is none.
  [[nodiscard]] std::string header(const std::string& name) const;
};

// `prefix` and some letters that no other topic, group or schema of this run has.
[[nodiscard]] std::string unique_name(const std::string& prefix);

// Everything blocks until it has happened and throws std::runtime_error where it does not.
// Thread safety: none.
class KafkaAdmin {
 public:
  explicit KafkaAdmin(std::string brokers);
  // The servers that the tests use.
  KafkaAdmin();
  ~KafkaAdmin();
  KafkaAdmin(const KafkaAdmin&) = delete;
  KafkaAdmin& operator=(const KafkaAdmin&) = delete;

  [[nodiscard]] const std::string& brokers() const { return brokers_; }

  // `config` is of the topic, e.g. cleanup.policy; the mock ignores it.
  void create_topic(const std::string& topic, int partitions = 1,
                    const std::map<std::string, std::string>& config = {});
  // These need a real Kafka.
  void delete_topic(const std::string& topic);
  void delete_records_before(const std::string& topic, std::int32_t partition, std::int64_t offset);

  // In the order given; returns when all are acknowledged.
  void produce(const std::string& topic, const std::vector<TestRecord>& records);
  // The same in a transaction, which is then committed, or aborted. Needs a real Kafka.
  void produce_transaction(const std::string& topic, const std::vector<TestRecord>& records,
                           bool is_committed);

  // 0 where there is no such topic.
  [[nodiscard]] int partitions_of(const std::string& topic);

  // All stable records of all partitions, partition by partition.
  [[nodiscard]] std::vector<TestRecord> read_all(const std::string& topic);
  // Hands over the stable records at and beyond `next` (by partition; empty: from the beginning)
  // up to the end, each partition's in their order, and moves `next` behind them.
  void read_on(const std::string& topic, std::vector<std::int64_t>& next,
               const std::function<void(TestRecord record)>& take);

 private:
  void wait_for_mock(const std::string& topic) const;
  void wait_for_partitions(const std::string& topic, int partitions);

  std::string brokers_;
  std::string mock_topics_;   // where the mock is told of topics; empty for a real Kafka
  std::string mock_created_;  // where it names those it has made
  std::unique_ptr<rd_kafka_resp_err_t> failure_;  // of a delivery
  KafkaClient producer_;                          // refers to failure_
};

}  // namespace uniqd::test

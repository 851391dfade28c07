#pragma once
// kafka_load.hpp - records to a topic as fast as they go, or each at once; and back from it.

#include <memory>
#include <string>
#include <vector>

#include "commands/kafka_handles.hpp"
#include "tests/bench/user_stream.hpp"

namespace uniqd::bench {

// Throws std::runtime_error where the broker does not take the records. Thread safety: none.
class LoadProducer {
 public:
  enum class Pace : std::uint8_t {
    bulk,    // gathers large batches
    prompt,  // sends each record at once
  };
  LoadProducer(const std::string& brokers, Pace pace);

  // To the partition that the key says. Waits while the queue is full.
  void produce(const std::string& topic, const std::string& key, const std::string& payload);
  void produce(const std::string& topic, const UserEvent& event) {
    produce(topic, user_id(event.user), payload_of(event));
  }
  // Until all is acknowledged.
  void flush();

 private:
  std::unique_ptr<rd_kafka_resp_err_t> failure_;
  KafkaClient client_;  // refers to failure_
};

// In bulk, until all is acknowledged.
void produce_all(const std::string& brokers, const std::string& topic,
                 const std::vector<UserEvent>& events);

// Partition 0 of a topic, read alone. Thread safety: none.
class RecordReader {
 public:
  // `offset` may be RD_KAFKA_OFFSET_BEGINNING or RD_KAFKA_OFFSET_END.
  RecordReader(const std::string& brokers, const std::string& topic, std::int64_t offset);

  // Null where none came in time.
  [[nodiscard]] KafkaMessage next(int wait_ms);

 private:
  KafkaClient client_;
};

}  // namespace uniqd::bench

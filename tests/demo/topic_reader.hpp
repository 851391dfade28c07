#pragma once
// topic_reader.hpp - reads a topic of one partition from its beginning, and goes on as it grows.

#include <optional>
#include <string>

#include "commands/kafka_handles.hpp"
#include "tests/support/kafka_admin.hpp"

namespace uniqd::demo {

// Belongs to no group that others could see and commits nothing. Thread safety: none.
class TopicReader {
 public:
  // `group` is only a name. Throws std::runtime_error where librdkafka refuses.
  TopicReader(const std::string& brokers, const std::string& topic, const std::string& group);

  ~TopicReader();
  TopicReader(const TopicReader&) = delete;
  TopicReader& operator=(const TopicReader&) = delete;

  // Waits at most `wait_ms`; nothing where nothing came, or Kafka is away.
  [[nodiscard]] std::optional<test::TestRecord> next(int wait_ms);

 private:
  KafkaClient consumer_;
};

}  // namespace uniqd::demo

#include "tests/demo/topic_reader.hpp"

#include <stdexcept>

namespace uniqd::demo {
namespace {

constexpr int close_within_ms = 5000;

std::string text_of(const void* data, std::size_t size) {
  return data == nullptr ? std::string{} : std::string{static_cast<const char*>(data), size};
}

void copy_headers(const rd_kafka_message_t& message, test::TestRecord& record) {
  rd_kafka_headers_t* headers = nullptr;
  if (rd_kafka_message_headers(&message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR) return;
  const char* name = nullptr;
  const void* value = nullptr;
  std::size_t size = 0;
  for (std::size_t i = 0;
       rd_kafka_header_get_all(headers, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR;
       ++i) {
    record.headers.emplace_back(name, text_of(value, size));
  }
}

}  // namespace

TopicReader::TopicReader(const std::string& brokers, const std::string& topic,
                         const std::string& group)
    : consumer_(
          make_kafka_client(RD_KAFKA_CONSUMER, make_kafka_conf({},
                                                               {{"bootstrap.servers", brokers},
                                                                {"group.id", group},
                                                                {"enable.auto.commit", "false"},
                                                                {"fetch.wait.max.ms", "10"},
                                                                {"log_level", "3"}},
                                                               {}))) {
  rd_kafka_poll_set_consumer(consumer_.get());
  const KafkaPartitions all{rd_kafka_topic_partition_list_new(1)};
  rd_kafka_topic_partition_list_add(all.get(), topic.c_str(), 0)->offset =
      RD_KAFKA_OFFSET_BEGINNING;
  const auto error = rd_kafka_assign(consumer_.get(), all.get());
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    throw std::runtime_error("read topic " + topic + ": " + error_text(error));
  }
}

TopicReader::~TopicReader() {
  run_bounded([consumer = consumer_.release()] { rd_kafka_destroy(consumer); }, close_within_ms);
}

std::optional<test::TestRecord> TopicReader::next(int wait_ms) {
  const KafkaMessage message{rd_kafka_consumer_poll(consumer_.get(), wait_ms)};
  if (!message || message->err != RD_KAFKA_RESP_ERR_NO_ERROR) return std::nullopt;
  test::TestRecord record;
  record.key = text_of(message->key, message->key_len);
  record.payload = text_of(message->payload, message->len);
  record.partition = message->partition;
  record.offset = message->offset;
  copy_headers(*message, record);
  return record;
}

}  // namespace uniqd::demo

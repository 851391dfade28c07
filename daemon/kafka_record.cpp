#include "daemon/kafka_record.hpp"

namespace uniqd {
namespace {

std::string_view bytes(const void* data, std::size_t size) {
  return {static_cast<const char*>(data), size};
}

}  // namespace

Record record_view(const rd_kafka_message_t& message) {
  Record record;
  record.partition = Partition{message.partition};
  record.offset = Offset{message.offset};
  auto kind = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
  const auto timestamp_ms = rd_kafka_message_timestamp(&message, &kind);
  if (kind != RD_KAFKA_TIMESTAMP_NOT_AVAILABLE) record.timestamp_ms = timestamp_ms;
  if (message.key != nullptr) record.key = bytes(message.key, message.key_len);
  if (message.payload != nullptr) record.payload = bytes(message.payload, message.len);
  return record;
}

}  // namespace uniqd

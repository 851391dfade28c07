#pragma once
// kafka_record.hpp - librdkafka's message as a Record.

#include "commands/kafka_handles.hpp"
#include "readmodel/record.hpp"

namespace uniqd {

// A view of key, payload and time, without headers; good as long as the message.
// REQUIRES: it is a record, not an error.
[[nodiscard]] Record record_view(const rd_kafka_message_t& message);

}  // namespace uniqd

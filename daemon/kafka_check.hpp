#pragma once
// kafka_check.hpp - would the daemon get on with its brokers? For `uniqd check --online`.

#include <string>
#include <vector>

#include "commands/kafka_publisher.hpp"
#include "daemon/kafka_source.hpp"

namespace uniqd {

struct KafkaFinding {
  bool is_good = false;
  std::string text;  // what was found; with its remedy where it is not good
};

// Does a broker answer, does the topic exist, may every partition be read and the group be used?
// Joins no group and stores nothing; takes at most about `timeout_ms`. In the order of the
// questions; stops at the first answer that makes the next question idle.
// Does not throw for failures of the world; std::runtime_error for bad properties.
[[nodiscard]] std::vector<KafkaFinding> check_kafka_source(const KafkaSourceOptions& options,
                                                           int timeout_ms);

// Does a broker answer, does the topic exist, may the client produce idempotently? Writes nothing,
// so that the right to write to this very topic shows with the first command only.
[[nodiscard]] std::vector<KafkaFinding> check_kafka_commands(const KafkaPublisherOptions& options,
                                                             int timeout_ms);

}  // namespace uniqd

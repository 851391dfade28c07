#pragma once
// kafka_handles.hpp - librdkafka's C handles, wrapped once.

#include <librdkafka/rdkafka.h>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "readmodel/identifiers.hpp"

namespace uniqd {

template <auto destroy>
struct KafkaDestroy {
  template <class Handle>
  void operator()(Handle* handle) const noexcept {
    destroy(handle);
  }
};

// Queues, topics and messages must be gone before the client they came from.
using KafkaClient = std::unique_ptr<rd_kafka_t, KafkaDestroy<rd_kafka_destroy>>;
using KafkaConf = std::unique_ptr<rd_kafka_conf_t, KafkaDestroy<rd_kafka_conf_destroy>>;
using KafkaQueue = std::unique_ptr<rd_kafka_queue_t, KafkaDestroy<rd_kafka_queue_destroy>>;
using KafkaTopic = std::unique_ptr<rd_kafka_topic_t, KafkaDestroy<rd_kafka_topic_destroy>>;
using KafkaMessage = std::unique_ptr<rd_kafka_message_t, KafkaDestroy<rd_kafka_message_destroy>>;
using KafkaPartitions = std::unique_ptr<rd_kafka_topic_partition_list_t,
                                        KafkaDestroy<rd_kafka_topic_partition_list_destroy>>;
using KafkaHeaders = std::unique_ptr<rd_kafka_headers_t, KafkaDestroy<rd_kafka_headers_destroy>>;
using KafkaError = std::unique_ptr<rd_kafka_error_t, KafkaDestroy<rd_kafka_error_destroy>>;
using KafkaMetadata =
    std::unique_ptr<const rd_kafka_metadata_t, KafkaDestroy<rd_kafka_metadata_destroy>>;

// librdkafka properties by name.
using KafkaProperties = std::map<std::string, std::string>;

// Takes librdkafka's own log lines; `level` is a syslog level, 0 (emergency) to 7 (debug). Called
// on any thread, and, where a client does not close in time, after its owner is gone: it must not
// refer to anything that can go away before the process does.
using KafkaLog = std::function<void(int level, std::string_view text)>;

// What librdkafka calls the error, e.g. "Broker: Unknown topic or partition".
[[nodiscard]] inline std::string error_text(rd_kafka_resp_err_t error) {
  return rd_kafka_err2str(error);
}

// librdkafka does not take a property, or not together with the others.
class BadKafkaProperties : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Why librdkafka does not take a property with this value; nothing where it does. Never a secret.
[[nodiscard]] std::optional<std::string> why_kafka_refuses(const std::string& name,
                                                           const std::string& value);

// `forced` wins over `user`, which wins over `defaults`.
// Throws BadKafkaProperties, with all that librdkafka does not take.
[[nodiscard]] KafkaConf make_kafka_conf(const KafkaProperties& defaults,
                                        const KafkaProperties& user, const KafkaProperties& forced);

// Throws BadKafkaProperties where the properties do not go together.
[[nodiscard]] KafkaClient make_kafka_client(rd_kafka_type_t type, KafkaConf conf);

// What metadata says of one topic: its number of partitions, or why there are none.
struct TopicFacts {
  rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR_NO_ERROR;  // a broker that does not answer, too
  bool is_answered = false;                                // some broker did answer
  int partitions = 0;
};
[[nodiscard]] TopicFacts ask_for_topic(rd_kafka_t* client, rd_kafka_topic_t* topic, int timeout_ms);

// Has the client look again at what it may fetch of the partition. librdkafka (2.0) does so once a
// second, and when it has a request to send: where a partition becomes fetchable in between, or its
// queue was full and is not any more, it would not notice. Waits for the broker, at most so long.
void wake_fetcher(rd_kafka_t* client, const std::string& topic, Partition partition, int wait_ms);

// Error texts with their remedy, the same wherever they are met.
[[nodiscard]] std::string missing_topic_text(std::string_view brokers, std::string_view topic);
[[nodiscard]] std::string unreachable_text(std::string_view brokers, std::string_view why);

// What is left until then, in ms; 0 once it has passed. For librdkafka's timeouts.
[[nodiscard]] int ms_until(std::chrono::steady_clock::time_point deadline);

// Runs `work` on a thread of its own and waits for it, but no longer than this: librdkafka may
// block for ever while it closes a client, and a leak is better than a hang. `work` owns all that
// it touches and does not throw. False: it is still running, or no thread was to be had.
bool run_bounded(std::function<void()> work, int deadline_ms);

}  // namespace uniqd

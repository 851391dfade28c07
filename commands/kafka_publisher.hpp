#pragma once
// kafka_publisher.hpp - commands to one topic, acknowledged by all in-sync replicas.

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "commands/kafka_handles.hpp"
#include "commands/relay.hpp"

namespace uniqd {

struct KafkaPublisherOptions {
  std::string brokers;
  std::string topic;
  KafkaProperties properties;                // passed on unchanged, but for those that uniqd owns
  std::chrono::milliseconds deadline{5000};  // of one publish(), at least 1 ms
};

// The properties of the publisher's producer: those that uniqd owns, the user's, and defaults.
// Throws std::runtime_error where librdkafka does not take one.
[[nodiscard]] KafkaConf make_publisher_conf(const KafkaPublisherOptions& options);

// CommandPublisher on an idempotent producer of librdkafka, which is disposable: after anything
// but success or a refusal it is thrown away with all it still held, and the next publish() makes
// a new one. So a command that was reported as uncertain is never delivered by the old producer
// after a re-send, unless it was on the wire already: the command's id tells the two apart.
//
// The deadline is that of publish() alone: message.timeout.ms is infinite unless the user sets it,
// since a message that times out inside an idempotent producer breaks its sequence. The topic is
// checked once a producer, and never created.
//
// Refused: the topic is missing, there is no right to write to it, or the message is too large or
// otherwise not accepted. All else is uncertain.
//
// Thread safety: as CommandPublisher; librdkafka's own threads call only the log.
class KafkaPublisher final : public CommandPublisher {
 public:
  // Begins to connect in the background; does not wait for a broker.
  // Throws std::runtime_error where librdkafka does not take the properties.
  KafkaPublisher(KafkaPublisherOptions options, KafkaLog log);
  ~KafkaPublisher() override;

  // Takes at most the deadline, and close_within_ms more where the producer has to go.
  std::vector<DeliveryReport> publish(const std::vector<Command>& commands) override;

  static constexpr int close_within_ms = 1000;

 private:
  using Clock = std::chrono::steady_clock;
  struct Producer;

  void open();
  void close() noexcept;
  [[nodiscard]] bool find_topic(Clock::time_point deadline, std::vector<DeliveryReport>& reports);
  [[nodiscard]] bool hand_over(const Command& command, DeliveryReport& report,
                               Clock::time_point deadline);
  void wait_for_reports(Clock::time_point deadline);
  [[nodiscard]] std::string why_uncertain() const;

  KafkaPublisherOptions options_;
  KafkaLog log_;
  std::shared_ptr<Producer> producer_;  // shared with the thread that closes it; null: none yet
};

}  // namespace uniqd

#include "commands/kafka_publisher.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <stdexcept>
#include <utility>

namespace uniqd {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds poll_slice{100};

const KafkaProperties& defaults() {
  static const KafkaProperties properties{
      {"client.id", "uniqd"},
      {"linger.ms", "0"},
      {"message.timeout.ms", "0"},
      {"socket.keepalive.enable", "true"},
      {"socket.nagle.disable", "true"},
      {"socket.timeout.ms", "10000"},
      {"reconnect.backoff.max.ms", "1000"},
      {"queue.buffering.max.messages", "10000"},
  };
  return properties;
}

KafkaProperties forced(const KafkaPublisherOptions& options) {
  return {
      {"bootstrap.servers", options.brokers},
      {"enable.idempotence", "true"},
      {"acks", "all"},
      {"allow.auto.create.topics", "false"},
  };
}

// What the broker, or librdkafka in its place, will say again however often it is asked; empty for
// what may pass.
std::string refusal(rd_kafka_resp_err_t error, const KafkaPublisherOptions& options) {
  switch (error) {
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
      return missing_topic_text(options.brokers, options.topic);
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
      return fmt::format(
          "no right to write to topic \"{}\"; give this client's principal the ACLs WRITE and "
          "DESCRIBE on it",
          options.topic);
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
      return "no right to produce idempotently; give this client's principal the ACL "
             "IDEMPOTENT_WRITE on the cluster (brokers before 2.8) or WRITE on the topic";
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
      return fmt::format(
          "the message is too large; raise max.message.bytes of topic \"{}\" and message.max.bytes "
          "under commands.kafka",
          options.topic);
    case RD_KAFKA_RESP_ERR_INVALID_RECORD:
    case RD_KAFKA_RESP_ERR_INVALID_MSG:
    case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
    case RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP:
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT:
      return fmt::format("topic \"{}\" does not accept the message ({}); see its configuration",
                         options.topic, error_text(error));
    default:
      return {};
  }
}

KafkaHeaders make_headers(const Command& command) {
  KafkaHeaders headers{rd_kafka_headers_new(command.headers.size())};
  for (const auto& [name, value] : command.headers) {
    rd_kafka_header_add(headers.get(), name.data(), static_cast<ssize_t>(name.size()), value.data(),
                        static_cast<ssize_t>(value.size()));
  }
  return headers;
}

}  // namespace

KafkaConf make_publisher_conf(const KafkaPublisherOptions& options) {
  return make_kafka_conf(defaults(), options.properties, forced(options));
}

// All that librdkafka's callbacks touch. They run in publish(), on its thread; while the client
// closes, on the thread that closes it.
struct KafkaPublisher::Producer {
  KafkaLog log;
  const KafkaPublisherOptions options;
  KafkaClient client;
  KafkaTopic topic;
  bool has_seen_topic = false;

  bool is_publishing = false;  // else the reports that messages refer to are gone
  std::size_t outstanding = 0;
  bool is_spent = false;
  std::string connection_reason;

  Producer(KafkaLog to, KafkaPublisherOptions how) : log(std::move(to)), options(std::move(how)) {}

  void on_delivery(const rd_kafka_message_t& message) {
    if (!is_publishing) return;
    --outstanding;
    settle(*static_cast<DeliveryReport*>(message._private), message.err);
  }

  void settle(DeliveryReport& report, rd_kafka_resp_err_t error) {
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
      report.delivery = Delivery::delivered;
      report.why.clear();
      return;
    }
    if (auto why = refusal(error, options); !why.empty()) {
      report.delivery = Delivery::refused;
      report.why = std::move(why);
      has_seen_topic = false;
      return;
    }
    is_spent = true;
    report.delivery = Delivery::uncertain;
    // Thrown away because of something else, which says more.
    const bool is_consequence = error == RD_KAFKA_RESP_ERR__PURGE_QUEUE ||
                                error == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT ||
                                error == RD_KAFKA_RESP_ERR__FATAL;
    if (is_consequence) return;
    report.why = fmt::format("topic \"{}\": {}", options.topic, error_text(error));
  }

  void on_error(rd_kafka_resp_err_t error, std::string_view reason) {
    if (error == RD_KAFKA_RESP_ERR__FATAL) is_spent = true;
    if (error != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) connection_reason = reason;
  }

  void set_callbacks(rd_kafka_conf_t* conf) {
    rd_kafka_conf_set_opaque(conf, this);
    rd_kafka_conf_set_dr_msg_cb(conf,
                                [](rd_kafka_t*, const rd_kafka_message_t* message, void* self) {
                                  static_cast<Producer*>(self)->on_delivery(*message);
                                });
    rd_kafka_conf_set_error_cb(conf, [](rd_kafka_t*, int error, const char* reason, void* self) {
      static_cast<Producer*>(self)->on_error(static_cast<rd_kafka_resp_err_t>(error), reason);
    });
    rd_kafka_conf_set_log_cb(
        conf, [](const rd_kafka_t* from, int level, const char* facility, const char* text) {
          const auto* self = static_cast<const Producer*>(rd_kafka_opaque(from));
          if (self->log) self->log(level, fmt::format("{}: {}", facility, text));
        });
  }
};

KafkaPublisher::KafkaPublisher(KafkaPublisherOptions options, KafkaLog log)
    : options_(std::move(options)), log_(std::move(log)) {
  open();
}

KafkaPublisher::~KafkaPublisher() { close(); }

void KafkaPublisher::open() {
  auto producer = std::make_shared<Producer>(log_, options_);
  auto conf = make_publisher_conf(options_);
  producer->set_callbacks(conf.get());
  producer->client = make_kafka_client(RD_KAFKA_PRODUCER, std::move(conf));
  producer->topic.reset(
      rd_kafka_topic_new(producer->client.get(), options_.topic.c_str(), nullptr));
  if (!producer->topic) {
    throw std::runtime_error(fmt::format("\"{}\" is not a topic: {}", options_.topic,
                                         error_text(rd_kafka_last_error())));
  }
  producer_ = std::move(producer);
}

void KafkaPublisher::close() noexcept {
  auto producer = std::exchange(producer_, nullptr);
  if (!producer) return;
  producer->is_publishing = false;
  rd_kafka_purge(producer->client.get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT |
                                             RD_KAFKA_PURGE_F_NON_BLOCKING);
  run_bounded([producer = std::move(producer)]() mutable { producer.reset(); }, close_within_ms);
}

std::vector<DeliveryReport> KafkaPublisher::publish(const std::vector<Command>& commands) {
  const auto deadline = Clock::now() + options_.deadline;
  std::vector<DeliveryReport> reports;
  reports.reserve(commands.size());
  for (const Command& command : commands) {
    reports.push_back(DeliveryReport{command.id, Delivery::uncertain, {}});
  }
  if (commands.empty()) return reports;
  if (!producer_) open();
  producer_->is_publishing = true;
  producer_->outstanding = 0;

  if (find_topic(deadline, reports)) {
    for (std::size_t i = 0; i < commands.size(); ++i) {
      if (!hand_over(commands[i], reports[i], deadline)) break;
    }
    wait_for_reports(deadline);
  }
  for (DeliveryReport& report : reports) {
    if (report.delivery == Delivery::uncertain && report.why.empty()) report.why = why_uncertain();
  }
  producer_->is_publishing = false;
  if (producer_->is_spent || producer_->outstanding > 0) close();
  return reports;
}

// Producing to a topic that is not there is an error path of librdkafka better not taken.
bool KafkaPublisher::find_topic(Clock::time_point deadline, std::vector<DeliveryReport>& reports) {
  if (producer_->has_seen_topic) return true;
  const auto facts =
      ask_for_topic(producer_->client.get(), producer_->topic.get(), ms_until(deadline));
  if (facts.error == RD_KAFKA_RESP_ERR_NO_ERROR && facts.partitions > 0) {
    producer_->has_seen_topic = true;
    return true;
  }
  rd_kafka_poll(producer_->client.get(), 0);  // for the reason
  if (facts.is_answered) {
    for (DeliveryReport& report : reports) producer_->settle(report, facts.error);
  }
  return false;
}

// False: nothing more can be handed over now.
bool KafkaPublisher::hand_over(const Command& command, DeliveryReport& report,
                               Clock::time_point deadline) {
  auto headers = make_headers(command);
  while (!producer_->is_spent) {
    const auto error = rd_kafka_producev(
        producer_->client.get(), RD_KAFKA_V_RKT(producer_->topic.get()),
        RD_KAFKA_V_PARTITION(RD_KAFKA_PARTITION_UA), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
        RD_KAFKA_V_KEY(command.key.data(), command.key.size()),
        RD_KAFKA_V_VALUE(const_cast<char*>(command.body.data()), command.body.size()),
        RD_KAFKA_V_HEADERS(headers.get()), RD_KAFKA_V_OPAQUE(&report), RD_KAFKA_V_END);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
      (void)headers.release();  // the message's now
      ++producer_->outstanding;
      return true;
    }
    if (error == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
      if (ms_until(deadline) == 0) return false;
      rd_kafka_poll(producer_->client.get(), std::min<int>(ms_until(deadline), 10));
      continue;
    }
    // Before 2.12 librdkafka frees the headers when the partition is gone: leak rather than crash.
    if (error == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION ||
        error == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC) {
      (void)headers.release();
    }
    producer_->settle(report, error);
    return true;
  }
  return false;
}

void KafkaPublisher::wait_for_reports(Clock::time_point deadline) {
  while (producer_->outstanding > 0 && !producer_->is_spent) {
    const int left_ms = ms_until(deadline);
    if (left_ms == 0) return;
    rd_kafka_poll(producer_->client.get(), std::min<int>(left_ms, poll_slice.count()));
  }
}

std::string KafkaPublisher::why_uncertain() const {
  std::array<char, 512> reason{};
  const auto fatal = rd_kafka_fatal_error(producer_->client.get(), reason.data(), reason.size());
  if (fatal != RD_KAFKA_RESP_ERR_NO_ERROR) {
    const auto why = refusal(fatal, options_);
    return fmt::format("the producer failed and is replaced: {}",
                       why.empty() ? std::string{reason.data()} : why);
  }
  if (!producer_->has_seen_topic || !producer_->connection_reason.empty()) {
    return unreachable_text(options_.brokers, producer_->connection_reason);
  }
  return fmt::format("topic \"{}\": not acknowledged within {} ms; are enough replicas in sync?",
                     options_.topic, options_.deadline.count());
}

}  // namespace uniqd

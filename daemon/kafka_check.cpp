#include "daemon/kafka_check.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <stdexcept>
#include <utility>

namespace uniqd {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int close_within_ms = 3000;

// A client that lives as long as the questions, with the latest reason for not being connected.
class Inquirer {
 public:
  Inquirer(rd_kafka_type_t type, KafkaConf conf, std::string brokers, std::string topic_name,
           int timeout_ms)
      : brokers_(std::move(brokers)),
        topic_name_(std::move(topic_name)),
        deadline_(Clock::now() + std::chrono::milliseconds{timeout_ms}) {
    rd_kafka_conf_set_opaque(conf.get(), reason_.get());
    rd_kafka_conf_set_error_cb(conf.get(),
                               [](rd_kafka_t*, int error, const char* reason, void* self) {
                                 if (error != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
                                   *static_cast<std::string*>(self) = reason;
                                 }
                               });
    rd_kafka_conf_set_log_cb(conf.get(), nullptr);
    client_ = make_kafka_client(type, std::move(conf));
    if (type == RD_KAFKA_CONSUMER) rd_kafka_poll_set_consumer(client_.get());
    topic_.reset(rd_kafka_topic_new(client_.get(), topic_name_.c_str(), nullptr));
    if (!topic_) {
      throw std::runtime_error(
          fmt::format("\"{}\" is not a topic: {}", topic_name_, error_text(rd_kafka_last_error())));
    }
  }
  Inquirer(const Inquirer&) = delete;
  Inquirer& operator=(const Inquirer&) = delete;
  ~Inquirer() {
    topic_.reset();
    run_bounded([client = std::shared_ptr<rd_kafka_t>{std::move(client_)},
                 reason = reason_]() mutable { client.reset(); },
                close_within_ms);
  }

  [[nodiscard]] rd_kafka_t* client() const { return client_.get(); }
  [[nodiscard]] int left_ms() const {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline_ - Clock::now());
    return static_cast<int>(std::max<std::int64_t>(left.count(), 1));
  }
  [[nodiscard]] bool is_late() const { return Clock::now() >= deadline_; }

  // The number of partitions; 0 where there is nothing more to ask.
  int ask_for_topic(std::vector<KafkaFinding>& findings) {
    const auto facts = uniqd::ask_for_topic(client_.get(), topic_.get(), left_ms());
    if (!facts.is_answered) {
      rd_kafka_poll(client_.get(), 0);  // for the reason
      findings.push_back({false, unreachable_text(brokers_, *reason_)});
      return 0;
    }
    findings.push_back({true, fmt::format("brokers {}: reached", brokers_)});
    if (facts.error == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) {
      findings.push_back({false, missing_topic_text(brokers_, topic_name_)});
      return 0;
    }
    if (facts.error != RD_KAFKA_RESP_ERR_NO_ERROR) {
      findings.push_back(
          {false, fmt::format("topic \"{}\": {}; give this client's principal the ACL DESCRIBE on "
                              "it",
                              topic_name_, error_text(facts.error))});
      return 0;
    }
    findings.push_back({true, fmt::format("topic \"{}\": {} partition{}", topic_name_,
                                          facts.partitions, facts.partitions == 1 ? "" : "s")});
    return facts.partitions;
  }

 private:
  std::string brokers_;
  std::string topic_name_;
  Clock::time_point deadline_;
  std::shared_ptr<std::string> reason_ = std::make_shared<std::string>();
  KafkaClient client_;
  KafkaTopic topic_;
};

// Reads from the end on: where that is met, every right that reading takes is there.
KafkaFinding try_to_read(Inquirer& inquirer, const std::string& topic, int partitions) {
  const KafkaPartitions list{rd_kafka_topic_partition_list_new(partitions)};
  for (int i = 0; i < partitions; ++i) {
    rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), i)->offset = RD_KAFKA_OFFSET_END;
  }
  rd_kafka_assign(inquirer.client(), list.get());
  std::vector<bool> is_read(static_cast<std::size_t>(partitions), false);
  while (std::ranges::count(is_read, false) > 0) {
    if (inquirer.is_late()) {
      return {false,
              fmt::format("topic \"{}\": not all partitions could be read in time; are their "
                          "leaders up?",
                          topic)};
    }
    const KafkaMessage message{rd_kafka_consumer_poll(inquirer.client(), inquirer.left_ms())};
    if (!message) continue;
    const bool is_fine = message->err == RD_KAFKA_RESP_ERR_NO_ERROR ||
                         message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
    if (is_fine) {
      is_read[static_cast<std::size_t>(message->partition)] = true;
    } else if (message->rkt != nullptr) {
      return {false,
              fmt::format("topic \"{}\" cannot be read: {}; give this client's principal the "
                          "ACLs READ and DESCRIBE on it",
                          topic, error_text(message->err))};
    }
  }
  rd_kafka_assign(inquirer.client(), nullptr);
  return {true, fmt::format("topic \"{}\": can be read", topic)};
}

// Asking for committed offsets takes the rights of a member, and no membership.
KafkaFinding ask_for_group(Inquirer& inquirer, const KafkaSourceOptions& options) {
  const KafkaPartitions list{rd_kafka_topic_partition_list_new(1)};
  rd_kafka_topic_partition_list_add(list.get(), options.topic.c_str(), 0);
  const auto error = rd_kafka_committed(inquirer.client(), list.get(), inquirer.left_ms());
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
    return {true, fmt::format("group \"{}\": can be used", options.group)};
  }
  return {false,
          fmt::format("group \"{}\": {}; give this client's principal the ACL READ on it, or "
                      "name another one in source.group",
                      options.group, error_text(error))};
}

}  // namespace

std::vector<KafkaFinding> check_kafka_source(const KafkaSourceOptions& options, int timeout_ms) {
  std::vector<KafkaFinding> findings;
  Inquirer inquirer{RD_KAFKA_CONSUMER, make_source_conf(options), options.brokers, options.topic,
                    timeout_ms};
  const int partitions = inquirer.ask_for_topic(findings);
  if (partitions == 0) return findings;
  findings.push_back(try_to_read(inquirer, options.topic, partitions));
  findings.push_back(ask_for_group(inquirer, options));
  return findings;
}

std::vector<KafkaFinding> check_kafka_commands(const KafkaPublisherOptions& options,
                                               int timeout_ms) {
  std::vector<KafkaFinding> findings;
  Inquirer inquirer{RD_KAFKA_PRODUCER, make_publisher_conf(options), options.brokers, options.topic,
                    timeout_ms};
  if (inquirer.ask_for_topic(findings) == 0) return findings;
  std::array<char, 512> reason{};
  const auto fatal = rd_kafka_fatal_error(inquirer.client(), reason.data(), reason.size());
  if (fatal != RD_KAFKA_RESP_ERR_NO_ERROR) {
    findings.push_back(
        {false, fmt::format("no idempotent producer is to be had: {}; give this client's principal "
                            "the ACL WRITE on topic \"{}\"",
                            std::string_view{reason.data()}, options.topic)});
  }
  return findings;
}

}  // namespace uniqd

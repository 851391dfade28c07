#include "daemon/topic_witness.hpp"

#include <algorithm>
#include <memory>
#include <utility>

#include "daemon/kafka_record.hpp"
#include "readmodel/digest.hpp"

namespace uniqd {
namespace {

using Clock = std::chrono::steady_clock;
constexpr int close_within_ms = 1000;
constexpr int wake_after_ms = 10;

}  // namespace

TopicWitness::TopicWitness(KafkaConf conf, std::string topic) : topic_(std::move(topic)) {
  rd_kafka_conf_set_log_cb(conf.get(), nullptr);
  client_ = make_kafka_client(RD_KAFKA_CONSUMER, std::move(conf));
  rd_kafka_poll_set_consumer(client_.get());
}

TopicWitness::~TopicWitness() {
  run_bounded(
      [client = std::shared_ptr<rd_kafka_t>{std::move(client_)}]() mutable {
        rd_kafka_consumer_close(client.get());
        client.reset();
      },
      close_within_ms);
}

void TopicWitness::forget() {
  if (asked_.empty()) return;
  asked_.clear();
  open_.clear();
  rd_kafka_assign(client_.get(), nullptr);
}

void TopicWitness::fetch(const Questions& questions) {
  asked_ = open_ = questions;
  const KafkaPartitions list{rd_kafka_topic_partition_list_new(static_cast<int>(questions.size()))};
  for (const auto& [partition, anchor] : questions) {
    rd_kafka_topic_partition_list_add(list.get(), topic_.c_str(), to_number(partition))->offset =
        anchor.offset.value;
  }
  rd_kafka_assign(client_.get(), list.get());
}

TopicWitness::Answer TopicWitness::ask(const Questions& questions, std::chrono::milliseconds wait) {
  if (asked_.size() != questions.size()) fetch(questions);
  const auto deadline = Clock::now() + wait;
  while (!open_.empty()) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
    const auto left_ms = static_cast<int>(std::max<std::int64_t>(left.count(), 0));
    const KafkaMessage message{
        rd_kafka_consumer_poll(client_.get(), std::min(left_ms, wake_after_ms))};
    if (!message) {
      if (left_ms == 0) return {};
      wake_fetcher(client_.get(), topic_, open_.begin()->first, left_ms);
      continue;
    }
    const Answer answer{judge(*message), Partition{message->partition}};
    if (answer.kind == Answer::Kind::waiting) continue;
    if (answer.kind != Answer::Kind::same) {
      forget();
      return answer;
    }
    open_.erase(answer.partition);
  }
  forget();
  return {Answer::Kind::same, {}};
}

TopicWitness::Answer::Kind TopicWitness::judge(const rd_kafka_message_t& message) {
  const auto question = open_.find(Partition{message.partition});
  if (message.rkt == nullptr || question == open_.end()) return Answer::Kind::waiting;
  if (message.err == RD_KAFKA_RESP_ERR__PARTITION_EOF) return Answer::Kind::same;
  if (message.err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET ||
      message.err == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE) {
    return Answer::Kind::removed;
  }
  const Anchor& anchor = question->second;
  if (message.err != RD_KAFKA_RESP_ERR_NO_ERROR || message.offset < anchor.offset.value) {
    return Answer::Kind::waiting;
  }
  const bool is_other =
      message.offset == anchor.offset.value && record_digest(record_view(message)) != anchor.digest;
  return is_other ? Answer::Kind::other : Answer::Kind::same;
}

}  // namespace uniqd

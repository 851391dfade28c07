#include "tests/bench/kafka_load.hpp"

#include <stdexcept>

namespace uniqd::bench {
namespace {

constexpr int flush_within_ms = 120'000;
constexpr int queue_full_wait_ms = 5;

KafkaClient make_producer(const std::string& brokers, LoadProducer::Pace pace,
                          rd_kafka_resp_err_t& failure) {
  const bool is_bulk = pace == LoadProducer::Pace::bulk;
  auto conf = make_kafka_conf({},
                              {{"bootstrap.servers", brokers},
                               {"enable.idempotence", "true"},
                               {"linger.ms", is_bulk ? "20" : "0"},
                               {"batch.num.messages", "10000"},
                               {"queue.buffering.max.messages", "200000"},
                               {"log_level", "3"}},
                              {});
  rd_kafka_conf_set_opaque(conf.get(), &failure);
  rd_kafka_conf_set_dr_msg_cb(conf.get(),
                              [](rd_kafka_t*, const rd_kafka_message_t* message, void* where) {
                                if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
                                  *static_cast<rd_kafka_resp_err_t*>(where) = message->err;
                                }
                              });
  return make_kafka_client(RD_KAFKA_PRODUCER, std::move(conf));
}

}  // namespace

LoadProducer::LoadProducer(const std::string& brokers, Pace pace)
    : failure_(std::make_unique<rd_kafka_resp_err_t>(RD_KAFKA_RESP_ERR_NO_ERROR)),
      client_(make_producer(brokers, pace, *failure_)) {}

void LoadProducer::produce(const std::string& topic, const std::string& key,
                           const std::string& payload) {
  while (true) {
    const auto error = rd_kafka_producev(
        client_.get(), RD_KAFKA_V_TOPIC(topic.c_str()), RD_KAFKA_V_PARTITION(RD_KAFKA_PARTITION_UA),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
        RD_KAFKA_V_KEY(const_cast<char*>(key.data()), key.size()),
        RD_KAFKA_V_VALUE(const_cast<char*>(payload.data()), payload.size()), RD_KAFKA_V_END);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) break;
    if (error != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
      throw std::runtime_error("produce to " + topic + ": " + error_text(error));
    }
    rd_kafka_poll(client_.get(), queue_full_wait_ms);
  }
  rd_kafka_poll(client_.get(), 0);
}

void LoadProducer::flush() {
  auto error = rd_kafka_flush(client_.get(), flush_within_ms);
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) error = *failure_;
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    throw std::runtime_error("the broker did not take all records: " + error_text(error));
  }
}

void produce_all(const std::string& brokers, const std::string& topic,
                 const std::vector<UserEvent>& events) {
  LoadProducer producer(brokers, LoadProducer::Pace::bulk);
  for (const UserEvent& event : events) producer.produce(topic, event);
  producer.flush();
}

RecordReader::RecordReader(const std::string& brokers, const std::string& topic,
                           std::int64_t offset)
    : client_(make_kafka_client(RD_KAFKA_CONSUMER,
                                make_kafka_conf({},
                                                {{"bootstrap.servers", brokers},
                                                 {"group.id", "bench-reads-" + topic},
                                                 {"enable.auto.commit", "false"},
                                                 {"log_level", "3"}},
                                                {}))) {
  rd_kafka_poll_set_consumer(client_.get());
  const KafkaPartitions all{rd_kafka_topic_partition_list_new(1)};
  rd_kafka_topic_partition_list_add(all.get(), topic.c_str(), 0)->offset = offset;
  const auto error = rd_kafka_assign(client_.get(), all.get());
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    throw std::runtime_error("read topic " + topic + ": " + error_text(error));
  }
}

KafkaMessage RecordReader::next(int wait_ms) {
  KafkaMessage message{rd_kafka_consumer_poll(client_.get(), wait_ms)};
  if (message && message->err != RD_KAFKA_RESP_ERR_NO_ERROR) message.reset();
  return message;
}

}  // namespace uniqd::bench

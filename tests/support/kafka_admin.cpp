#include "tests/support/kafka_admin.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <fstream>
#include <stdexcept>
#include <utility>

#include "tests/support/services.hpp"

namespace uniqd::test {
namespace {

using Clock = std::chrono::steady_clock;
using AdminOptions =
    std::unique_ptr<rd_kafka_AdminOptions_t, KafkaDestroy<rd_kafka_AdminOptions_destroy>>;
using NewTopic = std::unique_ptr<rd_kafka_NewTopic_t, KafkaDestroy<rd_kafka_NewTopic_destroy>>;
using DeleteTopic =
    std::unique_ptr<rd_kafka_DeleteTopic_t, KafkaDestroy<rd_kafka_DeleteTopic_destroy>>;
using DeleteRecords =
    std::unique_ptr<rd_kafka_DeleteRecords_t, KafkaDestroy<rd_kafka_DeleteRecords_destroy>>;
using Event = std::unique_ptr<rd_kafka_event_t, KafkaDestroy<rd_kafka_event_destroy>>;

constexpr int timeout_ms = 30000;

[[noreturn]] void fail(std::string_view what, std::string_view why) {
  throw std::runtime_error(fmt::format("{}: {}", what, why));
}

void require(rd_kafka_resp_err_t error, std::string_view what) {
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) fail(what, error_text(error));
}

void require(rd_kafka_error_t* raw, std::string_view what) {
  const KafkaError error{raw};
  if (error) fail(what, rd_kafka_error_string(error.get()));
}

KafkaClient make_client(rd_kafka_type_t type, KafkaProperties properties) {
  properties.insert({"log_level", "3"});
  return make_kafka_client(type, make_kafka_conf({}, properties, {}));
}

// A delivery that fails leaves its error in `failure`, which outlives the client.
KafkaClient make_producer(const std::string& brokers, KafkaProperties properties,
                          rd_kafka_resp_err_t& failure) {
  properties.insert({{"bootstrap.servers", brokers},
                     {"acks", "all"},
                     {"linger.ms", "1"},
                     {"log_level", "3"},
                     {"message.timeout.ms", std::to_string(timeout_ms)}});
  auto conf = make_kafka_conf({}, properties, {});
  rd_kafka_conf_set_opaque(conf.get(), &failure);
  rd_kafka_conf_set_dr_msg_cb(conf.get(),
                              [](rd_kafka_t*, const rd_kafka_message_t* message, void* where) {
                                if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
                                  *static_cast<rd_kafka_resp_err_t*>(where) = message->err;
                                }
                              });
  return make_kafka_client(RD_KAFKA_PRODUCER, std::move(conf));
}

void hand_over(rd_kafka_t* producer, const std::string& topic, const TestRecord& record) {
  KafkaHeaders headers{rd_kafka_headers_new(record.headers.size())};
  for (const auto& [name, value] : record.headers) {
    rd_kafka_header_add(headers.get(), name.data(), static_cast<ssize_t>(name.size()),
                        value ? value->data() : nullptr,
                        value ? static_cast<ssize_t>(value->size()) : 0);
  }
  const auto bytes = [](const std::optional<std::string>& text) {
    return text ? const_cast<char*>(text->data()) : nullptr;
  };
  const auto size = [](const std::optional<std::string>& text) { return text ? text->size() : 0; };
  while (true) {
    const auto error = rd_kafka_producev(
        producer, RD_KAFKA_V_TOPIC(topic.c_str()), RD_KAFKA_V_PARTITION(record.partition),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
        RD_KAFKA_V_KEY(bytes(record.key), size(record.key)),
        RD_KAFKA_V_VALUE(bytes(record.payload), size(record.payload)),
        RD_KAFKA_V_HEADERS(headers.get()), RD_KAFKA_V_END);
    if (error == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
      rd_kafka_poll(producer, 10);
      continue;
    }
    (void)headers.release();  // the message's now; on an error leaked, as librdkafka may free them
    return require(error, "produce to " + topic);
  }
}

void hand_over_all(rd_kafka_t* producer, const std::string& topic,
                   const std::vector<TestRecord>& records, rd_kafka_resp_err_t& failure) {
  failure = RD_KAFKA_RESP_ERR_NO_ERROR;
  for (const TestRecord& record : records) {
    hand_over(producer, topic, record);
    rd_kafka_poll(producer, 0);
  }
  require(rd_kafka_flush(producer, timeout_ms), "produce to " + topic);
  require(failure, "produce to " + topic);
}

TestRecord copy_of(const rd_kafka_message_t& message) {
  const auto text = [](const void* data, std::size_t size) -> std::optional<std::string> {
    if (data == nullptr) return std::nullopt;
    return std::string{static_cast<const char*>(data), size};
  };
  TestRecord record;
  record.key = text(message.key, message.key_len);
  record.payload = text(message.payload, message.len);
  record.partition = message.partition;
  record.offset = message.offset;
  rd_kafka_headers_t* headers = nullptr;
  if (rd_kafka_message_headers(&message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR) return record;
  const char* name = nullptr;
  const void* value = nullptr;
  std::size_t size = 0;
  for (std::size_t i = 0;
       rd_kafka_header_get_all(headers, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR;
       ++i) {
    record.headers.emplace_back(name, text(value, size));
  }
  return record;
}

std::int64_t end_of(rd_kafka_t* client, const std::string& topic, std::int32_t partition) {
  std::int64_t low = 0;
  std::int64_t high = 0;
  require(
      rd_kafka_query_watermark_offsets(client, topic.c_str(), partition, &low, &high, timeout_ms),
      "end of topic " + topic);
  return high;
}

// Waits for the answer to an admin request.
Event answer(rd_kafka_queue_t* queue, std::string_view what) {
  Event event{rd_kafka_queue_poll(queue, timeout_ms)};
  if (!event) fail(what, "no answer in time");
  if (rd_kafka_event_error(event.get()) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    fail(what, rd_kafka_event_error_string(event.get()));
  }
  return event;
}

rd_kafka_resp_err_t request_topic(rd_kafka_t* client, rd_kafka_NewTopic_t* topic) {
  const KafkaQueue queue{rd_kafka_queue_new(client)};
  rd_kafka_CreateTopics(client, &topic, 1, nullptr, queue.get());
  const Event event = answer(queue.get(), "create topic");
  std::size_t count = 0;
  const auto* results =
      rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event.get()), &count);
  return rd_kafka_topic_result_error(results[0]);
}

}  // namespace

std::string TestRecord::header(const std::string& name) const {
  const auto found =
      std::ranges::find(headers, name, &std::pair<std::string, std::optional<std::string>>::first);
  return found == headers.end() ? std::string{} : found->second.value_or("");
}

std::string unique_name(const std::string& prefix) {
  static std::atomic<int> count{0};
  const auto now = std::chrono::system_clock::now().time_since_epoch().count();
  return fmt::format("{}-{:x}-{:x}-{}", prefix, now, getpid(), ++count);
}

KafkaAdmin::KafkaAdmin(std::string brokers)
    : brokers_(std::move(brokers)),
      failure_(std::make_unique<rd_kafka_resp_err_t>(RD_KAFKA_RESP_ERR_NO_ERROR)),
      producer_(make_producer(brokers_, {}, *failure_)) {}

KafkaAdmin::KafkaAdmin() : KafkaAdmin(Services::get().brokers) {
  const Services& services = Services::get();
  if (!services.real_kafka() && !services.folder.empty()) {
    mock_topics_ = services.folder + "/mock.topics";
    mock_created_ = services.folder + "/mock.address";
  }
}

KafkaAdmin::~KafkaAdmin() = default;

void KafkaAdmin::create_topic(const std::string& topic, int partitions,
                              const std::map<std::string, std::string>& config) {
  const std::string what = "create topic " + topic;
  if (!mock_topics_.empty()) {
    std::ofstream pipe{mock_topics_};
    if (!(pipe << topic << ' ' << partitions << std::endl)) fail(what, "cannot tell the mock");
    wait_for_mock(topic);
    return wait_for_partitions(topic, partitions);
  }
  std::array<char, 256> why{};
  const NewTopic request{
      rd_kafka_NewTopic_new(topic.c_str(), partitions, 1, why.data(), why.size())};
  if (!request) fail(what, why.data());
  for (const auto& [name, value] : config) {
    require(rd_kafka_NewTopic_set_config(request.get(), name.c_str(), value.c_str()), what);
  }
  // A broker that was stopped or frozen counts as gone until it has registered again.
  const auto deadline = Clock::now() + std::chrono::milliseconds{timeout_ms};
  auto error = request_topic(producer_.get(), request.get());
  while (error == RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR && Clock::now() < deadline) {
    rd_kafka_poll(producer_.get(), 50);
    error = request_topic(producer_.get(), request.get());
  }
  require(error, what);
  wait_for_partitions(topic, partitions);
}

void KafkaAdmin::delete_topic(const std::string& topic) {
  const std::string what = "delete topic " + topic;
  const DeleteTopic request{rd_kafka_DeleteTopic_new(topic.c_str())};
  const KafkaQueue queue{rd_kafka_queue_new(producer_.get())};
  auto* requests = request.get();
  rd_kafka_DeleteTopics(producer_.get(), &requests, 1, nullptr, queue.get());
  const Event event = answer(queue.get(), what);
  std::size_t count = 0;
  const auto* results =
      rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(event.get()), &count);
  require(rd_kafka_topic_result_error(results[0]), what);
  wait_for_partitions(topic, 0);
}

void KafkaAdmin::delete_records_before(const std::string& topic, std::int32_t partition,
                                       std::int64_t offset) {
  const std::string what = "delete records of " + topic;
  const KafkaPartitions list{rd_kafka_topic_partition_list_new(1)};
  rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), partition)->offset = offset;
  const DeleteRecords request{rd_kafka_DeleteRecords_new(list.get())};
  const KafkaQueue queue{rd_kafka_queue_new(producer_.get())};
  auto* requests = request.get();
  rd_kafka_DeleteRecords(producer_.get(), &requests, 1, nullptr, queue.get());
  const Event event = answer(queue.get(), what);
  const auto* results =
      rd_kafka_DeleteRecords_result_offsets(rd_kafka_event_DeleteRecords_result(event.get()));
  require(results->elems[0].err, what);
}

void KafkaAdmin::produce(const std::string& topic, const std::vector<TestRecord>& records) {
  hand_over_all(producer_.get(), topic, records, *failure_);
}

void KafkaAdmin::produce_transaction(const std::string& topic,
                                     const std::vector<TestRecord>& records, bool is_committed) {
  rd_kafka_resp_err_t failure = RD_KAFKA_RESP_ERR_NO_ERROR;
  const auto producer =
      make_producer(brokers_, {{"transactional.id", unique_name("transaction")}}, failure);
  require(rd_kafka_init_transactions(producer.get(), timeout_ms), "init transactions");
  require(rd_kafka_begin_transaction(producer.get()), "begin transaction");
  hand_over_all(producer.get(), topic, records, failure);
  require(is_committed ? rd_kafka_commit_transaction(producer.get(), timeout_ms)
                       : rd_kafka_abort_transaction(producer.get(), timeout_ms),
          "end transaction");
  // The answer comes before the markers are written; only they make the outcome visible.
  const auto uncommitted =
      make_client(RD_KAFKA_CONSUMER, {{"bootstrap.servers", brokers_},
                                      {"group.id", unique_name("end")},
                                      {"isolation.level", "read_uncommitted"}});
  const auto deadline = Clock::now() + std::chrono::milliseconds{timeout_ms};
  for (int i = 0; i < partitions_of(topic); ++i) {
    while (end_of(producer_.get(), topic, i) != end_of(uncommitted.get(), topic, i)) {
      if (Clock::now() >= deadline) fail("end transaction", "its markers are not written in time");
      rd_kafka_poll(producer_.get(), 10);
    }
  }
}

std::vector<TestRecord> KafkaAdmin::read_all(const std::string& topic) {
  std::vector<TestRecord> records;
  std::vector<std::int64_t> next;
  read_on(topic, next, [&](TestRecord record) { records.push_back(std::move(record)); });
  std::ranges::stable_sort(records, {}, &TestRecord::partition);
  return records;
}

void KafkaAdmin::read_on(const std::string& topic, std::vector<std::int64_t>& next,
                         const std::function<void(TestRecord record)>& take) {
  const std::string what = "read topic " + topic;
  const auto consumer = make_client(RD_KAFKA_CONSUMER, {{"bootstrap.servers", brokers_},
                                                        {"group.id", unique_name("read")},
                                                        {"enable.auto.commit", "false"},
                                                        {"enable.partition.eof", "true"},
                                                        {"fetch.wait.max.ms", "10"}});
  rd_kafka_poll_set_consumer(consumer.get());
  const int partitions = partitions_of(topic);
  next.resize(static_cast<std::size_t>(partitions), RD_KAFKA_OFFSET_BEGINNING);
  const KafkaPartitions list{rd_kafka_topic_partition_list_new(partitions)};
  for (int i = 0; i < partitions; ++i) {
    rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), i)->offset =
        next[static_cast<std::size_t>(i)];
  }
  require(rd_kafka_assign(consumer.get(), list.get()), what);
  for (int ended = 0; ended < partitions;) {
    const KafkaMessage message{rd_kafka_consumer_poll(consumer.get(), timeout_ms)};
    if (!message) fail(what, "its end was not reached in time");
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
      ++ended;
    } else {
      require(message->err, what);
      next[static_cast<std::size_t>(message->partition)] = message->offset + 1;
      take(copy_of(*message));
    }
  }
}

int KafkaAdmin::partitions_of(const std::string& topic) {
  const KafkaTopic handle{rd_kafka_topic_new(producer_.get(), topic.c_str(), nullptr)};
  const auto facts = ask_for_topic(producer_.get(), handle.get(), timeout_ms);
  if (!facts.is_answered) fail("topic " + topic, error_text(facts.error));
  return facts.error == RD_KAFKA_RESP_ERR_NO_ERROR ? facts.partitions : 0;
}

// To ask the mock for a topic that is not there yet would create it, with partitions of its choice.
void KafkaAdmin::wait_for_mock(const std::string& topic) const {
  const auto deadline = Clock::now() + std::chrono::milliseconds{timeout_ms};
  while (true) {
    std::ifstream created{mock_created_};
    for (std::string name; std::getline(created, name);) {
      if (name == topic) return;
    }
    if (Clock::now() >= deadline)
      fail("create topic " + topic, "the mock does not say it is there");
    rd_kafka_poll(producer_.get(), 20);
  }
}

// The brokers learn of it one by one, after the request was answered.
void KafkaAdmin::wait_for_partitions(const std::string& topic, int partitions) {
  const auto deadline = Clock::now() + std::chrono::milliseconds{timeout_ms};
  while (partitions_of(topic) != partitions) {
    if (Clock::now() >= deadline) fail("topic " + topic, "it does not appear, or go, in time");
    rd_kafka_poll(producer_.get(), 20);
  }
}

}  // namespace uniqd::test

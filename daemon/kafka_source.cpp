#include "daemon/kafka_source.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <ranges>
#include <span>
#include <stdexcept>
#include <thread>
#include <utility>

#include "daemon/kafka_record.hpp"
#include "readmodel/digest.hpp"

namespace uniqd {
namespace {

using std::chrono::milliseconds;

constexpr std::int64_t not_fetched = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t from_the_oldest = -1;  // every offset is greater
constexpr milliseconds ask_again_after{1000};
constexpr milliseconds verify_after{100};
// After a partition's leader has said that there is no such topic, librdkafka 2.0.2 is silent, asks
// again after fetch.error.backoff.ms, 500 unless configured, and goes on at the same offset.
constexpr milliseconds silence{300};
constexpr milliseconds wake_after{10};
constexpr std::chrono::seconds witness_answers_within{5};
constexpr int notice = 5;  // as syslog has it

const KafkaProperties& defaults() {
  static const KafkaProperties properties{
      {"client.id", "uniqd"},
      {"session.timeout.ms", "10000"},
      {"heartbeat.interval.ms", "3000"},
      {"fetch.wait.max.ms", "100"},
      {"socket.keepalive.enable", "true"},
      {"socket.nagle.disable", "true"},
      // Bounds how long a request waits for a broker that is frozen, not down.
      {"socket.timeout.ms", "10000"},
      {"reconnect.backoff.max.ms", "2000"},
      // How soon a topic that is created, or grows, is noticed.
      {"topic.metadata.refresh.interval.ms", "5000"},
  };
  return properties;
}

KafkaProperties forced(const KafkaSourceOptions& options) {
  return {
      {"bootstrap.servers", options.brokers},
      {"group.id", options.group},
      {"enable.auto.commit", "false"},
      {"enable.auto.offset.store", "false"},
      {"auto.offset.reset", "error"},
      {"isolation.level", "read_committed"},
      {"enable.partition.eof", "true"},
      {"check.crcs", "true"},
      {"partition.assignment.strategy", "range"},
      {"allow.auto.create.topics", "false"},
  };
}

KafkaPartitions make_list(std::size_t size) {
  return KafkaPartitions{rd_kafka_topic_partition_list_new(static_cast<int>(size))};
}

std::string another_topic_text(const std::string& where, Offset offset) {
  return fmt::format(
      "{}: the record at offset {} is not the one that was applied last. The topic was deleted and "
      "created again, or other records were restored into it, so the read model does not fit it. "
      "Restore the topic as it was, or run `uniqd rebuild --anew` to start anew from what it holds",
      where, offset.value);
}

bool is_record(const rd_kafka_message_t& message) {
  return message.err == RD_KAFKA_RESP_ERR_NO_ERROR;
}

std::string_view bytes(const void* data, std::size_t size) {
  return {static_cast<const char*>(data), size};
}

}  // namespace

void read_far_ahead(KafkaProperties& properties) {
  properties.emplace("queued.min.messages", "1000000");
  properties.emplace("queued.max.messages.kbytes", "32768");
}

KafkaConf make_source_conf(const KafkaSourceOptions& options) {
  return make_kafka_conf(defaults(), options.properties, forced(options));
}

// All that librdkafka's callbacks touch. They run in poll(), on the thread that polls; while the
// client closes, on the thread that closes it.
struct KafkaSource::Consumer {
  KafkaLog log;
  std::string topic_name;
  KafkaClient client;
  KafkaQueue queue;
  KafkaTopic topic;

  std::optional<std::vector<Partition>> rebalanced;  // since it was last looked at
  bool has_lost_brokers = false;
  bool is_fatal = false;
  bool misses_topic = false;
  std::string connection_reason;  // the latest, for the text of a failure
  std::string other_error;

  void on_rebalance(rd_kafka_resp_err_t what, const rd_kafka_topic_partition_list_t& partitions) {
    rebalanced.emplace();
    if (what == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
      for (int i = 0; i < partitions.cnt; ++i) {
        rebalanced->push_back(Partition{partitions.elems[i].partition});
      }
      std::ranges::sort(*rebalanced);
      // An empty assignment answers the group at once, so that it can rebalance again while the
      // stored positions are being read; without an answer every other member would wait.
      const auto nothing = make_list(0);
      rd_kafka_assign(client.get(), nothing.get());
    } else {
      rd_kafka_assign(client.get(), nullptr);
    }
    rd_kafka_yield(client.get());
  }

  void on_error(rd_kafka_resp_err_t error, std::string_view reason) {
    switch (error) {
      case RD_KAFKA_RESP_ERR__FATAL:
        is_fatal = true;
        break;
      case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
      case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
      case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
        misses_topic = true;
        break;
      case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
        has_lost_brokers = true;
        break;
      case RD_KAFKA_RESP_ERR__AUTHENTICATION:
      case RD_KAFKA_RESP_ERR__SSL:
        has_lost_brokers = true;
        connection_reason = reason;
        break;
      case RD_KAFKA_RESP_ERR__TRANSPORT:  // one connection of several; all of them is above
      case RD_KAFKA_RESP_ERR__RESOLVE:
      case RD_KAFKA_RESP_ERR__TIMED_OUT:
      case RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE:
        connection_reason = reason;
        break;
      default:
        other_error = fmt::format("{}: {}", error_text(error), reason);
    }
  }

  void set_callbacks(rd_kafka_conf_t* conf) {
    rd_kafka_conf_set_opaque(conf, this);
    rd_kafka_conf_set_rebalance_cb(
        conf, [](rd_kafka_t*, rd_kafka_resp_err_t what, rd_kafka_topic_partition_list_t* partitions,
                 void* self) { static_cast<Consumer*>(self)->on_rebalance(what, *partitions); });
    rd_kafka_conf_set_error_cb(conf, [](rd_kafka_t*, int error, const char* reason, void* self) {
      static_cast<Consumer*>(self)->on_error(static_cast<rd_kafka_resp_err_t>(error), reason);
    });
    rd_kafka_conf_set_log_cb(
        conf, [](const rd_kafka_t* from, int level, const char* facility, const char* text) {
          const auto* self = static_cast<const Consumer*>(rd_kafka_opaque(from));
          if (self->log) self->log(level, fmt::format("{}: {}", facility, text));
        });
  }

  // Under read_committed the high end is that of the stable records. On any thread.
  [[nodiscard]] std::optional<Range> query_range(Partition partition, int timeout_ms) const {
    if (timeout_ms == 0) return std::nullopt;
    Range range;
    const auto error =
        rd_kafka_query_watermark_offsets(client.get(), topic_name.c_str(), to_number(partition),
                                         &range.low, &range.high, timeout_ms);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return std::nullopt;
    return range;
  }

  void subscribe() {
    const auto topics = make_list(1);
    rd_kafka_topic_partition_list_add(topics.get(), topic_name.c_str(), RD_KAFKA_PARTITION_UA);
    const auto error = rd_kafka_subscribe(client.get(), topics.get());
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
      throw std::runtime_error(
          fmt::format("cannot subscribe to topic \"{}\": {}", topic_name, error_text(error)));
    }
  }
};

// ------------------------------------------------------------------------------- opening, closing

KafkaSource::KafkaSource(KafkaSourceOptions options, KafkaLog log)
    : options_(std::move(options)), log_(std::move(log)) {
  open();
}

KafkaSource::~KafkaSource() { close(); }

void KafkaSource::open() {
  auto consumer = std::make_shared<Consumer>();
  consumer->log = log_;
  consumer->topic_name = options_.topic;
  auto conf = make_source_conf(options_);
  consumer->set_callbacks(conf.get());
  consumer->client = make_kafka_client(RD_KAFKA_CONSUMER, std::move(conf));
  rd_kafka_poll_set_consumer(consumer->client.get());
  consumer->queue.reset(rd_kafka_queue_get_consumer(consumer->client.get()));
  consumer->topic.reset(
      rd_kafka_topic_new(consumer->client.get(), options_.topic.c_str(), nullptr));
  if (!consumer->topic) {
    throw std::runtime_error(fmt::format("\"{}\" is not a topic: {}", options_.topic,
                                         error_text(rd_kafka_last_error())));
  }
  if (!options_.reads_alone) consumer->subscribe();
  consumer_ = std::move(consumer);
  cluster_.clear();
}

void KafkaSource::close() noexcept {
  forget_what_was_read();
  release();
  auto consumer = std::exchange(consumer_, nullptr);
  if (!consumer) return;
  // The client goes with its last owner: a question may still be waiting for its answer.
  const bool is_closed = run_bounded(
      [consumer = std::move(consumer)]() mutable {
        rd_kafka_consumer_close(consumer->client.get());
        consumer.reset();
      },
      close_within_ms);
  if (!is_closed && log_) {
    log_(4,
         "the Kafka consumer does not close in time and is left behind; the group notices at "
         "the end of session.timeout.ms");
  }
}

// --------------------------------------------------------------------------------------- polling

void KafkaSource::poll(const PollLimits& limits, Poll& poll) {
  poll.records.clear();
  poll.ends.clear();
  poll.assigned.reset();
  poll.failure.reset();
  release();

  if (!wanted_.empty() && Clock::now() >= try_again_at_) {
    (void)try_to_fetch(Clock::now() + limits.wait);
  }
  if (options_.reads_alone && !has_found_partitions_) find_partitions(limits.wait);
  gather(limits);
  if (consumer_->is_fatal) note_fatal();
  if (assign_again_at_ && Clock::now() >= *assign_again_at_ && !consumer_->rebalanced) {
    consumer_->rebalanced = assigned_;
  }
  if (consumer_->rebalanced) {
    forget_what_was_read();
    assign_again_at_.reset();
    is_topic_missing_ = false;
    assigned_ = *consumer_->rebalanced;
    poll.assigned = std::exchange(consumer_->rebalanced, std::nullopt);
    const bool is_over =
        trouble_ &&
        (trouble_->until == Until::fetch_begins || trouble_->until == Until::fetch_from ||
         (trouble_->until == Until::assigned && !poll.assigned->empty()));
    if (is_over) trouble_.reset();
  }
  verify_cluster();
  note_client_errors();
  if (is_same_topic(limits.wait)) hand_out(limits, poll);
  report_trouble(poll);
}

// What the group does otherwise: says which partitions are ours, all of them.
void KafkaSource::find_partitions(milliseconds wait) {
  if (options_.only_partition) {
    has_found_partitions_ = true;
    consumer_->rebalanced.emplace({*options_.only_partition});
    return;
  }
  const auto wait_ms = std::max(static_cast<int>(wait.count()), 1);
  const TopicFacts facts = ask_for_topic(consumer_->client.get(), consumer_->topic.get(), wait_ms);
  if (facts.partitions == 0) {
    note(Until::topic_answers, facts.is_answered
                                   ? missing_topic_text(options_.brokers, options_.topic)
                                   : unreachable_text(options_.brokers, error_text(facts.error)));
    return;
  }
  has_found_partitions_ = true;
  consumer_->rebalanced.emplace();
  for (int i = 0; i < facts.partitions; ++i) consumer_->rebalanced->push_back(Partition{i});
}

void KafkaSource::gather(const PollLimits& limits) {
  const auto wait_ms = static_cast<int>(limits.wait.count());
  const auto count_max = std::max<std::size_t>(limits.records_max, 1);
  const bool asks =
      trouble_ && trouble_->until == Until::topic_answers && Clock::now() >= probe_at_;
  if (asks) probe(wait_ms);
  // The batch call waits for ALL it is asked for: wait for one, then take what is there.
  if (inbox_.empty()) take(1, asks ? 0 : wait_ms);
  if (inbox_.size() < count_max) take(count_max - inbox_.size(), 0);
  keep_fetching(limits);
}

// In a backlog the client's queue gets full, and may then be emptied before the client notices that
// it can fetch more.
void KafkaSource::keep_fetching(const PollLimits& limits) {
  const auto now = Clock::now();
  const bool is_backlog = inbox_.size() >= limits.records_max;
  const bool is_waking =
      waking_.valid() && waking_.wait_for(milliseconds{0}) != std::future_status::ready;
  if (!is_backlog || is_waking || assigned_.empty() || now - woken_at_ < wake_after ||
      rd_kafka_queue_length(consumer_->queue.get()) > 2 * limits.records_max) {
    return;
  }
  woken_at_ = now;
  woken_ = (woken_ + 1) % assigned_.size();
  // The broker answers after the fetch before, which it may keep for fetch.wait.max.ms.
  waking_ = std::async(std::launch::async, [consumer = consumer_, partition = assigned_[woken_],
                                            topic = options_.topic, wait = limits.wait] {
    wake_fetcher(consumer->client.get(), topic, partition, static_cast<int>(wait.count()));
  });
}

void KafkaSource::take(std::size_t count, int wait_ms) {
  if (consumer_->rebalanced || consumer_->is_fatal) return;  // it will all be dropped
  batch_.resize(std::max(batch_.size(), count));
  const auto taken =
      rd_kafka_consume_batch_queue(consumer_->queue.get(), wait_ms, batch_.data(), count);
  const auto now = Clock::now();
  for (ssize_t i = 0; i < taken; ++i) {
    KafkaMessage message{batch_[static_cast<std::size_t>(i)]};
    const bool is_of_partition = message->rkt != nullptr && message->partition >= 0;
    if (is_record(*message)) note_arrival(*message, now);
    if (is_record(*message) || is_of_partition) {
      inbox_.push_back(std::move(message));
    } else {
      note_message_error(*message);
    }
  }
}

void KafkaSource::hand_out(const PollLimits& limits, Poll& poll) {
  std::size_t size = 0;
  while (!inbox_.empty()) {
    const rd_kafka_message_t& message = *inbox_.front();
    if (!is_anchored(message)) {
      poll.records.clear();
      poll.ends.clear();
      return release();
    }
    if (is_record(message)) {
      const std::size_t more = message.len + message.key_len;
      const bool is_full =
          poll.records.size() >= limits.records_max || size + more > limits.bytes_max;
      if (is_full && !poll.records.empty()) break;
      if (add_record(message, poll)) {
        size += more;
        held_.push_back(std::move(inbox_.front()));
      }
    } else if (message.err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
      add_end(message, poll);
    } else {
      note_message_error(message);
    }
    inbox_.pop_front();
  }
  view_headers(poll);
  for (auto last = poll.records.rbegin(); last != poll.records.rend(); ++last) {
    const Record& record = *last;
    const auto index = static_cast<std::size_t>(to_number(record.partition));
    if (index >= seen_.size() || seen_[index].is_current) continue;
    seen_[index].anchor = Anchor{record.offset, record_digest(record)};
    seen_[index].is_current = true;
  }
  for (Seen& seen : seen_) seen.is_current = false;
}

// A record that comes after a silence may be of another topic of the same name.
void KafkaSource::note_arrival(const rd_kafka_message_t& message, Clock::time_point now) {
  const auto index = static_cast<std::size_t>(message.partition);
  if (index >= seen_.size()) return;
  Seen& seen = seen_[index];
  if (seen.anchor && now - seen.arrived_at > silence) {
    if (questions_.empty()) asked_at_ = now;
    questions_.emplace(Partition{message.partition}, *seen.anchor);
  }
  seen.arrived_at = now;
}

// Nothing is handed out until it is known; then nothing, too, where the answer is no.
bool KafkaSource::is_same_topic(milliseconds wait) {
  if (questions_.empty()) return true;
  if (!witness_) witness_ = make_witness();
  const auto answer = witness_->ask(questions_, wait);
  const auto where =
      fmt::format("topic \"{}\" partition {}", options_.topic, to_number(answer.partition));
  switch (answer.kind) {
    case TopicWitness::Answer::Kind::waiting:
      if (Clock::now() - asked_at_ > witness_answers_within) {
        note(
            Until::reported,
            fmt::format("topic \"{}\": the last record applied cannot be read again, so whether it "
                        "is still the same topic is not known; trying on",
                        options_.topic));
      }
      return false;
    case TopicWitness::Answer::Kind::same:
      break;
    case TopicWitness::Answer::Kind::removed:
      doubt(fmt::format("{}: the last record applied is not there any more; asking for its range",
                        where));
      break;
    case TopicWitness::Answer::Kind::other:
      halt(another_topic_text(where, questions_.at(answer.partition).offset));
      break;
  }
  questions_.clear();
  return true;
}

std::unique_ptr<TopicWitness> KafkaSource::make_witness() const {
  KafkaSourceOptions options = options_;
  options.properties["queued.min.messages"] = "1";
  options.properties["max.partition.fetch.bytes"] = "65536";
  return std::make_unique<TopicWitness>(make_source_conf(options), options.topic);
}

bool KafkaSource::add_record(const rd_kafka_message_t& message, Poll& poll) {
  const auto index = static_cast<std::size_t>(message.partition);
  if (index >= expected_.size() || message.offset < expected_[index]) return false;
  expected_[index] = message.offset + 1;

  const Record record = record_view(message);
  poll.records.push_back(record);

  rd_kafka_headers_t* headers = nullptr;
  if (rd_kafka_message_headers(&message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR) {
    const char* name = nullptr;
    const void* value = nullptr;
    std::size_t value_size = 0;
    for (std::size_t i = 0; rd_kafka_header_get_all(headers, i, &name, &value, &value_size) ==
                            RD_KAFKA_RESP_ERR_NO_ERROR;
         ++i) {
      Header header{name, std::nullopt};
      if (value != nullptr) header.value = bytes(value, value_size);
      headers_.push_back(header);
    }
  }
  header_ends_.push_back(headers_.size());
  // The end met before this record is not the end any more.
  if (!poll.ends.empty()) {
    std::erase_if(poll.ends,
                  [&](const PartitionEnd& end) { return end.partition == record.partition; });
  }
  return true;
}

// Only now: headers_ moves while it grows.
void KafkaSource::view_headers(Poll& poll) {
  std::size_t begin = 0;
  for (std::size_t i = 0; i < poll.records.size(); ++i) {
    poll.records[i].headers = std::span{headers_}.subspan(begin, header_ends_[i] - begin);
    begin = header_ends_[i];
  }
}

void KafkaSource::add_end(const rd_kafka_message_t& message, Poll& poll) {
  const auto index = static_cast<std::size_t>(message.partition);
  if (index >= expected_.size() || expected_[index] == not_fetched) return;
  if (message.offset < expected_[index]) {
    return doubt(
        fmt::format("topic \"{}\" partition {} ends at {}, before what was read; asking for "
                    "its range",
                    options_.topic, message.partition, message.offset));
  }
  expected_[index] = message.offset;
  const Partition partition{message.partition};
  std::erase_if(poll.ends, [&](const PartitionEnd& end) { return end.partition == partition; });
  poll.ends.push_back(PartitionEnd{partition, Offset{message.offset}});
}

// False: the record at the anchor is another one, and the source has halted.
bool KafkaSource::is_anchored(const rd_kafka_message_t& message) {
  const bool is_end = message.err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
  const auto index = static_cast<std::size_t>(message.partition);
  if ((!is_record(message) && !is_end) || index >= anchors_.size() || !anchors_[index]) return true;
  const Anchor anchor = *anchors_[index];
  if (message.offset < anchor.offset.value) return true;
  anchors_[index].reset();
  const auto where = fmt::format("topic \"{}\" partition {}", options_.topic, message.partition);
  if (is_end || message.offset > anchor.offset.value) {
    if (log_) {
      log_(notice,
           fmt::format("{}: the last record applied, at offset {}, is not there any more "
                       "(compaction), so whether this is still the same topic cannot be told; "
                       "going on",
                       where, anchor.offset.value));
    }
    return true;
  }
  if (record_digest(record_view(message)) == anchor.digest) return true;
  halt(another_topic_text(where, anchor.offset));
  return false;
}

void KafkaSource::halt(std::string text) {
  pause();
  assign_again_at_.reset();
  note(Until::fetch_from, std::move(text), SourceTrouble::halted);
}

// What was handed out by this poll stays.
void KafkaSource::pause() {
  expected_.clear();  // which drops what was read
  anchors_.clear();
  seen_.clear();
  wanted_.clear();
  assign(make_list(0).get());
}

// Nothing is handed out until it is known again what the partitions hold.
void KafkaSource::doubt(std::string text) {
  pause();
  assign_again_at_ = Clock::now() + verify_after;
  note(Until::fetch_begins, std::move(text));
}

// librdkafka knows the cluster before it has a record, and hears of a change with the metadata.
void KafkaSource::verify_cluster() {
  if (!options_.keep_cluster || expected_.empty()) return;
  char* told = rd_kafka_clusterid(consumer_->client.get(), 0);
  const std::string cluster = told != nullptr ? told : "";
  if (told != nullptr) rd_kafka_mem_free(consumer_->client.get(), told);
  if (cluster.empty() || cluster == cluster_) return;
  const auto known = options_.keep_cluster(cluster);
  if (!known) {
    return doubt(
        "the read model does not answer, so whether it was filled from these brokers "
        "cannot be told; trying again");
  }
  if (*known == cluster) {
    cluster_ = cluster;
    return;
  }
  halt(fmt::format(
      "the brokers at {} are of Kafka cluster {}, but the read model was filled from cluster {}; "
      "offsets of one mean nothing in the other, also where the topic was mirrored. Correct "
      "source.brokers, or run `uniqd rebuild --anew` to start anew from what the topic holds there",
      options_.brokers, cluster, *known));
}

void KafkaSource::release() noexcept {
  held_.clear();
  headers_.clear();
  header_ends_.clear();
}

void KafkaSource::forget_what_was_read() noexcept {
  inbox_.clear();
  expected_.clear();
  anchors_.clear();
  wanted_.clear();
  seen_.clear();
  questions_.clear();
  if (witness_) witness_->forget();
}

// ------------------------------------------------------------------------------------- positions

std::vector<PartitionEnd> KafkaSource::fetch_from(const std::vector<Position>& positions) {
  stop_fetching();
  assign_again_at_.reset();
  if (trouble_ && trouble_->until == Until::fetch_from) trouble_.reset();
  wanted_ = positions;
  return try_to_fetch(Clock::now() + milliseconds{fetch_from_within_ms});
}

void KafkaSource::stop_fetching() {
  forget_what_was_read();
  release();
  assign(make_list(0).get());
}

void KafkaSource::assign(rd_kafka_topic_partition_list_t* partitions) {
  const auto error = rd_kafka_assign(consumer_->client.get(), partitions);
  if (error == RD_KAFKA_RESP_ERR__FATAL) {
    consumer_->is_fatal = true;
  } else if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    note(Until::reported, fmt::format("cannot begin to fetch: {}", error_text(error)));
  }
}

std::vector<PartitionEnd> KafkaSource::try_to_fetch(Clock::time_point deadline) {
  std::vector<PartitionEnd> ends;
  const auto list = make_list(wanted_.size());
  std::vector<std::int64_t> expected;
  std::vector<std::optional<Anchor>> anchors;
  const Ranges ranges = query_ranges(deadline);
  for (std::size_t i = 0; i < wanted_.size(); ++i) {
    const Position position = wanted_[i];
    const auto& range = ranges[i];
    if (range) ends.push_back(PartitionEnd{position.partition, Offset{range->high}});
    if (range && halt_if_lost(position, *range)) {
      wanted_.clear();
      return ends;
    }
    std::int64_t start = RD_KAFKA_OFFSET_BEGINNING;
    if (position.next_offset) {
      start = position.next_offset->value;
    } else if (options_.start == KafkaStart::latest) {
      if (!range) {
        try_again_at_ = Clock::now() + ask_again_after;
        note(Until::fetch_begins,
             fmt::format(
                 "the end of topic \"{}\" partition {} cannot be learned, so nothing is read "
                 "yet; trying again",
                 options_.topic, to_number(position.partition)));
        return ends;
      }
      start = range->high;
    }
    const auto number = to_number(position.partition);
    const auto index = static_cast<std::size_t>(number);
    if (index >= expected.size()) expected.resize(index + 1, not_fetched);
    expected[index] = start == RD_KAFKA_OFFSET_BEGINNING ? from_the_oldest : start;
    anchors.resize(expected.size());
    if (is_comparable(position, range)) {
      anchors[index] = position.anchor;
      start = position.anchor->offset.value;
    }
    rd_kafka_topic_partition_list_add(list.get(), options_.topic.c_str(), number)->offset = start;
  }
  if (trouble_ && trouble_->until == Until::fetch_begins) trouble_.reset();
  wanted_.clear();
  expected_ = std::move(expected);
  anchors_ = std::move(anchors);
  if (!options_.reads_alone) {
    seen_.resize(anchors_.size());
    for (std::size_t i = 0; i < seen_.size(); ++i) seen_[i] = {anchors_[i], Clock::now()};
  }
  assign(list.get());
  return ends;
}

bool KafkaSource::is_comparable(const Position& position, const std::optional<Range>& range) const {
  if (!position.next_offset || !position.anchor) return false;
  if (!range || range->low <= position.anchor->offset.value) return true;
  if (log_) {
    log_(notice,
         fmt::format("topic \"{}\" partition {}: retention has removed the last record applied, "
                     "at offset {}, so whether this is still the same topic cannot be told; "
                     "going on",
                     options_.topic, to_number(position.partition), position.anchor->offset.value));
  }
  return false;
}

// Of the wanted partitions, in their order. librdkafka's call outlasts its timeout by minutes where
// a broker is frozen, so that a thread waits for it; there is never more than one such thread.
KafkaSource::Ranges KafkaSource::query_ranges(Clock::time_point deadline) {
  Ranges unknown(wanted_.size());
  if (answer_.valid() && answer_.wait_for(milliseconds{0}) != std::future_status::ready) {
    return unknown;
  }
  std::packaged_task<Ranges()> ask{[consumer = consumer_, wanted = wanted_, deadline] {
    Ranges ranges;
    for (const Position& position : wanted) {
      ranges.push_back(consumer->query_range(position.partition, ms_until(deadline)));
    }
    return ranges;
  }};
  answer_ = ask.get_future();
  std::thread{std::move(ask)}.detach();
  if (answer_.wait_until(deadline + milliseconds{50}) != std::future_status::ready) return unknown;
  return answer_.get();
}

bool KafkaSource::halt_if_lost(const Position& position, const Range& range) {
  if (!position.next_offset) return false;
  const auto next = position.next_offset->value;
  const auto where =
      fmt::format("topic \"{}\" partition {}", options_.topic, to_number(position.partition));
  if (next < range.low) {
    note(Until::fetch_from,
         fmt::format(
             "{}: the next record to read is {}, but the oldest that is still there is {}: "
             "offsets {} to {} ({} in all) were removed before they were read. Nothing is "
             "skipped silently: restore them, or run `uniqd rebuild --anew` to start anew from "
             "what the topic holds, and give the topic a longer retention",
             where, next, range.low, next, range.low - 1, range.low - next),
         SourceTrouble::halted);
    return true;
  }
  if (next > range.high) {
    note(Until::fetch_from,
         fmt::format("{}: the next record to read is {}, but the partition ends at {}: it was "
                     "truncated by {} offsets, or the topic was deleted and created again. Restore "
                     "it, or run `uniqd rebuild --anew` to start anew from what the topic holds",
                     where, next, range.high, next - range.high),
         SourceTrouble::halted);
    return true;
  }
  return false;
}

std::vector<Position> KafkaSource::positions_of_fetch() const {
  std::vector<Position> positions;
  for (std::size_t i = 0; i < expected_.size(); ++i) {
    if (expected_[i] == not_fetched) continue;
    Position position{Partition{static_cast<std::int32_t>(i)}, std::nullopt};
    if (expected_[i] != from_the_oldest) position.next_offset = Offset{expected_[i]};
    position.anchor = anchors_[i];
    positions.push_back(position);
  }
  return positions;
}

void KafkaSource::report_progress(const std::vector<Position>& positions) {
  const auto list = make_list(positions.size());
  for (const Position& position : positions) {
    if (!position.next_offset) continue;
    rd_kafka_topic_partition_list_add(list.get(), options_.topic.c_str(),
                                      to_number(position.partition))
        ->offset = position.next_offset->value;
  }
  if (list->cnt == 0) return;
  // Nothing depends on it, so that it may fail.
  rd_kafka_commit(consumer_->client.get(), list.get(), 1);
}

// -------------------------------------------------------------------------------------- failures

void KafkaSource::note(Until until, std::string text, SourceTrouble trouble) {
  if (trouble_ && trouble_->until == Until::fetch_from && until != Until::fetch_from) return;
  trouble_ = Trouble{until, SourceFailure{trouble, std::move(text)}};
  probe_at_ = Clock::now() + ask_again_after;
}

void KafkaSource::report_trouble(Poll& poll) {
  if (!trouble_) return;
  poll.failure = trouble_->failure;
  if (trouble_->until == Until::reported) trouble_.reset();
}

void KafkaSource::note_client_errors() {
  if (auto text = std::exchange(consumer_->other_error, {}); !text.empty()) {
    note(Until::reported, std::move(text));
  }
  if (std::exchange(consumer_->misses_topic, false)) note_missing_topic();
  if (std::exchange(consumer_->has_lost_brokers, false)) {
    note(Until::topic_answers, unreachable_text(options_.brokers, consumer_->connection_reason));
  }
}

void KafkaSource::note_message_error(const rd_kafka_message_t& message) {
  switch (message.err) {
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
      return note_lost_position(message);
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
      return note_missing_topic();
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
      return note(
          Until::topic_answers,
          fmt::format("no right to read topic \"{}\"; give this client's principal the ACLs "
                      "READ and DESCRIBE on it",
                      options_.topic));
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
      return note(Until::assigned,
                  fmt::format("no right to join group \"{}\"; give this client's principal the ACL "
                              "READ on it, or name another one in source.group",
                              options_.group));
    case RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED:
      return note(Until::reported,
                  "a batch took longer than max.poll.interval.ms, so the group gave the partitions "
                  "to another instance; joining again. See why the database is slow");
    case RD_KAFKA_RESP_ERR__FATAL:
      consumer_->is_fatal = true;
      return;
    default:
      return note(Until::reported,
                  fmt::format("topic \"{}\": {}", options_.topic, error_text(message.err)));
  }
}

// It may come back as another one, so that reading begins anew then.
void KafkaSource::note_missing_topic() {
  if (!assigned_.empty() && !options_.reads_alone) {
    is_topic_missing_ = true;
    pause();
  }
  note(Until::topic_answers, missing_topic_text(options_.brokers, options_.topic));
}

// Fetching has stopped with this error and begins again only by assign(). It is no proof of loss:
// a client that had to ask its way to a new leader may say the same.
void KafkaSource::note_lost_position(const rd_kafka_message_t& message) {
  const auto index = static_cast<std::size_t>(message.partition);
  if (index >= expected_.size() || expected_[index] == not_fetched) return;
  auto positions = positions_of_fetch();
  doubt(fmt::format("topic \"{}\" partition {}: {}; asking for its range", options_.topic,
                    message.partition, error_text(message.err)));
  if (!options_.reads_alone) return;
  assign_again_at_.reset();
  wanted_ = std::move(positions);
  try_again_at_ = Clock::now() + verify_after;
}

void KafkaSource::note_fatal() {
  std::array<char, 512> reason{};
  const auto error = rd_kafka_fatal_error(consumer_->client.get(), reason.data(), reason.size());
  const std::string why = fmt::format("{}: {}", error_text(error), std::string_view{reason.data()});
  if (error == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID) {
    // A new consumer would fence the other instance in its turn.
    consumer_->is_fatal = false;
    note(
        Until::fetch_from,
        fmt::format("another instance has the same group.instance.id ({}); give each its own", why),
        SourceTrouble::halted);
    return;
  }
  close();
  open();
  consumer_->rebalanced.emplace();
  note(Until::reported, fmt::format("the Kafka consumer failed ({}); made a new one", why));
}

void KafkaSource::probe(int wait_ms) {
  probe_at_ = Clock::now() + ask_again_after;
  const auto facts = ask_for_topic(consumer_->client.get(), consumer_->topic.get(), wait_ms);
  if (!facts.is_answered) return;
  if (facts.error == RD_KAFKA_RESP_ERR_NO_ERROR) {
    trouble_.reset();
    if (is_topic_missing_) assign_again_at_ = Clock::now();
  } else if (facts.error == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) {
    note(Until::topic_answers, missing_topic_text(options_.brokers, options_.topic));
  }
}

}  // namespace uniqd

#pragma once
// kafka_source.hpp - the records of one topic, as a member of a consumer group.

#include <chrono>
#include <cstdint>
#include <deque>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "commands/kafka_handles.hpp"
#include "daemon/record_source.hpp"

namespace uniqd {

enum class KafkaStart : std::uint8_t { earliest, latest };

struct KafkaSourceOptions {
  std::string brokers;
  std::string group;
  std::string topic;
  KafkaStart start = KafkaStart::earliest;  // for a Position without an offset
  KafkaProperties properties;               // passed on unchanged, but for those that uniqd owns
  // Reads all partitions by itself: joins no group, disturbs nobody, and stores nothing.
  bool reads_alone = false;
};

// The properties of the source's consumer: those that uniqd owns, the user's, and defaults.
// Throws std::runtime_error where librdkafka does not take one.
[[nodiscard]] KafkaConf make_source_conf(const KafkaSourceOptions& options);

// RecordSource on librdkafka. The group shares out the partitions and nothing else: where to read
// comes from fetch_from() alone, committed offsets are never consulted.
//
// Poll::failure is a state: a failure is reported again by every poll until it has passed, so its
// absence says that all is well; what is over as soon as it is noticed is reported once. `halted`
// stands, and nothing is fetched, until fetch_from() or a new assignment.
//
// With start=latest, the end as it was when fetch_from() was called is where reading begins; if it
// cannot be learned then, polling goes on asking and nothing is read before it is known.
//
// Records read before a rebalance but not handed out yet are dropped; fetch_from() brings them
// again. A partition's end is met after transaction markers and compacted records, not before.
//
// Thread safety: as RecordSource; librdkafka's own threads call only the log.
class KafkaSource final : public RecordSource {
 public:
  // Joins the group in the background; does not wait for a broker.
  // Throws std::runtime_error where librdkafka does not take the properties.
  KafkaSource(KafkaSourceOptions options, KafkaLog log);
  // Leaves the group, taking at most close_within_ms.
  ~KafkaSource() override;

  void poll(const PollLimits& limits, Poll& poll) override;
  // Takes at most about fetch_from_within_ms, and that only where a broker does not answer.
  std::vector<PartitionEnd> fetch_from(const std::vector<Position>& positions) override;
  void stop_fetching() override;
  void report_progress(const std::vector<Position>& positions) override;

  static constexpr int close_within_ms = 5000;
  static constexpr int fetch_from_within_ms = 2000;

 private:
  using Clock = std::chrono::steady_clock;
  struct Consumer;
  struct Range {
    std::int64_t low = 0;   // the oldest record that is still there
    std::int64_t high = 0;  // exclusive
  };
  using Ranges = std::vector<std::optional<Range>>;  // nothing: could not be learned
  // What ends a failure.
  enum class Until : std::uint8_t { reported, topic_answers, assigned, fetch_begins, fetch_from };
  struct Trouble {
    Until until = Until::reported;
    SourceFailure failure;
  };

  void open();
  void close() noexcept;
  void take(std::size_t count, int wait_ms);
  void find_partitions(std::chrono::milliseconds wait);
  void gather(const PollLimits& limits);
  void hand_out(const PollLimits& limits, Poll& poll);
  [[nodiscard]] bool add_record(const rd_kafka_message_t& message, Poll& poll);
  void add_end(const rd_kafka_message_t& message, Poll& poll);
  void view_headers(Poll& poll);
  void release() noexcept;
  void forget_what_was_read() noexcept;

  [[nodiscard]] std::vector<PartitionEnd> try_to_fetch(Clock::time_point deadline);
  [[nodiscard]] Ranges query_ranges(Clock::time_point deadline);
  [[nodiscard]] bool halt_if_lost(const Position& position, const Range& range);
  void assign(rd_kafka_topic_partition_list_t* partitions);
  [[nodiscard]] std::vector<Position> positions_of_fetch() const;

  void note(Until until, std::string text, SourceTrouble trouble = SourceTrouble::passing);
  void note_client_errors();
  void note_message_error(const rd_kafka_message_t& message);
  void note_lost_position(const rd_kafka_message_t& message);
  void note_fatal();
  void probe(int wait_ms);
  void report_trouble(Poll& poll);

  KafkaSourceOptions options_;
  KafkaLog log_;
  std::shared_ptr<Consumer> consumer_;  // shared with the thread that closes it
  bool has_found_partitions_ = false;   // only with reads_alone

  std::deque<KafkaMessage> inbox_;        // read, not handed out yet
  std::vector<KafkaMessage> held_;        // what the last poll's views point into
  std::vector<Header> headers_;           // of all records of the last poll
  std::vector<std::size_t> header_ends_;  // for each record, the end of its headers in headers_
  std::vector<rd_kafka_message_t*> batch_;

  // By partition number: the least offset that may still be handed out; not_fetched: none.
  std::vector<std::int64_t> expected_;
  std::vector<Position> wanted_;  // fetch_from() could not begin with these yet
  std::future<Ranges> answer_;    // valid: a question that was not answered in time
  Clock::time_point try_again_at_{};

  std::optional<Trouble> trouble_;
  Clock::time_point probe_at_{};
};

}  // namespace uniqd

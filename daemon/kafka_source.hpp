#pragma once
// kafka_source.hpp - the records of one topic, as a member of a consumer group.

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "commands/kafka_handles.hpp"
#include "daemon/record_source.hpp"
#include "daemon/topic_witness.hpp"

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
  // Told which cluster the brokers are of, when that is first known and where it changes; answers
  // which one the read model was filled from, and remembers this one where there was none. Nothing:
  // cannot be answered now. Where another is answered, the source halts. Empty: not compared.
  std::function<std::optional<std::string>(const std::string& cluster)> keep_cluster{};
  std::optional<Partition> only_partition{};  // of those, with reads_alone
};

// For who reads whole topics, where the user does not say it: reads 32 MiB ahead, of however many
// records. More is memory for the system to clear, and nothing gained.
void read_far_ahead(KafkaProperties& properties);

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
// That the topic is still the one that was read is verified by each fetch_from(): reading begins
// with the record at a position's anchor, which is compared and not handed out. Whatever makes it
// doubtful meanwhile (the topic was missing, an offset out of range) is reported as an assignment
// of the same partitions, which is answered by fetch_from() as any other. An anchor that retention
// or compaction has removed compares with nothing: that is said in the log, and reading goes on.
//
// A topic can also be replaced so fast that librdkafka just goes on in the new one. So the first
// record after a silence of a partition is handed out only when the one before it was read again,
// beside, and was the same: some milliseconds.
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
  void keep_fetching(const PollLimits& limits);
  void hand_out(const PollLimits& limits, Poll& poll);
  [[nodiscard]] bool add_record(const rd_kafka_message_t& message, Poll& poll);
  void add_end(const rd_kafka_message_t& message, Poll& poll);
  [[nodiscard]] bool is_anchored(const rd_kafka_message_t& message);
  void note_arrival(const rd_kafka_message_t& message, Clock::time_point now);
  [[nodiscard]] bool is_same_topic(std::chrono::milliseconds wait);
  [[nodiscard]] std::unique_ptr<TopicWitness> make_witness() const;
  void verify_cluster();
  void pause();
  void doubt(std::string text);
  void halt(std::string text);
  void view_headers(Poll& poll);
  void release() noexcept;
  void forget_what_was_read() noexcept;

  [[nodiscard]] std::vector<PartitionEnd> try_to_fetch(Clock::time_point deadline);
  [[nodiscard]] Ranges query_ranges(Clock::time_point deadline);
  [[nodiscard]] bool is_comparable(const Position& position,
                                   const std::optional<Range>& range) const;
  [[nodiscard]] bool halt_if_lost(const Position& position, const Range& range);
  void assign(rd_kafka_topic_partition_list_t* partitions);
  [[nodiscard]] std::vector<Position> positions_of_fetch() const;

  void note(Until until, std::string text, SourceTrouble trouble = SourceTrouble::passing);
  void note_client_errors();
  void note_message_error(const rd_kafka_message_t& message);
  void note_missing_topic();
  void note_lost_position(const rd_kafka_message_t& message);
  void note_fatal();
  void probe(int wait_ms);
  void report_trouble(Poll& poll);

  KafkaSourceOptions options_;
  KafkaLog log_;
  std::shared_ptr<Consumer> consumer_;  // shared with the thread that closes it
  bool has_found_partitions_ = false;   // only with reads_alone

  Clock::time_point woken_at_{};  // the fetcher, for the partition at
  std::size_t woken_ = 0;         // of assigned_
  std::future<void> waking_;

  std::deque<KafkaMessage> inbox_;        // read, not handed out yet
  std::vector<KafkaMessage> held_;        // what the last poll's views point into
  std::vector<Header> headers_;           // of all records of the last poll
  std::vector<std::size_t> header_ends_;  // for each record, the end of its headers in headers_
  std::vector<rd_kafka_message_t*> batch_;

  // By partition number: the least offset that may still be handed out; not_fetched: none.
  std::vector<std::int64_t> expected_;
  // By partition number: what must still be compared before anything is handed out.
  std::vector<std::optional<Anchor>> anchors_;
  // By partition number: what was handed out last, or is known to be still there; and when a record
  // came last. Empty with reads_alone.
  struct Seen {
    std::optional<Anchor> anchor;
    Clock::time_point arrived_at;
    bool is_current = false;  // the anchor is of this poll
  };
  std::vector<Seen> seen_;
  TopicWitness::Questions questions_;  // what must be answered before more is handed out
  Clock::time_point asked_at_{};
  std::unique_ptr<TopicWitness> witness_;  // made when it is first needed
  std::vector<Position> wanted_;           // fetch_from() could not begin with these yet
  std::vector<Partition> assigned_;
  // When the same partitions are reported as assigned once more, as it is doubtful what they are.
  std::optional<Clock::time_point> assign_again_at_;
  bool is_topic_missing_ = false;  // and they are, once it is there again
  std::string cluster_;            // as it was compared last
  std::future<Ranges> answer_;     // valid: a question that was not answered in time
  Clock::time_point try_again_at_{};

  std::optional<Trouble> trouble_;
  Clock::time_point probe_at_{};
};

}  // namespace uniqd

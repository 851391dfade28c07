#pragma once
// intake.hpp - what comes in: records polled and decoded, two batches ahead where that saves time.

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <future>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "commands/relay.hpp"
#include "daemon/process_batch.hpp"
#include "daemon/record_source.hpp"
#include "daemon/worker.hpp"
#include "readmodel/dead_letter.hpp"
#include "readmodel/decode_event.hpp"
#include "readmodel/event.hpp"
#include "readmodel/position.hpp"

namespace uniqd {

// What comes of a batch, from what is known before it.
struct Judged {
  explicit Judged(const ConstraintSet& constraints) : loaded(constraints) {}
  Loaded loaded;
  EventCounts counts;
  Outcome outcome;
};

// What one poll brought, decoded; it refers to nothing of the source.
struct Batch {
  // How far it takes one partition.
  struct Reach {
    Partition partition{};
    Offset first;                    // the first record; where there is none, as next
    Offset next;                     // exclusive; beyond the records where an end was met
    std::optional<Anchor> anchor{};  // the last record
    std::optional<std::int64_t> sequence{};
    std::int64_t last_timestamp_ms = -1;  // of the last record; -1: has none
  };
  std::vector<Event> events;  // in the order in which they are to be applied
  std::vector<BadEvent> bad_events;
  EventCounts counts;  // of what is no event
  std::size_t record_count = 0;
  std::vector<Reach> reaches;  // in the order of the partitions
  std::vector<PartitionEnd> ends;
  std::string halted;  // by the record right behind the batch; what happened and what to do
  bool is_one_of_many = false;  // it is large: the next one will not have to be waited for
  // As in Poll.
  std::optional<std::vector<Partition>> assigned;
  std::optional<SourceFailure> failure;
  std::optional<Judged> judged;  // also kept when it has been committed, until it is filled anew
};

// Polls and decodes. While there is a batch ahead, nobody else may touch source and decoder. Thread
// safety: none, but for the thread it may start itself.
class Intake {
 public:
  // `source` must outlive it. `probe` is called with "after_poll".
  Intake(RecordSource& source, Decoder decoder, OnBadEvent on_bad_event, PollLimits limits,
         Ahead ahead, Probe probe);

  // The next batch: the one fetched ahead, or a new one, for which it waits at most limits.wait.
  // Good until the call after the next.
  [[nodiscard]] Batch& next();

  // Tells how long it took to write `batch`, or to fail: the larger a batch the cheaper are its
  // events, but none is to take so long that anybody gives up on it.
  void adapt(const Batch& batch, std::chrono::nanoseconds took);

  // Begins with the batch after `batch`, if that is one of many and this has not been done yet.
  void fetch_ahead(const Batch& batch);

  [[nodiscard]] bool has_ahead() const { return ahead_ready_.valid(); }
  // Has somebody work on the batch ahead, on the thread that makes it; over before next() or
  // drop_ahead() returns. That thread then begins with the batch behind it, rather than wait.
  // REQUIRES: has_ahead().
  void go_on_ahead(std::function<void(Batch&)> work);

  // Forgets what is ahead; its records have to be fetched again. Returns what it had to say about
  // the assignment.
  [[nodiscard]] std::optional<std::vector<Partition>> drop_ahead();

  // RecordSource::report_progress(), before the next poll.
  void report_progress(std::vector<Position> positions) { to_report_ = std::move(positions); }

  // Decoder::resume().
  void resume(const Position& position);

 private:
  // How a batch is to be made, as it stood when that was asked for.
  struct Filling {
    PollLimits limits;
    std::optional<std::vector<Position>> to_report;
  };
  [[nodiscard]] Filling filling() { return {limits_, std::exchange(to_report_, std::nullopt)}; }
  void fill(Batch& batch, const Filling& filling);
  [[nodiscard]] Batch& batch_ahead(std::size_t steps) {
    return batches_[(current_ + steps) % batches_.size()];
  }
  [[nodiscard]] bool take(Decoded decoded, Batch& batch) const;
  void keep_until(std::size_t count);
  void find_reaches(Batch& batch) const;

  RecordSource& source_;
  Decoder decoder_;
  OnBadEvent on_bad_event_;
  PollLimits limits_;  // as they are at present
  std::size_t records_max_;
  Probe probe_;
  Poll poll_;
  std::optional<std::vector<Position>> to_report_;
  std::array<Batch, 3> batches_;
  std::size_t current_ = 0;         // of batches_; those behind it are ahead
  std::future<void> ahead_ready_;   // valid: there is one
  std::future<void> behind_ready_;  // the one behind it, if that is one of many
  Worker worker_;                   // last, so that it has ended before the rest goes
};

}  // namespace uniqd

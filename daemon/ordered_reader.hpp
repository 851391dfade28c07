#pragma once
// ordered_reader.hpp - several partitions as one sequence of records, in the order in which the
// read model in use has applied them.

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "daemon/record_source.hpp"
#include "readmodel/history.hpp"

namespace uniqd {

// The topic cannot be read as it was; the text has the remedy.
class TopicChanged : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Makes a source that reads one partition by itself; its polls begin with that assignment.
using OpenPartition = std::function<std::unique_ptr<RecordSource>(Partition partition)>;

// Follows the history where there is one. Where there is none (one partition, nothing a person
// did; or all knowledge lost), records come by their time, those of equal time by their partition;
// a single partition's always in its own order.
//
// Each partition has a source of its own, polled only when its records are next, so what is read
// ahead is bounded by the sources. Thread safety: none.
class OrderedReader {
 public:
  // Begins at these positions; one for each partition of the topic.
  OrderedReader(OpenPartition open, const std::vector<Position>& from);

  // Reads up to these offsets, exclusive, from now on; a partition without one is not read.
  // `steps`: what is new in the history; one that is known already may have grown.
  void read_to(const std::vector<Position>& targets, const std::vector<HistoryStep>& steps);

  struct Batch {
    std::vector<Record> records;      // good until the next call
    std::optional<HistoryStep> then;  // what a person did after them
    bool is_again = false;            // the one record is judged once more
    bool is_at_target = false;        // and nothing is left to read
    std::string trouble;              // what is being waited for; empty: nothing
  };
  // Waits a moment for records where there are none. A step `again` comes as its record.
  // Throws TopicChanged.
  //
  // With keep_to_numbers() a batch without a history ends before the order in it would not be that
  // of the partitions' numbers: its positions then say all of its order.
  void next(std::size_t records_max, Batch& batch);

  void keep_to_numbers() { keeps_to_numbers_ = true; }

  // The end of the partition as it stands now; nothing where it cannot be learned now. The records
  // of the last batch are gone.
  [[nodiscard]] std::optional<Offset> find_end(Partition partition);

  // From where the history has to be read to hear of what is new in it.
  [[nodiscard]] std::int64_t next_ordinal() const;
  // How far each partition has been handed out, exclusive.
  [[nodiscard]] std::vector<Position> positions() const;
  // The first record of the partition that was handed out.
  [[nodiscard]] std::optional<Offset> first(Partition partition) const;

 private:
  // One partition as it is read.
  struct Track {
    Position from;
    std::unique_ptr<RecordSource> source;  // made when it is first read
    Poll poll;
    std::size_t used = 0;          // of poll.records
    std::optional<Offset> first;   // that was handed out
    std::optional<Offset> next;    // handed out up to here, exclusive
    std::optional<Offset> target;  // exclusive; nothing: not read
    std::optional<Offset> end;     // where it was met
    unsigned vain_polls = 0;       // at an end that lies before the target
    bool is_lent = false;          // the batch at hand has views into `poll`

    [[nodiscard]] const Record* head() const {
      return used < poll.records.size() ? &poll.records[used] : nullptr;
    }
    [[nodiscard]] bool has_reached(Offset offset) const { return next && *next >= offset; }
    [[nodiscard]] bool is_at_target() const { return !target || has_reached(*target); }
    [[nodiscard]] std::vector<PartitionEnd> fetch();
  };
  // What stands at the head of a track.
  enum class Head : std::uint8_t { record, none_below, not_yet };

  Track& track(Partition partition);
  void poll(Track& track, Batch& batch);
  static void suspect_truncation(Track& track);
  Head look(Track& track, Offset below, Batch& batch);
  static void take_head(Track& track, Batch& batch);
  bool take_up_to(Track& track, Offset below, std::size_t records_max, Batch& batch);
  bool take_again(const HistoryStep& step, Batch& batch);
  void finish_step();
  bool follow_history(std::size_t records_max, Batch& batch);
  bool follow_time(std::size_t records_max, Batch& batch);

  OpenPartition open_;
  std::vector<Track> tracks_;
  std::deque<HistoryStep> steps_;  // the first is the one at hand
  std::int64_t done_ordinal_ = -1;
  bool has_history_ = false;
  bool keeps_to_numbers_ = false;
  Track aside_;  // for records that are judged once more
};

}  // namespace uniqd

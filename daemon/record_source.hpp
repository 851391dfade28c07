#pragma once
// record_source.hpp - seam: where records come from.

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "readmodel/position.hpp"
#include "readmodel/record.hpp"

namespace uniqd {

struct PollLimits {
  std::size_t records_max = 1000;
  std::size_t bytes_max = std::size_t{8} << 20;
  std::chrono::milliseconds wait{100};  // for the first record; no longer than a few ms after it
};

// The end of a partition as it was met while reading; may lie beyond the last record + 1, since
// transaction markers and compacted records take offsets.
struct PartitionEnd {
  Partition partition{};
  Offset offset;  // the next record's offset will be at least this
};

enum class SourceTrouble : std::uint8_t {
  passing,  // the client mends it by itself; waiting is right
  halted,   // records are lost or would be skipped; a person must decide
};

struct SourceFailure {
  SourceTrouble trouble = SourceTrouble::passing;
  std::string text;  // what happened and what to do
};

// What one poll brought. Its views live until the next call to the source.
struct Poll {
  std::vector<Record> records;     // of each partition in order, none skipped
  std::vector<PartitionEnd> ends;  // each after all records of its partition in this poll
  // The partitions are now exactly these (perhaps none). Nothing is fetched, and no record of an
  // earlier assignment appears, until fetch_from() is called.
  std::optional<std::vector<Partition>> assigned;
  // A trouble that lasts is reported by every poll until it has passed.
  std::optional<SourceFailure> failure;
};

// Thread safety: none; one thread polls, assigns and reads what was polled.
class RecordSource {
 public:
  RecordSource() = default;
  RecordSource(const RecordSource&) = delete;
  RecordSource& operator=(const RecordSource&) = delete;
  virtual ~RecordSource() = default;

  // Waits at most limits.wait. Clears `poll` first. Does not throw for failures of the world.
  virtual void poll(const PollLimits& limits, Poll& poll) = 0;

  // Begins (anew) to fetch the assigned partitions at these positions; what was buffered is
  // dropped. Returns the end of each partition as it stands now, where it could be learned.
  // REQUIRES: the partitions are those last reported as assigned.
  virtual std::vector<PartitionEnd> fetch_from(const std::vector<Position>& positions) = 0;

  // Stops fetching, keeps the assignment and the membership. fetch_from() begins again.
  virtual void stop_fetching() = 0;

  // Tells the broker how far the stored positions are, for lag tools only; never read back.
  virtual void report_progress(const std::vector<Position>& positions) = 0;
};

}  // namespace uniqd

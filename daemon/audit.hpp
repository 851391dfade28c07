#pragma once
// audit.hpp - the whole topic judged in memory: what violates, and what has come of it. Writes
// nothing anywhere.

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "commands/decide.hpp"
#include "daemon/process_batch.hpp"
#include "daemon/record_source.hpp"
#include "readmodel/decode_event.hpp"

namespace uniqd {

// Reads every partition of a source from its start to its end as it stood at the beginning.
// Memory grows with the entities that are present and with the violations, not with the events.
// Thread safety: none.
class Audit {
 public:
  // The references must outlive the audit.
  Audit(RecordSource& source, const ConstraintSet& constraints, Decoder decoder, Policy policy);

  // One round; false once the end is reached. Throws std::runtime_error, with the remedy, where the
  // source halts.
  bool step();

  struct Progress {
    std::uint64_t records = 0;        // read so far
    std::uint64_t records_total = 0;  // about: offsets have holes; 0 while unknown
    std::string trouble;              // what is being waited for; empty: nothing
  };
  [[nodiscard]] const Progress& progress() const { return progress_; }

  // Every compensation that would have been opened, with its violations, in the order of decision.
  [[nodiscard]] std::vector<Compensation> findings() const {
    return known_.compensations.changes().opened;
  }
  [[nodiscard]] const EventCounts& events() const { return counts_; }
  [[nodiscard]] const std::vector<BadEvent>& bad_events() const { return bad_events_; }

 private:
  struct Track {
    Partition partition{};
    std::int64_t start = -1;   // the first offset seen
    std::int64_t target = -1;  // the end as it stood; -1: to be learned from the source
    bool is_done = false;
  };
  void begin(const std::vector<Partition>& partitions);
  void fold();

  RecordSource& source_;
  Decoder decoder_;
  Policy policy_;
  Loaded known_;
  EventCounts counts_;
  std::vector<BadEvent> bad_events_;
  std::vector<Track> tracks_;
  bool has_begun_ = false;
  Progress progress_;
  Poll poll_;
};

// One line of the report a violation: the violation as every answer shows it, where it happened,
// and what has come of it.
[[nodiscard]] std::vector<nlohmann::ordered_json> finding_lines(const Compensation& finding,
                                                                const std::string& topic);

// How many violations of each constraint, by what has come of them; how many events of each
// outcome.
[[nodiscard]] nlohmann::ordered_json summary_json(const std::vector<Compensation>& findings,
                                                  const Audit& audit,
                                                  const ConstraintSet& constraints);

}  // namespace uniqd

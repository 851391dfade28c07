#pragma once
// loop.hpp - when it happens: poll, decode, begin, fold, commit; and back to safety after trouble.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "commands/decide.hpp"
#include "commands/relay.hpp"
#include "daemon/clock.hpp"
#include "daemon/command_gate.hpp"
#include "daemon/ledger.hpp"
#include "daemon/process_batch.hpp"
#include "daemon/record_source.hpp"
#include "daemon/telemetry.hpp"
#include "readmodel/decode_event.hpp"

namespace uniqd {

// What a step came to.
struct LoopStep {
  enum class Kind : std::uint8_t {
    applied,  // a batch was committed
    idle,     // nothing to do
    waiting,  // for a broker, a database or an assignment; the step after will try again
    halted,   // a person must act; `text` says what; the loop must not be stepped again
  };
  Kind kind = Kind::idle;
  std::string text;
};

// Drives the source and the ledger; the same code in the daemon and in the simulation.
//
// After every trouble (fenced, connection lost, commit in doubt, rebalance) there is one way: all
// that is in memory is forgotten, the positions are read under lock, the source is set to them.
//
// Thread safety: none; everything in it belongs to the loop's thread, but for gate and telemetry.
class Loop {
 public:
  struct Seams {
    RecordSource& source;
    Ledger& ledger;
    const Clock& clock;
    CommandGate& gate;
    Telemetry& telemetry;
  };
  // The seams and `constraints` must outlive the loop. `probe` is called at the loop's named
  // points.
  Loop(Seams seams, const ConstraintSet& constraints, Decoder decoder, Policy policy,
       PollLimits limits, Probe probe, OnBadEvent on_bad_event = OnBadEvent::park);

  // One round: at most limits.wait for records, then at most one batch. Does not throw for
  // failures of the world.
  LoopStep step();

 private:
  struct Track {  // one assigned partition
    std::optional<Offset> next_offset;
    std::optional<Offset> target;  // its end when the positions were last read
    std::optional<Offset> end;     // the latest end known
    std::int64_t last_timestamp_ms = -1;
    bool caught_up = false;
  };
  struct Partitioned {
    Partition partition{};
    Track track;
  };

  void note_source_trouble();
  void on_assigned(const std::vector<Partition>& partitions);
  LoopStep resynchronise();
  LoopStep apply_polled();
  void decode_polled();
  [[nodiscard]] bool takes(Decoded decoded);
  void drop_from(std::size_t index);
  [[nodiscard]] std::vector<Advance> advances() const;
  void anchor(std::vector<Advance>& advances) const;
  bool commit_batch(const std::vector<Advance>& advances);
  void on_committed(const std::vector<Advance>& advances);
  void publish_progress();
  LoopStep on_store_failure(const StoreFailure& failure);
  void lose_footing();
  Track& track(Partition partition);

  Seams seams_;
  const ConstraintSet& constraints_;
  Decoder decoder_;
  Policy policy_;
  PollLimits limits_;
  Probe probe_;
  OnBadEvent on_bad_event_;

  std::vector<Partitioned> assigned_;
  bool is_synchronised_ = false;  // memory, ledger and source agree on the positions
  unsigned failures_in_row_ = 0;
  std::chrono::milliseconds retry_at_{0};
  std::chrono::milliseconds reported_at_{0};

  std::string source_trouble_;

  Poll poll_;
  std::vector<Event> events_;
  std::vector<BadEvent> bad_events_;
  std::string halted_;  // by a record right behind the batch; what happened and what to do
  EventCounts counts_;
};

}  // namespace uniqd

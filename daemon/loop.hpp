#pragma once
// loop.hpp - when it happens: take in, begin, fold, commit; and back to safety after trouble.

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "commands/decide.hpp"
#include "commands/relay.hpp"
#include "daemon/clock.hpp"
#include "daemon/command_gate.hpp"
#include "daemon/intake.hpp"
#include "daemon/ledger.hpp"
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
  struct Reading {
    Decoder decoder;
    PollLimits limits;
    OnBadEvent on_bad_event = OnBadEvent::park;
    Ahead ahead = Ahead::beside;
  };
  // The seams and `constraints` must outlive the loop. `probe` is called at the loop's named
  // points.
  Loop(Seams seams, const ConstraintSet& constraints, Reading reading, Policy policy,
       CommandForm form, Probe probe);

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

  void note_source_trouble(const std::optional<SourceFailure>& failure);
  void on_assigned(const std::vector<Partition>& partitions);
  LoopStep resynchronise();
  LoopStep apply(Batch& batch);
  [[nodiscard]] std::vector<Advance> advances(const Batch& batch) const;
  bool commit_batch(Batch& batch, const std::vector<Advance>& advances);
  void judge(Batch& batch, const std::function<void(Loaded&)>& load_missing) const;
  void judge_ahead(const Judged& before);
  void on_committed(const Batch& batch, const std::vector<Advance>& advances);
  void publish_progress();
  void report_progress();
  LoopStep on_store_failure(const StoreFailure& failure);
  void lose_footing();
  Track& track(Partition partition);

  Seams seams_;
  const ConstraintSet& constraints_;
  Policy policy_;
  CommandForm form_;
  Probe probe_;
  Intake intake_;

  std::vector<Partitioned> assigned_;
  bool is_synchronised_ = false;  // memory, ledger and source agree on the positions
  unsigned failures_in_row_ = 0;
  std::chrono::milliseconds retry_at_{0};
  std::chrono::milliseconds reported_at_{0};
  std::vector<Position> reported_;
  std::string source_trouble_;
};

}  // namespace uniqd

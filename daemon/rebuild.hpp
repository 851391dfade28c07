#pragma once
// rebuild.hpp - the topic replayed into a new generation of the read model, beside the one in use.

#include <cstdint>
#include <functional>
#include <future>
#include <map>
#include <queue>
#include <string>
#include <vector>

#include "commands/decide.hpp"
#include "daemon/clock.hpp"
#include "daemon/intake.hpp"
#include "daemon/ordered_reader.hpp"
#include "daemon/process_batch.hpp"
#include "daemon/rebuild_store.hpp"
#include "readmodel/decode_event.hpp"

namespace uniqd {

struct RebuildOptions {
  bool verifies = false;  // compare only; nothing is swapped
  // The positions, the history and the dead letters of the generation in use count for nothing:
  // everything is read, to the end of the topic, as if they had been lost; and as far as a daemon
  // has come meanwhile, lest it would be set back.
  bool is_anew = false;
  // Whether all has to be in the tables from now on, rather than in memory, which is faster.
  std::function<bool()> is_memory_full = [] { return false; };
  // How, while it folds in memory, the rounds after are read and decoded; at least one, and so many
  // that reading goes on while a table of many millions grows.
  Ahead ahead = Ahead::beside;
  std::size_t rounds_ahead = 8;
};

// From the topic's beginning to where the generation in use stands, and then as far as that moves
// on; at the end both stand at the same positions, so that they can be compared, and one take the
// other's place between two batches. First in memory, with the fold on a complete model, which is
// then loaded in bulk; from there batch by batch.
//
// The order of records between partitions, and what people did, comes from the history of the
// generation in use; so the same owners come out, and the same compensations.
//
// Nothing is changed before the swap, which is one transaction: it can die at any point, and be
// begun again. Thread safety: none.
class Rebuild {
 public:
  struct Seams {
    RebuildStore& store;
    OpenPartition open;
    const Clock& clock;
  };
  // The seams and `constraints` must outlive it. `ends`: all partitions of the topic with their
  // ends; what is read where the generation in use knows nothing. `from`: where each begins.
  Rebuild(Seams seams, const ConstraintSet& constraints, Decoder decoder, Policy policy,
          RebuildOptions options, const std::vector<Position>& from, std::vector<Position> ends);

  // One round; false once all is done. Throws StoreFailure, and TopicChanged.
  bool step();

  enum class Phase : std::uint8_t { folding, loading, following, comparing, swapping, done };
  struct Progress {
    Phase phase = Phase::folding;
    std::uint64_t records = 0;
    std::uint64_t records_total = 0;  // about: offsets have holes
    std::string trouble;              // what is being waited for; empty: nothing
  };
  [[nodiscard]] const Progress& progress() const { return progress_; }

  // Once done.
  [[nodiscard]] const Comparison& comparison() const { return comparison_; }
  [[nodiscard]] const Prospect& prospect() const { return prospect_; }
  [[nodiscard]] const EventCounts& events() const { return counts_; }
  [[nodiscard]] std::uint64_t bad_events() const { return bad_count_; }

 private:
  // What it is following towards.
  enum class Goal : std::uint8_t { pinned, near, held };

  // What one reading brought, decoded.
  struct Round {
    std::vector<Event> events;
    std::vector<BadEvent> bad_events;
    std::optional<HistoryStep> then;  // what a person did after them
    std::size_t record_count = 0;
    bool is_at_target = false;
    std::string trouble;
  };

  void begin();
  void fold_next();
  void follow_next();
  void reached();
  void aim_at(Goal goal);
  Round read();
  void read_ahead(std::size_t rounds);
  Round next_round();
  void decode(Round& round);
  void note_anchors();
  void compare_anchors() const;
  void fold_into_tables(Round& round);
  [[nodiscard]] std::vector<Advance> advances() const;
  void note_order();
  void load();
  void swap();
  void aim(const InUse& in_use);
  void aim_anew(const InUse& in_use);

  Seams seams_;
  const ConstraintSet& constraints_;
  Policy policy_;
  RebuildOptions options_;
  std::vector<Position> from_;
  std::vector<Position> ends_;
  bool has_begun_ = false;
  bool has_history_ = false;
  Goal goal_ = Goal::pinned;
  std::chrono::milliseconds held_at_{0};
  bool knows_ends_ = true;

  Loaded known_;  // until it is loaded
  std::vector<BadEvent> known_bad_;
  std::vector<Position> stored_;                // in the next generation, once loaded
  std::map<Partition, Anchor> anchors_in_use_;  // of the generation in use, where it aims at

  EventCounts counts_;
  std::uint64_t bad_count_ = 0;
  Progress progress_;
  Comparison comparison_;
  Prospect prospect_;

  // Of whoever reads: not to be touched while any of ahead_ is under way.
  Decoder decoder_;
  OrderedReader reader_;
  OrderedReader::Batch batch_;
  std::vector<HistoryStep> order_;  // where no history says it
  std::map<Partition, Anchor> anchors_;
  std::queue<std::future<Round>> ahead_;  // their records are not counted yet
  Worker reading_;                        // last, so that it has ended before the rest goes
};

}  // namespace uniqd

#include "daemon/loop.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "daemon/failure_policy.hpp"
#include "daemon/log_pause.hpp"

namespace uniqd {
namespace {

constexpr std::chrono::milliseconds report_every{1000};
// More in one batch than this is a backlog, where the relay has enough to do.
constexpr std::size_t few = 100;

}  // namespace

Loop::Loop(Seams seams, const ConstraintSet& constraints, Reading reading, Policy policy,
           CommandForm form, Probe probe)
    : seams_(seams),
      constraints_(constraints),
      policy_(std::move(policy)),
      form_(std::move(form)),
      probe_(std::move(probe)),
      intake_(seams.source, std::move(reading.decoder), reading.on_bad_event, reading.limits,
              reading.ahead, probe_) {}

LoopStep Loop::step() {
  if (seams_.gate.take_distrust() && is_synchronised_) lose_footing();
  if (!is_synchronised_ && !assigned_.empty() && seams_.clock.steady() >= retry_at_) {
    if (LoopStep step = resynchronise(); step.kind != LoopStep::Kind::applied) return step;
  }
  Batch& batch = intake_.next();
  if (batch.assigned) on_assigned(*batch.assigned);
  note_source_trouble(batch.failure);
  if (batch.failure && batch.failure->trouble == SourceTrouble::halted) {
    return {LoopStep::Kind::halted, batch.failure->text};
  }
  if (!is_synchronised_) return {LoopStep::Kind::waiting, {}};
  report_progress();
  // One that ends before its first record has nothing to apply, but a reason.
  if (batch.reaches.empty() && batch.halted.empty()) return {LoopStep::Kind::idle, {}};
  return apply(batch);
}

// The source reports a trouble with every poll while it lasts; people hear of it once.
void Loop::note_source_trouble(const std::optional<SourceFailure>& failure) {
  const std::string text = failure ? failure->text : "";
  if (text == source_trouble_) return;
  source_trouble_ = text;
  seams_.telemetry.set_trouble(Organ::source, text);
  if (text.empty()) {
    spdlog::info("source: all is well again");
  } else {
    spdlog::warn("source: {}", text);
  }
}

void Loop::on_assigned(const std::vector<Partition>& partitions) {
  assigned_.clear();
  for (const Partition partition : partitions) assigned_.push_back({partition, {}});
  is_synchronised_ = false;
  failures_in_row_ = 0;
  retry_at_ = seams_.clock.steady();
  seams_.gate.set_open({});
  publish_progress();
}

// Forgets what is in memory; the positions are read again, at once the first time in a row, then
// with growing pauses.
void Loop::lose_footing() {
  if (const auto assigned = intake_.drop_ahead()) on_assigned(*assigned);
  is_synchronised_ = false;
  seams_.gate.set_open({});
  seams_.source.stop_fetching();
  retry_at_ = seams_.clock.steady();
  if (failures_in_row_ > 0) retry_at_ += retry_pause(failures_in_row_);
  ++failures_in_row_;
}

LoopStep Loop::on_store_failure(const StoreFailure& failure) {
  const Reaction reaction = react_to_store_failure(failure.sqlstate());
  const std::string text = std::string(failure.what()) + ". " + reaction.remedy;
  seams_.telemetry.set_trouble(Organ::store, text);
  if (reaction.halts) return {LoopStep::Kind::halted, text};
  if (failures_in_row_ == 0) failures_in_row_ = 1;
  lose_footing();
  spdlog::warn("read model: {} (next try in {} ms)", text,
               (retry_at_ - seams_.clock.steady()).count());
  return {LoopStep::Kind::waiting, text};
}

LoopStep Loop::resynchronise() {
  std::vector<Partition> partitions;
  for (const auto& assigned : assigned_) partitions.push_back(assigned.partition);
  try {
    const auto positions = seams_.ledger.positions(partitions);
    probe_("after_positions");
    const auto ends = seams_.source.fetch_from(positions);
    for (const Position& position : positions) {
      track(position.partition) = Track{};
      track(position.partition).next_offset = position.next_offset;
      intake_.resume(position);
    }
    for (const PartitionEnd& end : ends) {
      Track& known = track(end.partition);
      known.target = known.end = end.offset;
      known.caught_up = known.next_offset && *known.next_offset >= end.offset;
    }
  } catch (const StoreFailure& failure) {
    return on_store_failure(failure);
  }
  is_synchronised_ = true;
  seams_.telemetry.set_trouble(Organ::store, {});
  publish_progress();
  return {LoopStep::Kind::applied, {}};
}

Loop::Track& Loop::track(Partition partition) {
  return std::ranges::find(assigned_, partition, &Partitioned::partition)->track;
}

// Only the partitions that move.
std::vector<Advance> Loop::advances(const Batch& batch) const {
  std::vector<Advance> advances;
  for (const Batch::Reach& reach : batch.reaches) {
    const auto& known =
        std::ranges::find(assigned_, reach.partition, &Partitioned::partition)->track.next_offset;
    if (known && *known >= reach.next) continue;
    advances.push_back(
        {reach.partition, known, reach.first, reach.next, reach.anchor, reach.sequence});
  }
  return advances;
}

LoopStep Loop::apply(Batch& batch) {
  const auto moved = advances(batch);
  intake_.fetch_ahead(batch);
  const auto started = seams_.clock.steady();
  try {
    if (!moved.empty() && !commit_batch(batch, moved)) {
      seams_.ledger.abandon();
      seams_.telemetry.add_fenced();
      lose_footing();
      spdlog::warn("fenced: another writer moved a position; reading it and going on from there");
      return {LoopStep::Kind::waiting, "fenced"};
    }
  } catch (const StoreFailure& failure) {
    intake_.adapt(batch, seams_.clock.steady() - started);
    seams_.ledger.abandon();
    return on_store_failure(failure);
  }
  intake_.adapt(batch, seams_.clock.steady() - started);
  on_committed(batch, moved);
  if (!batch.halted.empty()) return {LoopStep::Kind::halted, batch.halted};
  return {moved.empty() ? LoopStep::Kind::idle : LoopStep::Kind::applied, {}};
}

bool Loop::commit_batch(Batch& batch, const std::vector<Advance>& advances) {
  const auto started = seams_.clock.steady();
  if (!batch.judged) batch.judged.emplace(constraints_);
  auto& [loaded, counts, outcome] = *batch.judged;
  if (!seams_.ledger.begin(advances, batch.events, loaded)) return false;
  probe_("after_begin");
  if (!loaded.is_ahead) {
    judge(batch, [this](Loaded& partial) { seams_.ledger.load_missing(partial); });
  }
  outcome.bad_events = std::move(batch.bad_events);
  outcome.safety = judge_safety(loaded.safety, loaded.claiming, policy_.max_violation_share);
  if (intake_.has_ahead()) judge_ahead(*batch.judged);
  probe_("before_commit");
  const auto waiting = seams_.gate.waiting();
  const auto committing = seams_.clock.steady();
  seams_.ledger.commit_transaction(outcome);
  const auto committed = seams_.clock.steady();
  probe_("after_commit");
  const bool pauses = outcome.safety && !outcome.safety->pause.empty();
  if (outcome.compensations.has_messages()) {
    const bool hands_over = waiting != 0 && !loaded.safety.is_paused && !pauses;
    // Encoded here, where it is still in the core's caches.
    const auto decided = outcome.compensations.few_messages(hands_over ? few : 0);
    seams_.gate.announce(encode_commands(decided, form_), waiting);
  }
  seams_.telemetry.add_batch({counts, batch.record_count, outcome.bad_events.size(),
                              committed - started, committed - committing});
  if (pauses) log_pause(outcome.safety->pause);
  return true;
}

void Loop::judge(Batch& batch, const std::function<void(Loaded&)>& load_missing) const {
  auto& [loaded, counts, outcome] = *batch.judged;
  counts = batch.counts;
  process_batch(batch.events, policy_, seams_.clock.now_ms(), load_missing, loaded, counts);
  outcome.model = loaded.model.changes();
  outcome.compensations = loaded.compensations.changes();
}

// The next batch is judged beside the commit of this one.
void Loop::judge_ahead(const Judged& before) {
  auto look = seams_.ledger.look_ahead(before.loaded, before.outcome);
  if (!look) return;
  intake_.go_on_ahead([this, look = std::move(*look)](Batch& next) {
    try {
      look.load(next.events, next.judged.emplace(constraints_).loaded);
      judge(next, look.load_missing);
      look.prepare(next.judged->outcome);
    } catch (const StoreFailure&) {
      next.judged.reset();  // begin() will look, and say what is wrong
    }
  });
}

void Loop::on_committed(const Batch& batch, const std::vector<Advance>& advances) {
  failures_in_row_ = 0;
  for (const Advance& advance : advances) {
    Track& known = track(advance.partition);
    known.next_offset = advance.next;
    if (!known.end || *known.end < advance.next) known.end = advance.next;
    if (known.target && advance.next >= *known.target) known.caught_up = true;
  }
  for (const Batch::Reach& reach : batch.reaches) {
    if (reach.last_timestamp_ms >= 0) {
      track(reach.partition).last_timestamp_ms = reach.last_timestamp_ms;
    }
  }
  for (const PartitionEnd& end : batch.ends) {
    track(end.partition).caught_up = true;
    track(end.partition).end = end.offset;
  }
  publish_progress();
}

void Loop::publish_progress() {
  std::vector<Partition> open;
  std::vector<PartitionProgress> progress;
  for (const auto& [partition, known] : assigned_) {
    if (known.caught_up) open.push_back(partition);
    progress.push_back(
        {partition, known.next_offset, known.end, known.last_timestamp_ms, known.caught_up});
  }
  seams_.gate.set_open(std::move(open));
  seams_.telemetry.set_partitions(std::move(progress));
}

// Now and then.
void Loop::report_progress() {
  if (seams_.clock.steady() - reported_at_ < report_every) return;
  reported_at_ = seams_.clock.steady();
  std::vector<Position> positions;
  for (const auto& [partition, known] : assigned_) {
    if (known.next_offset) positions.push_back({partition, known.next_offset});
  }
  if (positions == reported_) return;
  reported_ = positions;
  intake_.report_progress(std::move(positions));
}

}  // namespace uniqd

#include "daemon/loop.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "daemon/failure_policy.hpp"
#include "daemon/log_pause.hpp"
#include "readmodel/digest.hpp"

namespace uniqd {
namespace {

constexpr std::chrono::milliseconds report_every{1000};

}  // namespace

Loop::Loop(Seams seams, const ConstraintSet& constraints, Decoder decoder, Policy policy,
           PollLimits limits, Probe probe, OnBadEvent on_bad_event)
    : seams_(seams),
      constraints_(constraints),
      decoder_(std::move(decoder)),
      policy_(std::move(policy)),
      limits_(limits),
      probe_(std::move(probe)),
      on_bad_event_(on_bad_event) {}

LoopStep Loop::step() {
  if (seams_.gate.take_distrust() && is_synchronised_) lose_footing();
  if (!is_synchronised_ && !assigned_.empty() && seams_.clock.steady() >= retry_at_) {
    if (LoopStep step = resynchronise(); step.kind != LoopStep::Kind::applied) return step;
  }
  seams_.source.poll(limits_, poll_);
  probe_("after_poll");
  // A batch has one order that can be written down shortly.
  std::ranges::stable_sort(poll_.records, {}, &Record::partition);
  if (poll_.assigned) on_assigned(*poll_.assigned);
  note_source_trouble();
  if (poll_.failure && poll_.failure->trouble == SourceTrouble::halted) {
    return {LoopStep::Kind::halted, poll_.failure->text};
  }
  if (!is_synchronised_) return {LoopStep::Kind::waiting, {}};
  if (poll_.records.empty() && poll_.ends.empty()) return {LoopStep::Kind::idle, {}};
  return apply_polled();
}

// The source reports a trouble with every poll while it lasts; people hear of it once.
void Loop::note_source_trouble() {
  const std::string text = poll_.failure ? poll_.failure->text : "";
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
      decoder_.resume(position.partition, position.next_offset.value_or(Offset{}),
                      position.sequence);
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

void Loop::decode_polled() {
  events_.clear();
  bad_events_.clear();
  halted_.clear();
  counts_ = {};
  for (std::size_t index = 0; index < poll_.records.size(); ++index) {
    if (!takes(decoder_.decode(poll_.records[index]))) return drop_from(index);
  }
}

// False: the batch has to end before this record.
bool Loop::takes(Decoded decoded) {
  if (auto* event = std::get_if<Event>(&decoded)) {
    events_.push_back(std::move(*event));
  } else if (auto* bad = std::get_if<BadEvent>(&decoded)) {
    if (on_bad_event_ == OnBadEvent::halt) {
      halted_ = fmt::format(
          "partition {} offset {} is no event: {}. on_bad_event is halt, so nothing behind it is "
          "read. Mend the cause in the configuration and start uniqd again, which goes on with "
          "this record; or set on_bad_event: park, which makes it a dead letter and goes on",
          to_number(bad->partition), bad->offset.value, bad->reason);
      return false;
    }
    spdlog::warn("dead letter at partition {} offset {}: {}", to_number(bad->partition),
                 bad->offset.value, bad->reason);
    counts_.count("", "bad");
    bad_events_.push_back(std::move(*bad));
  } else {
    counts_.count("", outcome_name(std::get<Skipped>(decoded)));
  }
  return true;
}

// The records from here on, and what was met behind them.
void Loop::drop_from(std::size_t index) {
  const Partition partition = poll_.records[index].partition;
  poll_.records.resize(index);
  std::erase_if(poll_.ends, [&](const PartitionEnd& end) { return end.partition >= partition; });
}

// Where the polled records and ends take each partition, in the order of the partitions; only
// those that move.
std::vector<Advance> Loop::advances() const {
  std::vector<Advance> advances;
  const auto reach = [&](Partition partition, Offset first, Offset next) {
    const auto found = std::ranges::find(advances, partition, &Advance::partition);
    if (found != advances.end()) {
      found->next = std::max(found->next, next);
      return;
    }
    const auto& known =
        std::ranges::find(assigned_, partition, &Partitioned::partition)->track.next_offset;
    if (!known || *known < next) advances.push_back({partition, known, first, next});
  };
  for (const Record& record : poll_.records) {
    reach(record.partition, record.offset, record.offset.next());
  }
  for (const PartitionEnd& end : poll_.ends) reach(end.partition, end.offset, end.offset);
  std::ranges::sort(advances, {}, &Advance::partition);
  anchor(advances);
  return advances;
}

void Loop::anchor(std::vector<Advance>& advances) const {
  for (Advance& advance : advances) {
    advance.sequence = decoder_.sequence(advance.partition);
    const auto last = std::ranges::find(poll_.records.rbegin(), poll_.records.rend(),
                                        advance.partition, &Record::partition);
    if (last != poll_.records.rend()) advance.anchor = Anchor{last->offset, record_digest(*last)};
  }
}

LoopStep Loop::apply_polled() {
  decode_polled();
  const auto moved = advances();
  try {
    if (!moved.empty() && !commit_batch(moved)) {
      seams_.ledger.abandon();
      seams_.telemetry.add_fenced();
      lose_footing();
      spdlog::warn("fenced: another writer moved a position; reading it and going on from there");
      return {LoopStep::Kind::waiting, "fenced"};
    }
  } catch (const StoreFailure& failure) {
    seams_.ledger.abandon();
    return on_store_failure(failure);
  }
  on_committed(moved);
  if (!halted_.empty()) return {LoopStep::Kind::halted, halted_};
  return {moved.empty() ? LoopStep::Kind::idle : LoopStep::Kind::applied, {}};
}

bool Loop::commit_batch(const std::vector<Advance>& advances) {
  const auto started = seams_.clock.steady();
  Loaded loaded(constraints_);
  if (!seams_.ledger.begin(advances, events_, loaded)) return false;
  probe_("after_begin");
  process_batch(
      events_, policy_, seams_.clock.now_ms(),
      [this](Loaded& partial) { seams_.ledger.load_missing(partial); }, loaded, counts_);
  Outcome outcome{loaded.model.changes(), loaded.compensations.changes(), std::move(bad_events_)};
  const std::size_t bad_count = outcome.bad_events.size();
  outcome.safety = judge_safety(loaded.safety, loaded.claiming, policy_.max_violation_share);
  const std::string pause = outcome.safety ? outcome.safety->pause : "";
  probe_("before_commit");
  const auto committing = seams_.clock.steady();
  seams_.ledger.commit_transaction(outcome);
  const auto committed = seams_.clock.steady();
  probe_("after_commit");
  seams_.telemetry.add_batch(
      {counts_, poll_.records.size(), bad_count, committed - started, committed - committing});
  if (!pause.empty()) log_pause(pause);
  if (outcome.compensations.has_messages()) seams_.gate.announce();
  return true;
}

void Loop::on_committed(const std::vector<Advance>& advances) {
  failures_in_row_ = 0;
  for (const Advance& advance : advances) {
    Track& known = track(advance.partition);
    known.next_offset = advance.next;
    if (!known.end || *known.end < advance.next) known.end = advance.next;
    if (known.target && advance.next >= *known.target) known.caught_up = true;
  }
  for (const Record& record : poll_.records) {
    track(record.partition).last_timestamp_ms = record.timestamp_ms;
  }
  for (const PartitionEnd& end : poll_.ends) {
    track(end.partition).caught_up = true;
    track(end.partition).end = end.offset;
  }
  publish_progress();
}

void Loop::publish_progress() {
  std::vector<Partition> open;
  std::vector<PartitionProgress> progress;
  std::vector<Position> positions;
  for (const auto& [partition, known] : assigned_) {
    if (known.caught_up) open.push_back(partition);
    progress.push_back(
        {partition, known.next_offset, known.end, known.last_timestamp_ms, known.caught_up});
    if (known.next_offset) positions.push_back({partition, known.next_offset});
  }
  seams_.gate.set_open(std::move(open));
  seams_.telemetry.set_partitions(std::move(progress));
  if (is_synchronised_ && seams_.clock.steady() - reported_at_ >= report_every) {
    reported_at_ = seams_.clock.steady();
    seams_.source.report_progress(positions);
  }
}

}  // namespace uniqd

#include "daemon/ordered_reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace uniqd {
namespace {

constexpr PollLimits poll_limits{10'000, std::size_t{32} << 20, std::chrono::milliseconds{100}};
constexpr unsigned vain_polls_max = 100;  // of 100 ms each

}  // namespace

OrderedReader::OrderedReader(OpenPartition open, const std::vector<Position>& from)
    : open_(std::move(open)) {
  for (const Position& position : from) {
    tracks_.emplace_back();
    tracks_.back().from = position;
  }
}

OrderedReader::Track& OrderedReader::track(Partition partition) {
  const auto found = std::ranges::find(tracks_, partition,
                                       [](const Track& track) { return track.from.partition; });
  if (found != tracks_.end()) return *found;
  throw TopicChanged(
      fmt::format("the read model has applied records of partition {}, which the topic does not "
                  "have: it is another topic. Run 'uniqd rebuild --anew' to make the read model "
                  "from this topic alone.",
                  to_number(partition)));
}

void OrderedReader::read_to(const std::vector<Position>& targets,
                            const std::vector<HistoryStep>& steps) {
  for (const Position& target : targets) track(target.partition).target = target.next_offset;
  for (const HistoryStep& step : steps) {
    has_history_ = true;
    if (step.ordinal <= done_ordinal_) continue;
    if (!steps_.empty() && step.ordinal <= steps_.back().ordinal) {
      steps_.back() = step;
    } else {
      steps_.push_back(step);
    }
  }
}

std::int64_t OrderedReader::next_ordinal() const {
  return steps_.empty() ? done_ordinal_ + 1 : steps_.back().ordinal;
}

std::vector<Position> OrderedReader::positions() const {
  std::vector<Position> positions;
  for (const Track& track : tracks_) positions.push_back({track.from.partition, track.next});
  return positions;
}

std::optional<Offset> OrderedReader::first(Partition partition) const {
  const auto found = std::ranges::find(tracks_, partition,
                                       [](const Track& track) { return track.from.partition; });
  return found == tracks_.end() ? std::nullopt : found->first;
}

void OrderedReader::next(std::size_t records_max, Batch& batch) {
  batch.records.clear();
  batch.then.reset();
  batch.is_again = false;
  batch.trouble.clear();
  batch.is_at_target = false;
  for (Track& track : tracks_) track.is_lent = false;
  aside_.is_lent = false;
  while (batch.records.size() < records_max) {
    const bool goes_on = has_history_ && !steps_.empty() ? follow_history(records_max, batch)
                                                         : follow_time(records_max, batch);
    if (!goes_on) return;
  }
}

// The step at hand; once it is done, the next. The last one stays: it may grow.
bool OrderedReader::follow_history(std::size_t records_max, Batch& batch) {
  const HistoryStep step = steps_.front();
  if (step.kind == HistoryStep::Kind::applied) {
    if (!take_up_to(track(step.partition), step.offset, records_max, batch)) return false;
    if (steps_.size() == 1) return follow_time(records_max, batch);
    finish_step();
    return true;
  }
  if (step.kind == HistoryStep::Kind::again) {
    if (!take_again(step, batch)) return false;
  } else {
    batch.then = step;
  }
  finish_step();
  return batch.records.empty() && !batch.then;
}

void OrderedReader::finish_step() {
  done_ordinal_ = steps_.front().ordinal;
  steps_.pop_front();
}

// Of several heads the one of the earliest time.
bool OrderedReader::follow_time(std::size_t records_max, Batch& batch) {
  Track* earliest = nullptr;
  std::size_t reading = 0;
  for (Track& track : tracks_) {
    if (track.is_at_target()) continue;
    const Head head = look(track, *track.target, batch);
    if (head == Head::not_yet) return false;
    if (head == Head::none_below) continue;
    ++reading;
    if (!earliest || track.head()->timestamp_ms < earliest->head()->timestamp_ms) {
      earliest = &track;
    }
  }
  if (!earliest) {
    batch.is_at_target = batch.records.empty();
    return false;
  }
  const bool goes_back =
      !batch.records.empty() && earliest->from.partition < batch.records.back().partition;
  if (keeps_to_numbers_ && !has_history_ && goes_back) return false;
  if (reading == 1) return take_up_to(*earliest, *earliest->target, records_max, batch);
  take_head(*earliest, batch);
  return true;
}

// True once nothing below `below` is left.
bool OrderedReader::take_up_to(Track& track, Offset below, std::size_t records_max, Batch& batch) {
  while (!track.has_reached(below)) {
    if (batch.records.size() >= records_max) return false;
    const Head head = look(track, below, batch);
    if (head == Head::not_yet) return false;
    if (head == Head::record) take_head(track, batch);
  }
  return true;
}

// A batch of its own. False: not yet.
bool OrderedReader::take_again(const HistoryStep& step, Batch& batch) {
  if (!batch.records.empty()) return false;
  if (aside_.from.partition != step.partition || !aside_.source ||
      aside_.has_reached(step.offset.next())) {
    aside_ = {};
    aside_.from = {step.partition, step.offset};
  }
  while (true) {
    const Head head = look(aside_, step.offset.next(), batch);
    if (head == Head::not_yet) return false;
    // Compaction may have taken it; then nothing is judged again.
    if (head == Head::none_below) return true;
    if (aside_.head()->offset == step.offset) break;
    ++aside_.used;
  }
  take_head(aside_, batch);
  batch.is_again = true;
  return true;
}

void OrderedReader::take_head(Track& track, Batch& batch) {
  batch.records.push_back(*track.head());
  track.next = track.head()->offset.next();
  if (!track.first) track.first = track.head()->offset;
  track.is_lent = true;
  ++track.used;
}

// Whether the next record lies below `below`. Where none does, the track has reached it.
OrderedReader::Head OrderedReader::look(Track& track, Offset below, Batch& batch) {
  if (!track.head()) {
    if (track.end && *track.end >= below) {
      track.next = std::max(track.next.value_or(below), below);
      return Head::none_below;
    }
    if (track.is_lent) return Head::not_yet;
    poll(track, batch);
    if (!track.head()) return Head::not_yet;
  }
  if (track.head()->offset < below) return Head::record;
  track.next = std::max(track.next.value_or(below), below);
  return Head::none_below;
}

// From where it was handed out last: a source that lost its client begins anew.
std::vector<PartitionEnd> OrderedReader::Track::fetch() {
  used = 0;
  poll.records.clear();
  end.reset();  // it counts once all before it was handed out
  return source->fetch_from({{from.partition, next ? next : from.next_offset}});
}

std::optional<Offset> OrderedReader::find_end(Partition partition) {
  Track& known = track(partition);
  if (!known.next) return std::nullopt;  // not assigned yet
  for (const PartitionEnd& found : known.fetch()) return found.offset;
  return std::nullopt;
}

void OrderedReader::poll(Track& track, Batch& batch) {
  if (!track.source) track.source = open_(track.from.partition);
  track.used = 0;
  track.source->poll(poll_limits, track.poll);
  if (track.poll.assigned) (void)track.fetch();
  if (track.poll.failure) {
    if (track.poll.failure->trouble == SourceTrouble::halted) {
      throw TopicChanged(track.poll.failure->text);
    }
    batch.trouble = track.poll.failure->text;
  }
  for (const PartitionEnd& end : track.poll.ends) track.end = end.offset;
  suspect_truncation(track);
}

// An end that was noticed before the target became known may be an old one; one that stays is not,
// where the broker is there to say so.
void OrderedReader::suspect_truncation(Track& track) {
  if (track.poll.failure) return;
  const bool ends_early = track.target && track.end && *track.end < *track.target;
  track.vain_polls = ends_early && !track.head() ? track.vain_polls + 1 : 0;
  if (track.vain_polls < vain_polls_max) return;
  throw TopicChanged(
      fmt::format("partition {} of the topic ends at offset {}, but the read model has applied "
                  "records up to {}: the topic was truncated, or deleted and made again. Restore "
                  "it; or run 'uniqd rebuild --anew' to make the read model from what is there.",
                  to_number(track.from.partition), track.end->value, track.target->value));
}

}  // namespace uniqd

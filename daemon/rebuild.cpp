#include "daemon/rebuild.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "readmodel/digest.hpp"
#include "readmodel/promise.hpp"

namespace uniqd {
namespace {

constexpr std::size_t records_a_round = 10'000;
// Nobody waits longer than this for a rebuild to come to its end.
constexpr std::chrono::milliseconds holds_at_most{3000};

Position* find(std::vector<Position>& positions, Partition partition) {
  const auto found = std::ranges::find(positions, partition, &Position::partition);
  return found == positions.end() ? nullptr : &*found;
}

// REQUIRES: the step is a person's.
Intervention intervention_of(const HistoryStep& step) {
  return step.kind == HistoryStep::Kind::retry ? Intervention::retry : Intervention::dismiss;
}

}  // namespace

bool Comparison::is_equal() const {
  return std::ranges::all_of(std::array{&claims, &entities, &compensations}, [](const auto* one) {
    return one->only_old + one->only_new + one->changed == 0;
  });
}

Rebuild::Rebuild(Seams seams, const ConstraintSet& constraints, Decoder decoder, Policy policy,
                 RebuildOptions options, const std::vector<Position>& from,
                 std::vector<Position> ends)
    : seams_(std::move(seams)),
      constraints_(constraints),
      policy_(std::move(policy)),
      options_(std::move(options)),
      from_(from),
      ends_(std::move(ends)),
      known_(constraints),
      decoder_(std::move(decoder)),
      reader_(seams_.open, from),
      reading_(options_.ahead) {
  policy_.strongest_allowed = [this](CompensationId cause) {
    return seams_.store.strongest_allowed(cause);
  };
}

bool Rebuild::step() {
  if (!has_begun_) begin();
  switch (progress_.phase) {
    case Phase::folding:
      fold_next();
      break;
    case Phase::loading:
      load();
      break;
    case Phase::following:
      follow_next();
      break;
    case Phase::comparing:
      comparison_ = seams_.store.compare();
      progress_.phase = Phase::following;
      if (options_.verifies) {
        prospect_ = seams_.store.prospect();
        progress_.phase = Phase::done;
      } else {
        aim_at(Goal::near);
      }
      break;
    case Phase::swapping:
      swap();
      break;
    case Phase::done:
      break;
  }
  return progress_.phase != Phase::done;
}

void Rebuild::swap() {
  if (const auto prospect = seams_.store.swap()) {
    prospect_ = *prospect;
    progress_.phase = Phase::done;
    return;
  }
  goal_ = Goal::near;
  progress_.phase = Phase::following;
  aim_at(Goal::near);
}

void Rebuild::begin() {
  has_begun_ = true;
  const InUse in_use = options_.is_anew ? InUse{} : seams_.store.look(0);
  has_history_ = !in_use.history.empty();
  if (in_use.positions.empty()) reader_.read_to(ends_, {});
  aim(in_use);
  for (const Position& end : ends_) {
    const auto first = std::ranges::find(from_, end.partition, &Position::partition);
    const bool is_known = first != from_.end() && first->next_offset;
    progress_.records_total += static_cast<std::uint64_t>(
        end.next_offset.value_or(Offset{}).value - (is_known ? first->next_offset->value : 0));
  }
}

// Where the generation in use knows nothing, the ends stay the aim.
void Rebuild::aim(const InUse& in_use) {
  if (options_.is_anew) return aim_anew(in_use);
  if (!has_history_ && !in_use.history.empty()) {
    throw StoreFailure("",
                       "the read model was empty when the rebuild began, and a daemon has begun to "
                       "fill it since, perhaps in another order");
  }
  std::vector<Position> targets;
  for (const Position& position : in_use.positions) {
    if (!position.next_offset) continue;
    targets.push_back(position);
    if (position.anchor) anchors_in_use_[position.partition] = *position.anchor;
    Position* end = find(ends_, position.partition);
    if (end && (!end->next_offset || *end->next_offset < *position.next_offset)) *end = position;
  }
  reader_.read_to(targets, has_history_ ? in_use.history : std::vector<HistoryStep>{});
}

// As far as the generation in use, where the topic goes so far.
void Rebuild::aim_anew(const InUse& in_use) {
  knows_ends_ = true;
  for (const Position& position : in_use.positions) {
    Position* end = find(ends_, position.partition);
    if (!end || end->next_offset >= position.next_offset) continue;
    const auto now = reader_.find_end(position.partition);
    if (!now) knows_ends_ = false;
    if (now && *now >= *position.next_offset) end->next_offset = position.next_offset;
  }
  reader_.read_to(ends_, {});
}

Rebuild::Round Rebuild::read() {
  reader_.next(records_a_round, batch_);
  Round round{{}, {}, batch_.then, batch_.records.size(), batch_.is_at_target, batch_.trouble};
  decode(round);
  if (!batch_.is_again) note_anchors();
  return round;
}

void Rebuild::read_ahead(std::size_t rounds) {
  while (ahead_.size() < rounds) {
    ahead_.push(reading_.post([this] {
      Round round = read();
      note_order();
      return round;
    }));
  }
}

Rebuild::Round Rebuild::next_round() {
  Round round;
  if (ahead_.empty()) {
    round = read();
  } else {
    round = ahead_.front().get();
    ahead_.pop();
  }
  progress_.trouble = round.trouble;
  progress_.records += round.record_count;
  bad_count_ += round.bad_events.size();
  return round;
}

void Rebuild::decode(Round& round) {
  round.events.reserve(batch_.records.size());
  for (const Record& record : batch_.records) {
    // What is passed over is decoded all the same, so that the sequence has met it.
    Decoded decoded = decoder_.decode(record);
    if (!batch_.is_again && seams_.store.is_passed_over({record.partition, record.offset})) {
      continue;
    }
    if (auto* event = std::get_if<Event>(&decoded)) {
      round.events.push_back(std::move(*event));
    } else if (auto* bad = std::get_if<BadEvent>(&decoded)) {
      round.bad_events.push_back(std::move(*bad));
    }
  }
}

void Rebuild::note_anchors() {
  for (auto record = batch_.records.rbegin(); record != batch_.records.rend(); ++record) {
    const auto [known, is_new] = anchors_.try_emplace(record->partition);
    if (!is_new && known->second.offset >= record->offset) continue;
    known->second = {record->offset, record_digest(*record)};
  }
}

// -------------------------------------------------------------------------------------- in memory

void Rebuild::fold_next() {
  const bool is_memory_full = options_.is_memory_full();
  read_ahead(is_memory_full ? 1 : options_.rounds_ahead);
  Round round = next_round();
  process_batch(
      round.events, policy_, seams_.clock.now_ms(), [](Loaded&) {}, known_, counts_);
  std::ranges::move(round.bad_events, std::back_inserter(known_bad_));
  if (round.then) {
    known_.compensations.intervene(round.then->compensation, intervention_of(*round.then));
  }
  if (round.is_at_target) {
    while (!ahead_.empty()) (void)next_round();  // there is nothing behind the target
  }
  if (ahead_.empty() && (round.is_at_target || is_memory_full)) progress_.phase = Phase::loading;
}

// Of the records that were read last.
void Rebuild::note_order() {
  if (has_history_) return;
  for (const Record& record : batch_.records) {
    if (order_.empty() || order_.back().partition != record.partition) {
      order_.push_back({0, HistoryStep::Kind::applied, record.partition, {}, {}});
    }
    order_.back().offset = record.offset.next();
  }
}

void Rebuild::load() {
  const std::vector<Advance> moved = advances();
  seams_.store.load(known_, known_bad_, moved, order_);
  for (const Advance& advance : moved) stored_.push_back({advance.partition, advance.next});
  known_bad_ = {};
  order_ = {};
  progress_.phase = Phase::following;
  if (!has_history_) reader_.keep_to_numbers();
  aim_at(Goal::pinned);
}

// --------------------------------------------------------------------------------- batch by batch

void Rebuild::aim_at(Goal goal) {
  if (goal_ == Goal::held && goal != Goal::held) seams_.store.release();
  goal_ = goal;
  const std::int64_t from = reader_.next_ordinal();
  switch (goal) {
    case Goal::pinned:
      return aim(seams_.store.pin(from));
    case Goal::near:
      return aim(seams_.store.look(from));
    case Goal::held:
      held_at_ = seams_.clock.steady();
      aim(seams_.store.hold(from));
      if (!knows_ends_) aim_at(Goal::near);
      return;
  }
}

void Rebuild::follow_next() {
  Round round = next_round();
  fold_into_tables(round);
  if (round.then) {
    seams_.store.intervene(round.then->compensation, intervention_of(*round.then));
  }
  if (round.is_at_target) return reached();
  const bool holds_too_long =
      goal_ == Goal::held && seams_.clock.steady() - held_at_ > holds_at_most;
  if (holds_too_long) aim_at(Goal::near);
}

// Both stand at the same position, so the last record of each partition must be the same one.
void Rebuild::compare_anchors() const {
  for (const auto& [partition, in_use] : anchors_in_use_) {
    const auto read = anchors_.find(partition);
    if (read == anchors_.end() || read->second.offset != in_use.offset) continue;
    if (read->second == in_use) continue;
    throw TopicChanged(
        "the record at offset " + std::to_string(in_use.offset.value) + " of partition " +
        std::to_string(to_number(partition)) +
        " is not the one that the read model has applied: it is another topic. Restore it; or run "
        "'uniqd rebuild --anew' to make the read model from what is there.");
  }
}

void Rebuild::reached() {
  compare_anchors();
  switch (goal_) {
    case Goal::pinned:
      progress_.phase = Phase::comparing;
      return;
    case Goal::near:
      return aim_at(Goal::held);
    case Goal::held:
      progress_.phase = Phase::swapping;
      return;
  }
}

std::vector<Advance> Rebuild::advances() const {
  std::vector<Advance> advances;
  for (const Position& now : reader_.positions()) {
    if (!now.next_offset) continue;
    const auto stored = std::ranges::find(stored_, now.partition, &Position::partition);
    const auto before = stored == stored_.end() ? std::nullopt : stored->next_offset;
    if (before == now.next_offset) continue;
    advances.push_back({now.partition, before,
                        reader_.first(now.partition).value_or(*now.next_offset), *now.next_offset});
    const auto anchor = anchors_.find(now.partition);
    if (anchor != anchors_.end()) advances.back().anchor = anchor->second;
    advances.back().sequence = decoder_.sequence(now.partition);
  }
  return advances;
}

void Rebuild::fold_into_tables(Round& round) {
  const auto moved = advances();
  if (moved.empty() && round.events.empty()) return;
  Ledger& ledger = seams_.store.ledger();
  Loaded loaded(constraints_);
  promise(ledger.begin(moved, round.events, loaded), "nobody else writes to the next generation");
  process_batch(
      round.events, policy_, seams_.clock.now_ms(),
      [&](Loaded& partial) { ledger.load_missing(partial); }, loaded, counts_);
  ledger.commit_transaction(
      {loaded.model.changes(), loaded.compensations.changes(), std::move(round.bad_events)});
  for (const Advance& advance : moved) {
    if (Position* stored = find(stored_, advance.partition)) {
      stored->next_offset = advance.next;
    } else {
      stored_.push_back({advance.partition, advance.next});
    }
  }
}

}  // namespace uniqd

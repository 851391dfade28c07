#include "tests/simulation/database.hpp"

#include <algorithm>

#include "tests/simulation/complaint.hpp"

namespace uniqd::simulation {

void DatabaseState::write_history(HistoryStep step) {
  step.ordinal = history.empty() ? 1 : history.back().ordinal + 1;
  history.push_back(step);
}

void DatabaseState::write_history(const std::vector<Advance>& advances) {
  using Kind = HistoryStep::Kind;
  bool is_first = true;
  for (const Advance& advance : advances) {
    HistoryStep* last = history.empty() ? nullptr : &history.back();
    if (is_first && last && last->kind == Kind::applied && last->partition == advance.partition) {
      last->offset = advance.next;
    } else {
      write_history({0, Kind::applied, advance.partition, advance.next, {}});
    }
    is_first = false;
  }
}

void Database::remember() {
  ++version_;
  if (!dice_.once_in(4)) return;
  past_.push_back(state_);
  if (past_.size() > 6) past_.pop_front();
}

void Database::commit(const Batch& batch) {
  require(batch.generation == state_.generation, "nobody writes to a generation that is gone");
  require(!is_held_, "nobody writes while the next generation is about to take over");
  remember();
  fold(batch);
  state_.store.apply(batch.outcome);
  state_.write_history(batch.advances);
  state_.last_writer = batch.writer;
}

// What the oracle is told comes from the topic, never from what the loop made of it.
void Database::fold(const Batch& batch) {
  std::map<std::pair<std::int32_t, std::int64_t>, const Told*> expected;
  for (const Advance& advance : batch.advances) {
    const bool is_first = !state_.positions.contains(advance.partition);
    Offset& position = state_.positions[advance.partition];
    require(is_first || advance.next > position, "a position only moves forward");
    const std::int32_t partition = to_number(advance.partition);
    require(advance.next.value <= topic_.end(partition), "a position is not beyond the end");
    for (const LogRecord* record : topic_.between(partition, position.value, advance.next.value)) {
      expected[{partition, record->offset}] = &record->told;
    }
    position = advance.next;
    state_.firsts.emplace(advance.partition, advance.first);
    if (advance.anchor) state_.anchors[advance.partition] = *advance.anchor;
  }
  for (const auto& [partition, offset] : batch.polled) {
    const auto found = expected.find({to_number(partition), offset.value});
    require(found != expected.end(), "no record is applied twice, nor outside its batch");
    state_.oracle.fold(*found->second);
    expected.erase(found);
  }
  require(expected.empty(), "no record is passed over");
}

void Database::leave_in_doubt(Batch batch, bool will_be_done) {
  in_doubt_.emplace(std::move(batch), will_be_done);
}

void Database::settle() {
  if (!in_doubt_) return;
  const auto [batch, will_be_done] = std::move(*in_doubt_);
  in_doubt_.reset();
  if (will_be_done) commit(batch);
}

void Database::mark_sent(const std::vector<CompensationId>& ids, std::int64_t now_ms) {
  remember();
  state_.store.mark_sent(ids, now_ms);
}

void Database::mark_overdue(const std::vector<CompensationId>& ids) {
  remember();
  state_.store.mark_overdue(ids);
}

void Database::resume() {
  settle();
  remember();
  state_.store.safety = {};
  state_.oracle.resume();
}

bool Database::intervene(CompensationId id, Intervention intervention) {
  settle();
  const Compensation known = state_.store.compensations.at(id);
  DatabaseState after = state_;
  if (!after.store.intervene(id, intervention)) return false;
  remember();
  state_ = std::move(after);
  const std::string identity = known.entity + "/" + known.event_id;
  if (intervention == Intervention::retry) {
    state_.oracle.retry(identity);
    state_.write_history({0, HistoryStep::Kind::retry, {}, {}, id});
  } else {
    state_.oracle.dismiss(identity);
    state_.write_history({0, HistoryStep::Kind::dismiss, {}, {}, id});
  }
  return true;
}

void Database::lose() {
  ++version_;
  in_doubt_.reset();
  past_.clear();
  state_ = nothing_;
}

void Database::begin_rebuild() {
  if (std::exchange(is_rebuilt_, true)) throw AnotherRebuild();
}

void Database::end_rebuild() {
  is_rebuilt_ = false;
  is_held_ = false;
}

void Database::hold() {
  settle();
  is_held_ = true;
}

void Database::swap(DatabaseState next) {
  require(is_held_, "nothing takes over in the middle of a batch");
  remember();
  next.generation = state_.generation + 1;
  state_ = std::move(next);
  is_held_ = false;
}

Database::Records Database::in_order(const std::vector<HistoryStep>& history) const {
  std::map<Partition, Offset> positions;
  Records records;
  for (const HistoryStep& step : history) {
    if (step.kind != HistoryStep::Kind::applied) continue;
    Offset& position = positions[step.partition];
    const auto next = topic_.between(to_number(step.partition), position.value, step.offset.value);
    records.insert(records.end(), next.begin(), next.end());
    position = std::max(position, step.offset);
  }
  return records;
}

Database::Records Database::in_order_of_time(const std::map<Partition, Offset>& ends) const {
  std::vector<Records> logs;
  for (const auto& [partition, end] : ends) {
    logs.push_back(topic_.between(to_number(partition), 0, end.value));
    std::ranges::reverse(logs.back());
  }
  Records records;
  while (true) {
    Records* first = nullptr;
    for (Records& log : logs) {
      if (log.empty()) continue;
      if (!first || log.back()->timestamp_ms < first->back()->timestamp_ms) first = &log;
    }
    if (!first) return records;
    records.push_back(first->back());
    first->pop_back();
  }
}

Oracle Database::told(const Records& records, std::map<std::string, Deed> limits) const {
  Oracle oracle = nothing_.oracle;
  oracle.limits = std::move(limits);
  for (const LogRecord* record : records) oracle.fold(record->told);
  oracle.limits.clear();
  return oracle;
}

bool Database::rewind() {
  if (past_.empty()) return false;
  in_doubt_.reset();
  const auto kept = dice_.below(past_.size());
  state_ = past_[kept];
  past_.resize(kept, state_);
  ++version_;
  return true;
}

}  // namespace uniqd::simulation

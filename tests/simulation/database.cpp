#include "tests/simulation/database.hpp"

#include "tests/simulation/complaint.hpp"

namespace uniqd::simulation {

void Database::remember() {
  ++version_;
  if (!dice_.once_in(4)) return;
  past_.push_back(state_);
  if (past_.size() > 6) past_.pop_front();
}

void Database::commit(const Batch& batch) {
  remember();
  fold(batch);
  state_.store.apply(batch.outcome);
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

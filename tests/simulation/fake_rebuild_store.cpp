#include "tests/simulation/fake_rebuild_store.hpp"

#include <algorithm>
#include <utility>

#include "tests/simulation/complaint.hpp"

namespace uniqd::simulation {
namespace {

constexpr std::int64_t patience_ms = 30'000;

template <class Rows, class Alike>
Compared compare_rows(const Rows& old_rows, const Rows& new_rows, Alike is_alike) {
  Compared compared;
  for (const auto& [key, row] : old_rows) {
    const auto found = new_rows.find(key);
    if (found == new_rows.end()) {
      ++compared.only_old;
    } else {
      ++(is_alike(row, found->second) ? compared.both : compared.changed);
    }
  }
  compared.only_new = new_rows.size() - compared.both - compared.changed;
  return compared;
}

bool is_alike(const Compensation& one, const Compensation& other) {
  const auto end_of = [](const Compensation& known) {
    return has_ended(known.state) ? to_text(known.state) : "";
  };
  return one.entity == other.entity && end_of(one) == end_of(other);
}

}  // namespace

FakeRebuildStore::FakeRebuildStore(Database& database, FaultPlan& faults, const Clock& clock,
                                   bool is_anew, OnSwap on_swap)
    : database_(database),
      faults_(faults),
      clock_(clock),
      is_anew_(is_anew),
      on_swap_(std::move(on_swap)),
      next_{{}, {}, {}, Oracle({})} {
  if (database_.is_down()) throw StoreFailure("08006", "the database is down");
  database_.begin_rebuild();
  const DatabaseState& state = database_.state();
  if (!is_anew) beginnings_ = state.firsts;
  for (const auto& [id, known] : state.store.compensations) {
    for (const Violation& violation : known.violations) {
      ActionKind& kind = decided_.emplace(violation.cause, ActionKind::detect).first->second;
      kind = std::max(kind, known.action.kind);
    }
  }
  for (const auto& [identity, known] : state.oracle.compensations) {
    for (const auto& violation : known.violations) {
      Deed& deed =
          limits_.emplace(known.cause.user + "/" + violation.event_id, Deed::detect).first->second;
      deed = std::max(deed, known.deed);
    }
  }
}

FakeRebuildStore::~FakeRebuildStore() {
  if (!is_dropped_) database_.end_rebuild();
}

void FakeRebuildStore::drop_connections() {
  if (std::exchange(is_dropped_, true)) return;
  is_holding_ = false;
  database_.end_rebuild();
}

void FakeRebuildStore::talk() {
  if (is_dropped_) throw StoreFailure("57P01", "the connection was closed");
  if (!faults_.strikes(Fault::rebuild_store_failed, 60)) return;
  drop_connections();
  throw StoreFailure("08006", "the connection broke");
}

std::optional<ActionKind> FakeRebuildStore::strongest_allowed(CompensationId cause) const {
  const auto found = decided_.find(cause);
  return found == decided_.end() ? std::nullopt : std::optional(found->second);
}

InUse FakeRebuildStore::read(const DatabaseState& state, std::int64_t from_ordinal) const {
  InUse in_use;
  for (const auto& [partition, next] : state.positions)
    in_use.positions.push_back({partition, next});
  std::ranges::copy_if(state.history, std::back_inserter(in_use.history),
                       [&](const HistoryStep& step) { return step.ordinal >= from_ordinal; });
  return in_use;
}

InUse FakeRebuildStore::look(std::int64_t from_ordinal) {
  talk();
  return read(database_.state(), from_ordinal);
}

void FakeRebuildStore::move(const std::vector<Advance>& advances) {
  for (const Advance& advance : advances) {
    next_.positions[advance.partition] = advance.next;
    next_.firsts.emplace(advance.partition, advance.first);
    if (advance.anchor) next_.anchors[advance.partition] = *advance.anchor;
  }
}

void FakeRebuildStore::load(Loaded& loaded, const std::vector<BadEvent>& bad_events,
                            const std::vector<Advance>& advances,
                            const std::vector<HistoryStep>& order) {
  require(!std::exchange(is_loaded_, true), "what is loaded is loaded into nothing");
  talk();
  Outcome all;
  all.model.claim_count_deltas.resize(loaded.model.constraints().size());
  loaded.model.visit_claims([&](const Claim& claim) {
    all.model.claims_added.push_back(claim);
    ++all.model.claim_count_deltas[claim.constraint];
  });
  loaded.model.visit_contenders([&](ClaimKey key, const std::string& name) {
    all.model.contenders_added.emplace_back(key, name);
  });
  loaded.model.visit_entities([&](std::string_view name, const Entity& entity) {
    all.model.entities_added.emplace_back(name, entity);
  });
  loaded.compensations.drain(3, [&](const Compensations::Changes& part) {
    require(part.changed.empty(), "what is loaded is new");
    all.compensations.opened.insert(all.compensations.opened.end(), part.opened.begin(),
                                    part.opened.end());
  });
  all.bad_events = bad_events;
  next_.store.apply(all);
  move(advances);
  for (const HistoryStep& step : order) next_.write_history(step);
}

void FakeRebuildStore::intervene(CompensationId id, Intervention intervention) {
  require(is_loaded_, "what is followed was loaded");
  talk();
  if (!next_.store.intervene(id, intervention)) return;
  const bool retries = intervention == Intervention::retry;
  next_.write_history(
      {0, retries ? HistoryStep::Kind::retry : HistoryStep::Kind::dismiss, {}, {}, id});
}

InUse FakeRebuildStore::pin(std::int64_t from_ordinal) {
  talk();
  pinned_ = database_.state();
  return read(*pinned_, from_ordinal);
}

Comparison FakeRebuildStore::compare() {
  require(pinned_.has_value(), "what is compared was pinned");
  talk();
  const MemoryStore& old = pinned_->store;
  Comparison comparison;
  comparison.claims = compare_rows(old.claims, next_.store.claims, std::equal_to<>());
  comparison.entities = compare_rows(old.entities, next_.store.entities, std::equal_to<>());
  comparison.compensations = compare_rows(old.compensations, next_.store.compensations, is_alike);
  require(is_anew_ || pinned_->positions.empty() || pinned_->positions == next_.positions,
          "what is compared stands at the same positions");
  was_nothing_ = pinned_->positions.empty();
  pinned_.reset();
  return comparison;
}

InUse FakeRebuildStore::hold(std::int64_t from_ordinal) {
  require(!is_holding_, "what is held is not held twice");
  talk();
  database_.hold();
  is_holding_ = true;
  return read(database_.state(), from_ordinal);
}

void FakeRebuildStore::release() noexcept {
  if (std::exchange(is_holding_, false)) database_.release();
}

Prospect FakeRebuildStore::prospect() {
  talk();
  Prospect prospect;
  for (const auto& [id, known] : next_.store.compensations) {
    if (database_.state().store.compensations.contains(id)) continue;
    if (next_.store.due.contains(id)) ++prospect.to_send;
    if (known.state == CompensationState::detected) ++prospect.detected;
  }
  return prospect;
}

// What the relay and people did is no matter of the topic.
void FakeRebuildStore::carry_over(CompensationId id) {
  const MemoryStore& before = database_.state().store;
  const auto found = before.compensations.find(id);
  if (found == before.compensations.end()) return;
  const Compensation& old = found->second;
  Compensation& known = next_.store.compensations.at(id);
  // The rules are the same, so its words are.
  if (!is_anew_ && known.action.kind == old.action.kind) known.action = old.action;
  known.decided_at_ms = old.decided_at_ms;
  known.attempts = old.attempts;
  next_.store.attempts_before.erase(id);
  const auto attempts_before = before.attempts_before.find(id);
  if (attempts_before != before.attempts_before.end()) {
    next_.store.attempts_before.insert(*attempts_before);
  }
  const bool is_pending = known.state == CompensationState::pending;
  const bool is_still_sending = old.state == CompensationState::pending ||
                                old.state == CompensationState::sent ||
                                old.state == CompensationState::overdue;
  if (is_pending && is_still_sending) {
    known.state = old.state;
  } else if (is_pending && old.attempts > 0) {
    known.state = CompensationState::sent;
  }
  const auto due = next_.store.due.find(id);
  if (due == next_.store.due.end()) return;
  const auto old_due = before.due.find(id);
  const bool takes_old =
      is_pending ? is_still_sending : old.attempts > 0 && old.action.kind == ActionKind::alert;
  if (takes_old && old_due != before.due.end()) {
    due->second = old_due->second;
  } else if (takes_old || (!is_pending && old.attempts > 0)) {
    next_.store.due.erase(due);
  } else if (old.attempts > 0) {
    due->second = clock_.steady().count() + patience_ms;
  }
}

// The next generation as it is in use: with what of the one before is not made anew.
DatabaseState FakeRebuildStore::made() const {
  const DatabaseState& before = database_.state();
  DatabaseState after = next_;
  after.store.safety = before.store.safety;
  after.oracle = before.oracle;
  if (is_anew_ || before.positions.empty()) {
    after.oracle = database_.told(database_.in_order(next_.history), limits_);
    after.oracle.claiming = before.oracle.claiming;
    after.oracle.is_paused = before.oracle.is_paused;
    // Its attempts are carried over, and with them how many it may have.
    for (auto& [identity, known] : after.oracle.compensations) {
      const auto old = before.oracle.compensations.find(identity);
      if (old != before.oracle.compensations.end()) known.begun = old->second.begun;
    }
    return after;
  }
  after.store.dead_letters = before.store.dead_letters;
  after.history = before.history;
  after.firsts = before.firsts;
  for (const auto& [partition, anchor] : before.anchors) after.anchors.emplace(partition, anchor);
  return after;
}

std::optional<Prospect> FakeRebuildStore::swap() {
  talk();
  require(is_holding_, "what takes over is held");
  if (faults_.strikes(Fault::swap_in_the_way, 3)) {
    release();
    return std::nullopt;
  }
  for (const CompensationId id : next_.store.decided) carry_over(id);
  const Prospect found = prospect();
  const DatabaseState before = database_.state();
  database_.swap(made());
  is_holding_ = false;
  on_swap_(before, database_.state());
  if (faults_.strikes(Fault::swap_answer_lost, 10)) {
    drop_connections();
    throw StoreFailure("", "the answer was lost");
  }
  return found;
}

// ------------------------------------------------------------------------- the next one's ledger

std::vector<Position> FakeRebuildStore::NextLedger::positions(
    const std::vector<Partition>& partitions) {
  all_.talk();
  std::vector<Position> positions;
  for (const Partition partition : partitions) {
    const auto found = all_.next_.positions.find(partition);
    positions.push_back({partition, found == all_.next_.positions.end()
                                        ? std::nullopt
                                        : std::optional(found->second)});
  }
  return positions;
}

bool FakeRebuildStore::NextLedger::begin(const std::vector<Advance>& advances,
                                         const std::vector<Event>& events, Loaded& loaded) {
  require(all_.is_loaded_, "what is followed was loaded");
  require(!open_, "a batch begins after the one before has ended");
  all_.talk();
  for (const Advance& advance : advances) {
    const auto found = all_.next_.positions.find(advance.partition);
    const auto stored =
        found == all_.next_.positions.end() ? std::nullopt : std::optional(found->second);
    require(stored == advance.expected, "nobody else writes to the next generation");
    require(!stored || *stored < advance.next, "a position only moves forward");
  }
  open_ = advances;
  all_.next_.store.load(events, loaded);
  return true;
}

void FakeRebuildStore::NextLedger::load_missing(Loaded& loaded) {
  all_.talk();
  all_.next_.store.load_missing(loaded);
}

void FakeRebuildStore::NextLedger::commit_transaction(const Outcome& outcome) {
  require(open_.has_value(), "a commit belongs to a begin");
  all_.talk();
  all_.next_.store.apply(outcome);
  auto advances = *std::exchange(open_, std::nullopt);
  std::ranges::sort(advances, {}, &Advance::partition);
  all_.move(advances);
  all_.next_.write_history(advances);
  ++all_.batches_;
}

}  // namespace uniqd::simulation

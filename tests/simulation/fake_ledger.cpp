#include "tests/simulation/fake_ledger.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "tests/simulation/complaint.hpp"

namespace uniqd::simulation {
namespace {

void check_connection(const Database& database, bool& is_dropped) {
  if (database.is_down()) throw StoreFailure("08006", "the database is down");
  if (std::exchange(is_dropped, false)) throw StoreFailure("57P01", "the connection was closed");
}

}  // namespace

// A call fails before it has any effect, or goes on.
void FakeLedger::talk(Fault fault, std::size_t chances) {
  static constexpr std::array<const char*, 5> passing{"", "08006", "40001", "40P01", "55P03"};
  try {
    check_connection(database_, is_dropped_);
    if (faults_.strikes(fault, chances)) {
      throw StoreFailure(passing[dice_.below(passing.size())], "a passing failure");
    }
  } catch (const StoreFailure&) {
    open_.reset();
    throw;
  }
}

void FakeLedger::wait_for_lock() {
  if (!database_.is_held()) return;
  faults_.count(Fault::batch_waits_for_rebuild);
  throw StoreFailure("55P03", "the lock was not given in time");
}

std::vector<Position> FakeLedger::positions(const std::vector<Partition>& partitions) {
  require(!open_, "the positions are read outside a batch's transaction");
  talk(Fault::positions_failed, 8);
  database_.settle();
  generation_ = database_.state().generation;
  std::vector<Position> positions;
  for (const Partition partition : partitions) {
    const auto& known = database_.state().positions;
    const auto found = known.find(partition);
    positions.push_back(
        {partition, found == known.end() ? std::nullopt : std::optional(found->second)});
    const auto anchor = database_.state().anchors.find(partition);
    if (anchor != database_.state().anchors.end()) positions.back().anchor = anchor->second;
  }
  return positions;
}

bool FakeLedger::begin(const std::vector<Advance>& advances, const std::vector<Event>& events,
                       Loaded& loaded) {
  require(!open_, "a batch begins after the one before has ended");
  require(!advances.empty(), "a batch moves a position");
  prepared_ = std::exchange(prepared_ahead_, std::nullopt);
  talk(Fault::begin_failed, 20);
  wait_for_lock();
  database_.settle();
  if (generation_ != database_.state().generation) {
    faults_.count(Fault::generation_fenced);
    return false;
  }
  for (const Advance& advance : advances) {
    const auto& known = database_.state().positions;
    const auto found = known.find(advance.partition);
    const auto stored = found == known.end() ? std::nullopt : std::optional(found->second);
    if (stored != advance.expected) {
      faults_.count(Fault::fenced);
      return false;
    }
  }
  open_ = {advances, polled_(advances), {}, generation_, this};
  talk(Fault::load_failed, 20);
  const MemoryStore& store = database_.state().store;
  if (loaded.is_ahead && !still_holds(loaded)) loaded = Loaded(constraints_);
  if (loaded.is_ahead) faults_.count(Fault::looked_ahead);
  if (!loaded.is_ahead) {
    prepared_.reset();
    store.load(events, loaded);
  }
  loaded.safety = store.safety;
  return true;
}

// Nobody else has written since, nor changed a compensation.
bool FakeLedger::still_holds(const Loaded& loaded) {
  if (database_.state().last_writer != this) {
    faults_.count(Fault::look_ahead_overtaken);
    return false;
  }
  const auto ids = loaded.compensations.loaded();
  const bool is_unchanged = std::ranges::all_of(ids, [&](CompensationId id) {
    return loaded.compensations.was_loaded(database_.state().store.without_violations(id));
  });
  if (!is_unchanged) faults_.count(Fault::look_ahead_outdated);
  return is_unchanged;
}

// Each answer is of before the commit, or of after it.
const MemoryStore& FakeLedger::store_ahead() {
  return dice_.once_in(2) ? ahead_->before : ahead_->after;
}

std::optional<Ledger::LookAhead> FakeLedger::look_ahead(const Loaded& before,
                                                        const Outcome& outcome) {
  require(open_.has_value(), "what comes next is looked up beside the batch at hand");
  const MemoryStore& store = database_.state().store;
  ahead_.emplace(Stores{store, store});
  ahead_->after.apply(outcome);
  const auto load = [this, &before](const std::vector<Event>& events, Loaded& loaded) {
    if (faults_.strikes(Fault::look_ahead_failed, 20)) throw StoreFailure("", "it failed ahead");
    store_ahead().load(events, loaded, &before);
    loaded.is_ahead = true;
  };
  const auto load_missing = [this, &before](Loaded& loaded) {
    store_ahead().load_missing(loaded, &before);
  };
  const auto prepare = [this](const Outcome& next) { prepared_ahead_ = next; };
  return LookAhead{load, load_missing, prepare};
}

void FakeLedger::load_missing(Loaded& loaded) {
  require(open_.has_value(), "what is missing is loaded in the batch's transaction");
  require(!loaded.model.missing().empty(), "nothing is loaded that was not asked for");
  talk(Fault::load_failed, 40);
  database_.state().store.load_missing(loaded);
}

void FakeLedger::commit_transaction(const Outcome& outcome) {
  require(open_.has_value(), "a commit belongs to a begin");
  talk(Fault::commit_failed, 20);
  open_->outcome = outcome;
  if (prepared_) {
    open_->outcome.model = prepared_->model;
    open_->outcome.compensations = prepared_->compensations;
  }
  Database::Batch batch = *std::exchange(open_, std::nullopt);
  if (faults_.strikes(Fault::commit_in_doubt_then_done, 25)) {
    database_.leave_in_doubt(std::move(batch), true);
  } else if (faults_.strikes(Fault::commit_in_doubt_then_undone, 25)) {
    database_.leave_in_doubt(std::move(batch), false);
  } else {
    database_.commit(batch);
    if (!faults_.strikes(Fault::commit_answer_lost, 25)) return;
  }
  throw StoreFailure("", "the answer was lost");
}

void FakeOutbox::talk(Fault fault, std::size_t chances) {
  check_connection(database_, is_dropped_);
  if (faults_.strikes(fault, chances)) throw StoreFailure("08006", "a passing failure");
}

std::vector<Compensation> FakeOutbox::due(const std::vector<Partition>& partitions,
                                          std::size_t limit) {
  talk(Fault::outbox_failed, 15);
  return database_.state().store.due_in(partitions, limit, clock_.steady().count());
}

void FakeOutbox::mark_overdue(const std::vector<CompensationId>& ids) {
  talk(Fault::mark_failed, 10);
  for (std::size_t count = ids.size(); count > 0; --count) faults_.count(Fault::command_overdue);
  database_.mark_overdue(ids);
}

void FakeOutbox::mark_sent(const std::vector<CompensationId>& ids,
                           std::chrono::milliseconds /*publish_took*/) {
  talk(Fault::mark_failed, 10);
  database_.mark_sent(ids, clock_.steady().count());
  if (faults_.strikes(Fault::mark_answer_lost, 10)) throw StoreFailure("", "the answer was lost");
}

}  // namespace uniqd::simulation

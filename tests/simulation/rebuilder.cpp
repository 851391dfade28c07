#include "tests/simulation/rebuilder.hpp"

#include "tests/simulation/complaint.hpp"
#include "tests/simulation/daemon.hpp"

namespace uniqd::simulation {
namespace {

Fault killed_in(Rebuild::Phase phase) {
  switch (phase) {
    case Rebuild::Phase::folding:
      return Fault::rebuild_killed_folding;
    case Rebuild::Phase::loading:
      return Fault::rebuild_killed_loading;
    case Rebuild::Phase::following:
      return Fault::rebuild_killed_following;
    case Rebuild::Phase::comparing:
      return Fault::rebuild_killed_comparing;
    case Rebuild::Phase::swapping:
    case Rebuild::Phase::done:
      break;
  }
  return Fault::rebuild_killed_swapping;
}

}  // namespace

void Rebuilder::step() {
  if (!is_at_work()) return begin();
  // The other phases last but a step.
  const Rebuild::Phase phase = rebuild_->progress().phase;
  const bool is_long = phase == Rebuild::Phase::folding || phase == Rebuild::Phase::following;
  if (world_.faults_.strikes(Fault::rebuild_killed, is_long ? 40 : 10)) return kill();
  if (world_.dice_.once_in(60)) return try_another();
  try {
    go_on();
  } catch (const StoreFailure& failure) {
    world_.note("the rebuild has failed:", failure.what());
    end();
  }
}

void Rebuilder::begin() {
  if (world_.is_broker_down_) return;  // the ends are not known
  Dice& dice = world_.dice_;
  std::vector<Position> ends;
  ends_.clear();
  for (std::size_t number = 0; number < world_.topic_.partitions(); ++number) {
    const auto partition = static_cast<std::int32_t>(number);
    const Offset end{world_.topic_.end(partition)};
    ends.push_back({Partition{partition}, end});
    ends_[Partition{partition}] = end;
  }
  options_ = {};
  options_.verifies = dice.once_in(4);
  options_.is_anew = world_.faults_.strikes(Fault::rebuild_anew, 5);
  options_.is_memory_full = [this] { return is_memory_full(); };
  fills_memory_ = dice.once_in(3);
  is_full_ = has_swapped_ = false;
  try {
    store_ = std::make_unique<FakeRebuildStore>(
        world_.database_, world_.faults_, world_.clock_, options_.is_anew,
        [this](const auto& before, const auto& after) { on_swap(before, after); });
  } catch (const StoreFailure&) {
    return;
  }
  options_.ahead = Ahead::at_once;
  options_.rounds_ahead = 1 + dice.below(3);
  const auto open = [this](Partition partition) {
    auto source = std::make_unique<FakeSource>(world_.topic_, world_.dice_, world_.faults_,
                                               world_.is_broker_down_);
    source->read_alone(partition);
    return source;
  };
  rebuild_ = std::make_unique<Rebuild>(Rebuild::Seams{*store_, open, world_.clock_},
                                       world_.constraints_, make_decoder(world_.constraints_),
                                       make_policy(world_.rules_, world_.max_violation_share_),
                                       options_, beginnings(), ends);
  world_.note("a rebuild begins", options_.is_anew ? "anew" : "",
              options_.verifies ? "to verify" : "");
}

std::vector<Position> Rebuilder::beginnings() const {
  std::vector<Position> beginnings;
  for (std::size_t number = 0; number < world_.topic_.partitions(); ++number) {
    const Partition partition{static_cast<std::int32_t>(number)};
    const auto known = store_->beginnings().find(partition);
    beginnings.push_back({partition, known == store_->beginnings().end()
                                         ? std::nullopt
                                         : std::optional(known->second)});
  }
  return beginnings;
}

bool Rebuilder::is_memory_full() {
  is_full_ = is_full_ || (fills_memory_ && world_.dice_.once_in(6));
  return is_full_;
}

void Rebuilder::go_on() {
  const bool goes_on = rebuild_->step();
  world_.note("rebuild: phase", static_cast<int>(rebuild_->progress().phase), "records",
              rebuild_->progress().records);
  if (goes_on) return;
  examine_end();
  end();
}

void Rebuilder::examine_end() const {
  world_.faults_.count(options_.verifies ? Fault::rebuild_verified : Fault::rebuild_done);
  require(has_swapped_ != options_.verifies, "a rebuild takes over unless it only verifies");
  if (is_full_ && store_->batches() > 0) world_.faults_.count(Fault::rebuild_by_batches);
  if (options_.is_anew || store_->was_compared_with_nothing()) return;
  require(rebuild_->comparison().is_equal(), "a rebuild gives what is there");
  require(rebuild_->prospect().to_send == 0 && rebuild_->prospect().detected == 0,
          "a rebuild finds nothing new");
}

void Rebuilder::on_swap(const DatabaseState& before, const DatabaseState& after) {
  world_.note("the next generation is in use");
  has_swapped_ = true;
  if (options_.is_anew || before.positions.empty()) {
    world_.examiner_.forget_words();
    const Database& database = world_.database_;
    const auto order = database.in_order(after.history);
    require(order.size() == database.in_order_of_time(after.positions).size(),
            "what was done is written down, all of it");
    if (after.positions == ends_) {
      require(order == database.in_order_of_time(ends_), "records are in the order of their time");
    }
    Examiner::examine_swap_by_time(before, after, world_.clock_.steady().count());
  } else {
    Examiner::examine_swap(before, after);
  }
}

void Rebuilder::kill() {
  world_.faults_.count(killed_in(rebuild_->progress().phase));
  world_.note("the rebuild is killed");
  end();
}

void Rebuilder::try_another() const {
  try {
    const FakeRebuildStore store(world_.database_, world_.faults_, world_.clock_, false,
                                 [](const auto&, const auto&) {});
  } catch (const AnotherRebuild&) {
    world_.faults_.count(Fault::rebuild_refused);
    return;
  } catch (const StoreFailure&) {
    return;
  }
  require(store_->is_dropped(), "there is one rebuild at a time");
}

void Rebuilder::end() {
  rebuild_.reset();
  store_.reset();
}

void Rebuilder::drop_connections() {
  if (store_) store_->drop_connections();
}

}  // namespace uniqd::simulation

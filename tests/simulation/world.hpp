#pragma once
// world.hpp - one simulation: topic, database, daemons, user service, all from one seed.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "tests/simulation/command_topic.hpp"
#include "tests/simulation/database.hpp"
#include "tests/simulation/examiner.hpp"
#include "tests/simulation/manual_clock.hpp"
#include "tests/simulation/topic.hpp"

namespace uniqd::simulation {

class Daemon;
class Rebuilder;

class World {
 public:
  // With `is_traced` every step is written down; the steps are the same.
  World(std::uint64_t seed, bool is_traced);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // Throws Complaint, or std::logic_error for a broken promise, at the first thing that is wrong.
  void run();

  [[nodiscard]] const FaultCounts& faults() const { return faults_.counts(); }
  [[nodiscard]] const std::vector<std::string>& trace() const { return trace_; }

 private:
  friend class Daemon;
  friend class Rebuilder;

  void step();
  void produce();
  void produce_event(const std::string& user);
  void produce_bad(const std::string& user);
  void produce_passed_over(const std::string& user);
  void append(const std::string& user, LogRecord record);
  void consume_commands();
  void answer();
  void rebalance();
  void tell_group(std::size_t number);
  void strike_database();
  void resume();
  void intervene();
  void drop_connections();
  void step_rebuild();
  void step_loop(std::size_t number);
  void step_relay(std::size_t number);
  void restart(std::size_t number);
  void examine();
  void settle();
  void settle_all();
  void wait_in_vain();
  void go_on_until(const std::function<bool()>& is_done, const char* promise, bool with_service);
  void rebuild_once_more();
  [[nodiscard]] bool is_caught_up() const;
  [[nodiscard]] bool is_all_sent() const;
  [[nodiscard]] bool is_all_answered() const;
  [[nodiscard]] std::string spelled(std::string value);
  template <class... Parts>
  void note(const Parts&... parts) {
    if (is_traced_) trace_.push_back(fmt::format("{}", fmt::join(std::tuple(parts...), " ")));
  }

  Dice dice_;
  FaultPlan faults_;
  std::vector<Oracle::Rule> rules_;
  ConstraintSet constraints_;
  double max_violation_share_;
  Topic topic_;
  Database database_;
  CommandTopic commands_;
  Examiner examiner_{constraints_};
  ManualClock clock_;
  bool is_broker_down_ = false;

  std::size_t users_;
  std::size_t values_;
  std::int64_t events_made_ = 0;
  std::vector<std::vector<Partition>> group_;  // by daemon: what it should have
  std::vector<bool> is_told_;                  // by daemon: whether it knows
  std::vector<std::unique_ptr<Daemon>> daemons_;
  std::unique_ptr<Rebuilder> rebuilder_;
  bool has_intervened_ = false;

  std::size_t commands_consumed_ = 0;
  std::set<CompensationId> commands_seen_;
  std::deque<std::string> answers_;  // users to be deactivated

  std::uint64_t examined_version_ = 0;
  bool was_paused_ = false;
  bool is_traced_;
  std::vector<std::string> trace_;
};

}  // namespace uniqd::simulation

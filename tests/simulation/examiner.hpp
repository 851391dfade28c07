#pragma once
// examiner.hpp - holds what the daemon made of the records against what the oracle makes of them.

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "commands/encode_command.hpp"
#include "tests/simulation/database.hpp"

namespace uniqd::simulation {

// Two kinds of names for the same things: each has exactly one partner, for ever.
template <class A, class B>
class Pairs {
 public:
  [[nodiscard]] bool agree(const A& a, const B& b) {
    return forward_.emplace(a, b).first->second == b && back_.emplace(b, a).first->second == a;
  }

 private:
  std::map<A, B> forward_;
  std::map<B, A> back_;
};

// How the messages of the simulated daemons are called, and why they are sent.
inline constexpr const char* command_type = "DeactivateUser";
inline constexpr const char* command_reason = "There is another one.";
inline constexpr const char* alert_type = "UniquenessViolated";
inline constexpr const char* alert_reason = "Somebody should know.";

[[nodiscard]] std::string header(const Command& command, std::string_view name);

// Throws Complaint for whatever does not agree. One a simulation: what it has seen binds the rest.
class Examiner {
 public:
  // `constraints` must outlive it.
  explicit Examiner(const ConstraintSet& constraints) : constraints_(constraints) {}

  void examine_state(const DatabaseState& state);

  // A rebuild has put `after` in the place of `before`.
  static void examine_swap(const DatabaseState& before, const DatabaseState& after);
  // The same, where nothing but the topic was known.
  static void examine_swap_by_time(const DatabaseState& before, const DatabaseState& after,
                                   std::int64_t now_ms);

  // A command that has just arrived, sent by a daemon that began to fetch the command's partition
  // when its end was `end_at_start`.
  void examine_command(const Command& command, const DatabaseState& state,
                       std::optional<Offset> end_at_start, std::int64_t now_ms);

  // After a rewind with several partitions entities may meet in another order, so what was sent
  // before need not be sent again in the same words.
  void forget_words() {
    sent_.clear();
    last_first_.clear();
  }

 private:
  void examine_entity(const DatabaseState& state, const std::string& name, const Entity& entity);
  void examine_contenders(const DatabaseState& state);
  void examine_compensation(const Oracle& oracle, const Compensation& stored, std::size_t place);
  void examine_words(const Command& command, const Oracle::Compensation& judged);
  [[nodiscard]] const Oracle::Compensation& judged(const Oracle& oracle, const std::string& user,
                                                   const std::string& event_id, CompensationId id);

  struct Sent {
    std::string key;
    std::string body;
    std::size_t violations = 0;
  };
  const ConstraintSet& constraints_;
  Pairs<std::pair<std::size_t, std::string>, ClaimKey> values_;           // by constraint
  Pairs<std::pair<std::size_t, std::string>, std::string> shown_values_;  // as commands show them
  Pairs<std::string, CompensationId> ids_;                                // by user and event
  std::map<CompensationId, Sent> sent_;
  std::map<std::string, std::pair<std::size_t, CompensationId>> last_first_;  // by user
};

}  // namespace uniqd::simulation

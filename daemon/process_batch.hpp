#pragma once
// process_batch.hpp - the fold over one batch: judge, decide, apply, event after event. Pure.

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "commands/decide.hpp"
#include "daemon/ledger.hpp"
#include "readmodel/event.hpp"

namespace uniqd {

// What a record that is no event leads to.
enum class OnBadEvent : std::uint8_t {
  park,  // it becomes a dead letter, and the topic goes on
  halt,  // what was before it is applied, and the loop halts at it, every time
};

// How an event ended, as the metric `events_total{outcome}` names it.
[[nodiscard]] std::string_view outcome_name(Verdict::Kind kind);
[[nodiscard]] std::string_view outcome_name(Skipped skipped);

// Events by type and outcome, and records whose key was not their entity.
struct EventCounts {
  using TypeAndOutcome = std::pair<std::string, std::string>;
  struct Less {
    using is_transparent = void;
    using Views = std::pair<std::string_view, std::string_view>;
    bool operator()(const Views& left, const Views& right) const { return left < right; }
  };
  std::map<TypeAndOutcome, std::uint64_t, Less> by_type_and_outcome;
  std::uint64_t key_mismatches = 0;

  void count(std::string_view type, std::string_view outcome) {
    const auto found = by_type_and_outcome.find(Less::Views(type, outcome));
    if (found != by_type_and_outcome.end()) {
      ++found->second;
    } else {
      by_type_and_outcome.emplace(TypeAndOutcome(type, outcome), 1);
    }
  }
};

// Folds `events`, in this order, into `loaded`. Where that asks for what is not loaded, has
// `load_missing` reset and load it, and folds again from the start; each round loads something new,
// so there is an end. `now_ms` becomes the time of the batch's decisions. `loaded.claiming` is what
// the breaker has to know of the events.
void process_batch(const std::vector<Event>& events, const Policy& policy, std::int64_t now_ms,
                   const std::function<void(Loaded&)>& load_missing, Loaded& loaded,
                   EventCounts& counts);

}  // namespace uniqd

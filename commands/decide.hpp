#pragma once
// decide.hpp - what to do about a verdict. Pure.

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "commands/compensation.hpp"
#include "readmodel/claims.hpp"
#include "readmodel/event.hpp"

namespace uniqd {

// What the operator wants done, by constraint and effect, and what commands call the entity.
struct Policy {
  struct OnViolation {
    Action claim;
    Action change;
  };
  std::vector<OnViolation> by_constraint;                        // in the order of the constraints
  std::map<std::string, std::string, std::less<>> entity_field;  // by event type
  double max_violation_share = 1;  // of the last claiming events; see breaker.hpp
  // Where set: the most that may be done about an event, by its cause; for a rebuild, which must
  // not do more about what is known than was done, nor more than report what is new.
  std::function<std::optional<ActionKind>(CompensationId cause)> strongest_allowed;
};

// After values became free by `event`: those entities that want them and whose compensation is not
// sending are judged again, in the order in which they came to want them; the first for which
// nothing is contested takes all it wants, and its compensation is resolved. What that frees is
// handled next, in turn (R9). In the end the event's own entity, too, takes all it wants where
// nothing of it is contested any more (R8). REQUIRES: the contenders' compensations are loaded.
void promote(const FreedKeys& freed, const Event& event, Model& model,
             Compensations& compensations);

// Whether a message answers the event. REQUIRES: the verdict is `violating`.
[[nodiscard]] bool has_message(const Policy& policy, const Event& event, const Verdict& verdict);

// Records in `compensations` what follows from the verdict: opened, added to, ended.
//
// `now_ms` is the decision's time, since the epoch. Returns the id of a compensation that was
// opened, for apply(). REQUIRES: the entity's open compensation, if any, is loaded.
[[nodiscard]] std::optional<CompensationId> decide(const Model& model, const Event& event,
                                                   const Verdict& verdict, const Policy& policy,
                                                   std::int64_t now_ms,
                                                   Compensations& compensations);

}  // namespace uniqd

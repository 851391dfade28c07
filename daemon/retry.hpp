#pragma once
// retry.hpp - a parked record judged again, with what came after it. On the seams; no socket.

#include <cstdint>
#include <string>
#include <vector>

#include "commands/decide.hpp"
#include "daemon/clock.hpp"
#include "daemon/ledger.hpp"
#include "readmodel/event.hpp"

namespace uniqd {

// An event of the entity whose parked record is retried.
struct PastEvent {
  Event event;
  bool is_parked = false;  // retried now; else it was applied before
};

// What is judged again, in this order: the parked events and all that was applied after the first
// of them, so that what is newer has the last word; but nothing up to the last release that was
// applied, as that has wiped it out. `past` is in the order of the topic.
[[nodiscard]] std::vector<PastEvent> to_judge_again(const std::vector<PastEvent>& past);

struct RetryOutcome {
  enum class Kind : std::uint8_t {
    done,
    moved,    // the daemon has applied more of the partition meanwhile: read on, and try again
    refused,  // judging again would take back what was decided; nothing was changed
  };
  Kind kind = Kind::done;
  std::string text;        // why refused
  std::size_t judged = 0;  // how many events were judged again
  std::size_t opened = 0;  // compensations
  std::size_t resolved = 0;
};

// Judges `past`, all of one entity and up to `next`, exclusive, in one transaction among the
// batches, and marks the letters as retried. `next` is the stored position of the partition.
//
// Refused, because a decision once committed is not reversed: where an event applied later has been
// found violating, as it would count as a redelivery and its violation be forgotten; and where the
// entity would lose a value to another that it owned and still wants. Throws StoreFailure.
[[nodiscard]] RetryOutcome retry(Ledger& ledger, const ConstraintSet& constraints,
                                 const Policy& policy, const Clock& clock,
                                 const std::vector<PastEvent>& past, Partition partition,
                                 Offset next, const std::vector<std::int64_t>& letters);

}  // namespace uniqd

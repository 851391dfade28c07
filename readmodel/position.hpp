#pragma once
// position.hpp - how far a partition has been applied.

#include <optional>

#include "readmodel/identifiers.hpp"

namespace uniqd {

// Where a partition stands. No offset: never read, the configured start applies.
struct Position {
  Partition partition{};
  std::optional<Offset> next_offset;  // exclusive: the next one to read

  bool operator==(const Position&) const = default;
};

// A partition's position moves from what the loop believes to what the batch makes true.
struct Advance {
  Partition partition{};
  std::optional<Offset> expected;  // nothing: never read
  Offset first;                    // the first record of the batch; where it has none, as next
  Offset next;                     // exclusive
};

}  // namespace uniqd

#pragma once
// position.hpp - how far a partition has been applied.

#include <cstdint>
#include <optional>

#include "readmodel/identifiers.hpp"

namespace uniqd {

// The last record applied of a partition: tells whether the topic is still the one it was.
struct Anchor {
  Offset offset;
  RecordDigest digest;  // record_digest()

  bool operator==(const Anchor&) const = default;
};

// Where a partition stands. No offset: never read, the configured start applies.
struct Position {
  Partition partition{};
  std::optional<Offset> next_offset;  // exclusive: the next one to read
  std::optional<Anchor> anchor{};     // nothing: no record was applied yet
  // The greatest number of source.sequence that was met; nothing: none.
  std::optional<std::int64_t> sequence{};

  bool operator==(const Position&) const = default;
};

// A partition's position moves from what the loop believes to what the batch makes true.
struct Advance {
  Partition partition{};
  std::optional<Offset> expected;  // nothing: never read
  Offset first;                    // the first record of the batch; where it has none, as next
  Offset next;                     // exclusive
  std::optional<Anchor> anchor{};  // of its last record; nothing, where it has none: as before
  std::optional<std::int64_t> sequence{};  // as in Position; nothing: as before
};

}  // namespace uniqd

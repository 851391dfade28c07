#pragma once
// history.hpp - in which order things happened where the topic does not say it.

#include <cstdint>

#include "readmodel/identifiers.hpp"

namespace uniqd {

// One line of the table `history`.
struct HistoryStep {
  enum class Kind : std::uint8_t {
    applied,  // the partition's records up to `offset`, exclusive
    again,    // the record at `offset`, judged once more
    retry,    // of `compensation`, by a person
    dismiss,
  };
  std::int64_t ordinal = 0;  // their order; the latest `applied` may still grow
  Kind kind = Kind::applied;
  Partition partition{};
  Offset offset;
  CompensationId compensation;

  bool operator==(const HistoryStep&) const = default;
};

}  // namespace uniqd

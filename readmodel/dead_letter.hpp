#pragma once
// dead_letter.hpp - a record that could not be understood, and what became of it.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "readmodel/identifiers.hpp"

namespace uniqd {

enum class DeadLetterState : std::uint8_t {
  open,     // waits for a person
  retried,  // judged again, as the event that it is
  dropped,  // nothing is to be done about it
};

[[nodiscard]] std::string_view to_text(DeadLetterState state);
[[nodiscard]] std::optional<DeadLetterState> dead_letter_state(std::string_view text);

struct DeadLetter {
  std::int64_t id = 0;
  Partition partition{};
  Offset offset;
  std::string reason;
  std::optional<std::int64_t> sequence;  // as in Position, up to this record
  std::string seen_at;                   // RFC 3339, UTC
  DeadLetterState state = DeadLetterState::open;
  std::string ended_at;  // empty: it has not
};

// What a retry has made of dead letters: they are over, and these records were judged, in this
// order, after all that the read model knew.
struct Retried {
  std::vector<std::int64_t> letters;
  Partition partition{};
  std::vector<Offset> judged;
};

}  // namespace uniqd

#include "readmodel/dead_letter.hpp"

namespace uniqd {

std::string_view to_text(DeadLetterState state) {
  switch (state) {
    case DeadLetterState::retried:
      return "retried";
    case DeadLetterState::dropped:
      return "dropped";
    case DeadLetterState::open:
      break;
  }
  return "open";
}

std::optional<DeadLetterState> dead_letter_state(std::string_view text) {
  for (const auto state :
       {DeadLetterState::open, DeadLetterState::retried, DeadLetterState::dropped}) {
    if (text == to_text(state)) return state;
  }
  return std::nullopt;
}

}  // namespace uniqd

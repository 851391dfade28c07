#include "daemon/resume.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace uniqd {

nlohmann::ordered_json resumed_json(const Resumed& resumed) {
  if (!resumed.was_paused) return {{"resumed", false}};
  return {{"resumed", true},
          {"since", resumed.since},
          {"reason", resumed.reason},
          {"released", resumed.messages_held}};
}

std::string resumed_text(const Resumed& resumed) {
  if (!resumed.was_paused) return "sending was not paused; there was nothing to do\n";
  return fmt::format(
      "sending goes on; it was paused since {}: {}.\n{} messages were held back and go out now.\n",
      resumed.since, resumed.reason, resumed.messages_held);
}

}  // namespace uniqd

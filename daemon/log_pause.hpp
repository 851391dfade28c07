#pragma once
// log_pause.hpp - the one line that must not be missed when sending pauses.

#include <spdlog/spdlog.h>

#include <string>

namespace uniqd {

inline void log_pause(const std::string& reason) {
  spdlog::error(
      "sending is paused: {}. Events are still read and decided on, and what is to be sent is "
      "kept. Look at 'uniqd status' and at what violates; when that is right, 'uniqd resume'",
      reason);
}

}  // namespace uniqd

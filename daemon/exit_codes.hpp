#pragma once
// exit_codes.hpp - what uniqd tells its caller by its exit code.

namespace uniqd {

enum ExitCode : int {
  exit_done = 0,
  exit_failed = 1,
  exit_usage = 2,
  exit_halted = 3,        // a person must act; the message says what to do
  exit_unreachable = 69,  // a service could not be reached (EX_UNAVAILABLE)
  exit_bad_config = 78,   // EX_CONFIG
};

}  // namespace uniqd

#include "daemon/stop_signal.hpp"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <thread>

namespace uniqd::test {
namespace {

using namespace std::chrono_literals;

// What a process ends with that has one second for its work, and is told to stop at once.
int exit_code(std::chrono::milliseconds stop_within) {
  const pid_t child = fork();
  if (child == 0) {
    const StopSignal stop(7, stop_within);
    kill(getpid(), SIGTERM);
    std::this_thread::sleep_for(1s);
    _exit(stop.is_set() ? 3 : 4);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  return WEXITSTATUS(status);
}

TEST_CASE("who does not stop in time is ended, with the code that says how far it came") {
  CHECK(exit_code(100ms) == 7);
  CHECK(exit_code(10s) == 3);
}

}  // namespace
}  // namespace uniqd::test

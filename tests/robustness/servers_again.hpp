#pragma once
// servers_again.hpp - for tests that stop the servers.

#include <doctest/doctest.h>

#include <stdexcept>
#include <string>

#include "tests/support/services.hpp"
#include "tests/support/uniqd_process.hpp"
#include "tests/support/wait.hpp"

namespace uniqd::test {

// Whatever a test does to the servers, the next one finds them running.
struct ServersAgain {
  ServersAgain() = default;
  ServersAgain(const ServersAgain&) = delete;
  ServersAgain& operator=(const ServersAgain&) = delete;
  ~ServersAgain() {
    for (const char* action :
         {"resume-postgres", "resume-kafka", "start-postgres", "start-kafka"}) {
      try {
        Services::get().act(action);
      } catch (const std::runtime_error& failure) {
        FAIL_CHECK(failure.what());
      }
    }
  }
};

// Until /readyz says 503 and, among others, this reason.
inline void wait_for_reason(const UniqdProcess& daemon, const std::string& reason) {
  wait_until("readyz says 503, " + reason, [&] {
    const HttpAnswer answer = daemon.get("/readyz");
    return answer.status == 503 && answer.body.find(reason) != std::string::npos;
  });
}

}  // namespace uniqd::test

// The part of services.hpp that needs doctest, on its own for programs without it.

#include <doctest/doctest.h>
#include <fmt/core.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "tests/support/services.hpp"

namespace uniqd::test {
namespace {

bool say_skipped(std::string_view why) {
  const auto* running = doctest::getContextOptions()->currentTest;
  fmt::print("SKIPPED: {}: {}\n", running->m_name, why);
  std::fflush(stdout);
  return true;
}

bool skip_case(std::string_view why) {
  const char* ci = std::getenv("CI");
  if (ci != nullptr && std::string_view(ci) == "true") {
    FAIL_CHECK("cannot run: " << std::string(why));
    return true;
  }
  return say_skipped(why);
}

}  // namespace

bool lacks_kafka() {
  return !Services::get().real_kafka() && skip_case("needs a real Kafka, and this is the mock");
}

bool lacks_stoppable_servers() {
  if (lacks_kafka()) return true;
  return Services::get().folder.empty() && skip_case("needs servers it may stop: make services");
}

bool lacks(bool is_missing, std::string_view why) { return is_missing && say_skipped(why); }

}  // namespace uniqd::test

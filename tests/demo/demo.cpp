// demo.cpp - uniqd at work: one violation step by step, then a crowd of users, counted.

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <optional>
#include <string_view>

#include "tests/demo/crowd.hpp"
#include "tests/demo/stage.hpp"
#include "tests/demo/story.hpp"

namespace uniqd::demo {
namespace {

using Clock = std::chrono::steady_clock;

void print_title(Stage& stage) {
  fmt::print("\nuniqd demo: uniqueness across aggregates, after the fact\n\n");
  if (!stage.has_real_kafka()) {
    fmt::print(
        "  Apache Kafka could not be had here (or is not wanted): the mock broker of librdkafka\n"
        "  takes its place, in memory. All else is the real thing, but it takes longer: half a "
        "minute.\n\n");
  }
  fmt::print("  events    topic {}\n", stage.events_topic());
  fmt::print("  commands  topic {}\n", stage.commands_topic());
  fmt::print("  uniqd     process {}, read model in schema {}\n\n", stage.uniqd().pid(),
             stage.schema());
}

bool wants_to_keep() {
  const char* keep = std::getenv("KEEP");
  return keep != nullptr && *keep != '\0';
}

void keep(Stage& stage) {
  stage.keep();
  const auto program = test::uniqd_program();
  const auto& config = stage.uniqd().config_path();
  fmt::print(
      "\nuniqd goes on (process {}), as KEEP asked; the user service has ended. To look around:\n"
      "  {} status --config {}\n"
      "  {} lookup --config {} email email={}\n"
      "  curl -s http://127.0.0.1:{}/metrics\n"
      "  less {}\n"
      "The tables are in schema {}, the topics are {} and {}.\n"
      "`make services-stop` ends uniqd, and the servers where the demo started them.\n",
      stage.uniqd().pid(), program, config, program, config, shared_email, stage.uniqd().port(),
      stage.uniqd().log_path(), stage.schema(), stage.events_topic(), stage.commands_topic());
}

int fail(std::string_view why, std::optional<Stage>& stage) {
  std::fflush(stdout);
  fmt::print(stderr, "\ndemo: FAILED. {}\n", why);
  if (stage) {
    fmt::print(stderr, "\nThe end of uniqd's log:\n{}", stage->uniqd().log_tail(20));
    try {
      if (wants_to_keep()) keep(*stage);
    } catch (const std::exception& failure) {
      fmt::print(stderr, "demo: uniqd cannot be kept: {}\n", failure.what());
    }
  }
  return 1;
}

int play() {
  const auto begin = Clock::now();
  std::optional<Stage> stage;
  try {
    stage.emplace();
    print_title(*stage);
    play_story(*stage);
    play_crowd(*stage);
    const std::chrono::duration<double> passed = Clock::now() - begin;
    fmt::print("\ndemo: the story came true, and all counts match ({:.1f} s)\n", passed.count());
    if (wants_to_keep()) keep(*stage);
    return 0;
  } catch (const std::exception& failure) {
    return fail(failure.what(), stage);
  }
}

}  // namespace
}  // namespace uniqd::demo

// `demo` plays; `demo --stop` ends the uniqd of an earlier one.
int main(int argc, char** argv) {
  if (argc == 1) return uniqd::demo::play();
  if (argc == 2 && std::string_view(argv[1]) == "--stop") {
    if (uniqd::demo::stop_kept_uniqd()) fmt::print("demo: uniqd has ended\n");
    return 0;
  }
  fmt::print(stderr, "usage: demo [--stop]\n");
  return 2;
}

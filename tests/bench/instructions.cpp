// T5: instructions an event on the pure path, counted by valgrind; they may not creep up.

#include <fmt/format.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <stdexcept>
#include <string>

#include "tests/bench/measurements.hpp"

namespace uniqd::bench {
namespace {

constexpr double allowed_growth = 1.02;

double count() {
  const std::string command = std::string(UNIQD_SOURCE_DIR "/tests/bench/count_instructions.sh ") +
                              UNIQD_BUILD_DIR "/pure_path";
  std::FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) throw std::runtime_error("cannot run " + command);
  std::array<char, 64> line{};
  const bool is_read = std::fgets(line.data(), line.size(), pipe) != nullptr;
  const int result = pclose(pipe);
  if (!is_read || result != 0) throw std::runtime_error("nothing was counted by " + command);
  return std::strtod(line.data(), nullptr);
}

}  // namespace

bool measure_instructions(Report& report) {
  const std::string path = UNIQD_SOURCE_DIR "/tests/bench/instructions.txt";
  double known = 0;
  std::ifstream(path) >> known;
  const double counted = count();
  const double most = known * allowed_growth;
  fmt::print("T5: {:.0f} instructions an event, {:.0f} in instructions.txt\n", counted, known);
  report.add("t5_instructions_per_event", {counted}, Target{Target::Side::at_most, most});
  report.note("t5_known", known);
  if (counted > most) {
    report.say(fmt::format(
        "T5 FAILED: the pure path takes {:.0f} instructions an event, {:.1f} % more than {}\n"
        "says. Find what costs more; or write the new figure there, with the reason, and commit "
        "both.",
        counted, 100 * (counted / known - 1), path));
    return false;
  }
  if (counted < known / allowed_growth) {
    report.say(
        fmt::format("T5 fell to {:.0f}: write that into {}, so that it stays.", counted, path));
  }
  return true;
}

}  // namespace uniqd::bench

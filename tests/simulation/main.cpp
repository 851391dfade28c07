// simulation_tests: the real loop and relay on fakes, thousands of times, each from its own seed.
//
//   simulation_tests                      the fixed seeds, then some from a random start
//   simulation_tests --seeds FROM:COUNT   just these
//   simulation_tests --seed N             one, with all its steps
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <mutex>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "tests/simulation/world.hpp"

namespace uniqd::simulation {
namespace {

struct Range {
  std::uint64_t from = 1;
  std::uint64_t count = 0;
};

struct Findings {
  FaultCounts faults{};
  std::optional<std::uint64_t> failing_seed;  // the lowest one
};

// What was wrong; nothing when all held.
std::optional<std::string> run_seed(World& world) {
  try {
    world.run();
  } catch (const std::exception& error) {
    return error.what();
  }
  return std::nullopt;
}

void work(const Range& range, std::atomic<std::uint64_t>& next, std::mutex& mutex,
          Findings& findings) {
  FaultCounts faults{};
  for (std::uint64_t index = next++; index < range.count; index = next++) {
    World world(range.from + index, false);
    const auto complaint = run_seed(world);
    for (std::size_t fault = 0; fault < fault_count; ++fault)
      faults[fault] += world.faults()[fault];
    if (!complaint) continue;
    const std::lock_guard lock(mutex);
    auto& failing = findings.failing_seed;
    failing = std::min(failing.value_or(range.from + index), range.from + index);
    next = range.count;
  }
  const std::lock_guard lock(mutex);
  for (std::size_t fault = 0; fault < fault_count; ++fault) findings.faults[fault] += faults[fault];
}

Findings run_range(const Range& range) {
  Findings findings;
  std::mutex mutex;
  std::atomic<std::uint64_t> next = 0;
  {
    const unsigned count = std::clamp(std::thread::hardware_concurrency(), 1U, 4U);
    std::vector<std::jthread> threads;
    for (unsigned index = 0; index < count; ++index) {
      threads.emplace_back([&] { work(range, next, mutex, findings); });
    }
  }
  return findings;
}

// The same seed once more, written down. Returns whether it holds.
bool explain(std::uint64_t seed, std::size_t lines_max) {
  World world(seed, true);
  const auto complaint = run_seed(world);
  const auto& trace = world.trace();
  const std::size_t first = trace.size() > lines_max ? trace.size() - lines_max : 0;
  for (std::size_t line = first; line < trace.size(); ++line) {
    fmt::print("  {:4} {}\n", line, trace[line]);
  }
  if (!complaint) return true;
  fmt::print("FAILED seed {}: not so: {}\nReproduce: simulation_tests --seed {}\n", seed,
             *complaint, seed);
  return false;
}

bool run(const Range& range) {
  const auto started = std::chrono::steady_clock::now();
  const Findings findings = run_range(range);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
  if (findings.failing_seed) return explain(*findings.failing_seed, 30);
  fmt::print("seeds {} to {}: all held, {:.1f} s\n", range.from, range.from + range.count - 1,
             took.count());
  bool has_all = true;
  for (std::size_t fault = 0; fault < fault_count; ++fault) {
    fmt::print("  {:9} {}\n", findings.faults[fault], fault_name(static_cast<Fault>(fault)));
    has_all = has_all && findings.faults[fault] > 0;
  }
  if (!has_all) fmt::print("FAILED: a fault that never occurred proves nothing; run more seeds\n");
  return has_all;
}

std::uint64_t to_number(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) {
    throw std::invalid_argument(fmt::format("'{}' is no number", text));
  }
  return number;
}

int run_command(const std::vector<std::string_view>& arguments) {
  if (arguments.empty()) {
    const Range random{std::random_device{}() + std::uint64_t{1'000'000}, 1000};
    return run({1, 10'000}) && run(random) ? 0 : 1;
  }
  if (arguments.size() == 2 && arguments[0] == "--seed") {
    return explain(to_number(arguments[1]), static_cast<std::size_t>(-1)) ? 0 : 1;
  }
  const auto colon = arguments.back().find(':');
  if (arguments.size() == 2 && arguments[0] == "--seeds" && colon != std::string_view::npos) {
    const Range range{to_number(arguments[1].substr(0, colon)),
                      to_number(arguments[1].substr(colon + 1))};
    return run(range) ? 0 : 1;
  }
  fmt::print(stderr, "usage: simulation_tests [--seed N | --seeds FROM:COUNT]\n");
  return 2;
}

}  // namespace
}  // namespace uniqd::simulation

int main(int argc, char** argv) {
  spdlog::set_level(spdlog::level::off);
  try {
    return uniqd::simulation::run_command({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    fmt::print(stderr, "simulation_tests: {}\n", error.what());
    return 2;
  }
}

// The benchmark: `make bench`.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/bench/machine.hpp"
#include "tests/bench/measurements.hpp"
#include "tests/bench/plot.hpp"

namespace uniqd::bench {
namespace {

struct Arguments {
  std::string size = "quick";
  std::int64_t soak_s = 0;  // 0: as the size has it
  double soak_rate = 0;     // 0: by what T1 came to
  std::set<std::string> only{"t1", "t2", "t3", "t4", "t5", "growth", "soak"};
  std::string out = UNIQD_BUILD_DIR;
};

Sizes sizes_of(const std::string& name) {
  if (name == "full") return Sizes::full();
  return name == "tiny" ? Sizes::tiny() : Sizes::quick();
}

nlohmann::ordered_json describe(const std::string& name, const Sizes& sizes) {
  return {{"name", name},
          {"runs", sizes.runs},
          {"t1_events", sizes.backlog_events},
          {"t2_claims", sizes.large_claims},
          {"t2_seconds_at_least", sizes.large.count()},
          {"t3_seconds", sizes.latency.count()},
          {"t4_events", sizes.rebuild_events},
          {"soak_seconds", sizes.soak.count()}};
}

nlohmann::ordered_json describe(const std::vector<GrowthPoint>& points) {
  auto growth = nlohmann::ordered_json::array();
  for (const GrowthPoint& point : points) {
    growth.push_back({{"claims", point.claims},
                      {"events_per_s", point.events_per_s},
                      {"p50_ms", point.p50_ms},
                      {"p99_ms", point.p99_ms}});
  }
  return growth;
}

void write_file(const std::string& path, const std::string& text) {
  std::ofstream file(path);
  file << text << std::flush;
  if (!file) throw std::runtime_error("cannot write " + path);
}

// False: the instructions an event have grown.
bool measure(const Arguments& arguments, const Sizes& sizes, Report& report) {
  const auto is_wanted = [&](const char* name) { return arguments.only.contains(name); };
  std::vector<GrowthPoint> points;
  bool is_well = true;
  // A broker that has just begun compiles what it runs, on the same cores: T1 is not the first to
  // work with it. T2 goes by the rate of T1, and so does the soak where none is asked for.
  if (is_wanted("t3")) measure_latency(sizes, report);
  if (is_wanted("t4")) measure_rebuild(sizes, report);
  if (is_wanted("t1") || is_wanted("t2") || (is_wanted("soak") && sizes.soak_rate == 0)) {
    measure_backlog(sizes, report);
  }
  if (is_wanted("growth")) points = measure_growth(sizes, report);
  if (is_wanted("t2")) points.push_back(measure_large(sizes, report));
  std::ranges::sort(points, {}, &GrowthPoint::claims);
  if (is_wanted("soak")) measure_soak(sizes, report);
  if (is_wanted("t5")) is_well = measure_instructions(report);
  report.note("growth", describe(points));
  if (!points.empty()) {
    const std::string path = arguments.out + "/bench.svg";
    write_file(path, plot(points));
    report.say("Rate and latency over the read model's size: " + path);
  }
  return is_well;
}

int run(const Arguments& arguments) {
  Sizes sizes = sizes_of(arguments.size);
  if (arguments.soak_s > 0) sizes.soak = std::chrono::seconds{arguments.soak_s};
  sizes.soak_rate = arguments.soak_rate;
  Report report;
  // Before the work, not after it, is the time to hear that there is no place for the figures.
  std::filesystem::create_directories(arguments.out);
  prepare_servers();
  report.note("machine", describe_machine());
  report.note("versions", describe_versions());
  report.note("postgres", describe_postgres());
  report.note("sizes", describe(arguments.size, sizes));
  const bool is_well = measure(arguments, sizes, report);
  report.print();
  const std::string path = arguments.out + "/bench.json";
  write_file(path, report.json().dump(2) + "\n");
  fmt::print("\nAll figures: {}\n", path);
  return is_well ? 0 : 1;
}

}  // namespace
}  // namespace uniqd::bench

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  uniqd::bench::Arguments arguments;
  CLI::App app{"Measures uniqd on the servers that UNIQD_BROKERS and UNIQD_POSTGRES name."};
  const auto parts = arguments.only;
  app.add_option("--size", arguments.size, "quick unless named")
      ->check(CLI::IsMember({"tiny", "quick", "full"}));
  app.add_option("--only", arguments.only, "these measurements, e.g. t1,t3")
      ->delimiter(',')
      ->check(CLI::IsMember(parts));
  app.add_option("--soak-seconds", arguments.soak_s, "at least 10")
      ->check(CLI::Range(10, 1'000'000));
  app.add_option("--soak-rate", arguments.soak_rate,
                 "events a second, rather than 80 % of T1's rate")
      ->check(CLI::Range(1, 10'000'000));
  app.add_option("--out", arguments.out, "folder of bench.json and bench.svg");
  CLI11_PARSE(app, argc, argv);
  try {
    return uniqd::bench::run(arguments);
  } catch (const std::exception& failure) {
    fmt::print(stderr, "bench: {}\n", failure.what());
    return 1;
  }
}

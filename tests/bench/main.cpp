// The benchmark: `make bench`.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <fstream>
#include <string>

#include "tests/bench/measurements.hpp"

namespace uniqd::bench {
namespace {

struct Arguments {
  std::string size = "quick";
  std::string out = std::string(UNIQD_BUILD_DIR) + "/bench.json";
};

Sizes sizes_of(const std::string& name) {
  if (name == "full") return Sizes::full();
  return name == "tiny" ? Sizes::tiny() : Sizes::quick();
}

int run(const Arguments& arguments) {
  const Sizes sizes = sizes_of(arguments.size);
  Report report;
  measure_backlog(sizes, report);
  report.print();
  std::ofstream(arguments.out) << report.json().dump(2) << "\n";
  return 0;
}

}  // namespace
}  // namespace uniqd::bench

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  uniqd::bench::Arguments arguments;
  CLI::App app{"Measures uniqd on the servers of services.env."};
  app.add_option("--size", arguments.size)->check(CLI::IsMember({"tiny", "quick", "full"}));
  app.add_option("--out", arguments.out);
  CLI11_PARSE(app, argc, argv);
  try {
    return uniqd::bench::run(arguments);
  } catch (const std::exception& failure) {
    fmt::print(stderr, "bench: {}\n", failure.what());
    return 1;
  }
}

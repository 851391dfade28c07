#include "tests/bench/machine.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <librdkafka/rdkafka.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/bench/pg_link.hpp"
#include "tests/bench/report.hpp"
#include "tests/support/services.hpp"
#include "tests/support/uniqd_process.hpp"

namespace uniqd::bench {
namespace {

using Clock = std::chrono::steady_clock;
using test::Services;

// What follows `key` and a colon in a file of such lines; empty where there is none.
std::string value_in(const std::string& path, const std::string& key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.rfind(key, 0) != 0) continue;
    const auto begin = line.find_first_not_of(" \t", line.find(':') + 1);
    return begin == std::string::npos ? std::string{} : line.substr(begin);
  }
  return {};
}

// The text between two others; empty where they are not there.
std::string between(const std::string& path, const std::string& before, const std::string& after) {
  std::ifstream file(path);
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const auto begin = text.find(before);
  if (begin == std::string::npos) return {};
  const auto from = begin + before.size();
  return text.substr(from, text.find(after, from) - from);
}

// Where PostgreSQL's files are too; 0 where nothing can be written there.
double durable_write_us() {
  std::string path = "/tmp/uniqd-bench.XXXXXX";
  const int file = mkstemp(path.data());
  if (file < 0) return 0;
  const std::array<char, 8192> page{};
  std::vector<double> took;
  for (int i = 0; i < 200; ++i) {
    const auto began = Clock::now();
    if (pwrite(file, page.data(), page.size(), 0) < 0 || fdatasync(file) != 0) break;
    took.push_back(std::chrono::duration<double, std::micro>(Clock::now() - began).count());
  }
  close(file);
  unlink(path.c_str());
  return took.empty() ? 0 : median(took);
}

std::string without_line_end(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

}  // namespace

void prepare_servers() {
  const Services& services = Services::get();
  if (services.folder.empty()) return;
  PgLink link(services.postgres);
  // As much of the memory as PostgreSQL's manual finds of use (section 20.4.1): the two read models
  // of T2 should be in it, lest the disk be all that is measured.
  const auto memory_kib = std::stoull(value_in("/proc/meminfo", "MemTotal"));
  link.run(fmt::format("ALTER SYSTEM SET shared_buffers = '{}MB'", memory_kib / 1024 * 2 / 5));
  for (const char* setting : {"min_wal_size = '8GB'", "max_wal_size = '16GB'",
                              "checkpoint_timeout = '30min'", "wal_writer_delay = '10ms'"}) {
    link.run(fmt::format("ALTER SYSTEM SET {}", setting));
  }
  services.act("stop-postgres");
  services.act("start-postgres");
}

nlohmann::ordered_json describe_machine() {
  return {{"cpu", value_in("/proc/cpuinfo", "model name")},
          {"cores", std::thread::hardware_concurrency()},
          {"memory", value_in("/proc/meminfo", "MemTotal")},
          {"durable_write_us", durable_write_us()}};
}

nlohmann::ordered_json describe_versions() {
  const Services& services = Services::get();
  PgLink link(services.postgres);
  std::string kafka = "unknown";
  if (!services.script.empty()) {
    const auto folder = services.script.substr(0, services.script.rfind('/'));
    kafka = between(folder + "/pom.xml", "<kafka.version>", "</kafka.version>");
  }
  return {{"uniqd", without_line_end(test::run_uniqd({"--version"}).out)},
          {"librdkafka", rd_kafka_version_str()},
          {"postgresql", link.text("SHOW server_version")},
          {"kafka", kafka}};
}

nlohmann::ordered_json describe_postgres() {
  PgLink link(Services::get().postgres);
  auto settings = nlohmann::ordered_json::object();
  for (const char* name : {"fsync", "synchronous_commit", "full_page_writes", "shared_buffers",
                           "max_wal_size", "checkpoint_timeout", "wal_writer_delay"}) {
    settings[name] = link.text(fmt::format("SHOW {}", name));
  }
  return settings;
}

}  // namespace uniqd::bench

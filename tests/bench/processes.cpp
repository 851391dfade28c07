#include "tests/bench/processes.hpp"

#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "tests/bench/pg_link.hpp"
#include "tests/support/services.hpp"

namespace uniqd::bench {
namespace {

struct Stat {
  pid_t parent = 0;
  double own_s = 0;
  double ended_children_s = 0;
};

// proc(5): the name in brackets may hold anything; the state is field 3, utime to cstime 14 to 17.
Stat read_stat(const std::string& pid) {
  std::ifstream file("/proc/" + pid + "/stat");
  std::string text;
  std::getline(file, text);
  const auto name_end = text.rfind(')');
  if (name_end == std::string::npos) return {};
  std::istringstream rest(text.substr(name_end + 1));
  std::array<std::string, 15> fields;
  for (std::string& field : fields) rest >> field;
  const auto seconds = [&](std::size_t number) {
    return std::strtod(fields[number - 3].c_str(), nullptr) /
           static_cast<double>(sysconf(_SC_CLK_TCK));
  };
  return {std::atoi(fields[1].c_str()), seconds(14) + seconds(15), seconds(16) + seconds(17)};
}

pid_t kafka_pid() {
  const char* text = std::getenv("UNIQD_KAFKA_PID");
  return text == nullptr ? 0 : std::atoi(text);
}

// Asked anew, as it is restarted meanwhile: the parent of a backend.
pid_t postgres_pid() {
  if (test::Services::get().folder.empty()) return 0;
  PgLink link(test::Services::get().postgres);
  return read_stat(link.text("SELECT pg_backend_pid()")).parent;
}

}  // namespace

double cpu_seconds_with_children(pid_t pid) {
  if (pid == 0) return 0;
  const Stat stat = read_stat(std::to_string(pid));
  double seconds = stat.own_s + stat.ended_children_s;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    const Stat other = read_stat(name);
    if (other.parent == pid) seconds += other.own_s;
  }
  return seconds;
}

std::int64_t resident_bytes(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/statm");
  std::int64_t size = 0;
  std::int64_t resident = 0;
  file >> size >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

CpuUse cpu_use(pid_t uniqd) {
  return {cpu_seconds_with_children(uniqd), cpu_seconds_with_children(postgres_pid()),
          cpu_seconds_with_children(kafka_pid())};
}

}  // namespace uniqd::bench

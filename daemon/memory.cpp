#include "daemon/memory.hpp"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <string_view>

namespace uniqd {
namespace {

constexpr std::uint64_t no_limit = std::numeric_limits<std::uint64_t>::max();
// Where the system does not say.
constexpr std::uint64_t assumed_bytes = std::uint64_t{4} << 30;

// `otherwise` where the file is not there, or holds no number, as where it says "max".
std::uint64_t number_in(const std::string& path, std::uint64_t otherwise) {
  std::ifstream file(path);
  std::uint64_t number = 0;
  return file >> number ? number : otherwise;
}

std::uint64_t available_to_machine(const std::string& root) {
  std::ifstream file(root + "proc/meminfo");
  for (std::string name; file >> name;
       file.ignore(std::numeric_limits<std::streamsize>::max(), '\n')) {
    std::uint64_t kib = 0;
    if (name == "MemAvailable:" && file >> kib) return kib << 10;
  }
  return assumed_bytes;
}

// How the two versions of control groups say it.
struct Files {
  std::string_view folder;
  std::string_view limit;
  std::string_view usage;
};
constexpr Files version_1{"sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes"};
constexpr Files version_2{"sys/fs/cgroup", "memory.max", "memory.current"};

// In the group at this path, and in all that it is in. A container may see its own group at the
// top, whatever its path.
std::uint64_t available_to_group(const std::string& root, const Files& files, std::string path) {
  std::uint64_t available = no_limit;
  while (true) {
    const std::string folder = root + std::string(files.folder) + path + "/";
    const std::uint64_t limit = number_in(folder + std::string(files.limit), no_limit);
    const std::uint64_t usage = number_in(folder + std::string(files.usage), 0);
    if (limit != no_limit) available = std::min(available, limit - std::min(limit, usage));
    if (path.empty()) return available;
    path.erase(path.rfind('/'));
  }
}

// Lines of number:controllers:path; version 2 has the number 0 and names no controllers.
std::uint64_t available_to_groups(const std::string& root) {
  std::ifstream file(root + "proc/self/cgroup");
  std::uint64_t available = no_limit;
  for (std::string line; std::getline(file, line);) {
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    std::string path = line.substr(second + 1);
    if (path.empty() || path.front() != '/') continue;
    if (path == "/") path.clear();
    if (controllers.empty()) {
      available = std::min(available, available_to_group(root, version_2, path));
    } else if (("," + controllers + ",").find(",memory,") != std::string::npos) {
      available = std::min(available, available_to_group(root, version_1, path));
    }
  }
  return available;
}

}  // namespace

std::uint64_t resident_mib() {
  std::ifstream statm("/proc/self/statm");
  std::uint64_t pages = 0;
  std::uint64_t resident = 0;
  if (!(statm >> pages >> resident)) return 0;
  return resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE)) >> 20;
}

std::uint64_t spare_mib(const std::string& root) {
  return std::min(available_to_machine(root), available_to_groups(root)) / 2 >> 20;
}

}  // namespace uniqd

// How much memory there is, by what the kernel says in files.

#include "daemon/memory.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

namespace uniqd::test {
namespace {

namespace fs = std::filesystem;

// A folder like /, with a proc and a sys of its own.
class Machine {
 public:
  Machine() {
    std::string path = fs::temp_directory_path() / "uniqd-memory.XXXXXX";
    if (mkdtemp(path.data()) == nullptr) throw std::runtime_error("no folder at " + path);
    root_ = path + "/";
    says("proc/meminfo",
         "MemTotal:       16000000 kB\nMemFree:          100 kB\n"
         "MemAvailable:    8388608 kB\nBuffers:          1 kB\n");
  }
  ~Machine() { fs::remove_all(root_); }
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  void says(const std::string& file, const std::string& text) const {
    fs::create_directories(fs::path(root_ + file).parent_path());
    std::ofstream(root_ + file) << text;
  }
  [[nodiscard]] std::uint64_t spare() const { return spare_mib(root_); }

 private:
  std::string root_;
};

std::string mib(std::uint64_t count) { return std::to_string(count << 20) + "\n"; }

TEST_CASE("half of what the machine has available") {
  const Machine machine;
  CHECK(machine.spare() == 4096);
  machine.says("proc/self/cgroup", "0::/\n");
  CHECK(machine.spare() == 4096);
}

TEST_CASE("where nothing is said, something is assumed") {
  const Machine machine;
  machine.says("proc/meminfo", "");
  CHECK(machine.spare() == 2048);
}

TEST_CASE("the tightest of the control groups, and what is used of it") {
  const Machine machine;
  const std::string groups = "sys/fs/cgroup";
  machine.says("proc/self/cgroup", "0::/system.slice/uniqd.service\n");
  machine.says(groups + "/system.slice/uniqd.service/memory.max", "max\n");
  machine.says(groups + "/system.slice/uniqd.service/memory.current", mib(100));
  CHECK(machine.spare() == 4096);
  machine.says(groups + "/system.slice/memory.max", mib(3000));
  machine.says(groups + "/system.slice/memory.current", mib(1000));
  CHECK(machine.spare() == 1000);
  machine.says(groups + "/system.slice/uniqd.service/memory.max", mib(500));
  CHECK(machine.spare() == 200);
  machine.says(groups + "/system.slice/uniqd.service/memory.current", mib(600));
  CHECK(machine.spare() == 0);
}

TEST_CASE("a container that sees its own group at the top") {
  const Machine machine;
  machine.says("proc/self/cgroup", "0::/../../elsewhere\n");
  machine.says("sys/fs/cgroup/memory.max", mib(1024));
  machine.says("sys/fs/cgroup/memory.current", mib(24));
  CHECK(machine.spare() == 500);
}

TEST_CASE("control groups of the first version") {
  const Machine machine;
  machine.says("proc/self/cgroup", "5:devices:/\n4:cpu,memory:/docker/one\n0::/\n");
  const std::string group = "sys/fs/cgroup/memory/docker/one/";
  machine.says(group + "memory.limit_in_bytes", mib(2000));
  machine.says(group + "memory.usage_in_bytes", mib(1000));
  CHECK(machine.spare() == 500);
  machine.says(group + "memory.limit_in_bytes", "9223372036854771712\n");
  CHECK(machine.spare() == 4096);
}

TEST_CASE("this process has some, and there is some left") {
  CHECK(resident_mib() > 0);
  CHECK(spare_mib() > 0);
}

}  // namespace
}  // namespace uniqd::test

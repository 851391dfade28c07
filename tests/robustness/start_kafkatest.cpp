// Servers that are away when the daemon starts, and a disk that is full.

#include <doctest/doctest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "tests/robustness/lives.hpp"
#include "tests/robustness/seed.hpp"
#include "tests/robustness/servers_again.hpp"
#include "tests/support/oracle_check.hpp"
#include "tests/support/services.hpp"
#include "tests/support/wait.hpp"

namespace uniqd::test {
namespace {

namespace fs = std::filesystem;

void expect_equal(Lives& lives) {
  for (const auto& difference : lives.differences()) FAIL_CHECK(difference);
}

TEST_CASE("started while PostgreSQL is away: it comes up when PostgreSQL does") {
  if (lacks_stoppable_servers()) return;
  const ServersAgain again;
  Lives lives(run_seed());
  Services::get().act("stop-postgres");
  lives.start();
  wait_for_reason(lives.daemon(), "PostgreSQL cannot be reached");
  CHECK(lives.daemon().get("/livez").status == 200);
  Services::get().act("start-postgres");
  lives.daemon().wait_until_ready();
  expect_equal(lives);
}

TEST_CASE("started while the broker is away: it comes up when the broker does") {
  if (lacks_stoppable_servers()) return;
  const ServersAgain again;
  Lives lives(run_seed());
  Services::get().act("kill-kafka");
  lives.start();
  wait_for_reason(lives.daemon(), "cannot reach brokers " + lives.bed().brokers);
  CHECK(lives.daemon().get("/livez").status == 200);
  Services::get().act("start-kafka");
  lives.daemon().wait_until_ready();
  expect_equal(lives);
}

// A file system of a few megabytes that PostgreSQL may write to, as a tablespace with a database.
class SmallDisk {
 public:
  explicit SmallDisk(TestBed& bed) : bed_(bed), name_(bed.schema) {
    const std::string data = bed.sql_text("SHOW data_directory");
    struct stat owner {};
    is_there_ = stat(data.c_str(), &owner) == 0 && mkdtemp(folder_.data()) != nullptr &&
                mount("uniqd-test", folder_.c_str(), "tmpfs", 0, "size=24m,mode=755") == 0;
    if (!is_there_) return;
    const std::string space = folder_ + "/space";
    fs::create_directory(space);
    if (chown(space.c_str(), owner.st_uid, owner.st_gid) != 0) {
      throw std::runtime_error("cannot give " + space + " to PostgreSQL");
    }
    bed.sql("CREATE TABLESPACE \"" + name_ + "\" LOCATION '" + space + "'");
    bed.sql("CREATE DATABASE \"" + name_ + "\" TABLESPACE \"" + name_ + "\"");
  }
  ~SmallDisk() {
    if (!is_there_) return;
    free_space();
    for (const char* kind : {"DATABASE", "TABLESPACE"}) {
      try {
        bed_.sql(std::string("DROP ") + kind + " \"" + name_ + "\"" +
                 (kind == std::string("DATABASE") ? " WITH (FORCE)" : ""));
      } catch (const StoreFailure&) {  // what can be undone is
      }
    }
    umount2(folder_.c_str(), MNT_DETACH);
    fs::remove(folder_);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  // False where nothing can be mounted.
  [[nodiscard]] bool is_there() const { return is_there_; }
  // The same server and user, but the database on this disk.
  [[nodiscard]] std::string uri(const std::string& postgres) const {
    return postgres.substr(0, postgres.rfind('/') + 1) + name_;
  }
  void fill() const {
    std::ofstream ballast(ballast_path(), std::ios::app);
    const std::string block(64 << 10, 'x');
    while (ballast.write(block.data(), static_cast<std::streamsize>(block.size())).flush()) {
    }
  }
  void free_space() const { fs::remove(ballast_path()); }

 private:
  [[nodiscard]] std::string ballast_path() const { return folder_ + "/ballast"; }

  TestBed& bed_;
  std::string name_;
  std::string folder_ = (fs::temp_directory_path() / "uniqd-disk.XXXXXX").string();
  bool is_there_ = false;
};

TEST_CASE("PostgreSQL's disk is full: it pauses, says so, and goes on when there is space") {
  if (lacks_kafka()) return;
  TestBed server;
  const SmallDisk disk(server);
  if (lacks(!disk.is_there(), "may not mount a file system; run it as root")) return;
  Lives lives(run_seed());
  TestBed& bed = lives.bed();
  bed.postgres = bed.sql_postgres = disk.uri(bed.postgres);
  lives.start();
  lives.daemon().wait_until_ready();
  lives.bed().wait_applied();
  disk.fill();
  const auto is_full = [&] {
    lives.feed_a_few();
    return lives.daemon().log().find("disk is full") != std::string::npos;
  };
  wait_until("the full disk is noticed", is_full, std::chrono::seconds{60});
  wait_for_reason(lives.daemon(), "disk is full; free some space");
  CHECK(lives.daemon().is_running());
  disk.free_space();
  lives.bed().wait_settled();
  lives.daemon().wait_until_ready();
  expect_equal(lives);
}

}  // namespace
}  // namespace uniqd::test

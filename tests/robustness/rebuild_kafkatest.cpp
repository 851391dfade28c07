// The rebuild under traffic, while the daemon and the rebuild itself are killed.

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "tests/robustness/seed.hpp"
#include "tests/support/oracle_check.hpp"
#include "tests/support/random_load.hpp"
#include "tests/support/test_bed.hpp"
#include "tests/support/wait.hpp"

namespace uniqd::test {
namespace {

using namespace std::chrono_literals;
using Json = nlohmann::json;

// How many events the topic has before the rebuild; more on request, for the real size of things:
// two million take four minutes on two cores.
std::size_t event_count() {
  const char* wish = std::getenv("UNIQD_REBUILD_EVENTS");
  return wish ? std::strtoul(wish, nullptr, 10) : 20'000;
}

// A thousand events a second, until it is destroyed.
class Traffic {
 public:
  Traffic(TestBed& bed, RandomLoad& load)
      : thread_([&bed, &load, this] {
          while (!is_done_) {
            bed.produce(load.next(20));
            std::this_thread::sleep_for(20ms);
          }
        }) {}
  ~Traffic() {
    is_done_ = true;
    thread_.join();
  }

 private:
  std::atomic<bool> is_done_{false};
  std::thread thread_;
};

ProgramResult rebuild(const UniqdProcess& daemon, const std::string& kill_at = "",
                      const std::vector<std::string>& more = {}) {
  std::vector<std::string> words{"rebuild", "--json"};
  words.insert(words.end(), more.begin(), more.end());
  words.insert(words.end(), {"--config", daemon.config_path()});
  std::map<std::string, std::string> environment;
  if (!kill_at.empty()) environment["UNIQD_KILL_AT"] = kill_at;
  return run_uniqd(words, environment, 600s);
}

Json done(const ProgramResult& result) {
  INFO(result.err);
  REQUIRE(result.exit_code == 0);
  return Json::parse(result.out);
}

TEST_CASE("a rebuild under traffic: the daemon is killed twice, the rebuild once") {
  TestBed bed;
  bed.more = "compensation: { deadline: 1h }\n";
  const std::size_t events = event_count();
  RandomLoad load(run_seed(), 1, static_cast<int>(events / 4));
  for (std::size_t made = 0; made < events; made += 10'000) bed.produce(load.next(10'000));
  const auto daemon = bed.daemon();
  daemon->start_and_wait();
  bed.wait_settled(600s);
  {
    const Traffic traffic(bed, load);
    std::atomic<bool> has_ended{false};
    Json report;
    std::thread rebuilding([&] {
      CHECK(rebuild(*daemon, "rebuild_following").exit_code == -9);
      report = done(rebuild(*daemon));
      has_ended = true;
    });
    int kills = 0;
    for (; kills < 2 || !has_ended; ++kills) {
      std::this_thread::sleep_for(500ms);
      if (kills < 2) {
        daemon->kill();
        daemon->start_and_wait();
      }
    }
    rebuilding.join();
    CHECK(report["swapped"] == true);
    CHECK(report["equal"] == true);
    CHECK(report["to_send"] == 0);
    MESSAGE(report["records"].get<std::uint64_t>(), " records in ", report["seconds"].get<double>(),
            " s, ", report["memory_mib"].get<int>(), " MiB");
  }
  bed.wait_settled(120s);
  MESSAGE(bed.sql_text("SELECT count(*) FROM entities"), " users, ",
          bed.sql_text("SELECT sum(claim_count) FROM constraints"), " claims, ",
          bed.sql_text("SELECT count(*) FROM compensations"), " compensations, ",
          bed.sql_text("SELECT count(DISTINCT cause) FROM violations"), " violating events");
  OracleCheck check(bed);
  for (const auto& difference : check.differences()) FAIL_CHECK(difference);
  CHECK(done(rebuild(*daemon, "", {"--verify"}))["equal"] == true);

  // The same topic, and no database any more.
  CHECK(daemon->stop() == 0);
  const auto commands = bed.command_count();
  const std::string waiting =
      bed.sql_text("SELECT count(*) FROM compensations WHERE state = 'sent'");
  bed.sql("DROP SCHEMA \"" + bed.schema + "\" CASCADE");
  const Json again = done(rebuild(*daemon));
  CHECK(fmt::to_string(again["to_send"].get<std::int64_t>()) == waiting);
  daemon->start_and_wait();
  bed.wait_settled(120s);
  // What was sent before is decided again, at another time.
  for (const auto& difference : check.differences()) {
    if (!difference.starts_with("decided twice")) FAIL_CHECK(difference);
  }
  CHECK(bed.command_count() == commands + std::stoll(waiting));
  CHECK(daemon->stop() == 0);
}

TEST_CASE("a rebuild that dies at any of its points leaves things as they were, or is done") {
  TestBed bed;
  bed.more = "compensation: { deadline: 1h }\n";
  RandomLoad load(run_seed(), 1, 300);
  bed.produce(load.next(2000));
  const auto daemon = bed.daemon();
  daemon->start_and_wait();
  bed.wait_settled();
  const Traffic traffic(bed, load);
  int generation = 1;
  for (const char* point : {"reading", "loading", "following", "comparing", "swapping", "done"}) {
    CAPTURE(point);
    const std::string kill_at = std::string("rebuild_") + point;
    CHECK(rebuild(*daemon, kill_at).exit_code == -9);
    if (std::string(point) == "done") ++generation;
    CHECK(bed.sql_text("SELECT max(generation) FROM positions") == fmt::to_string(generation));
    CHECK(done(rebuild(*daemon, "", {"--verify"}))["equal"] == true);
  }
  CHECK(done(rebuild(*daemon))["equal"] == true);
  CHECK(daemon->is_running());
}

}  // namespace
}  // namespace uniqd::test

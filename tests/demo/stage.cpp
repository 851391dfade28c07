#include "tests/demo/stage.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/types.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "tests/support/services.hpp"

namespace uniqd::demo {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds look_every{10};
constexpr int look_wait_ms = 5;
constexpr std::chrono::seconds ends_within{20};

std::string pid_path() { return demo_folder() + "/uniqd.pid"; }

// Names that a person can tell apart and that nobody else has.
test::UniqdOptions make_options() {
  const auto now = fmt::gmtime(std::time(nullptr));
  test::UniqdOptions options;
  options.folder = demo_folder();
  options.topic = fmt::format("demo-users-{:%Y%m%d-%H%M%S}", now);
  options.commands_topic = fmt::format("demo-commands-{:%Y%m%d-%H%M%S}", now);
  options.schema = fmt::format("uniqd_demo_{:%Y%m%d_%H%M%S}", now);
  options.group = fmt::format("uniqd-demo-{:%Y%m%d-%H%M%S}", now);
  // So that a restart after a crash does not wait for the end of a session: a static member comes
  // back at once. The mock knows no such thing.
  options.source_more =
      test::Services::get().real_kafka()
          ? "  kafka: { group.instance.id: demo }\n"
          : "  kafka: { session.timeout.ms: 6000, heartbeat.interval.ms: 1000 }\n";
  return options;
}

std::string read_file(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

// A number that was handed to another process since does not count.
bool runs_kept_uniqd(pid_t pid) {
  return read_file(fmt::format("/proc/{}/cmdline", pid)).find(demo_folder()) != std::string::npos;
}

}  // namespace

std::string demo_folder() { return UNIQD_BUILD_DIR "/demo-files"; }

bool stop_kept_uniqd() {
  pid_t pid = 0;
  if (!(std::ifstream(pid_path()) >> pid) || !runs_kept_uniqd(pid)) return false;
  kill(pid, SIGTERM);
  const auto deadline = Clock::now() + ends_within;
  while (runs_kept_uniqd(pid)) {
    if (Clock::now() >= deadline) kill(pid, SIGKILL);
    std::this_thread::sleep_for(look_every);
  }
  std::filesystem::remove(pid_path());
  return true;
}

const std::vector<TestRecord>& WatchedTopic::look() {
  while (auto record = reader_.next(look_wait_ms)) records_.push_back(std::move(*record));
  return records_;
}

Stage::Stage() : options_(make_options()), database_(test::Services::get().postgres) {
  stop_kept_uniqd();
  kafka_.create_topic(events_topic());
  kafka_.create_topic(commands_topic());
  events_ = std::make_unique<WatchedTopic>(kafka_.brokers(), events_topic());
  commands_ = std::make_unique<WatchedTopic>(kafka_.brokers(), commands_topic());
  service_ = std::make_unique<UserService>(
      UserServiceOptions{kafka_.brokers(), events_topic(), commands_topic()});
  uniqd_ = std::make_unique<test::UniqdProcess>(options_);
  uniqd_->start_and_wait();
  pqxx::nontransaction(database_).exec("SET search_path TO " + schema());
}

Stage::~Stage() {
  service_.reset();
  // Before their topics are gone: librdkafka may wait for ever for one that is.
  events_.reset();
  commands_.reset();
  if (is_kept_) return;
  try {
    if (uniqd_ && uniqd_->is_running()) (void)uniqd_->stop();
    if (!test::Services::get().folder.empty()) return;
    pqxx::nontransaction(database_).exec("DROP SCHEMA IF EXISTS " + schema() + " CASCADE");
    kafka_.delete_topic(events_topic());
    kafka_.delete_topic(commands_topic());
  } catch (const std::exception& failure) {
    fmt::print(stderr, "demo: could not tidy up: {}\n", failure.what());
  }
}

void Stage::keep() {
  service_.reset();
  if (uniqd_->is_running()) (void)uniqd_->stop();
  uniqd_->start_detached();
  is_kept_ = true;
  std::ofstream(pid_path()) << uniqd_->pid() << '\n';
  uniqd_->wait_until_ready();
}

bool Stage::has_real_kafka() const { return test::Services::get().real_kafka(); }

Stage::Rows Stage::query(const std::string& sql) {
  Rows rows;
  const auto answer = pqxx::nontransaction(database_).exec(sql);
  for (const auto& row : answer) {
    auto& copy = rows.emplace_back();
    for (const auto& field : row) copy.emplace_back(field.is_null() ? "" : field.c_str());
  }
  return rows;
}

std::int64_t Stage::count(const std::string& sql) { return std::stoll(query(sql).at(0).at(0)); }

std::int64_t Stage::next_offset() {
  return count("SELECT coalesce(max(next_offset), -1) FROM positions");
}

std::string Stage::lookup(const std::string& email) {
  const auto answer = uniqd_->command({"lookup", "--json", "email", "email=" + email});
  if (answer.exit_code != 0) throw DemoFailed("uniqd lookup failed: " + answer.err);
  const auto owner = nlohmann::json::parse(answer.out).at("owner");
  return owner.is_null() ? "" : owner.get<std::string>();
}

void Stage::wait_for(const std::string& what, const std::string& expected,
                     const std::function<Look()>& look, std::chrono::seconds within) {
  const auto deadline = Clock::now() + within;
  while (true) {
    const Look one = look();
    if (one.is_as_expected) return;
    const bool is_late = Clock::now() >= deadline;
    if (is_late || !uniqd_->is_running()) {
      throw DemoFailed(fmt::format(
          "{}\n  expected  {}\n  seen      {}{}", what, expected,
          one.seen.empty() ? "nothing" : one.seen,
          is_late ? fmt::format(" (after {} s)", within.count()) : " (and uniqd has ended)"));
    }
    std::this_thread::sleep_for(look_every);
  }
}

}  // namespace uniqd::demo

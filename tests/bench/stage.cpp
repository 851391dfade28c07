#include "tests/bench/stage.hpp"

#include <algorithm>
#include <chrono>
#include <future>
#include <stdexcept>
#include <thread>
#include <utility>

#include "readmodel/schema.hpp"
#include "tests/support/services.hpp"
#include "tests/support/wait.hpp"

namespace uniqd::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds look_every{20};
constexpr std::chrono::seconds stalls_after{60};

std::string plain_identifier(std::string name) {
  std::ranges::replace(name, '-', '_');
  return name;
}

// A metric without labels; 0 where it is not there.
double metric(const std::string& page, const std::string& name) {
  const auto found = page.find("\n" + name + " ");
  return found == std::string::npos ? 0 : std::strtod(&page[found + name.size() + 2], nullptr);
}

// Waits until more than `from` is applied; returns how much.
std::int64_t wait_beyond(Stage& stage, std::int64_t from) {
  auto stalled_at = Clock::now() + stalls_after;
  while (true) {
    const std::int64_t applied = stage.applied();
    if (applied > from) return applied;
    if (!stage.daemon().is_running() || Clock::now() > stalled_at) {
      throw std::runtime_error("uniqd does not go on; the end of its log:\n" +
                               stage.daemon().log_tail(20));
    }
    std::this_thread::sleep_for(look_every);
  }
}

}  // namespace

std::string make_topic(int partitions, const std::map<std::string, std::string>& config) {
  test::KafkaAdmin kafka;
  auto topic = test::unique_name("bench");
  kafka.create_topic(topic, partitions, config);
  return topic;
}

Stage::Stage(std::string topic)
    : topic_(std::move(topic)),
      commands_topic_(test::unique_name("bench-commands")),
      schema_(plain_identifier(test::unique_name("bench"))),
      link_(std::make_unique<PgLink>(test::Services::get().postgres, schema_)) {
  kafka_.create_topic(commands_topic_);
  test::UniqdOptions options;
  options.folder = std::string(UNIQD_BUILD_DIR) + "/bench-daemons/" + schema_;
  options.topic = topic_;
  options.commands_topic = commands_topic_;
  options.schema = schema_;
  options.group = schema_;
  // Nobody answers the commands; none is to be sent again while the clock runs.
  options.more = "compensation: { deadline: 24h }\n";
  daemon_ = std::make_unique<test::UniqdProcess>(std::move(options));
}

Stage::~Stage() {
  try {
    daemon_->kill();
    link_->run("DROP SCHEMA IF EXISTS \"" + schema_ + "\" CASCADE");
  } catch (const std::runtime_error&) {  // the servers are thrown away after us
  }
}

void Stage::migrate() {
  PgSession session({test::Services::get().postgres, schema_});
  (void)uniqd::migrate(session, schema_);
}

std::string Stage::open_read_model() {
  daemon_->start_and_wait();
  (void)daemon_->stop();
  return link_->text("SELECT value FROM meta WHERE name = 'value_key'");
}

std::int64_t Stage::applied() {
  const std::string table = "to_regclass('positions')";
  if (link_->text("SELECT " + table).empty()) return 0;
  return std::stoll(
      link_->text("SELECT coalesce(sum(greatest(next_offset, 0)), 0) FROM positions"));
}

BacklogRun run_backlog(Stage& stage, std::int64_t end, bool has_checkpoint) {
  const std::int64_t before = stage.applied();
  stage.daemon().start();
  const std::int64_t from = wait_beyond(stage, before);
  const auto began = Clock::now();
  const CpuUse used_before = cpu_use(stage.daemon().pid());
  std::future<void> checkpoint;
  std::int64_t half = end;
  Clock::time_point half_at = began;
  for (std::int64_t now = from; now < end;) {
    now = wait_beyond(stage, now);
    if (half == end && now >= before + (end - before) / 2) {
      half = now;
      half_at = Clock::now();
    }
    if (has_checkpoint && !checkpoint.valid() && now >= before + (end - before) / 3) {
      checkpoint = std::async(std::launch::async,
                              [] { PgLink(test::Services::get().postgres).run("CHECKPOINT"); });
    }
  }
  BacklogRun run;
  run.events = end - from;
  run.seconds = std::chrono::duration<double>(Clock::now() - began).count();
  run.later_rate = static_cast<double>(end - half) /
                   std::chrono::duration<double>(Clock::now() - half_at).count();
  run.cpu = cpu_use(stage.daemon().pid()) - used_before;
  const std::string metrics = stage.daemon().get("/metrics").body;
  run.batch_seconds = metric(metrics, "uniqd_batch_seconds_sum");
  run.commit_seconds = metric(metrics, "uniqd_commit_seconds_sum");
  (void)stage.daemon().stop();
  if (checkpoint.valid()) checkpoint.get();
  return run;
}

}  // namespace uniqd::bench

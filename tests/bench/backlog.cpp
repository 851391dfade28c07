// T1 and T2: a backlog, with an empty read model and with a large one.

#include <fmt/format.h>

#include "tests/bench/bulk_load.hpp"
#include "tests/bench/kafka_load.hpp"
#include "tests/bench/measurements.hpp"
#include "tests/bench/naive.hpp"
#include "tests/bench/stage.hpp"
#include "tests/support/services.hpp"

namespace uniqd::bench {
namespace {

using test::Services;

void checkpoint() { PgLink(Services::get().postgres).run("CHECKPOINT"); }

double copy_rate(const std::vector<UserEvent>& events, const std::string& topic) {
  Stage stage(topic);
  stage.migrate();
  const auto batches = make_batches(events, batch_events, "a key", topic, 0);
  checkpoint();
  return static_cast<double>(events.size()) / load_batches(stage.link(), batches, topic);
}

double naive_rate(const Sizes& sizes, const std::string& topic) {
  const std::string schema = "bench_naive";
  PgLink link(Services::get().postgres);
  link.run("DROP SCHEMA IF EXISTS bench_naive CASCADE; CREATE SCHEMA bench_naive");
  checkpoint();
  const auto result = run_naive(Services::get().brokers, Services::get().postgres, schema, topic,
                                static_cast<std::int64_t>(sizes.backlog_events), sizes.naive);
  link.run("DROP SCHEMA bench_naive CASCADE");
  return static_cast<double>(result.events) / result.seconds;
}

void report_cpu(const std::vector<BacklogRun>& runs, Report& report) {
  CpuUse cpu;
  double seconds = 0;
  double events = 0;
  double batch_seconds = 0;
  double commit_seconds = 0;
  for (const BacklogRun& run : runs) {
    cpu.uniqd += run.cpu.uniqd;
    cpu.postgres += run.cpu.postgres;
    cpu.kafka += run.cpu.kafka;
    seconds += run.seconds;
    events += static_cast<double>(run.events);
    batch_seconds += run.batch_seconds;
    commit_seconds += run.commit_seconds;
  }
  const double all = cpu.uniqd + cpu.postgres + cpu.kafka;
  report.say("CPU time over T1:        share    us/event   of one core");
  const auto line = [&](const char* name, double used) {
    report.say(fmt::format("  {:<20} {:>7.1f} % {:>9.2f} {:>10.0f} %", name, 100 * used / all,
                           1e6 * used / events, 100 * used / seconds));
    report.note(fmt::format("cpu_{}_us_per_event", name), 1e6 * used / events);
    report.note(fmt::format("cpu_{}_share", name), used / all);
  };
  line("uniqd", cpu.uniqd);
  line("postgres", cpu.postgres);
  line("kafka", cpu.kafka);
  report.say(
      fmt::format("The daemon's time: {:.0f} % of it from begin to commit, of which {:.0f} % "
                  "writing and committing; the rest is polling and decoding\n",
                  100 * batch_seconds / seconds, 100 * commit_seconds / batch_seconds));
  report.note("batch_share_of_time", batch_seconds / seconds);
  report.note("commit_share_of_batch", commit_seconds / batch_seconds);
}

BacklogRun run_uniqd(const std::string& topic, std::size_t events) {
  Stage stage(topic);
  checkpoint();
  return run_backlog(stage, static_cast<std::int64_t>(events));
}

}  // namespace

void measure_backlog(const Sizes& sizes, Report& report) {
  UserStream stream;
  const auto events = stream.next(sizes.backlog_events);
  const std::string topic = make_topic();
  produce_all(Services::get().brokers, topic, events);
  constexpr int partitions = 4;
  const std::string partitioned_topic = make_topic(partitions);
  produce_all(Services::get().brokers, partitioned_topic, events);
  std::vector<BacklogRun> runs;
  std::vector<double> partitioned;
  std::vector<double> uniqd;
  std::vector<double> copy;
  std::vector<double> naive;
  for (std::size_t run = 0; run < sizes.runs; ++run) {
    runs.push_back(run_uniqd(topic, events.size()));
    uniqd.push_back(runs.back().rate());
    partitioned.push_back(run_uniqd(partitioned_topic, events.size()).rate());
    copy.push_back(copy_rate(events, topic));
    naive.push_back(naive_rate(sizes, topic));
    fmt::print(
        "T1 run {}: uniqd {:.0f}/s, COPY {:.0f}/s, naive {:.0f}/s; of {} partitions uniqd "
        "{:.0f}/s\n",
        run + 1, uniqd.back(), copy.back(), naive.back(), partitions, partitioned.back());
  }
  report.add("t1_events_per_s", uniqd);
  report.add("t1_copy_events_per_s", copy);
  report.add("t1_naive_events_per_s", naive);
  report.add_ratio("t1_vs_copy", uniqd, copy, Target{Target::Side::at_least, 0.70});
  report.add_ratio("t1_vs_naive", uniqd, naive, Target{Target::Side::at_least, 20});
  report.add_ratio("t1_four_partitions_vs_one", partitioned, uniqd);
  report_cpu(runs, report);
}

}  // namespace uniqd::bench

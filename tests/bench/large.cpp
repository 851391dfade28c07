// T2 and how cost grows: read models of several sizes.

#include <fmt/format.h>

#include <algorithm>
#include <future>

#include "tests/bench/bulk_load.hpp"
#include "tests/bench/kafka_load.hpp"
#include "tests/bench/latency.hpp"
#include "tests/bench/measurements.hpp"
#include "tests/bench/stage.hpp"
#include "tests/support/services.hpp"

namespace uniqd::bench {
namespace {

using test::Services;

// The same as the daemon meets it: a checkpoint when a third is done.
double copy_with_checkpoint(PgLink& link, std::vector<BulkBatch> batches,
                            const std::string& topic) {
  const auto third = batches.begin() + static_cast<std::ptrdiff_t>(batches.size() / 3);
  const std::vector<BulkBatch> rest(std::make_move_iterator(third),
                                    std::make_move_iterator(batches.end()));
  batches.erase(third, batches.end());
  double seconds = load_batches(link, batches, topic);
  auto checkpoint =
      std::async(std::launch::async, [] { PgLink(Services::get().postgres).run("CHECKPOINT"); });
  seconds += load_batches(link, rest, topic);
  checkpoint.get();
  return seconds;
}

void add_latency(Stage& stage, UserStream& stream, const Sizes& sizes, GrowthPoint& point) {
  // As if a relay had had the time for all that the backlog left to send.
  stage.link().run(
      "UPDATE compensations SET state = 'sent', due_at = now() + interval '1 day'"
      " WHERE state = 'pending'");
  start_and_settle(stage);
  const auto latencies_ms = time_duplicates(stage, stream, sizes.growth_latency);
  (void)stage.daemon().stop();
  point.p50_ms = percentile(latencies_ms, 0.5);
  point.p99_ms = percentile(latencies_ms, 0.99);
}

// How fast at this size; one run, of which the second half counts: in the first the daemon learns
// what there is, and the database writes each page whole that it meets.
GrowthPoint measure_point(std::uint64_t claims, std::uint64_t compensations, const Sizes& sizes) {
  Stage stage(make_topic());
  const std::string key = stage.open_read_model();
  preload(stage.link(), claims, compensations, key, stage.topic());
  UserStream stream(claims, compensations);
  produce_all(Services::get().brokers, stage.topic(), stream.next(sizes.growth_events));
  GrowthPoint point{claims, compensations};
  point.events_per_s = run_backlog(stage, end_of(stage.topic())).later_rate;
  add_latency(stage, stream, sizes, point);
  fmt::print("with {} claims and {} open compensations: {:.0f}/s, p50 {:.2f} p99 {:.2f} ms\n",
             claims, compensations, point.events_per_s, point.p50_ms, point.p99_ms);
  return point;
}

}  // namespace

GrowthPoint measure_large(const Sizes& sizes, Report& report) {
  Stage stage(make_topic());
  Stage copied(stage.topic());
  const std::string key = stage.open_read_model();
  copied.migrate();
  preload(stage.link(), sizes.large_claims, 0, key, stage.topic());
  preload(copied.link(), sizes.large_claims, 0, key, stage.topic());
  UserStream stream(sizes.large_claims);
  const auto seconds_min = static_cast<double>(sizes.large.count());
  auto count = static_cast<std::size_t>(report.value("t1_events_per_s") * seconds_min / 5);
  std::vector<double> uniqd;
  std::vector<double> copy;
  std::vector<double> seconds;
  std::int64_t end = 0;
  // One more beforehand, which does not count: in the first of them bulk loading takes several
  // times as long as in any later one. It says how many events the others take.
  for (std::size_t run = 0; run <= sizes.runs; ++run) {
    const auto events = stream.next(count);
    produce_all(Services::get().brokers, stage.topic(), events);
    auto batches = make_batches(events, batch_events, key, stage.topic(), end);
    end += static_cast<std::int64_t>(count);
    const BacklogRun backlog = run_backlog(stage, end, true);
    const double copy_rate = static_cast<double>(count) /
                             copy_with_checkpoint(copied.link(), std::move(batches), stage.topic());
    fmt::print("T2 run {}: uniqd {:.0f}/s over {:.0f} s, COPY {:.0f}/s\n", run, backlog.rate(),
               backlog.seconds, copy_rate);
    if (run == 0) {
      count = static_cast<std::size_t>(1.5 * seconds_min * backlog.rate());
      continue;
    }
    uniqd.push_back(backlog.rate());
    seconds.push_back(backlog.seconds);
    copy.push_back(copy_rate);
  }
  report.add("t2_events_per_s", uniqd);
  report.add("t2_copy_events_per_s", copy);
  report.add_ratio("t2_vs_copy", uniqd, copy, Target{Target::Side::at_least, 0.60});
  report.add("t2_vs_t1", {median(uniqd) / report.value("t1_events_per_s")});
  report.note("t2_claims", sizes.large_claims);
  report.note("t2_claims_at_the_end",
              std::stoll(copied.link().text("SELECT count(*) FROM claims")));
  report.note("t2_seconds", median(seconds));
  GrowthPoint point{sizes.large_claims, 0, median(uniqd)};
  add_latency(stage, stream, sizes, point);
  return point;
}

std::vector<GrowthPoint> measure_growth(const Sizes& sizes, Report& report) {
  std::vector<GrowthPoint> points{measure_point(0, 0, sizes)};
  for (const auto claims : sizes.growth_claims) points.push_back(measure_point(claims, 0, sizes));
  const std::uint64_t claims = sizes.growth_claims.front();
  const double without = points.at(1).events_per_s;
  auto growth = nlohmann::ordered_json::array();
  for (const auto compensations : sizes.growth_compensations) {
    const GrowthPoint point = measure_point(claims, compensations, sizes);
    growth.push_back({{"claims", claims},
                      {"compensations", compensations},
                      {"events_per_s", point.events_per_s},
                      {"vs_none", point.events_per_s / without}});
    report.say(fmt::format(
        "With {} open compensations beside {} claims: {:.0f} events/s, {:.2f} of without",
        compensations, claims, point.events_per_s, point.events_per_s / without));
  }
  report.note("growth_compensations", growth);
  return points;
}

}  // namespace uniqd::bench

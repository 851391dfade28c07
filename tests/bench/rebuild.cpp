// T4: the read model anew, from the topic; against reading and decoding the topic, no more.

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "daemon/kafka_source.hpp"
#include "readmodel/decode_event.hpp"
#include "tests/bench/kafka_load.hpp"
#include "tests/bench/measurements.hpp"
#include "tests/bench/stage.hpp"
#include "tests/bench/users_rules.hpp"
#include "tests/support/services.hpp"

namespace uniqd::bench {
namespace {

using Clock = std::chrono::steady_clock;
using test::Services;

constexpr std::chrono::seconds stalls_after{60};
constexpr PollLimits limits{10'000, std::size_t{64} << 20, std::chrono::milliseconds{100}};

double seconds_since(Clock::time_point began) {
  return std::chrono::duration<double>(Clock::now() - began).count();
}

// Reads as the rebuild reads, decodes as it decodes, and drops all of it. Returns the seconds.
double drain(const std::string& topic, std::size_t events) {
  const auto began = Clock::now();
  KafkaSourceOptions options;
  options.brokers = Services::get().brokers;
  options.group = "bench-drain";
  options.topic = topic;
  options.reads_alone = true;
  read_far_ahead(options.properties);
  KafkaSource source(options, {});
  Decoder decoder(users_decoding("a key"), users_constraints());
  Poll poll;
  std::size_t decoded = 0;
  for (auto last = Clock::now(); decoded < events;) {
    source.poll(limits, poll);
    if (poll.assigned) {
      std::vector<Position> beginnings;
      for (const Partition partition : *poll.assigned) beginnings.push_back({partition, {}});
      (void)source.fetch_from(beginnings);
      continue;
    }
    for (const Record& record : poll.records) {
      if (std::holds_alternative<Event>(decoder.decode(record))) ++decoded;
    }
    if (!poll.records.empty()) last = Clock::now();
    if (Clock::now() - last > stalls_after) throw std::runtime_error("the topic is not read on");
  }
  return seconds_since(began);
}

struct Rebuilt {
  double seconds = 0;
  double reading_seconds = 0;  // of these, until everything was read and folded
  double bytes_per_claim = 0;
};

Rebuilt rebuild(const std::string& topic, std::size_t events) {
  Stage stage(topic);
  const auto began = Clock::now();
  const auto result = stage.daemon().command({"rebuild", "--json"}, std::chrono::hours{1});
  const double seconds = seconds_since(began);
  const auto report = nlohmann::json::parse(result.out, nullptr, false);
  if (result.exit_code != 0 || report.is_discarded() || report["records"] != events) {
    throw std::runtime_error(
        fmt::format("uniqd rebuild ended with {}: {}{}", result.exit_code, result.out, result.err));
  }
  const double claims = std::stod(stage.link().text("SELECT count(*) FROM claims"));
  constexpr double mib = 1 << 20;
  return {seconds, report["reading_seconds"], report["memory_mib"].get<double>() * mib / claims};
}

}  // namespace

void measure_rebuild(const Sizes& sizes, Report& report) {
  const std::string topic = make_topic();
  const std::size_t count = sizes.rebuild_events;
  {
    LoadProducer producer(Services::get().brokers, LoadProducer::Pace::bulk);
    UserStream stream;
    for (std::size_t i = 0; i < count; ++i) producer.produce(topic, stream.next());
    producer.flush();
  }
  std::vector<double> rebuilt;
  std::vector<double> folded;
  std::vector<double> drained;
  std::vector<double> bytes;
  for (std::size_t run = 0; run < sizes.runs; ++run) {
    const Rebuilt one = rebuild(topic, count);
    rebuilt.push_back(static_cast<double>(count) / one.seconds);
    folded.push_back(static_cast<double>(count) / one.reading_seconds);
    bytes.push_back(one.bytes_per_claim);
    drained.push_back(static_cast<double>(count) / drain(topic, count));
    fmt::print(
        "T4 run {}: rebuild {:.0f}/s ({:.0f}/s until folded) with {:.0f} bytes a claim, "
        "drain {:.0f}/s\n",
        run + 1, rebuilt.back(), folded.back(), bytes.back(), drained.back());
  }
  report.add("t4_events_per_s", rebuilt);
  report.add("t4_drain_events_per_s", drained);
  report.add_ratio("t4_vs_drain", rebuilt, drained, Target{Target::Side::at_least, 0.35});
  report.add_ratio("t4_fold_vs_drain", folded, drained, Target{Target::Side::at_least, 0.7});
  report.add("t4_bytes_per_claim", bytes);
}

}  // namespace uniqd::bench

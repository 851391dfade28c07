#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <sstream>
#include <utility>

#include "daemon/admin_server.hpp"
#include "daemon/version.hpp"

namespace uniqd {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<std::pair<std::string, std::string>>;

ClientMetric metric(const Labels& labels) {
  ClientMetric made;
  for (const auto& [name, value] : labels) made.label.push_back({name, value});
  return made;
}

// Collects the families; a sample is a name, a help text, labels and a number.
class Families {
 public:
  void counter(const char* name, const char* help, double value, const Labels& labels = {}) {
    ClientMetric made = metric(labels);
    made.counter.value = value;
    add(name, help, MetricType::Counter, std::move(made));
  }
  void gauge(const char* name, const char* help, double value, const Labels& labels = {}) {
    ClientMetric made = metric(labels);
    made.gauge.value = value;
    add(name, help, MetricType::Gauge, std::move(made));
  }
  void histogram(const char* name, const char* help, const Histogram& histogram) {
    ClientMetric made;
    std::uint64_t so_far = 0;
    for (std::size_t i = 0; i < histogram.counts.size(); ++i) {
      so_far += histogram.counts[i];
      const double bound = i < histogram.bounds.size() ? histogram.bounds[i]
                                                       : std::numeric_limits<double>::infinity();
      made.histogram.bucket.push_back({so_far, bound});
    }
    made.histogram.sample_count = so_far;
    made.histogram.sample_sum = histogram.sum;
    add(name, help, MetricType::Histogram, std::move(made));
  }
  [[nodiscard]] std::string render() const {
    return prometheus::TextSerializer().Serialize(families_);
  }

 private:
  void add(const char* name, const char* help, MetricType type, ClientMetric made) {
    auto family = std::ranges::find(families_, name, &MetricFamily::name);
    if (family == families_.end()) {
      families_.push_back({name, help, type, {}});
      family = families_.end() - 1;
    }
    family->metric.push_back(std::move(made));
  }

  std::vector<MetricFamily> families_;
};

double now_ms() {
  return static_cast<double>(std::chrono::duration_cast<std::chrono::milliseconds>(
                                 std::chrono::system_clock::now().time_since_epoch())
                                 .count());
}

// The daemon itself learns of an end when it begins and when it gets there; in between only the
// broker knows.
void add_partitions(Families& families, const std::vector<PartitionProgress>& partitions,
                    const PartitionEnds& ends) {
  for (const PartitionProgress& progress : partitions) {
    const auto asked = ends.find(progress.partition);
    const auto end = asked == ends.end() ? progress.end : asked->second;
    if (!progress.next_offset || !end) continue;
    const Labels labels{{"partition", std::to_string(to_number(progress.partition))}};
    const auto lag = std::max<std::int64_t>(0, end->value - progress.next_offset->value);
    families.gauge("uniqd_lag_records", "Records of the partition not applied yet",
                   static_cast<double>(lag), labels);
    const bool is_behind = lag > 0 && progress.last_timestamp_ms >= 0;
    families.gauge(
        "uniqd_lag_seconds", "Age of the last record applied, 0 at the end of the partition",
        is_behind
            ? std::max(0.0, (now_ms() - static_cast<double>(progress.last_timestamp_ms)) / 1000)
            : 0.0,
        labels);
  }
}

void add_overview(Families& families, const Overview& overview) {
  for (const auto& [constraint, count] : overview.claims) {
    families.gauge("uniqd_claims", "Values that are owned", static_cast<double>(count),
                   {{"constraint", constraint}});
  }
  for (const auto& [state, count] : overview.compensations) {
    families.gauge("uniqd_compensations", "Compensations by state", static_cast<double>(count),
                   {{"state", state}});
  }
  families.gauge("uniqd_oldest_open_compensation_seconds", "Age of the oldest open compensation",
                 overview.oldest_open_compensation_seconds.value_or(0));
  families.gauge("uniqd_dead_letters", "Records that could not be understood",
                 static_cast<double>(overview.dead_letters));
  families.gauge("uniqd_paused", "1 while sending is paused, until uniqd resume",
                 overview.paused ? 1 : 0);
}

}  // namespace

std::string render_metrics(const TelemetrySnapshot& snapshot,
                           const std::optional<Overview>& overview, const PartitionEnds& ends,
                           std::int64_t rebuild_events) {
  Families families;
  for (const auto& [what, count] : snapshot.events.by_type_and_outcome) {
    families.counter("uniqd_events_total", "Records applied, by event type and outcome",
                     static_cast<double>(count), {{"type", what.first}, {"outcome", what.second}});
  }
  families.counter("uniqd_key_mismatches_total", "Records whose key was not their entity",
                   static_cast<double>(snapshot.events.key_mismatches));
  add_partitions(families, snapshot.partitions, ends);
  if (overview) add_overview(families, *overview);
  families.counter("uniqd_rebuild_events_total", "Events applied by rebuilds since the start",
                   static_cast<double>(rebuild_events));
  families.counter("uniqd_commands_sent_total", "Commands acknowledged by the broker",
                   static_cast<double>(snapshot.commands_sent));
  families.counter("uniqd_command_attempts_total", "Commands given to the broker",
                   static_cast<double>(snapshot.command_attempts));
  families.histogram("uniqd_batch_events", "Records a batch", snapshot.batch_events);
  families.histogram("uniqd_batch_seconds", "A batch from begin to commit", snapshot.batch_seconds);
  families.histogram("uniqd_commit_seconds", "Writing and committing a batch",
                     snapshot.commit_seconds);
  families.histogram("uniqd_decision_to_ack_seconds",
                     "From the decision to the broker's acknowledgement",
                     snapshot.decision_to_ack_seconds);
  families.counter("uniqd_fenced_total", "Batches refused because another writer was first",
                   static_cast<double>(snapshot.fenced));
  families.gauge("uniqd_build_info", "The version that runs", 1, {{"version", version}});
  return families.render();
}

}  // namespace uniqd

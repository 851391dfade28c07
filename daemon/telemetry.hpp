#pragma once
// telemetry.hpp - what the daemon says of itself: counters, progress, troubles. Thread safe.

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "daemon/process_batch.hpp"
#include "readmodel/identifiers.hpp"

namespace uniqd {

struct PartitionProgress {
  Partition partition{};
  std::optional<Offset> next_offset;    // exclusive; as stored
  std::optional<Offset> end;            // the latest end known
  std::int64_t last_timestamp_ms = -1;  // of the last record applied
  bool caught_up = false;
};

// Who may be in trouble; each reports for itself.
enum class Organ : std::uint8_t { source, store, relay };
inline constexpr std::size_t organ_count = 3;

// A histogram with fixed upper bounds, as Prometheus has them.
struct Histogram {
  std::vector<double> bounds;
  std::vector<std::uint64_t> counts;  // one more than bounds: the last is +Inf
  double sum = 0;

  explicit Histogram(std::vector<double> upper_bounds)
      : bounds(std::move(upper_bounds)), counts(bounds.size() + 1) {}
  void observe(double value);
};

struct TelemetrySnapshot {
  EventCounts events;
  std::vector<PartitionProgress> partitions;
  std::array<std::string, organ_count> troubles;  // by Organ; empty: fine
  bool has_assignment = false;
  std::uint64_t fenced = 0;
  std::uint64_t commands_sent = 0;
  std::uint64_t command_attempts = 0;
  std::uint64_t bad_events = 0;
  Histogram batch_events{{1, 10, 100, 1000, 10000}};
  Histogram batch_seconds{{.001, .003, .01, .03, .1, .3, 1, 3}};
  Histogram commit_seconds{{.001, .003, .01, .03, .1, .3, 1, 3}};
  Histogram decision_to_ack_seconds{{.001, .003, .01, .03, .1, .3, 1, 3, 10, 30}};
};

class Telemetry {
 public:
  struct Batch {
    EventCounts events;
    std::size_t event_count = 0;
    std::size_t bad_events = 0;
    std::chrono::milliseconds took{};
    std::chrono::milliseconds commit_took{};
  };
  void add_batch(const Batch& batch);
  void set_partitions(std::vector<PartitionProgress> partitions);
  // An empty text: no trouble (any more).
  void set_trouble(Organ organ, std::string text);
  void add_fenced();
  // Commands tried, and how long each acknowledged one took since its decision.
  void add_sends(std::size_t attempts, const std::vector<double>& seconds_since_decision);

  [[nodiscard]] TelemetrySnapshot snapshot() const;

 private:
  mutable std::mutex mutex_;
  TelemetrySnapshot state_;
};

}  // namespace uniqd

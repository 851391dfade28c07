#include "daemon/telemetry.hpp"

#include <algorithm>
#include <utility>

namespace uniqd {
namespace {

double seconds(std::chrono::milliseconds duration) {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace

void Histogram::observe(double value) {
  const auto bucket = std::ranges::lower_bound(bounds, value) - bounds.begin();
  ++counts[static_cast<std::size_t>(bucket)];
  sum += value;
}

void Telemetry::add_batch(const Batch& batch) {
  const std::lock_guard lock(mutex_);
  for (const auto& [what, count] : batch.events.by_type_and_outcome) {
    state_.events.by_type_and_outcome[what] += count;
  }
  state_.events.key_mismatches += batch.events.key_mismatches;
  state_.bad_events += batch.bad_events;
  state_.batch_events.observe(static_cast<double>(batch.event_count));
  state_.batch_seconds.observe(seconds(batch.took));
  state_.commit_seconds.observe(seconds(batch.commit_took));
}

void Telemetry::set_partitions(std::vector<PartitionProgress> partitions) {
  const std::lock_guard lock(mutex_);
  state_.partitions = std::move(partitions);
  state_.has_assignment = true;
}

void Telemetry::set_trouble(Organ organ, std::string text) {
  const std::lock_guard lock(mutex_);
  state_.troubles[static_cast<std::size_t>(organ)] = std::move(text);
}

void Telemetry::add_fenced() {
  const std::lock_guard lock(mutex_);
  ++state_.fenced;
}

void Telemetry::add_sends(std::size_t attempts, const std::vector<double>& seconds_since_decision) {
  const std::lock_guard lock(mutex_);
  state_.command_attempts += attempts;
  state_.commands_sent += seconds_since_decision.size();
  for (const double value : seconds_since_decision) state_.decision_to_ack_seconds.observe(value);
}

TelemetrySnapshot Telemetry::snapshot() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

}  // namespace uniqd

#include "daemon/audit.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <utility>

#include "daemon/explain.hpp"

namespace uniqd {
namespace {

using Json = nlohmann::ordered_json;

constexpr PollLimits poll_limits{10'000, std::size_t{32} << 20, std::chrono::milliseconds{200}};

// Nothing is sent, so what would be pending is still open.
std::string_view outcome_of(const Compensation& finding) {
  return has_ended(finding.state) ? to_text(finding.state) : "open";
}

}  // namespace

Audit::Audit(RecordSource& source, const ConstraintSet& constraints, Decoder decoder, Policy policy)
    : source_(source),
      decoder_(std::move(decoder)),
      policy_(std::move(policy)),
      known_(constraints) {}

void Audit::begin(const std::vector<Partition>& partitions) {
  std::vector<Position> positions;
  for (const Partition partition : partitions) {
    positions.push_back({partition, std::nullopt});
    tracks_.push_back({partition, -1, -1, false});
  }
  for (const PartitionEnd& end : source_.fetch_from(positions)) {
    const auto track = std::ranges::find(tracks_, end.partition, &Track::partition);
    track->target = end.offset.value;
    progress_.records_total += static_cast<std::uint64_t>(end.offset.value);
  }
  has_begun_ = true;
}

bool Audit::step() {
  source_.poll(poll_limits, poll_);
  if (poll_.failure && poll_.failure->trouble == SourceTrouble::halted) {
    throw std::runtime_error(poll_.failure->text);
  }
  progress_.trouble = poll_.failure ? poll_.failure->text : "";
  if (poll_.assigned && !has_begun_) begin(*poll_.assigned);
  fold();
  return !has_begun_ || !std::ranges::all_of(tracks_, &Track::is_done);
}

void Audit::fold() {
  std::vector<Event> events;
  for (const Record& record : poll_.records) {
    Track& track = *std::ranges::find(tracks_, record.partition, &Track::partition);
    if (track.is_done) continue;
    // What lies before the first record was removed by retention long ago.
    if (track.start < 0) progress_.records_total -= static_cast<std::uint64_t>(record.offset.value);
    if (track.start < 0) track.start = record.offset.value;
    if (track.target >= 0 && record.offset.value >= track.target) {
      track.is_done = true;
      continue;
    }
    ++progress_.records;
    Decoded decoded = decoder_.decode(record);
    if (auto* event = std::get_if<Event>(&decoded)) {
      events.push_back(std::move(*event));
    } else if (auto* bad = std::get_if<BadEvent>(&decoded)) {
      counts_.count("", "bad");
      bad_events_.push_back(std::move(*bad));
    } else {
      counts_.count("", outcome_name(std::get<Skipped>(decoded)));
    }
    if (track.target >= 0 && record.offset.value + 1 >= track.target) track.is_done = true;
  }
  for (const PartitionEnd& end : poll_.ends) {
    std::ranges::find(tracks_, end.partition, &Track::partition)->is_done = true;
  }
  // The model is complete, so nothing is ever missing.
  process_batch(
      events, policy_, 0, [](Loaded&) {}, known_, counts_);
}

std::vector<Json> finding_lines(const Compensation& finding, const std::string& topic) {
  std::vector<Json> lines;
  for (const Violation& violation : finding.violations) {
    Json line = violation_json(violation.constraint, violation.fields, violation.owner,
                               finding.action.reason);
    line["entity"] = finding.entity;
    line["value"] = to_hex(violation.value);
    line["event_id"] = violation.event_id;
    line["event_type"] = violation.event_type;
    line["topic"] = topic;
    line["partition"] = to_number(violation.partition);
    line["offset"] = violation.offset.value;
    line["outcome"] = outcome_of(finding);
    lines.push_back(std::move(line));
  }
  return lines;
}

Json summary_json(const std::vector<Compensation>& findings, const Audit& audit,
                  const ConstraintSet& constraints) {
  std::map<std::string, std::map<std::string, std::uint64_t>> by_constraint;
  for (const Constraint& constraint : constraints) {
    for (const char* outcome : {"open", "confirmed", "resolved"}) {
      by_constraint[constraint.name][outcome] = 0;
    }
  }
  for (const Compensation& finding : findings) {
    for (const Violation& violation : finding.violations) {
      ++by_constraint[violation.constraint][std::string(outcome_of(finding))];
    }
  }
  std::map<std::string, std::uint64_t> by_outcome;
  for (const auto& [what, count] : audit.events().by_type_and_outcome) {
    by_outcome[what.second] += count;
  }
  return {{"records", audit.progress().records},
          {"events", by_outcome},
          {"key_mismatches", audit.events().key_mismatches},
          {"violations", by_constraint},
          {"bad_events", audit.bad_events().size()}};
}

}  // namespace uniqd

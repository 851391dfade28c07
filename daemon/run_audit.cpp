#include "daemon/run_audit.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "daemon/assembly.hpp"
#include "daemon/audit.hpp"
#include "daemon/exit_codes.hpp"
#include "daemon/kafka_source.hpp"
#include "daemon/memory.hpp"
#include "daemon/progress.hpp"
#include "daemon/stop_signal.hpp"

namespace uniqd {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds waits_for_broker{30};

// Digests are compared within this run alone, so any key serves where none is configured.
std::string value_key_of(const Settings& settings) {
  return settings.readmodel.values_key.empty() ? "audit" : settings.readmodel.values_key;
}

void print_json(const Settings& settings, const std::vector<Compensation>& findings,
                const nlohmann::ordered_json& summary) {
  for (const Compensation& finding : findings) {
    for (const auto& line : finding_lines(finding, settings.source.topic)) {
      fmt::print("{}\n", line.dump());
    }
  }
  fmt::print("{}\n", nlohmann::ordered_json{{"summary", summary}}.dump());
}

void print_table(const std::vector<Compensation>& findings, const nlohmann::ordered_json& summary) {
  if (!findings.empty()) {
    fmt::print("{:>9} {:>10}  {:<16} {:<24} {:<24} {:<10} {}\n", "partition", "offset",
               "constraint", "entity", "owner", "outcome", "event");
  }
  for (const Compensation& finding : findings) {
    for (const auto& line : finding_lines(finding, "")) {
      fmt::print("{:>9} {:>10}  {:<16} {:<24} {:<24} {:<10} {} {}\n", line["partition"].get<int>(),
                 line["offset"].get<std::int64_t>(), line["constraint"].get<std::string>(),
                 line["entity"].get<std::string>(), line["owner"].get<std::string>(),
                 line["outcome"].get<std::string>(), line["event_type"].get<std::string>(),
                 line["event_id"].get<std::string>());
    }
  }
  fmt::print("\n{:<24} {:>10} {:>10} {:>10}\n", "violations of", "open", "confirmed", "resolved");
  for (const auto& [constraint, counts] : summary["violations"].items()) {
    fmt::print("{:<24} {:>10} {:>10} {:>10}\n", constraint, counts["open"].get<std::uint64_t>(),
               counts["confirmed"].get<std::uint64_t>(), counts["resolved"].get<std::uint64_t>());
  }
  fmt::print("\nrecords read {}, bad events {}, largest memory {} MiB\n",
             summary["records"].get<std::uint64_t>(), summary["bad_events"].get<std::uint64_t>(),
             summary["memory_mib"].get<std::uint64_t>());
}

}  // namespace

int run_audit(const Settings& settings, bool as_json, std::uint64_t memory_max_mib) {
  const StopSignal stop(exit_failed);
  auto options = make_source_options(settings);
  options.start = KafkaStart::earliest;
  options.reads_alone = true;
  KafkaSource source(options, {});
  const ConstraintSet constraints = make_constraints(settings);
  Audit audit(
      source, constraints,
      Decoder(make_decoder_options(settings, constraints, value_key_of(settings)), constraints),
      make_policy(settings));
  Progress progress("records");
  std::uint64_t memory_mib = 0;
  auto waiting_since = Clock::now();
  try {
    while (audit.step()) {
      const auto& state = audit.progress();
      progress.show(state.records, state.records_total, state.trouble);
      memory_mib = std::max(memory_mib, resident_mib());
      if (stop.is_set()) return exit_failed;
      if (state.trouble.empty()) waiting_since = Clock::now();
      if (Clock::now() - waiting_since > waits_for_broker) {
        fmt::print(stderr, "uniqd: {}\n", state.trouble);
        return exit_unreachable;
      }
      if (memory_mib > memory_max_mib) {
        fmt::print(stderr,
                   "uniqd: the audit needs more than {} MiB of memory; allow more with "
                   "--memory-max-mib, or run it where there is more\n",
                   memory_max_mib);
        return exit_failed;
      }
    }
  } catch (const std::runtime_error& halted) {
    fmt::print(stderr, "uniqd: {}\n", halted.what());
    return exit_halted;
  }
  progress.finish(audit.progress().records);
  const auto findings = audit.findings();
  auto summary = summary_json(findings, audit, constraints);
  summary["memory_mib"] = memory_mib;
  if (as_json) {
    print_json(settings, findings, summary);
  } else {
    print_table(findings, summary);
  }
  return exit_done;
}

}  // namespace uniqd

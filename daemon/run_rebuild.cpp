#include "daemon/run_rebuild.hpp"

#include <fmt/format.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <utility>

#include "daemon/assembly.hpp"
#include "daemon/cli_support.hpp"
#include "daemon/crash_points.hpp"
#include "daemon/exit_codes.hpp"
#include "daemon/failure_policy.hpp"
#include "daemon/kafka_source.hpp"
#include "daemon/memory.hpp"
#include "daemon/open_read_model.hpp"
#include "daemon/postgres_rebuild_store.hpp"
#include "daemon/progress.hpp"
#include "daemon/rebuild.hpp"
#include "daemon/stop_signal.hpp"
#include "daemon/system_clock.hpp"

namespace uniqd {
namespace {

using Json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds waits_for_broker{30};
constexpr std::chrono::milliseconds tells_every{1000};

// No answer from a broker in time.
class Unreachable : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};
class Stopped : public std::exception {};

// A broker that is away is waited for, so long.
class Patience {
 public:
  void note(const std::string& trouble) {
    if (trouble.empty()) since_ = Clock::now();
    if (Clock::now() - since_ > waits_for_broker) throw Unreachable(trouble);
  }

 private:
  Clock::time_point since_ = Clock::now();
};

KafkaSourceOptions reading_alone(const Settings& settings) {
  auto options = make_source_options(settings);
  options.start = KafkaStart::earliest;
  options.reads_alone = true;
  return options;
}

// All partitions of the topic with their ends as they are now.
std::vector<Position> find_ends(const Settings& settings, const StopSignal& stop) {
  KafkaSource source(reading_alone(settings), {});
  Patience patience;
  std::vector<Position> ends;
  std::vector<Position> beginnings;
  Poll poll;
  while (ends.empty() || ends.size() < beginnings.size()) {
    if (stop.is_set()) throw Stopped();
    source.poll({1, 1, std::chrono::milliseconds{200}}, poll);
    patience.note(poll.failure ? poll.failure->text : "");
    if (poll.assigned) {
      for (const Partition partition : *poll.assigned) {
        beginnings.push_back({partition, std::nullopt});
      }
    }
    if (beginnings.empty()) continue;
    ends.clear();
    for (const PartitionEnd& end : source.fetch_from(beginnings)) {
      ends.push_back({end.partition, end.offset});
    }
  }
  return ends;
}

Json compared_json(const Compared& compared) {
  return {{"only_old", compared.only_old},
          {"only_new", compared.only_new},
          {"changed", compared.changed},
          {"both", compared.both}};
}

class Run {
 public:
  Run(const Settings& settings, const RebuildArguments& arguments)
      : settings_(settings), arguments_(arguments), constraints_(make_constraints(settings)) {}

  int run() {
    const std::vector<Position> ends = find_ends(settings_, stop_);
    open_store();
    Rebuild rebuild(
        {*store_, [this](Partition partition) { return open_partition(partition); }, clock_},
        constraints_,
        Decoder(make_decoder_options(settings_, constraints_, value_key_), constraints_),
        make_policy(settings_), options(), beginnings(ends), ends);
    work(rebuild);
    Json report = report_json(rebuild);
    if (arguments_.as_json) {
      fmt::print("{}\n", report.dump(2));
    } else {
      print(report);
    }
    return arguments_.verifies && !rebuild.comparison().is_equal() ? exit_failed : exit_done;
  }

 private:
  void open_store() {
    const std::string& schema = settings_.readmodel.schema;
    PgSession session(make_pg_target(settings_));
    (void)migrate(session, schema);
    value_key_ = value_key_for(session, settings_);
    const ValueForm form = make_value_form(settings_);
    store_ = std::make_unique<PostgresRebuildStore>(
        make_pg_target(settings_),
        GenerationRules{settings_.source.topic, fingerprint(constraints_, form, value_key_),
                        form == ValueForm::plain, arguments_.sends, arguments_.is_anew,
                        make_policy(settings_).by_constraint, make_learn_policy(settings_)},
        constraints_);
    for (const std::string& difference : store_->differences()) {
      fmt::print(stderr, "uniqd: since the read model was made, {}\n", difference);
    }
  }

  // Each partition from where its reading began, so that what is lost since is noticed.
  [[nodiscard]] std::vector<Position> beginnings(std::vector<Position> partitions) const {
    for (Position& partition : partitions) {
      partition.next_offset.reset();
      for (const Position& known : store_->beginnings()) {
        if (known.partition == partition.partition) partition = known;
      }
    }
    return partitions;
  }

  [[nodiscard]] RebuildOptions options() const {
    RebuildOptions options;
    options.verifies = arguments_.verifies;
    options.is_anew = arguments_.is_anew;
    options.is_memory_full = [this] { return memory_mib_ > arguments_.memory_max_mib; };
    return options;
  }

  [[nodiscard]] std::unique_ptr<RecordSource> open_partition(Partition partition) const {
    auto options = reading_alone(settings_);
    options.only_partition = partition;
    read_far_ahead(options.properties);
    return std::make_unique<KafkaSource>(options, KafkaLog{});
  }

  void work(Rebuild& rebuild) {
    Progress bar("events");
    Patience patience;
    const Probe probe = make_crash_probe();
    auto tell_at = Clock::now();
    while (rebuild.step()) {
      if (stop_.is_set()) throw Stopped();
      const auto& state = rebuild.progress();
      // Loading has not begun yet when it is seen for the only time.
      if (state.phase == Rebuild::Phase::folding || state.phase == Rebuild::Phase::loading) {
        reading_seconds_ = seconds_so_far();
      }
      const std::string phase = phase_name(state.phase);
      probe("rebuild_" + phase);
      bar.show(state.records, state.records_total, state.trouble.empty() ? phase : state.trouble);
      patience.note(state.trouble);
      memory_mib_ = resident_mib();
      peak_mib_ = std::max(peak_mib_, memory_mib_);
      if (state.phase == Rebuild::Phase::loading && memory_mib_ > arguments_.memory_max_mib) {
        bar.tell(fmt::format(
            "uniqd: {} MiB in memory after {} events, more than --memory-max-mib allows ({}); "
            "whatever is left goes batch by batch, which takes longer",
            memory_mib_, state.records, arguments_.memory_max_mib));
      }
      if (Clock::now() < tell_at && state.phase == told_) continue;
      tell_at = Clock::now() + tells_every;
      told_ = state.phase;
      store_->tell(phase, state.records, state.records_total);
    }
    probe("rebuild_done");
    bar.finish(rebuild.progress().records);
  }

  static std::string phase_name(Rebuild::Phase phase) {
    switch (phase) {
      case Rebuild::Phase::folding:
        return "reading";
      case Rebuild::Phase::loading:
        return "loading";
      case Rebuild::Phase::following:
        return "following";
      case Rebuild::Phase::comparing:
        return "comparing";
      case Rebuild::Phase::swapping:
        return "swapping";
      case Rebuild::Phase::done:
        break;
    }
    return "done";
  }

  [[nodiscard]] double seconds_so_far() const {
    return std::chrono::duration<double>(Clock::now() - began_).count();
  }

  [[nodiscard]] Json report_json(const Rebuild& rebuild) const {
    const double seconds = seconds_so_far();
    const auto& comparison = rebuild.comparison();
    const auto records = rebuild.progress().records;
    Json report{{"swapped", !arguments_.verifies},
                {"equal", comparison.is_equal()},
                {"records", records},
                {"bad_events", rebuild.bad_events()},
                {"seconds", seconds},
                {"reading_seconds", reading_seconds_},
                {"events_per_second", static_cast<double>(records) / seconds},
                {"memory_mib", peak_mib_},
                {"claims", compared_json(comparison.claims)}};
    if (store_->differences().empty()) report["entities"] = compared_json(comparison.entities);
    report["compensations"] = compared_json(comparison.compensations);
    report["to_send"] = rebuild.prospect().to_send;
    report["detected"] = rebuild.prospect().detected;
    report["rules_changed"] = store_->differences();
    report["examples"] = comparison.examples;
    return report;
  }

  void print(const Json& report) const {
    fmt::print("{:<14} {:>12} {:>12} {:>12} {:>12}\n", "", "only old", "only new", "changed",
               "in both");
    for (const char* kind : {"claims", "entities", "compensations"}) {
      if (!report.contains(kind)) continue;
      const Json& one = report[kind];
      fmt::print("{:<14} {:>12} {:>12} {:>12} {:>12}\n", kind, one["only_old"].get<std::uint64_t>(),
                 one["only_new"].get<std::uint64_t>(), one["changed"].get<std::uint64_t>(),
                 one["both"].get<std::uint64_t>());
    }
    for (const auto& example : report["examples"]) {
      fmt::print("  {}\n", example.get<std::string>());
    }
    const Prospect found{report["to_send"].get<std::uint64_t>(),
                         report["detected"].get<std::uint64_t>()};
    fmt::print("\n{} to send that were never sent; {} newly found and kept as detected{}\n",
               found.to_send, found.detected,
               found.detected > 0 ? " (with --send they are sent)" : "");
    fmt::print("{} records in {:.1f} s ({:.0f}/s), largest memory {} MiB\n",
               report["records"].get<std::uint64_t>(), report["seconds"].get<double>(),
               report["events_per_second"].get<double>(), peak_mib_);
    if (!arguments_.verifies) {
      fmt::print("the read model is the new one\n");
    } else if (report["equal"].get<bool>()) {
      fmt::print("the read model is what the topic makes of it; nothing was changed\n");
    } else {
      fmt::print("the read model differs from what the topic makes of it; nothing was changed\n");
    }
  }

  StopSignal stop_{exit_failed};  // first: its mask is for all threads
  Clock::time_point began_ = Clock::now();
  const Settings& settings_;
  RebuildArguments arguments_;
  ConstraintSet constraints_;
  SystemClock clock_;
  std::string value_key_;
  std::unique_ptr<PostgresRebuildStore> store_;
  double reading_seconds_ = 0;  // of all; until the rest is written
  std::uint64_t memory_mib_ = 0;
  std::uint64_t peak_mib_ = 0;
  Rebuild::Phase told_ = Rebuild::Phase::done;
};

}  // namespace

int run_rebuild(const Settings& settings, const RebuildArguments& arguments) {
  try {
    return Run(settings, arguments).run();
  } catch (const Stopped&) {
    return complain("stopped; the read model is as it was", exit_failed);
  } catch (const RebuildRuns& runs) {
    return complain(runs.what(), exit_failed);
  } catch (const Unreachable& trouble) {
    return complain(trouble.what(), exit_unreachable);
  } catch (const TopicChanged& changed) {
    return complain(changed.what(), exit_halted);
  } catch (const SchemaTooNew& newer) {
    return complain(newer.what(), exit_halted);
  } catch (const StoreFailure& failure) {
    const Reaction reaction = react_to_store_failure(failure.sqlstate());
    return complain(std::string(failure.what()) +
                        ". The read model is as it was; run 'uniqd "
                        "rebuild' again once the cause is mended.",
                    reaction.halts ? exit_halted : exit_unreachable);
  }
}

}  // namespace uniqd

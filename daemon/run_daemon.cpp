#include "daemon/run_daemon.hpp"

#include <spdlog/spdlog.h>
#include <systemd/sd-daemon.h>

#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "commands/kafka_publisher.hpp"
#include "commands/postgres_outbox.hpp"
#include "commands/relay.hpp"
#include "commands/safety_store.hpp"
#include "config/secrets.hpp"
#include "daemon/admin_server.hpp"
#include "daemon/assembly.hpp"
#include "daemon/command_gate.hpp"
#include "daemon/crash_points.hpp"
#include "daemon/exit_codes.hpp"
#include "daemon/failure_policy.hpp"
#include "daemon/kafka_source.hpp"
#include "daemon/log_pause.hpp"
#include "daemon/loop.hpp"
#include "daemon/open_read_model.hpp"
#include "daemon/postgres_ledger.hpp"
#include "daemon/scheduling.hpp"
#include "daemon/stop_signal.hpp"
#include "daemon/system_clock.hpp"
#include "daemon/version.hpp"
#include "readmodel/overview.hpp"
#include "readmodel/schema.hpp"

namespace uniqd {
namespace {

constexpr RelayPace relay_pace{};
constexpr PollLimits poll_limits{20'000, std::size_t{16} << 20, std::chrono::milliseconds{100}};

void log_kafka(int level, std::string_view text) {
  constexpr int syslog_error = 3;
  constexpr int syslog_warning = 4;
  constexpr int syslog_notice = 5;
  if (level <= syslog_error) {
    spdlog::error("kafka client: {}", text);
  } else if (level <= syslog_warning) {
    spdlog::warn("kafka client: {}", text);
  } else if (level <= syslog_notice) {
    spdlog::info("kafka client: {}", text);
  } else {
    spdlog::debug("kafka client: {}", text);
  }
}

// What a start came to, other than "go on".
struct Ended {
  int exit_code = exit_failed;
};

// Everything that runs; built once the settings are known.
class Daemon {
 public:
  Daemon(const Settings& settings, bool migrates)
      : settings_(settings),
        migrates_(migrates),
        constraints_(make_constraints(settings)),
        probe_(make_crash_probe()) {
    stop_.on_stop([this] { gate_.close(); });
  }

  int run() {
    heartbeat_.beat();
    std::unique_ptr<AdminServer> admin;
    try {
      admin = std::make_unique<AdminServer>(settings_, telemetry_, heartbeat_);
    } catch (const std::runtime_error& failure) {
      spdlog::critical("{}", failure.what());
      return exit_failed;
    }
    spdlog::info("uniqd {} listens on {}:{}", version, settings_.admin.host, admin->port());
    sd_notify(0, "READY=1\nSTATUS=connecting");
    std::string value_key;
    if (const auto ended = wait_for_read_model(value_key)) return ended->exit_code;
    return run_loop(value_key);
  }

 private:
  // Opens the read model; waits with growing pauses while PostgreSQL is away.
  std::optional<Ended> wait_for_read_model(std::string& value_key) {
    for (unsigned attempt = 1; !stop_.is_set(); ++attempt) {
      come_round();
      try {
        PgSession session(make_pg_target(settings_));
        value_key = begin_read_model(session, settings_, constraints_, migrates_);
        begin_safety_rules(session, settings_.readmodel.schema, make_safety_rules(settings_));
        if (const auto pause = read_pause(session)) log_pause(pause->reason);
        telemetry_.set_trouble(Organ::store, {});
        return std::nullopt;
      } catch (const StoreFailure& failure) {
        const Reaction reaction = react_to_store_failure(failure.sqlstate());
        const std::string text = std::string(failure.what()) + ". " + reaction.remedy;
        telemetry_.set_trouble(Organ::store, text);
        if (reaction.halts) return halt(text);
        const auto pause = retry_pause(attempt);
        spdlog::warn("read model: {} (next try in {} ms)", text, pause.count());
        gate_.pause(pause);
      } catch (const FingerprintDiffers& differs) {
        spdlog::critical("{}", differs.what());
        return Ended{exit_bad_config};
      } catch (const SchemaMissing& missing) {
        return halt(missing.what());
      } catch (const SchemaTooNew& newer) {
        return halt(newer.what());
      }
    }
    return Ended{exit_done};
  }

  Ended halt(const std::string& text) {
    spdlog::critical("halted: {}", text);
    sd_notify(0, "STATUS=halted");
    return {exit_halted};
  }

  [[nodiscard]] std::optional<std::string> known_cluster(const std::string& cluster) const {
    try {
      PgSession session(make_pg_target(settings_));
      return keep_cluster(session, cluster);
    } catch (const StoreFailure& failure) {
      spdlog::warn("read model: {}", failure.what());
      return std::nullopt;
    }
  }

  int run_loop(const std::string& value_key) {
    KafkaSourceOptions options = make_source_options(settings_);
    options.keep_cluster = [this](const std::string& cluster) { return known_cluster(cluster); };
    KafkaSource source(std::move(options), log_kafka);
    KafkaPublisher publisher(make_publisher_options(settings_), log_kafka);
    PostgresLedger ledger(make_pg_target(settings_), settings_.source.topic, constraints_,
                          make_value_form(settings_) == ValueForm::plain, probe_,
                          fingerprint(constraints_, make_value_form(settings_), value_key),
                          make_learn_policy(settings_));
    Loop loop({source, ledger, clock_, gate_, telemetry_}, constraints_,
              {Decoder(make_decoder_options(settings_, constraints_, value_key), constraints_),
               poll_limits, make_on_bad_event(settings_)},
              make_policy(settings_), make_command_form(settings_), probe_);
    std::thread relay([&] { run_relay(publisher); });
    if (settings_.mode == settings::Mode::detect) {
      spdlog::info("mode is detect: nothing is sent; what was decided before waits for enforce");
    }
    spdlog::info("reading {} from {} as group {}", settings_.source.topic, settings_.source.brokers,
                 settings_.source.group);
    sd_notify(0, "STATUS=running");
    go_first();
    int exit_code = exit_done;
    while (!stop_.is_set()) {
      const LoopStep step = loop.step();
      come_round();
      if (step.kind == LoopStep::Kind::halted) {
        exit_code = halt(step.text).exit_code;
        break;
      }
    }
    sd_notify(0, "STOPPING=1");
    gate_.close();
    relay.join();
    return exit_code;
  }

  // On the relay's thread: with a connection of its own, and alone with the producer. In detect
  // mode it sends nothing, but notices what happens to the server, which an idle loop would not.
  void run_relay(KafkaPublisher& publisher) {
    go_first();
    const SendPolicy policy = make_send_policy(settings_);
    PostgresOutbox outbox(make_pg_target(settings_), settings_.source.topic, policy);
    const bool sends = settings_.mode == settings::Mode::enforce;
    const RelayPace pace = sends ? relay_pace : RelayPace{0, relay_pace.looks_every};
    Relay relay(outbox, publisher, make_command_form(settings_), pace, probe_);
    unsigned failures = 0;
    std::vector<Command> decided;
    while (gate_.wait(pace.looks_every, decided)) {
      // The outbox counts them; and while one cannot be sent, all is looked for, in its order.
      if (!sends || policy.first_sends_max > 0 || failures > 0) decided.clear();
      std::string trouble;
      for (bool goes_on = true; goes_on && !stop_.is_set();) {
        goes_on = step_relay(relay, std::exchange(decided, {}), trouble);
        if (const auto reason = outbox.take_pause()) log_pause(*reason);
      }
      report_relay(trouble, failures);
      if (!trouble.empty() && !gate_.pause(retry_pause(failures))) break;
    }
  }

  // True: there may be more to send at once.
  bool step_relay(Relay& relay, std::vector<Command> decided, std::string& trouble) {
    try {
      const RelayStep step = relay.step(gate_.open(), std::move(decided));
      std::vector<double> seconds;
      for (const auto decided_ms : step.decided_at_ms) {
        seconds.push_back(static_cast<double>(clock_.now_ms() - decided_ms) / 1000);
      }
      if (step.delivered + step.failed > 0) {
        telemetry_.add_sends(step.delivered + step.failed, seconds);
      }
      if (step.overdue > 0) {
        spdlog::error(
            "{} compensations are overdue: sent as often as allowed, and no correction "
            "came; see 'uniqd compensations list --state overdue'",
            step.overdue);
      }
      trouble = step.why;
      return step.failed == 0 && step.may_have_more;
    } catch (const StoreFailure& failure) {
      // The server may have come back with an earlier state, which an idle loop would not notice.
      gate_.distrust();
      const Reaction reaction = react_to_store_failure(failure.sqlstate());
      trouble = std::string(failure.what()) + ". " + reaction.remedy;
      return false;
    }
  }

  void report_relay(const std::string& trouble, unsigned& failures) {
    if (trouble.empty()) {
      if (failures > 0) spdlog::info("commands: all is well again");
      failures = 0;
    } else {
      ++failures;
      spdlog::warn("commands: {} (next try in {} ms)", trouble, retry_pause(failures).count());
    }
    telemetry_.set_trouble(Organ::relay, trouble);
  }

  void come_round() {
    heartbeat_.beat();
    const auto now = clock_.steady();
    if (now - notified_at_ < std::chrono::seconds{1}) return;
    notified_at_ = now;
    sd_notify(0, "WATCHDOG=1");
  }

  StopSignal stop_{exit_done};  // first: its mask is for all threads
  const Settings& settings_;
  bool migrates_;
  ConstraintSet constraints_;
  Probe probe_;
  SystemClock clock_;
  CommandGate gate_;
  Telemetry telemetry_;
  Heartbeat heartbeat_;
  std::chrono::milliseconds notified_at_{0};
};

}  // namespace

int run_daemon(const Settings& settings, bool migrates) { return Daemon(settings, migrates).run(); }

}  // namespace uniqd

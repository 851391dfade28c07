// main.cpp - arguments, configuration, log; then the subcommand's own file.

#include <fmt/format.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <cstdint>
#include <exception>
#include <functional>
#include <string>
#include <variant>
#include <vector>

#include "commands/kafka_handles.hpp"
#include "config/load_settings.hpp"
#include "daemon/cli.hpp"
#include "daemon/cli_support.hpp"
#include "daemon/exit_codes.hpp"
#include "daemon/huge_pages.hpp"
#include "daemon/json_log.hpp"
#include "daemon/memory.hpp"
#include "daemon/no_core_dump.hpp"
#include "daemon/run_audit.hpp"
#include "daemon/run_daemon.hpp"
#include "daemon/run_deadletters.hpp"
#include "daemon/run_rebuild.hpp"
#include "daemon/version.hpp"
#include "readmodel/pg_session.hpp"

namespace uniqd {
namespace {

struct Arguments {
  std::string config;
  bool json = false;
  bool online = false;
  bool prints = false;
  bool keeps_schema = false;
  std::string constraint;
  std::string entity;
  std::string state;
  std::size_t limit = 1000;
  std::string id;
  std::int64_t letter = 0;
  std::uint64_t memory_max_mib = spare_mib();
  std::vector<std::string> values;
  RebuildArguments rebuild{.memory_max_mib = memory_max_mib};
};

spdlog::level::level_enum spdlog_level(settings::LogLevel level) {
  switch (level) {
    case settings::LogLevel::trace:
      return spdlog::level::trace;
    case settings::LogLevel::debug:
      return spdlog::level::debug;
    case settings::LogLevel::info:
      return spdlog::level::info;
    case settings::LogLevel::warn:
      return spdlog::level::warn;
    case settings::LogLevel::error:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

// To stderr; one line an entry, UTC.
void set_up_log(const settings::Log& log) {
  spdlog::set_default_logger(spdlog::stderr_color_mt("uniqd"));
  spdlog::set_level(spdlog_level(log.level));
  if (log.format == settings::LogFormat::json) {
    spdlog::default_logger()->set_formatter(make_json_formatter());
  } else {
    spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %^%-8l%$ %v", spdlog::pattern_time_type::utc);
  }
}

using Work = std::function<int(const Settings&)>;

int with_settings(const Arguments& arguments, const Work& work) {
  Surroundings surroundings = system_surroundings();
  surroundings.why_kafka_refuses = why_kafka_refuses;
  surroundings.why_libpq_refuses = why_libpq_refuses;
  const auto loaded = load_settings_file(arguments.config, surroundings);
  if (const auto* errors = std::get_if<std::vector<SettingsError>>(&loaded)) {
    for (const SettingsError& error : *errors) fmt::print(stderr, "{}\n", format_error(error));
    return exit_bad_config;
  }
  const Settings& settings = std::get<Settings>(loaded);
  refuse_core_dumps();
  set_up_log(settings.log);
  try {
    return work(settings);
  } catch (const BadKafkaProperties& bad) {
    return complain(std::string(bad.what()) + "; see source.kafka and commands.kafka",
                    exit_bad_config);
  } catch (const std::exception& failure) {
    spdlog::critical("{}", failure.what());
    return exit_failed;
  }
}

void add_config(CLI::App& command, Arguments& arguments) {
  command.add_option("--config", arguments.config, "the YAML configuration file (required)")
      ->type_name("FILE");
}

CLI::App* add_command(CLI::App& app, const char* name, const char* help, Arguments& arguments,
                      Work work, Work& chosen) {
  CLI::App* command = app.add_subcommand(name, help);
  add_config(*command, arguments);
  command->callback([&, work = std::move(work)] {
    if (arguments.config.empty()) throw CLI::RequiredError("--config");
    chosen = work;
  });
  return command;
}

// Of commands; the configuration may be named before or behind theirs.
CLI::App* add_group(CLI::App& app, const char* name, const char* help, Arguments& arguments) {
  CLI::App* group = app.add_subcommand(name, help);
  group->require_subcommand(1);
  add_config(*group, arguments);
  return group;
}

void add_limit(CLI::App& list, Arguments& given) {
  list.add_option("--limit", given.limit, "no more than so many")
      ->check(CLI::Range(1, 1'000'000'000))
      ->capture_default_str();
}

void add_compensation_commands(CLI::App& app, Arguments& given, Work& chosen) {
  CLI::App* group = add_group(app, "compensations", "look at compensations, or step in", given);
  auto* list = add_command(
      *group, "list", "the latest first", given,
      [&](const Settings& settings) {
        return run_compensations_list(settings, given.state, given.limit, given.json);
      },
      chosen);
  list->add_option("--state", given.state, "only those in this state");
  add_limit(*list, given);
  list->add_flag("--json", given.json, "answer as JSON");

  const auto add_one = [&](const char* name, const char* help, Work work) {
    auto* command = add_command(*group, name, help, given, std::move(work), chosen);
    command->add_option("id", given.id, "the compensation's id")->required();
    command->add_flag("--json", given.json, "answer as JSON");
  };
  add_one("show", "one of them, with all its violations and times", [&](const Settings& settings) {
    return run_compensations_show(settings, given.id, given.json);
  });
  add_one("retry", "send its command again, with the same id", [&](const Settings& settings) {
    return run_compensations_intervene(settings, given.id, Intervention::retry, given.json);
  });
  add_one("dismiss", "let it be: nothing more is sent", [&](const Settings& settings) {
    return run_compensations_intervene(settings, given.id, Intervention::dismiss, given.json);
  });
}

void add_deadletter_commands(CLI::App& app, Arguments& given, Work& chosen) {
  CLI::App* group =
      add_group(app, "deadletters", "records that are no events, and what to do", given);
  auto* list = add_command(
      *group, "list", "the latest first", given,
      [&](const Settings& settings) {
        return run_deadletters_list(settings, given.state, given.limit, given.json);
      },
      chosen);
  list->add_option("--state", given.state, "only those in this state: open, retried, dropped");
  add_limit(*list, given);
  list->add_flag("--json", given.json, "answer as JSON");

  const auto add_one = [&](const char* name, const char* help, Work work) {
    auto* command = add_command(*group, name, help, given, std::move(work), chosen);
    command->add_option("id", given.letter, "the dead letter's id")->required();
    command->add_flag("--json", given.json, "answer as JSON");
  };
  add_one("show", "one of them, and what its record would be today", [&](const Settings& settings) {
    return run_deadletters_show(settings, given.letter, given.json);
  });
  add_one("retry", "judge it as the event that it is today", [&](const Settings& settings) {
    return run_deadletters_retry(settings, given.letter, given.json);
  });
  add_one("drop", "let it be: nothing is done about it", [&](const Settings& settings) {
    return run_deadletters_drop(settings, given.letter, given.json);
  });
}

int run(int argc, char** argv) {
  CLI::App app{
      "uniqd - enforces uniqueness across aggregates, after the fact and without locks.\n"
      "Exit codes: 0 done, 1 failed, 2 usage, 3 halted (needs a person), 69 a service could not\n"
      "be reached, 78 bad configuration."};
  app.name("uniqd");
  app.set_version_flag("--version", std::string("uniqd ") + version);
  app.require_subcommand(1);
  Arguments given;
  Work chosen;

  auto* daemon = add_command(
      app, "run", "the daemon", given,
      [&](const Settings& settings) { return run_daemon(settings, !given.keeps_schema); }, chosen);
  daemon->add_flag("--no-migrate", given.keeps_schema,
                   "neither create nor upgrade the schema at start");

  auto* check = add_command(
      app, "check", "validate the configuration", given,
      [&](const Settings& settings) { return run_check(settings, given.online, given.prints); },
      chosen);
  check->add_flag("--online", given.online, "also try the broker, the topics and the database");
  check->add_flag("--print", given.prints, "print the effective configuration, secrets masked");

  auto* rebuild = add_command(
      app, "rebuild",
      "replay the topic into a new read model, which then takes the old one's place", given,
      [&](const Settings& settings) { return run_rebuild(settings, given.rebuild); }, chosen);
  rebuild->add_flag("--verify", given.rebuild.verifies, "only compare; exit code 1 if they differ");
  rebuild->add_flag("--send", given.rebuild.sends,
                    "also send the commands for what is newly found under changed rules");
  rebuild->add_flag("--anew", given.rebuild.is_anew,
                    "disregard how far and in which order the topic was applied, as if the read "
                    "model were lost; for another topic or cluster of the same name");
  rebuild->add_flag("--json", given.rebuild.as_json, "answer as JSON");
  rebuild
      ->add_option("--memory-max-mib", given.rebuild.memory_max_mib,
                   "with more than this it goes on batch by batch, which takes longer; half of the "
                   "memory that is available unless given")
      ->capture_default_str();

  auto* status = add_command(
      app, "status", "positions, lag, claims, compensations by state", given,
      [&](const Settings& settings) { return run_status(settings, given.json); }, chosen);
  status->add_flag("--json", given.json, "answer as JSON");

  auto* resume = add_command(
      app, "resume", "send again, after a safety pause", given,
      [&](const Settings& settings) { return run_resume(settings, given.json); }, chosen);
  resume->add_flag("--json", given.json, "answer as JSON");

  auto* lookup = add_command(
      app, "lookup", "who owns a value", given,
      [&](const Settings& settings) {
        return run_lookup(settings, given.constraint, given.values, given.json);
      },
      chosen);
  lookup->add_option("constraint", given.constraint, "the constraint's name")->required();
  lookup->add_option("values", given.values, "FIELD=VALUE, one for each field")->required();
  lookup->add_flag("--json", given.json, "answer as JSON");

  auto* audit = add_command(
      app, "audit", "read the whole topic, report every violation, write nothing anywhere", given,
      [&](const Settings& settings) {
        return run_audit(settings, given.json, given.memory_max_mib);
      },
      chosen);
  audit->add_flag("--json", given.json, "answer as JSON lines, the summary last");
  audit
      ->add_option("--memory-max-mib", given.memory_max_mib,
                   "give up rather than use more memory than this; half of the memory that is "
                   "available unless given")
      ->capture_default_str();

  auto* explain = add_command(
      app, "explain", "everything known of an entity: claims, compensations, why, when", given,
      [&](const Settings& settings) { return run_explain(settings, given.entity, given.json); },
      chosen);
  explain->add_option("entity", given.entity, "the entity's id")->required();
  explain->add_flag("--json", given.json, "answer as JSON");

  add_compensation_commands(app, given, chosen);
  add_deadletter_commands(app, given, chosen);
  add_command(app, "migrate", "create or upgrade the schema", given, run_migrate, chosen);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? exit_done : exit_usage;
  }
  if (rebuild->parsed() || audit->parsed()) ask_for_huge_pages(argv);
  return with_settings(given, chosen);
}

}  // namespace
}  // namespace uniqd

int main(int argc, char** argv) { return uniqd::run(argc, argv); }

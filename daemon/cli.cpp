#include "daemon/cli.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>

#include "commands/safety_store.hpp"
#include "config/print_settings.hpp"
#include "daemon/assembly.hpp"
#include "daemon/cli_support.hpp"
#include "daemon/exit_codes.hpp"
#include "daemon/explain.hpp"
#include "daemon/kafka_check.hpp"
#include "daemon/lookup.hpp"
#include "daemon/open_read_model.hpp"
#include "daemon/resume.hpp"
#include "daemon/status.hpp"
#include "readmodel/overview.hpp"
#include "readmodel/schema.hpp"

namespace uniqd {
namespace {

constexpr int broker_answers_within_ms = 5000;

void say(bool is_good, const std::string& text) {
  fmt::print("{} {}\n", is_good ? "ok     " : "problem", text);
}

bool check_kafka(const Settings& settings) {
  bool is_good = true;
  const auto report = [&](const std::vector<KafkaFinding>& findings) {
    for (const KafkaFinding& finding : findings) {
      say(finding.is_good, finding.text);
      is_good = is_good && finding.is_good;
    }
  };
  report(check_kafka_source(make_source_options(settings), broker_answers_within_ms));
  report(check_kafka_commands(make_publisher_options(settings), broker_answers_within_ms));
  return is_good;
}

int check_postgres(const Settings& settings) {
  return with_read_model([&] {
    PgSession session(make_pg_target(settings));
    const std::string& schema = settings.readmodel.schema;
    const int version = schema_version(session, schema);
    if (version == 0) {
      say(true, "PostgreSQL answers; schema " + schema + " is not there yet and will be made");
      return exit_done;
    }
    (void)open_read_model(session, settings, make_constraints(settings));
    say(true, "PostgreSQL answers; the read model in schema " + schema + " fits");
    return exit_done;
  });
}

}  // namespace

int run_check(const Settings& settings, bool online, bool prints) {
  if (prints) fmt::print("{}", print_settings(settings));
  if (!online) {
    if (!prints) fmt::print("the configuration is good\n");
    return exit_done;
  }
  const bool kafka_is_good = check_kafka(settings);
  const int postgres = check_postgres(settings);
  return postgres != exit_done || kafka_is_good ? postgres : exit_unreachable;
}

int run_migrate(const Settings& settings) {
  return with_read_model([&] {
    PgSession session(make_pg_target(settings));
    const Migrated migrated = migrate(session, settings.readmodel.schema);
    if (migrated.from_version == migrated.to_version) {
      fmt::print("schema {} is at version {}, nothing to do\n", settings.readmodel.schema,
                 migrated.to_version);
    } else {
      fmt::print("schema {} brought from version {} to {}\n", settings.readmodel.schema,
                 migrated.from_version, migrated.to_version);
    }
    return exit_done;
  });
}

int run_status(const Settings& settings, bool as_json) {
  return with_read_model([&] {
    PgSession session(make_pg_target(settings));
    const ConstraintSet constraints = make_constraints(settings);
    (void)open_read_model(session, settings, constraints);
    Overview overview = read_overview(session, settings.source.topic);
    // Before anybody has filled it, it knows of none.
    for (const Constraint& constraint : constraints) {
      overview.claims.try_emplace(constraint.name, 0);
    }
    const PartitionEnds ends = ask_for_ends(settings, broker_answers_within_ms);
    if (ends.empty()) {
      (void)complain(
          "the broker or the topic does not answer, so the lag is unknown; see 'uniqd "
          "check --online'",
          exit_done);
    }
    fmt::print("{}", as_json ? status_json(settings, overview, ends).dump(2) + "\n"
                             : status_text(settings, overview, ends));
    return exit_done;
  });
}

int run_lookup(const Settings& settings, const std::string& constraint,
               const std::vector<std::string>& values, bool as_json) {
  const ConstraintSet constraints = make_constraints(settings);
  const auto rule = find_constraint(constraints, constraint);
  if (const auto* bad = std::get_if<BadQuestion>(&rule)) return complain(bad->text, exit_usage);
  const auto given = split_arguments(values);
  if (const auto* bad = std::get_if<BadQuestion>(&given)) return complain(bad->text, exit_usage);
  return with_read_model([&]() -> int {
    const Constraint& asked = *std::get<const Constraint*>(rule);
    PgSession session(make_pg_target(settings));
    const std::string value_key = open_read_model(session, settings, constraints);
    const auto key =
        find_key(asked, std::get<std::map<std::string, std::string>>(given), value_key);
    if (const auto* bad = std::get_if<BadQuestion>(&key)) return complain(bad->text, exit_usage);
    const auto known = std::get<std::optional<ClaimKey>>(key);
    const auto owner = known ? find_owner(session, *known) : std::nullopt;
    if (as_json) {
      fmt::print("{}\n", ownership_json(asked, owner).dump());
    } else {
      fmt::print("{}: {}\n", asked.name, owner ? "owned by " + *owner : "free");
    }
    return exit_done;
  });
}

int run_explain(const Settings& settings, const std::string& entity, bool as_json) {
  return with_read_model([&] {
    const ConstraintSet constraints = make_constraints(settings);
    PgSession session(make_pg_target(settings));
    (void)open_read_model(session, settings, constraints);
    CompensationFilter filter;
    filter.entity = entity;
    const auto explained = explain_json(settings.source.topic, entity, constraints,
                                        read_entity(session, constraints, entity),
                                        read_compensations(session, filter));
    fmt::print("{}", as_json ? explained.dump(2) + "\n" : explain_text(explained));
    return exit_done;
  });
}

namespace {

// Opens the read model, having checked that it is ours, and runs `work` with the connection.
template <class Work>
int with_session(const Settings& settings, Work work) {
  return with_read_model([&]() -> int {
    PgSession session(make_pg_target(settings));
    (void)open_read_model(session, settings, make_constraints(settings));
    return work(session);
  });
}

std::optional<CompensationId> id_of(const std::string& text) {
  CompensationId id;
  return parse_uuid(text, id.bytes) ? std::optional(id) : std::nullopt;
}

int complain_of_id(const std::string& text) {
  return complain(
      "\"" + text + "\" is not a compensation's id; 'uniqd compensations list' has them",
      exit_usage);
}

}  // namespace

int run_resume(const Settings& settings, bool as_json) {
  return with_session(settings, [&](PgSession& session) {
    const Resumed resumed = resume_sending(session, settings.readmodel.schema);
    fmt::print("{}", as_json ? resumed_json(resumed).dump() + "\n" : resumed_text(resumed));
    return exit_done;
  });
}

int run_compensations_list(const Settings& settings, const std::string& state, std::size_t limit,
                           bool as_json) {
  CompensationFilter filter;
  filter.state = compensation_state(state);
  filter.limit = limit + 1;
  if (!state.empty() && !filter.state) {
    return complain(
        "--state is one of pending, sent, confirmed, resolved, overdue, open, "
        "detected, dismissed",
        exit_usage);
  }
  return with_session(settings, [&](PgSession& session) {
    auto records = read_compensations(session, filter);
    cut_list(records, limit);
    if (as_json) {
      auto list = nlohmann::ordered_json::array();
      for (const auto& record : records)
        list.push_back(compensation_json(settings.source.topic, record));
      fmt::print("{}\n", list.dump(2));
      return exit_done;
    }
    fmt::print("{:<36}  {:<10} {:<8} {:<24} {:<24} {}\n", "id", "state", "attempts", "decided",
               "entity", "constraints");
    for (const auto& record : records) {
      const Compensation& known = record.compensation;
      std::vector<std::string> names;
      for (const Violation& violation : known.violations) names.push_back(violation.constraint);
      fmt::print("{:<36}  {:<10} {:<8} {:<24} {:<24} {}\n", to_uuid_text(known.id),
                 to_text(known.state), known.attempts, record.decided_at, known.entity,
                 fmt::join(names, ", "));
    }
    return exit_done;
  });
}

int run_compensations_show(const Settings& settings, const std::string& id, bool as_json) {
  CompensationFilter filter;
  filter.id = id_of(id);
  if (!filter.id) return complain_of_id(id);
  return with_session(settings, [&](PgSession& session) -> int {
    const auto records = read_compensations(session, filter);
    if (records.empty()) return complain("there is no compensation " + id, exit_failed);
    const auto shown = compensation_json(settings.source.topic, records[0]);
    fmt::print("{}", as_json ? shown.dump(2) + "\n" : compensation_text(shown));
    return exit_done;
  });
}

int run_compensations_intervene(const Settings& settings, const std::string& id,
                                Intervention intervention, bool as_json) {
  const auto known = id_of(id);
  if (!known) return complain_of_id(id);
  return with_session(settings, [&](PgSession& session) -> int {
    const InterventionResult result =
        intervene(session, settings.readmodel.schema, *known, intervention);
    if (!result.is_done) return complain(result.text, exit_failed);
    if (as_json) {
      fmt::print("{}\n", nlohmann::ordered_json{{"id", id}, {"result", result.text}}.dump());
    } else {
      fmt::print("{}: {}\n", id, result.text);
    }
    return exit_done;
  });
}

}  // namespace uniqd

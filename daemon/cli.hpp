#pragma once
// cli.hpp - the subcommands that ask or prepare; each returns the exit code. Answers go to stdout,
// complaints to stderr.

#include <map>
#include <string>
#include <vector>

#include "commands/compensation_queries.hpp"
#include "config/settings.hpp"

namespace uniqd {

[[nodiscard]] int run_check(const Settings& settings, bool online, bool prints);
[[nodiscard]] int run_migrate(const Settings& settings);
[[nodiscard]] int run_resume(const Settings& settings, bool as_json);
[[nodiscard]] int run_status(const Settings& settings, bool as_json);

// `values` are FIELD=VALUE.
[[nodiscard]] int run_lookup(const Settings& settings, const std::string& constraint,
                             const std::vector<std::string>& values, bool as_json);

[[nodiscard]] int run_explain(const Settings& settings, const std::string& entity, bool as_json);

// `state` empty: all; the latest first.
[[nodiscard]] int run_compensations_list(const Settings& settings, const std::string& state,
                                         std::size_t limit, bool as_json);
[[nodiscard]] int run_compensations_show(const Settings& settings, const std::string& id,
                                         bool as_json);
[[nodiscard]] int run_compensations_intervene(const Settings& settings, const std::string& id,
                                              Intervention intervention, bool as_json);

}  // namespace uniqd

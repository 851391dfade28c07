#include "daemon/failure_policy.hpp"

#include <algorithm>

#include "readmodel/store_failure.hpp"

namespace uniqd {
namespace {

Reaction wait(std::string remedy) { return {false, std::move(remedy)}; }
Reaction halt(std::string remedy) { return {true, std::move(remedy)}; }

}  // namespace

// SQLSTATEs: PostgreSQL manual, appendix A.
Reaction react_to_store_failure(std::string_view sqlstate) {
  const auto in_class = [&](std::string_view prefix) { return sqlstate.starts_with(prefix); };
  if (sqlstate.empty() || in_class("08")) {
    return wait(
        "PostgreSQL cannot be reached or the connection was lost; check readmodel.postgres "
        "and the server. Trying again.");
  }
  if (in_class("40") || in_class("55")) {
    return wait("Another transaction was in the way. Trying again.");
  }
  if (sqlstate == "57014")
    return wait("A statement took too long and was cancelled. Trying again.");
  if (in_class("57")) return wait("PostgreSQL is starting, stopping or restarting. Trying again.");
  if (sqlstate == "25006") {
    return wait(
        "PostgreSQL is read-only, perhaps a standby; readmodel.postgres must name the "
        "primary. Trying again.");
  }
  if (sqlstate == "53100") return wait("PostgreSQL's disk is full; free some space. Trying again.");
  if (in_class("53")) return wait("PostgreSQL is out of resources. Trying again.");
  if (in_class("28")) {
    return wait(
        "PostgreSQL refuses the login; check user and password in readmodel.postgres and "
        "pg_hba.conf. Trying again.");
  }
  if (in_class("3D")) {
    return wait(
        "The database does not exist; create it, or name another in readmodel.postgres. "
        "Trying again.");
  }
  if (sqlstate == "23505") {
    return wait("Another writer added the same rows first. Reading them and trying again.");
  }
  if (sqlstate == "42501") {
    return halt(
        "The database user lacks rights; grant it SELECT, INSERT, UPDATE and DELETE on the "
        "schema's tables, or run 'uniqd migrate' as their owner. Then start uniqd again.");
  }
  if (sqlstate == "42P01" || sqlstate == "3F000" || sqlstate == "42703") {
    return halt(
        "A table of the read model is missing or of another version; run 'uniqd migrate', "
        "then start uniqd again.");
  }
  if (sqlstate == rules_changed_sqlstate) {
    return halt("Start uniqd again with the configuration that it was rebuilt with.");
  }
  return halt(
      "This failure is not known to pass by itself. Read the text above, mend its cause, "
      "then start uniqd again; it goes on from the stored position.");
}

std::chrono::milliseconds retry_pause(unsigned attempt) {
  constexpr std::chrono::milliseconds first{100};
  constexpr std::chrono::milliseconds longest{10'000};
  const unsigned doublings = std::min(attempt > 0 ? attempt - 1 : 0, 10U);
  return std::min(longest, first * (1U << doublings));
}

}  // namespace uniqd

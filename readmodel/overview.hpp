#pragma once
// overview.hpp - the read model in numbers, and who owns a value; for people and metrics.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "readmodel/claims.hpp"
#include "readmodel/pg_session.hpp"
#include "readmodel/position.hpp"

namespace uniqd {

struct StoredPosition {
  Position position;
  std::string applied_at;  // RFC 3339, UTC: the last time it moved
};

// Sending waits for a person.
struct Pause {
  std::string since;  // RFC 3339, UTC
  std::string reason;
};

// A rebuild that is under way.
struct RebuildProgress {
  std::int64_t events = 0;  // done
  std::int64_t total = 0;   // as far as is known
  std::string phase;
};

struct Overview {
  std::vector<StoredPosition> positions;              // by partition
  std::map<std::string, std::int64_t> claims;         // by constraint
  std::map<std::string, std::int64_t> compensations;  // by state; every state occurs
  std::int64_t dead_letters = 0;
  std::optional<double> oldest_open_compensation_seconds;  // none is open: nothing
  std::optional<Pause> paused;
  std::int64_t messages_due = 0;  // to be sent now; while paused: held back
  std::optional<RebuildProgress> rebuild;
};

// Throws StoreFailure.
[[nodiscard]] Overview read_overview(PgSession& session, const std::string& topic);

// Nothing where sending is not paused. Throws StoreFailure.
[[nodiscard]] std::optional<Pause> read_pause(PgSession& session);

// The owner of a value; nothing where it is free. Throws StoreFailure.
[[nodiscard]] std::optional<std::string> find_owner(PgSession& session, ClaimKey key);

// An entity as it is stored; nothing where it is not present. Throws StoreFailure.
[[nodiscard]] std::optional<Entity> find_entity(PgSession& session,
                                                const ConstraintSet& constraints,
                                                const std::string& name);

// What is known of one entity, constraint by constraint.
struct EntityView {
  struct Claimed {
    std::size_t constraint = 0;
    std::optional<ClaimKey> wanted;
    std::optional<ClaimKey> owned;
    std::optional<std::string> owner_of_wanted;
    std::optional<std::string> text;  // of a single field; only with `values: plain`
  };
  std::vector<Claimed> claims;
  std::optional<CompensationId> compensation;  // the open one
};

// Nothing where the entity is not present. Throws StoreFailure.
[[nodiscard]] std::optional<EntityView> read_entity(PgSession& session,
                                                    const ConstraintSet& constraints,
                                                    const std::string& name);

}  // namespace uniqd

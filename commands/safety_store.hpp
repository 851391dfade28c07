#pragma once
// safety_store.hpp - the breaker in PostgreSQL: one row, shared by all instances.

#include <cstdint>
#include <string>

#include "commands/breaker.hpp"
#include "readmodel/pg_session.hpp"

namespace uniqd {

// The answer is there once the session is flushed. REQUIRES: a batch's transaction is open. Throws
// StoreFailure.
void ask_safety(PgSession& session, Safety& safety);
// REQUIRES: a batch's transaction is open. Throws StoreFailure.
void save_safety(PgSession& session, const SafetyChange& change);

// Says under which rules events are judged from now on, in any text. Where they are others than
// before, the window begins anew, so that a mistake in new ones is not hidden behind the good
// events of the old; that takes its turn among the batches. A pause stays. Throws StoreFailure.
void begin_safety_rules(PgSession& session, const std::string& schema, const std::string& rules);

struct Resumed {
  bool was_paused = false;
  std::string since;               // RFC 3339, UTC
  std::string reason;              // of the pause
  std::int64_t messages_held = 0;  // that were held back and go out now
};

// Ends a pause; the window begins anew, and what was held does not count towards the limit a
// minute. In a transaction of its own, which takes its turn among the batches. Throws StoreFailure.
[[nodiscard]] Resumed resume_sending(PgSession& session, const std::string& schema);

}  // namespace uniqd

#include "readmodel/pg_writes.hpp"

#include "readmodel/pg_copy.hpp"

namespace uniqd {

void PgWrites::send(PgSession& session) const {
  for (const Step& step : steps_) {
    if (*step.statement.name != '\0') {
      session.post_encoded(step.statement, step.arguments);
      continue;
    }
    PgCopy copy(session, step.statement.sql);
    copy.send(step.rows);
    copy.finish();
  }
}

}  // namespace uniqd

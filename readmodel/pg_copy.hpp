#pragma once
// pg_copy.hpp - many rows into one table, and out of one: COPY in binary form.

#include <libpq-fe.h>

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "readmodel/pg_fields.hpp"
#include "readmodel/pg_session.hpp"

namespace uniqd {

// One COPY. Thread safety: none. Everything throws StoreFailure.
class PgCopy {
 public:
  // On a connection and in a transaction of its own. `columns`: the table and the columns that each
  // row has, e.g. "claims (key, owner)".
  PgCopy(const PgTarget& target, const std::string& columns, std::int16_t column_count);
  // In the session's transaction; until it has finished, nothing else may be run there. Where it
  // throws or is given up, the session is of no more use.
  PgCopy(PgSession& session, const std::string& columns);

  // Begins a row, whose fields are then to be added, as many as there are columns.
  // REQUIRES: `column_count` was given.
  PgFields& add_row();
  // Whole rows, each of which begins with the number of its columns.
  void send(const PgFields& rows);
  // Nothing of it is there if it throws.
  void finish();

 private:
  struct Close {
    void operator()(PGconn* connection) const { PQfinish(connection); }
  };
  void begin(const std::string& columns);
  void send_rows();

  std::unique_ptr<PGconn, Close> own_;
  PGconn* connection_;
  std::int16_t column_count_ = 0;
  PgFields rows_;
};

// A row's fields in binary form, good until the next row.
using CopiedRow = std::span<const std::string_view>;

// Hands out each row of `query`, which has no nulls; in the session's transaction, if one is open.
// `take` returns whether it wants more. False: it did not; the session is then of no more use, as
// where this throws. Throws StoreFailure.
[[nodiscard]] bool copy_out(PgSession& session, const std::string& query,
                            const std::function<bool(CopiedRow)>& take);

}  // namespace uniqd

#pragma once
// pg_writes.hpp - what is to be written, ready to be sent.

#include <string>
#include <utility>
#include <vector>

#include "readmodel/pg_fields.hpp"
#include "readmodel/pg_session.hpp"

namespace uniqd {

// Statements without an answer and COPYs, in their order, already in the form in which the server
// takes them, so that its time is not spent on making them. Can be made on any thread.
class PgWrites {
 public:
  // As PgSession::post().
  template <class... Arguments>
  void post(const PgStatement& statement, const Arguments&... arguments) {
    steps_.push_back({statement, {PgArgument(arguments)...}, {}});
  }
  // `columns`: the table and its columns; `rows`: each begins with their number.
  void copy(const char* columns, PgFields rows) {
    steps_.push_back({{"", columns}, {}, std::move(rows)});
  }

  // Has the server do it all; how the statements behind the last COPY went is told by the next call
  // of anything else. REQUIRES: a transaction is open. Throws StoreFailure.
  void send(PgSession& session) const;

 private:
  struct Step {
    PgStatement statement;  // without a name: a COPY
    std::vector<PgArgument> arguments;
    PgFields rows;
  };
  std::vector<Step> steps_;
};

}  // namespace uniqd

#pragma once
// pg_writes.hpp - what is to be written, ready to be sent.

#include <string>
#include <utility>
#include <vector>

#include "readmodel/pg_fields.hpp"
#include "readmodel/pg_session.hpp"
#include "readmodel/pg_table.hpp"

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
  // A row for each element of the arrays, which have the same number of them, with the same `first`
  // for all. `one` takes the elements of a single row in the arrays' place, which costs a third.
  template <class... Arrays>
  void post_rows(const PgStatement& one, const PgStatement& many, const std::string& first,
                 const Arrays&... arrays) {
    if (((arrays.size() == 1) && ...)) {
      steps_.push_back(
          {one, {PgArgument(first), PgArgument::binary(arrays.only_element())...}, {}});
    } else {
      post(many, first, arrays...);
    }
  }
  // One by one where they are few, else by COPY.
  void insert(PgNewRows rows);

  // Has the server do it all; how the statements behind the last COPY went is told by the next call
  // of anything else. REQUIRES: a transaction is open. Throws StoreFailure.
  void send(PgSession& session) const;

 private:
  struct Step {
    PgStatement statement;  // without a name: a COPY into these columns
    std::vector<PgArgument> arguments;
    PgFields rows;
  };
  std::vector<Step> steps_;
};

}  // namespace uniqd

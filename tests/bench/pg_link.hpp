#pragma once
// pg_link.hpp - a connection to PostgreSQL on libpq alone: as little between us and the server as
// there can be, and binary COPY.

#include <libpq-fe.h>

#include <memory>
#include <string>
#include <vector>

namespace uniqd::bench {

struct PgClear {
  void operator()(PGresult* result) const noexcept { PQclear(result); }
};
using PgResult = std::unique_ptr<PGresult, PgClear>;

// Throws std::runtime_error, with the server's words. Thread safety: none.
class PgLink {
 public:
  explicit PgLink(const std::string& conninfo, const std::string& schema = "public");

  PgResult run(const std::string& sql);
  // The first field of the first row; empty where there is none.
  [[nodiscard]] std::string text(const std::string& query);

  void prepare(const char* name, const char* sql);
  PgResult run_prepared(const char* name, const std::vector<std::string>& arguments);

  // `target` is a table with its columns; `rows` as CopyRows makes them.
  void copy_in(const std::string& target, const std::string& rows);

 private:
  struct Finish {
    void operator()(PGconn* connection) const noexcept { PQfinish(connection); }
  };
  PgResult checked(PGresult* result, ExecStatusType expected) const;

  std::unique_ptr<PGconn, Finish> connection_;
};

}  // namespace uniqd::bench

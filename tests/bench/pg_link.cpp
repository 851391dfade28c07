#include "tests/bench/pg_link.hpp"

#include <stdexcept>

namespace uniqd::bench {

PgLink::PgLink(const std::string& conninfo, const std::string& schema)
    : connection_(PQconnectdb(conninfo.c_str())) {
  if (PQstatus(connection_.get()) != CONNECTION_OK) {
    throw std::runtime_error(std::string("PostgreSQL: ") + PQerrorMessage(connection_.get()));
  }
  run("SET search_path = \"" + schema + "\"; SET client_min_messages = 'warning'");
}

PgResult PgLink::checked(PGresult* result, ExecStatusType expected) const {
  PgResult owned{result};
  const auto status = PQresultStatus(result);
  if (status != expected && status != PGRES_TUPLES_OK) {
    throw std::runtime_error(std::string("PostgreSQL: ") + PQerrorMessage(connection_.get()));
  }
  return owned;
}

PgResult PgLink::run(const std::string& sql) {
  return checked(PQexec(connection_.get(), sql.c_str()), PGRES_COMMAND_OK);
}

std::string PgLink::text(const std::string& query) {
  const PgResult rows = run(query);
  return PQntuples(rows.get()) == 0 ? std::string{} : PQgetvalue(rows.get(), 0, 0);
}

void PgLink::prepare(const char* name, const char* sql) {
  checked(PQprepare(connection_.get(), name, sql, 0, nullptr), PGRES_COMMAND_OK);
}

PgResult PgLink::run_prepared(const char* name, const std::vector<std::string>& arguments) {
  std::vector<const char*> values;
  values.reserve(arguments.size());
  for (const std::string& argument : arguments) values.push_back(argument.c_str());
  return checked(PQexecPrepared(connection_.get(), name, static_cast<int>(values.size()),
                                values.data(), nullptr, nullptr, 0),
                 PGRES_COMMAND_OK);
}

void PgLink::copy_in(const std::string& target, const std::string& rows) {
  const std::string sql = "COPY " + target + " FROM STDIN (FORMAT binary)";
  checked(PQexec(connection_.get(), sql.c_str()), PGRES_COPY_IN);
  const bool is_sent =
      PQputCopyData(connection_.get(), rows.data(), static_cast<int>(rows.size())) == 1 &&
      PQputCopyEnd(connection_.get(), nullptr) == 1;
  if (!is_sent) {
    throw std::runtime_error(std::string("PostgreSQL: ") + PQerrorMessage(connection_.get()));
  }
  checked(PQgetResult(connection_.get()), PGRES_COMMAND_OK);
  while (PgResult(PQgetResult(connection_.get()))) {
  }
}

}  // namespace uniqd::bench

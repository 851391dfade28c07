#include "readmodel/pg_copy.hpp"

#include <string_view>

#include "readmodel/pg_result.hpp"

namespace uniqd {
namespace {

constexpr std::size_t send_from_bytes = std::size_t{1} << 17;
// PostgreSQL manual, COPY, "Binary Format": the signature, no flags, no extension.
constexpr std::string_view header{"PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19};

}  // namespace

PgCopy::PgCopy(const PgTarget& target, const std::string& columns, std::int16_t column_count)
    : own_(PQconnectdb(with_deadlines(target.conninfo).c_str())),
      connection_(own_.get()),
      column_count_(column_count) {
  if (PQstatus(connection_) != CONNECTION_OK) fail(nullptr);
  const std::string settings =
      "SET search_path = \"" + target.schema +
      "\"; SET synchronous_commit = off; SET client_min_messages = 'warning'";
  const PgResult set(PQexec(connection_, settings.c_str()));
  if (PQresultStatus(set.get()) != PGRES_COMMAND_OK) fail(set.get());
  begin(columns);
}

PgCopy::PgCopy(PgSession& session, const std::string& columns) : connection_(session.raw()) {
  session.flush();
  begin(columns);
}

void PgCopy::begin(const std::string& columns) {
  const PgResult copy(
      PQexec(connection_, ("COPY " + columns + " FROM STDIN (FORMAT binary)").c_str()));
  if (PQresultStatus(copy.get()) != PGRES_COPY_IN) fail(copy.get());
  if (PQputCopyData(connection_, header.data(), static_cast<int>(header.size())) != 1) {
    fail(nullptr);
  }
}

PgFields& PgCopy::add_row() {
  if (rows_.bytes().size() >= send_from_bytes) send_rows();
  rows_.append_int2(column_count_);
  return rows_;
}

void PgCopy::send_rows() {
  send(rows_);
  rows_.clear();
}

// In parts, so that the server has begun with the first before the last is there.
void PgCopy::send(const PgFields& rows) {
  std::string_view left = rows.bytes();
  while (!left.empty()) {
    const std::string_view part = left.substr(0, send_from_bytes);
    if (PQputCopyData(connection_, part.data(), static_cast<int>(part.size())) != 1) fail(nullptr);
    left.remove_prefix(part.size());
  }
}

void PgCopy::finish() {
  rows_.append_int2(-1);
  send_rows();
  if (PQputCopyEnd(connection_, nullptr) != 1) fail(nullptr);
  const PgResult result(PQgetResult(connection_));
  if (PQresultStatus(result.get()) != PGRES_COMMAND_OK) fail(result.get());
  const PgResult none(PQgetResult(connection_));  // says that there is no more, and has to be read
}

void PgCopy::fail(const PGresult* result) const {
  const char* sqlstate = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : nullptr;
  throw StoreFailure(sqlstate ? sqlstate : "", first_line(result ? PQresultErrorMessage(result)
                                                                 : PQerrorMessage(connection_)));
}

}  // namespace uniqd

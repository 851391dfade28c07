#include "readmodel/pg_copy.hpp"

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "readmodel/big_endian.hpp"
#include "readmodel/pg_result.hpp"

namespace uniqd {
namespace {

constexpr std::size_t send_from_bytes = std::size_t{1} << 17;
// PostgreSQL manual, COPY, "Binary Format": the signature, no flags, no extension.
constexpr std::string_view header{"PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19};

[[noreturn]] void fail(PGconn* connection, const PGresult* result) {
  const char* sqlstate = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : nullptr;
  throw StoreFailure(sqlstate ? sqlstate : "", first_line(result ? PQresultErrorMessage(result)
                                                                 : PQerrorMessage(connection)));
}

// What ended a COPY, and that there is no more, which has to be read too.
void read_end(PGconn* connection) {
  const PgResult result(PQgetResult(connection));
  if (PQresultStatus(result.get()) != PGRES_COMMAND_OK) fail(connection, result.get());
  const PgResult none(PQgetResult(connection));
}

// Takes a row apart, and the next one in the same memory.
class RowReader {
 public:
  // Nothing of the trailer.
  std::optional<CopiedRow> fields_of(std::string_view row) {
    if (row.empty() || row.starts_with("\xff\xff")) return std::nullopt;
    rest_ = row;
    fields_.resize(read_big_endian(bytes(sizeof(std::int16_t))));
    for (std::string_view& field : fields_) {
      field = bytes(read_big_endian(bytes(sizeof(std::int32_t))));
    }
    if (!rest_.empty()) refuse();
    return fields_;
  }

 private:
  [[noreturn]] static void refuse() {
    throw StoreFailure("XX001", "COPY gave a row that is not as asked for");
  }
  std::string_view bytes(std::size_t size) {
    if (size > rest_.size()) refuse();
    const std::string_view front = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return front;
  }

  std::string_view rest_;
  std::vector<std::string_view> fields_;
};

}  // namespace

PgCopy::PgCopy(const PgTarget& target, const std::string& columns, std::int16_t column_count)
    : own_(PQconnectdb(with_deadlines(target.conninfo).c_str())),
      connection_(own_.get()),
      column_count_(column_count) {
  if (PQstatus(connection_) != CONNECTION_OK) fail(connection_, nullptr);
  const std::string settings =
      "SET search_path = \"" + target.schema +
      "\"; SET synchronous_commit = off; SET client_min_messages = 'warning'";
  const PgResult set(PQexec(connection_, settings.c_str()));
  if (PQresultStatus(set.get()) != PGRES_COMMAND_OK) fail(connection_, set.get());
  begin(columns);
}

PgCopy::PgCopy(PgSession& session, const std::string& columns) : connection_(session.raw()) {
  session.flush();
  begin(columns);
}

void PgCopy::begin(const std::string& columns) {
  const PgResult copy(
      PQexec(connection_, ("COPY " + columns + " FROM STDIN (FORMAT binary)").c_str()));
  if (PQresultStatus(copy.get()) != PGRES_COPY_IN) fail(connection_, copy.get());
  if (PQputCopyData(connection_, header.data(), static_cast<int>(header.size())) != 1) {
    fail(connection_, nullptr);
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
    if (PQputCopyData(connection_, part.data(), static_cast<int>(part.size())) != 1) {
      fail(connection_, nullptr);
    }
    left.remove_prefix(part.size());
  }
}

void PgCopy::finish() {
  rows_.append_int2(-1);
  send_rows();
  if (PQputCopyEnd(connection_, nullptr) != 1) fail(connection_, nullptr);
  read_end(connection_);
}

bool copy_out(PgSession& session, const std::string& query,
              const std::function<bool(CopiedRow)>& take) {
  session.flush();
  PGconn* connection = session.raw();
  const PgResult copy(
      PQexec(connection, ("COPY (" + query + ") TO STDOUT (FORMAT binary)").c_str()));
  if (PQresultStatus(copy.get()) != PGRES_COPY_OUT) fail(connection, copy.get());
  struct Free {
    void operator()(char* bytes) const { PQfreemem(bytes); }
  };
  // The server sends one row at a time, the header before the first of them, or before the trailer.
  std::size_t begin = header.size();
  RowReader reader;
  while (true) {
    char* bytes = nullptr;
    const int size = PQgetCopyData(connection, &bytes, 0);
    const std::unique_ptr<char, Free> owned(bytes);
    if (size == -1) break;
    if (size < 0 || static_cast<std::size_t>(size) < begin) fail(connection, nullptr);
    const auto row = reader.fields_of({bytes + begin, static_cast<std::size_t>(size) - begin});
    begin = 0;
    if (row && !take(*row)) return false;
  }
  read_end(connection);
  return true;
}

}  // namespace uniqd

#pragma once
// pg_table.hpp - rows for a table in binary form. Pure.
//
// Format of a row: PostgreSQL's documentation of COPY, "Binary Format", "Tuples".

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "readmodel/pg_fields.hpp"

namespace uniqd {

// How rows get into a table.
struct PgTable {
  const char* columns;  // the table and the columns that a row has, e.g. "claims (key, owner)"
  std::int16_t column_count;
  const char* insert_name;  // of the statement
  const char* insert_sql;   // that inserts one row; its parameters are the columns
};

// Rows that are to be added to a table, which must outlive them.
class PgNewRows {
 public:
  explicit PgNewRows(const PgTable& table) : table_(table) {}
  explicit PgNewRows(PgTable&& table) = delete;

  // Begins a row, whose fields are then to be added, as many as there are columns.
  PgFields& add() {
    ++count_;
    fields_.append_int2(table_.column_count);
    return fields_;
  }

  [[nodiscard]] const PgTable& table() const { return table_; }
  [[nodiscard]] std::size_t count() const { return count_; }
  // As COPY takes them.
  [[nodiscard]] PgFields take_fields() && { return std::move(fields_); }
  // As parameters, row by row; none: null. REQUIRES: all rows are complete.
  [[nodiscard]] std::vector<std::vector<std::optional<std::string>>> split() const;

 private:
  const PgTable& table_;
  std::size_t count_ = 0;
  PgFields fields_;
};

}  // namespace uniqd

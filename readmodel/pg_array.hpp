#pragma once
// pg_array.hpp - vectors as PostgreSQL arrays in binary form, so a batch is one parameter. Pure.
//
// Format: PostgreSQL source, src/backend/utils/adt/arrayfuncs.c, array_recv.

#include <cstdint>
#include <optional>
#include <string>

#include "readmodel/pg_fields.hpp"

namespace uniqd {

// Builds one array parameter, element by element. Elements are all of the type named at the start.
class PgArray : private PgFields {
 public:
  static PgArray of_text() { return PgArray(25); }
  static PgArray of_bytea() { return PgArray(17); }
  static PgArray of_uuid() { return PgArray(2950); }
  static PgArray of_int2() { return PgArray(21); }
  static PgArray of_int4() { return PgArray(23); }
  static PgArray of_int8() { return PgArray(20); }

  using PgFields::add_bytes;
  using PgFields::add_int2;
  using PgFields::add_int4;
  using PgFields::add_int8;
  using PgFields::add_null;
  using PgFields::add_uuid;
  using PgFields::size;

  // The parameter's bytes.
  [[nodiscard]] std::string encode() const;
  // Those of a parameter that is the only element; none for null. REQUIRES: there is only one.
  [[nodiscard]] std::optional<std::string> only_element() const;

 private:
  explicit PgArray(std::int32_t element_type) : element_type_(element_type) {}

  std::int32_t element_type_;
};

}  // namespace uniqd

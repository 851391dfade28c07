#pragma once
// pg_array.hpp - vectors as PostgreSQL arrays in binary form, so a batch is one parameter. Pure.
//
// Format: PostgreSQL source, src/backend/utils/adt/arrayfuncs.c, array_recv.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "readmodel/identifiers.hpp"

namespace uniqd {

// Builds one array parameter, element by element. Elements are all of the type named at the start.
class PgArray {
 public:
  static PgArray of_text() { return PgArray(25); }
  static PgArray of_bytea() { return PgArray(17); }
  static PgArray of_uuid() { return PgArray(2950); }
  static PgArray of_int2() { return PgArray(21); }
  static PgArray of_int4() { return PgArray(23); }
  static PgArray of_int8() { return PgArray(20); }

  void add_bytes(std::string_view bytes);  // of text and bytea; text must be valid and without NUL
  void add_int2(std::int16_t number);
  void add_int4(std::int32_t number);
  void add_int8(std::int64_t number);
  void add_uuid(const std::array<std::uint8_t, 16>& uuid);
  template <class Tag>
  void add_uuid(const Bytes16<Tag>& uuid) {
    add_uuid(uuid.bytes);
  }
  void add_null();

  [[nodiscard]] std::int32_t size() const { return size_; }
  // The parameter's bytes.
  [[nodiscard]] std::string encode() const;

 private:
  explicit PgArray(std::uint32_t element_type) : element_type_(element_type) {}
  void add_element(const void* bytes, std::size_t size);

  std::uint32_t element_type_;
  std::int32_t size_ = 0;
  bool has_null_ = false;
  std::string elements_;
};

}  // namespace uniqd

#pragma once
// pg_fields.hpp - values in PostgreSQL's binary form, each after its length, as arrays, rows and
// parameters have them. Pure.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "readmodel/identifiers.hpp"

namespace uniqd {

class PgFields {
 public:
  void add_bytes(std::string_view bytes);  // of text and bytea; text must be valid and without NUL
  void add_int2(std::int16_t number);
  void add_int4(std::int32_t number);
  void add_int8(std::int64_t number);
  void add_uuid(const std::array<std::uint8_t, 16>& uuid) {
    add_bytes({reinterpret_cast<const char*>(uuid.data()), uuid.size()});
  }
  template <class Tag>
  void add_uuid(const Bytes16<Tag>& uuid) {
    add_uuid(uuid.bytes);
  }
  void add_null();

  // How many fields there are.
  [[nodiscard]] std::int32_t size() const { return size_; }
  [[nodiscard]] bool has_null() const { return has_null_; }
  [[nodiscard]] const std::string& bytes() const { return bytes_; }

  // A number without a length before it, which counts as no field.
  void append_int2(std::int16_t number);
  void append_int4(std::int32_t number);
  void clear();

 private:
  std::string bytes_;
  std::int32_t size_ = 0;
  bool has_null_ = false;
};

}  // namespace uniqd

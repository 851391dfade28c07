#include "readmodel/pg_fields.hpp"

#include "readmodel/big_endian.hpp"

namespace uniqd {

void PgFields::add_bytes(std::string_view bytes) {
  append_big_endian(bytes_, static_cast<std::int32_t>(bytes.size()));
  bytes_ += bytes;
  ++size_;
}

void PgFields::add_int2(std::int16_t number) {
  append_big_endian(bytes_, std::int32_t{2});
  append_big_endian(bytes_, number);
  ++size_;
}

void PgFields::add_int4(std::int32_t number) {
  append_big_endian(bytes_, std::int32_t{4});
  append_big_endian(bytes_, number);
  ++size_;
}

void PgFields::add_int8(std::int64_t number) {
  append_big_endian(bytes_, std::int32_t{8});
  append_big_endian(bytes_, number);
  ++size_;
}

void PgFields::add_null() {
  append_big_endian(bytes_, std::int32_t{-1});
  has_null_ = true;
  ++size_;
}

void PgFields::append_int2(std::int16_t number) { append_big_endian(bytes_, number); }

void PgFields::append_int4(std::int32_t number) { append_big_endian(bytes_, number); }

void PgFields::clear() {
  bytes_.clear();
  size_ = 0;
  has_null_ = false;
}

}  // namespace uniqd

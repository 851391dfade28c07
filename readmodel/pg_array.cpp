#include "readmodel/pg_array.hpp"

namespace uniqd {
namespace {

template <class Number>
void append_big_endian(std::string& out, Number number) {
  const auto bits = static_cast<std::uint64_t>(number);
  for (int shift = static_cast<int>(sizeof(Number)) * 8 - 8; shift >= 0; shift -= 8) {
    out += static_cast<char>(bits >> shift & 0xff);
  }
}

}  // namespace

void PgArray::add_element(const void* bytes, std::size_t size) {
  append_big_endian(elements_, static_cast<std::int32_t>(size));
  elements_.append(static_cast<const char*>(bytes), size);
  ++size_;
}

void PgArray::add_bytes(std::string_view bytes) { add_element(bytes.data(), bytes.size()); }

void PgArray::add_int2(std::int16_t number) {
  append_big_endian(elements_, std::int32_t{2});
  append_big_endian(elements_, number);
  ++size_;
}

void PgArray::add_int4(std::int32_t number) {
  append_big_endian(elements_, std::int32_t{4});
  append_big_endian(elements_, number);
  ++size_;
}

void PgArray::add_int8(std::int64_t number) {
  append_big_endian(elements_, std::int32_t{8});
  append_big_endian(elements_, number);
  ++size_;
}

void PgArray::add_uuid(const std::array<std::uint8_t, 16>& uuid) {
  add_element(uuid.data(), uuid.size());
}

void PgArray::add_null() {
  append_big_endian(elements_, std::int32_t{-1});
  has_null_ = true;
  ++size_;
}

std::string PgArray::encode() const {
  std::string out;
  out.reserve(20 + elements_.size());
  append_big_endian(out, std::int32_t{size_ == 0 ? 0 : 1});  // dimensions
  append_big_endian(out, std::int32_t{has_null_ ? 1 : 0});
  append_big_endian(out, element_type_);
  if (size_ == 0) return out;
  append_big_endian(out, size_);
  append_big_endian(out, std::int32_t{1});  // the index of the first element
  out += elements_;
  return out;
}

}  // namespace uniqd

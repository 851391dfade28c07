#include "readmodel/pg_array.hpp"

namespace uniqd {

std::string PgArray::encode() const {
  PgFields out;
  out.append_int4(size() == 0 ? 0 : 1);  // dimensions
  out.append_int4(has_null() ? 1 : 0);
  out.append_int4(element_type_);
  if (size() == 0) return out.bytes();
  out.append_int4(size());
  out.append_int4(1);  // the index of the first element
  return out.bytes() + bytes();
}

std::optional<std::string> PgArray::only_element() const {
  constexpr std::size_t length_bytes = 4;
  if (has_null()) return std::nullopt;
  return bytes().substr(length_bytes);
}

}  // namespace uniqd

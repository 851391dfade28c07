#include "readmodel/pg_table.hpp"

#include <string_view>
#include <utility>

namespace uniqd {
namespace {

std::uint32_t take_big_endian(std::string_view& bytes, std::size_t length) {
  std::uint32_t number = 0;
  for (std::size_t i = 0; i < length; ++i) {
    number = number << 8 | static_cast<unsigned char>(bytes[i]);
  }
  bytes.remove_prefix(length);
  return number;
}

}  // namespace

std::vector<std::vector<std::optional<std::string>>> PgNewRows::split() const {
  constexpr std::uint32_t null = 0xFFFFFFFF;
  std::vector<std::vector<std::optional<std::string>>> rows;
  std::string_view rest = fields_.bytes();
  while (!rest.empty()) {
    auto& row = rows.emplace_back(take_big_endian(rest, sizeof(std::int16_t)));
    for (auto& field : row) {
      const std::uint32_t length = take_big_endian(rest, sizeof(std::int32_t));
      if (length == null) continue;
      field = rest.substr(0, length);
      rest.remove_prefix(length);
    }
  }
  return rows;
}

}  // namespace uniqd

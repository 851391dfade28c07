#include "readmodel/pg_table.hpp"

#include <string_view>
#include <utility>

#include "readmodel/big_endian.hpp"

namespace uniqd {

std::vector<std::vector<std::optional<std::string>>> PgNewRows::split() const {
  constexpr std::uint32_t null = 0xFFFFFFFF;
  std::vector<std::vector<std::optional<std::string>>> rows;
  std::string_view rest = fields_.bytes();
  const auto take = [&rest](std::size_t length) {
    const std::string_view front = rest.substr(0, length);
    rest.remove_prefix(length);
    return front;
  };
  while (!rest.empty()) {
    auto& row = rows.emplace_back(read_big_endian(take(sizeof(std::int16_t))));
    for (auto& field : row) {
      const auto length = read_big_endian(take(sizeof(std::int32_t)));
      if (length != null) field = take(length);
    }
  }
  return rows;
}

}  // namespace uniqd

#pragma once
// big_endian.hpp - numbers as bytes, the highest first. Pure.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

namespace uniqd {

template <class Number>
void append_big_endian(std::string& out, Number number) {
  const auto bits = static_cast<std::make_unsigned_t<Number>>(number);
  std::array<char, sizeof(Number)> bytes;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<char>(bits >> (8 * (bytes.size() - 1 - i)));
  }
  out.append(bytes.data(), bytes.size());
}

// All of `bytes`, 8 at most.
inline std::uint64_t read_big_endian(std::string_view bytes) {
  std::uint64_t number = 0;
  for (const char byte : bytes) number = number << 8 | static_cast<std::uint8_t>(byte);
  return number;
}

}  // namespace uniqd

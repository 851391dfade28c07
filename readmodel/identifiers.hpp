#pragma once
// identifiers.hpp - distinct types for the numbers and digests that must never be mixed up.

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>

namespace uniqd {

// A partition of the source topic.
enum class Partition : std::int32_t {};

inline std::int32_t to_number(Partition partition) { return static_cast<std::int32_t>(partition); }

// The place of a record in its partition.
struct Offset {
  std::int64_t value = 0;
  auto operator<=>(const Offset&) const = default;
  // The offset to read after this one; what "next_offset" means everywhere (exclusive).
  [[nodiscard]] Offset next() const { return Offset{value + 1}; }
};

// Sixteen opaque bytes; the tag keeps claim keys and compensation ids apart.
template <class Tag>
struct Bytes16 {
  std::array<std::uint8_t, 16> bytes{};
  auto operator<=>(const Bytes16&) const = default;
};

// Names one value under one constraint: the first 16 bytes of its digest. The constraint is part
// of what is digested, so equal texts under two constraints have different keys.
using ClaimKey = Bytes16<struct ClaimKeyTag>;

// A UUID. A compensation has the id of the event that opened it.
using CompensationId = Bytes16<struct CompensationIdTag>;

// The first 16 bytes of the digest of a record.
using RecordDigest = Bytes16<struct RecordDigestTag>;

// The whole digest of a value, as commands and violations show it.
struct ValueDigest {
  std::array<std::uint8_t, 32> bytes{};
  auto operator<=>(const ValueDigest&) const = default;
  [[nodiscard]] ClaimKey key() const {
    ClaimKey key;
    std::memcpy(key.bytes.data(), bytes.data(), key.bytes.size());
    return key;
  }
};

// Lower-case hexadecimal, two characters a byte.
std::string to_hex(const std::uint8_t* bytes, std::size_t size);
inline std::string to_hex(const ValueDigest& digest) {
  return to_hex(digest.bytes.data(), digest.bytes.size());
}

// The canonical form of a UUID, 8-4-4-4-12.
std::string to_uuid_text(const std::array<std::uint8_t, 16>& bytes);
template <class Tag>
std::string to_uuid_text(const Bytes16<Tag>& id) {
  return to_uuid_text(id.bytes);
}

// Reads the canonical form; false, and `bytes` unspecified, where `text` is not one.
[[nodiscard]] bool parse_uuid(std::string_view text, std::array<std::uint8_t, 16>& bytes);

}  // namespace uniqd

template <class Tag>
struct std::hash<uniqd::Bytes16<Tag>> {
  // The bytes are a digest already: any eight of them are as good as a hash.
  std::size_t operator()(const uniqd::Bytes16<Tag>& value) const noexcept {
    std::size_t folded = 0;
    std::memcpy(&folded, value.bytes.data(), sizeof folded);
    return folded;
  }
};

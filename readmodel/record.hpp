#pragma once
// record.hpp - one record of the source topic, as bytes.

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "readmodel/identifiers.hpp"

namespace uniqd {

struct Header {
  std::string_view name;
  std::optional<std::string_view> value;  // a Kafka header's value may be null
};

// Views only: whoever handed the record out says how long its bytes live. Untrusted input.
struct Record {
  Partition partition{};
  Offset offset;
  std::int64_t timestamp_ms = -1;           // since the epoch; -1 where the record has none
  std::optional<std::string_view> key;      // null is not empty
  std::optional<std::string_view> payload;  // null is a tombstone
  std::span<const Header> headers;
};

}  // namespace uniqd

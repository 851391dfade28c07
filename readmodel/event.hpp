#pragma once
// event.hpp - a record understood: what the fold is told.

#include <absl/container/inlined_vector.h>

#include <optional>
#include <string>
#include <variant>

#include "readmodel/identifiers.hpp"
#include "readmodel/rules.hpp"

namespace uniqd {

// A value an event carries for a slot. No digest: the event says that there is none (null, or
// empty after normalisation). A slot the event does not mention has no CarriedValue at all.
struct CarriedValue {
  std::size_t slot = 0;
  std::optional<ValueDigest> digest;
  // Normalised, empty for none. Present only with ValueForm::plain.
  std::optional<std::string> text;
};

struct Event {
  Effect effect = Effect::claim;
  std::string entity;
  absl::InlinedVector<CarriedValue, 2> values;
  Partition partition{};
  Offset offset;
  // UUIDv5 of source topic, entity and identity: the id of the compensation this event would open.
  CompensationId cause;
  std::string id;  // the envelope's event id, or topic/partition/offset
  std::string type;
  std::string correlation_id;  // empty where the event has none
  std::string traceparent;     // empty where the event has none
  bool key_differs = false;    // the record's key is not the entity (R12)
};

// A record that is not an event: what was wrong with it, without any of its values.
struct BadEvent {
  Partition partition{};
  Offset offset;
  std::string reason;
  std::string raw;  // the payload's bytes; filled only with ValueForm::plain
  // The greatest number of source.sequence met in its partition up to here.
  std::optional<std::int64_t> sequence{};
};

// Why a well-formed record is passed over.
enum class Skipped : std::uint8_t {
  tombstone,
  unknown_type,
  redelivered,  // source.sequence: its number is not beyond the greatest met before
};

using Decoded = std::variant<Event, BadEvent, Skipped>;

}  // namespace uniqd

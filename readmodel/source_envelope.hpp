#pragma once
// source_envelope.hpp - the envelopes that events may come in, as the operator names them.

#include <cstdint>
#include <string>

namespace uniqd {

// `automatic` tells them apart record by record: first by the headers, then by the payload, in the
// order in which they stand here.
enum class Envelope : std::uint8_t {
  automatic,
  cloudevents,   // structured or binary mode
  kurrentdb,     // KurrentDB's Kafka sink
  axon,          // Axon's Kafka extension
  message_type,  // Wolverine, Eventuous: a header `message-type`
  debezium,      // Debezium's outbox event router
  plain,
};

// Where a plain event has its parts: a JSON Pointer (begins with '/') into the payload, or a
// header's name. An empty `data` is the whole payload.
struct PlainEnvelope {
  std::string type = "/type";
  std::string id = "/id";
  std::string time = "/time";
  std::string data = "/data";
};

}  // namespace uniqd

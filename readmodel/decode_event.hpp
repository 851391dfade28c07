#pragma once
// decode_event.hpp - a record's bytes become an event, or a reason why not. Pure; never throws for
// what a record contains, whatever it contains.

#include <cstdint>
#include <memory>
#include <string>

#include "readmodel/digest.hpp"
#include "readmodel/event.hpp"
#include "readmodel/record.hpp"
#include "readmodel/rules.hpp"

namespace uniqd {

// How an event is wrapped. `automatic` tells by the headers, then by the payload.
enum class Envelope : std::uint8_t { automatic, cloudevents, plain };

// Where a plain event has its parts: a JSON Pointer (begins with '/') into the payload, or a
// header's name. An empty `data` pointer means the whole payload.
struct PlainEnvelope {
  std::string type = "/type";
  std::string id = "/id";
  std::string time = "/time";
  std::string data = "/data";
};

struct DecoderOptions {
  std::string source_topic;
  Envelope envelope = Envelope::automatic;
  PlainEnvelope plain;
  EventRules events;
  bool reject_unknown_events = false;  // then an unknown type is a bad event
  ValueForm value_form = ValueForm::hmac_sha256;
  std::string value_key;  // of the HMAC; empty otherwise
};

// Thread safety: none, it reuses its buffers. One a thread.
class Decoder {
 public:
  // `constraints` must outlive the decoder.
  Decoder(DecoderOptions options, const ConstraintSet& constraints);
  ~Decoder();
  Decoder(Decoder&&) noexcept;
  Decoder& operator=(Decoder&&) noexcept;
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  [[nodiscard]] Decoded decode(const Record& record);

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

// The longest entity id, event id or event type in bytes; a longer one is a bad event.
inline constexpr std::size_t id_bytes_max = 1024;

}  // namespace uniqd

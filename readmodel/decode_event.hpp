#pragma once
// decode_event.hpp - a record's bytes become an event, or a reason why not. Pure; never throws for
// what a record contains, whatever it contains. The README's "Odd values" says what becomes of
// them.

#include <cstddef>
#include <memory>
#include <string>

#include "readmodel/digest.hpp"
#include "readmodel/event.hpp"
#include "readmodel/record.hpp"
#include "readmodel/rules.hpp"
#include "readmodel/source_envelope.hpp"

namespace uniqd {

struct DecoderOptions {
  std::string source_topic;
  Envelope envelope = Envelope::automatic;
  PlainEnvelope plain;  // also for what `automatic` takes as plain
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

  // The same record gives the same answer. A payload is only parsed where something of it is asked
  // for: not for an unknown type named by a header, nor for an event that carries no field and
  // whose entity is the key or the subject.
  [[nodiscard]] Decoded decode(const Record& record);

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

// The longest entity id, event id, source or correlation id in bytes; a longer one is a bad event.
inline constexpr std::size_t id_bytes_max = 1024;

}  // namespace uniqd

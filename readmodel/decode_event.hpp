#pragma once
// decode_event.hpp - a record's bytes become an event, or a reason why not. Pure; never throws for
// what a record contains, whatever it contains. The README's "Odd values" says what becomes of
// them.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
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
  // source.sequence: where a record has a number that only grows along its partition: a JSON
  // Pointer (begins with '/') into the payload, or a header's name. Empty: nowhere.
  std::string sequence;
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

  // The same record gives the same answer, but for redeliveries known by their sequence. A payload
  // is only parsed where something of it is asked for: not for an unknown type named by a header,
  // nor for an event that carries no field and whose entity is the key or the subject.
  [[nodiscard]] Decoded decode(const Record& record);

  // With DecoderOptions::sequence: what comes next of the partition is `next`, and `sequence` is
  // the greatest number met before it. A record from before `next` is one that is looked at again
  // and no redelivery, whatever its number; every record decoded moves `next` on. Where this is
  // never called, a partition begins with nothing met.
  void resume(Partition partition, Offset next, std::optional<std::int64_t> sequence);
  // The greatest number met in the partition; nothing: none.
  [[nodiscard]] std::optional<std::int64_t> sequence(Partition partition) const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

// The longest entity id, event id, source or correlation id in bytes; a longer one is a bad event.
inline constexpr std::size_t id_bytes_max = 1024;

}  // namespace uniqd

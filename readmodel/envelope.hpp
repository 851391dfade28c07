#pragma once
// envelope.hpp - how an event is wrapped, and taking it out. What is inside is not looked at.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "readmodel/json_document.hpp"
#include "readmodel/record.hpp"
#include "readmodel/refusal.hpp"
#include "readmodel/source_envelope.hpp"

namespace uniqd {

// An event out of its envelope: views into the record, the options or the opener, good until it
// opens the next. Empty is what the envelope does not say.
struct Opened {
  // Where the event's data is.
  enum class DataIn : std::uint8_t {
    payload,  // it is the record's value
    outbox,   // it is in the record's value, perhaps wrapped once more
    place,    // `data`
    base64,   // `base64`
    nowhere,
  };

  std::string_view type;
  std::string_view id;
  std::string_view source;   // of a CloudEvent, never empty: its ids are unique within it
  std::string_view subject;  // of a CloudEvent
  std::string_view correlation_id;
  std::string_view traceparent;
  DataIn data_in = DataIn::payload;
  std::optional<JsonNode> data;
  std::string_view base64;
};

// Thread safety: none, it reuses its buffers. Stays where it is: what it hands out refers to it.
class EnvelopeOpener {
 public:
  EnvelopeOpener(Envelope envelope, PlainEnvelope plain);

  // REQUIRES: the record has a payload. Reads the payload only where the envelope is in it.
  [[nodiscard]] Or<Opened> open(const Record& record);

  // The text at `place`, a JSON Pointer (begins with '/') into the payload or a header's name;
  // empty where there is none. Good until the next record. REQUIRES: the record has a payload.
  [[nodiscard]] Or<std::string_view> text_in(const Record& record, std::string_view place);

  // The data of the event opened last, which is that of `record`.
  [[nodiscard]] Or<JsonNode> data(const Record& record, const Opened& opened);

 private:
  [[nodiscard]] Or<JsonNode> payload(const Record& record);
  [[nodiscard]] Or<JsonNode> parse_inner(std::string_view text, const char* what);
  [[nodiscard]] Or<Opened> recognise(const Record& record);
  [[nodiscard]] Or<Opened> open_structured(const Record& record);
  [[nodiscard]] Or<Opened> open_outbox(const Record& record);
  [[nodiscard]] Or<Opened> open_plain(const Record& record);
  [[nodiscard]] bool is_outbox(const Record& record);
  [[nodiscard]] Refusal nothing_recognised(const std::string& more) const;

  Envelope envelope_;
  PlainEnvelope plain_;
  JsonDocument outer_;                   // the record's value
  JsonDocument inner_;                   // JSON within a string of it
  std::optional<Or<JsonNode>> payload_;  // of the record being opened, once it was parsed
};

}  // namespace uniqd

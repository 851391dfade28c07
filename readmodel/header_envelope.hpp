#pragma once
// header_envelope.hpp - the envelopes that are all in a record's headers, its payload being the
// data.

#include <array>
#include <string_view>

#include "readmodel/envelope.hpp"

namespace uniqd {

// The headers that say what an event is; of several for one thing the first that is there counts.
struct HeaderEnvelope {
  const char* name;  // of such an event, for people
  std::string_view type;
  std::array<std::string_view, 2> id;
  bool needs_id = true;
  std::string_view source{};  // needed where it is named
  std::string_view subject{};
  std::array<std::string_view, 3> correlation{};
  std::array<std::string_view, 3> traceparent{"traceparent"};
};

extern const HeaderEnvelope cloudevents_binary;
extern const HeaderEnvelope kurrentdb_sink;
extern const HeaderEnvelope axon_message;
extern const HeaderEnvelope typed_message;  // Wolverine, Eventuous

// The record has the header of the type, or the first of the id where ids are needed.
[[nodiscard]] bool has_envelope(const Record& record, const HeaderEnvelope& envelope);

// Refuses a record that lacks a header that is needed, and says which.
[[nodiscard]] Or<Opened> open_headers(const Record& record, const HeaderEnvelope& envelope);

// The first of the headers that says something; empty where none does.
[[nodiscard]] std::string_view first_header(const Record& record,
                                            const std::array<std::string_view, 3>& names);

}  // namespace uniqd

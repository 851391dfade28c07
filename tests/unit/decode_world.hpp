#pragma once
// decode_world.hpp - the users' rules and short ways to decode, for the tests of decoding.

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "readmodel/decode_event.hpp"

namespace uniqd::test {

inline const ConstraintSet& user_constraints() {
  static const ConstraintSet constraints({Constraint{
      "email", {"email"}, {Normalizer({NormalizeStep::trim, NormalizeStep::casefold})}, 0}});
  return constraints;
}

// Values are kept as text, so that a test can see them.
inline DecoderOptions user_options(Envelope envelope = Envelope::automatic,
                                   const std::string& entity = "/userId") {
  DecoderOptions options;
  options.source_topic = "ce-users";
  options.envelope = envelope;
  options.value_form = ValueForm::plain;
  const EventRule added{Effect::claim, entity, {{0, "/email"}}};
  options.events = {{"UserAdded", added},
                    {"com.example.users.UserAdded", added},
                    {"UserDeactivated", {Effect::release, entity, {}}}};
  return options;
}

using Headers = std::vector<std::pair<std::string, std::string>>;

// A record with position 0/7; its parts outlive it.
struct OwnedRecord {
  Headers named;
  std::string payload;
  std::string key = "u1";

  [[nodiscard]] Decoded decoded_by(Decoder& decoder) const {
    std::vector<Header> headers;
    for (const auto& [name, value] : named) headers.push_back({name, value});
    Record record;
    record.offset = Offset{7};
    record.key = key;
    record.payload = payload;
    record.headers = headers;
    return decoder.decode(record);
  }

  [[nodiscard]] Decoded decoded(const DecoderOptions& options = user_options()) const {
    Decoder decoder(options, user_constraints());
    return decoded_by(decoder);
  }
};

inline Event event_of(const Decoded& decoded) {
  if (const auto* bad = std::get_if<BadEvent>(&decoded)) FAIL("a bad event: ", bad->reason);
  REQUIRE(std::holds_alternative<Event>(decoded));
  return std::get<Event>(decoded);
}

inline std::string reason_of(const Decoded& decoded) {
  REQUIRE(std::holds_alternative<BadEvent>(decoded));
  return std::get<BadEvent>(decoded).reason;
}

// A plain event whose data is `data`.
inline OwnedRecord plain_record(const std::string& data) {
  return {{}, R"({"id":"e1","type":"UserAdded","data":)" + data + "}"};
}

}  // namespace uniqd::test

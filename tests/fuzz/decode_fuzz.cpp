// A record (as tests/support/record_file.hpp writes it) decoded in every envelope.

#include <simdjson.h>

#include <cstdint>
#include <string_view>
#include <vector>

#include "readmodel/decode_event.hpp"
#include "tests/fuzz/expect.hpp"
#include "tests/support/record_file.hpp"

namespace uniqd::test {
namespace {

// Where a seed has this in a value, an id or a header, no reason may have it.
constexpr std::string_view marked = "s3cr3t";

const ConstraintSet& constraints() {
  using enum NormalizeStep::Kind;
  static const ConstraintSet set(
      {Constraint{"email", {"email"}, {Normalizer({trim, casefold})}, 0},
       Constraint{
           "name", {"first", "last"}, {Normalizer({nfc}), Normalizer({nfkc, lowercase})}, 0}});
  return set;
}

std::vector<Decoder> make_decoders() {
  std::vector<Decoder> decoders;
  for (const auto envelope :
       {Envelope::automatic, Envelope::cloudevents, Envelope::kurrentdb, Envelope::axon,
        Envelope::message_type, Envelope::debezium, Envelope::plain}) {
    DecoderOptions options;
    options.source_topic = "users";
    options.envelope = envelope;
    options.value_form = ValueForm::plain;
    options.reject_unknown_events = true;
    const std::vector<SlotPointer> slots{{0, "/email"}, {1, "/name/first"}, {2, "/name/last"}};
    options.events = {{"UserAdded", {Effect::claim, "/userId", slots}},
                      {"UserEmailChanged", {Effect::change, "subject", slots}},
                      {"UserDeactivated", {Effect::release, "key", {}}}};
    decoders.emplace_back(std::move(options), constraints());
  }
  return decoders;
}

bool is_text(std::string_view text) {
  return simdjson::validate_utf8(text.data(), text.size()) &&
         text.find('\0') == std::string_view::npos && text.size() <= id_bytes_max;
}

void check_event(const Event& event) {
  expect(!event.entity.empty() && is_text(event.entity), "an event has an entity that is text");
  expect(!event.id.empty() && is_text(event.id), "an event has an id that is text");
  expect(is_text(event.correlation_id) && is_text(event.traceparent), "what is passed on is text");
  for (const CarriedValue& value : event.values) {
    const std::string& text = value.text.value_or("");
    expect(value.digest.has_value() == !text.empty(), "a value has a digest, none has none");
    expect(simdjson::validate_utf8(text.data(), text.size()), "a value is UTF-8");
  }
}

void check_bad_event(const BadEvent& bad) {
  expect(!bad.reason.empty() && bad.reason.size() < 600, "a reason is short");
  expect(bad.reason.find(marked) == std::string::npos, "a reason has nothing of the record");
  for (const char c : bad.reason) expect(c >= ' ' && c <= '~', "a reason is plain ASCII");
}

bool same(const Decoded& a, const Decoded& b) {
  if (a.index() != b.index()) return false;
  if (const auto* bad = std::get_if<BadEvent>(&a)) {
    return bad->reason == std::get<BadEvent>(b).reason;
  }
  const auto* event = std::get_if<Event>(&a);
  if (!event) return true;
  const auto& other = std::get<Event>(b);
  bool is_same = event->entity == other.entity && event->id == other.id &&
                 event->type == other.type && event->cause == other.cause &&
                 event->values.size() == other.values.size();
  for (std::size_t i = 0; is_same && i < event->values.size(); ++i) {
    is_same = event->values[i].slot == other.values[i].slot &&
              event->values[i].digest == other.values[i].digest;
  }
  return is_same;
}

}  // namespace
}  // namespace uniqd::test

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace uniqd;
  static std::vector<Decoder> decoders = test::make_decoders();
  const test::RecordFile file =
      test::parse_record_file({reinterpret_cast<const char*>(data), size});
  const std::vector<Header> headers = test::header_views(file);
  const Record record = test::record_view(file, headers);
  for (Decoder& decoder : decoders) {
    const Decoded decoded = decoder.decode(record);
    if (const auto* event = std::get_if<Event>(&decoded)) test::check_event(*event);
    if (const auto* bad = std::get_if<BadEvent>(&decoded)) test::check_bad_event(*bad);
    test::expect(test::same(decoded, decoder.decode(record)), "decoding is the same again");
  }
  return 0;
}

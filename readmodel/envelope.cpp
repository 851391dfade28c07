#include "readmodel/envelope.hpp"

#include <utility>

#include "readmodel/base64.hpp"
#include "readmodel/header_envelope.hpp"
#include "readmodel/record_header.hpp"

namespace uniqd {
namespace {

constexpr std::string_view structured_type = "application/cloudevents";
constexpr std::string_view batch_type = "application/cloudevents-batch";
constexpr std::string_view outbox_id = "id";
constexpr std::string_view outbox_type = "eventType";

bool is_structured(const Record& record) {
  return begins_without_case(header(record, "content-type"), structured_type);
}

// Confluent's wire format puts a zero byte and a four-byte schema id before the JSON.
std::string_view without_framing(std::string_view payload) {
  constexpr std::size_t framing = 5;
  if (payload.size() > framing && payload[0] == '\0') payload.remove_prefix(framing);
  return payload;
}

// Kafka Connect's JSON converter puts what it converts beside its schema.
JsonNode without_schema(const JsonNode& node) {
  simdjson::dom::object pair;
  if (node.value.get(pair) != simdjson::SUCCESS || pair.size() != 2) return node;
  if (!child(node, "/schema")) return node;
  return child(node, "/payload").value_or(node);
}

// The payload of an outbox router's envelope, which carries the type beside it.
std::optional<JsonNode> outbox_payload(const JsonNode& node) {
  if (text_at(node, "/eventType").empty()) return std::nullopt;
  return child(node, "/payload");
}

bool is_pointer(std::string_view place) { return place.starts_with('/'); }

}  // namespace

EnvelopeOpener::EnvelopeOpener(Envelope envelope, PlainEnvelope plain)
    : envelope_(envelope), plain_(std::move(plain)) {}

Or<Opened> EnvelopeOpener::open(const Record& record) {
  payload_.reset();
  switch (envelope_) {
    case Envelope::cloudevents:
      if (is_structured(record)) return open_structured(record);
      return open_headers(record, cloudevents_binary);
    case Envelope::kurrentdb:
      return open_headers(record, kurrentdb_sink);
    case Envelope::axon:
      return open_headers(record, axon_message);
    case Envelope::message_type:
      return open_headers(record, typed_message);
    case Envelope::debezium:
      return open_outbox(record);
    case Envelope::plain:
      return open_plain(record);
    case Envelope::automatic:
      break;
  }
  return recognise(record);
}

Or<std::string_view> EnvelopeOpener::text_in(const Record& record, std::string_view place) {
  if (!is_pointer(place)) return header(record, place);
  payload_.reset();
  const auto parsed = payload(record);
  if (const auto* refusal = std::get_if<Refusal>(&parsed)) return *refusal;
  return text_at(std::get<JsonNode>(parsed), place);
}

Or<Opened> EnvelopeOpener::recognise(const Record& record) {
  if (is_structured(record)) return open_structured(record);
  for (const HeaderEnvelope* envelope :
       {&cloudevents_binary, &kurrentdb_sink, &axon_message, &typed_message}) {
    if (has_envelope(record, *envelope)) return open_headers(record, *envelope);
  }
  if (is_outbox(record)) return open_outbox(record);
  return open_plain(record);
}

Or<JsonNode> EnvelopeOpener::payload(const Record& record) {
  if (!payload_) {
    payload_ = outer_.parse(without_framing(*record.payload));
    if (auto* refusal = std::get_if<Refusal>(&*payload_)) {
      refusal->reason.insert(0, "the payload is not JSON: ");
    }
  }
  return *payload_;
}

Or<JsonNode> EnvelopeOpener::parse_inner(std::string_view text, const char* what) {
  auto root = inner_.parse(text);
  if (auto* refusal = std::get_if<Refusal>(&root)) {
    refusal->reason.insert(0, std::string(what) + " is not JSON: ");
  }
  return root;
}

Or<Opened> EnvelopeOpener::open_structured(const Record& record) {
  if (begins_without_case(header(record, "content-type"), batch_type)) {
    return Refusal{"CloudEvents come one a record on Kafka, and this is a batch; send them singly"};
  }
  const auto parsed = payload(record);
  if (const auto* refusal = std::get_if<Refusal>(&parsed)) return *refusal;
  const auto& event = std::get<JsonNode>(parsed);
  Opened opened;
  opened.type = text_at(event, "/type");
  opened.id = text_at(event, "/id");
  opened.source = text_at(event, "/source");
  if (opened.type.empty() || opened.id.empty() || opened.source.empty()) {
    return Refusal{std::string("a CloudEvent in structured mode has members that this one lacks:") +
                   (opened.id.empty() ? " id" : "") + (opened.source.empty() ? " source" : "") +
                   (opened.type.empty() ? " type" : "") + "; set them where it is produced"};
  }
  opened.subject = text_at(event, "/subject");
  opened.correlation_id = text_at(event, "/correlationid");
  opened.traceparent = text_at(event, "/traceparent");
  if (opened.traceparent.empty()) opened.traceparent = header(record, "traceparent");
  opened.data = child(event, "/data");
  opened.base64 = text_at(event, "/data_base64");
  opened.data_in = opened.data              ? Opened::DataIn::place
                   : !opened.base64.empty() ? Opened::DataIn::base64
                                            : Opened::DataIn::nowhere;
  return opened;
}

bool EnvelopeOpener::is_outbox(const Record& record) {
  if (header(record, outbox_id).empty()) return false;
  if (!header(record, outbox_type).empty()) return true;
  const auto root = payload(record);
  const auto* node = std::get_if<JsonNode>(&root);
  return node && outbox_payload(without_schema(*node));
}

Or<Opened> EnvelopeOpener::open_outbox(const Record& record) {
  Opened opened;
  opened.data_in = Opened::DataIn::outbox;
  opened.id = header(record, outbox_id);
  if (opened.id.empty()) {
    return Refusal{
        "an event of Debezium's outbox router has a header that this record lacks: id; "
        "correct source.envelope"};
  }
  opened.type = header(record, outbox_type);
  if (opened.type.empty()) {
    const auto root = payload(record);
    if (const auto* refusal = std::get_if<Refusal>(&root)) return *refusal;
    const JsonNode wrapped = without_schema(std::get<JsonNode>(root));
    if (outbox_payload(wrapped)) opened.type = text_at(wrapped, "/eventType");
  }
  if (opened.type.empty()) {
    return Refusal{
        "the outbox event has neither a header eventType nor a value with eventType and payload; "
        "set table.fields.additional.placement=type:header:eventType at the router"};
  }
  opened.correlation_id = header(record, "correlation-id");
  opened.traceparent = header(record, "traceparent");
  return opened;
}

Refusal EnvelopeOpener::nothing_recognised(const std::string& more) const {
  return {more +
          "; and there is no header of an envelope either (content-type application/cloudevents, "
          "ce_type, esdb-record-id, axon-message-id, message-type, or id with eventType); "
          "name the right one in source.envelope, or the place of the type in source.plain"};
}

Or<Opened> EnvelopeOpener::open_plain(const Record& record) {
  JsonNode root;
  if (is_pointer(plain_.type) || is_pointer(plain_.id)) {
    const auto parsed = payload(record);
    if (const auto* refusal = std::get_if<Refusal>(&parsed)) {
      return envelope_ == Envelope::automatic ? nothing_recognised(refusal->reason) : *refusal;
    }
    root = std::get<JsonNode>(parsed);
  }
  const auto part = [&](const std::string& place) {
    return is_pointer(place) ? text_at(root, place) : header(record, place);
  };
  Opened opened;
  opened.type = part(plain_.type);
  if (opened.type.empty()) {
    const std::string reason = is_pointer(plain_.type)
                                   ? "the payload has no event type at " + plain_.type
                                   : "there is no event type in a header " + plain_.type;
    if (envelope_ == Envelope::automatic) return nothing_recognised(reason);
    return Refusal{reason + "; name its place in source.plain.type"};
  }
  opened.id = part(plain_.id);
  opened.correlation_id = header(record, "correlation-id");
  opened.traceparent = header(record, "traceparent");
  opened.data_in = Opened::DataIn::place;
  return opened;
}

Or<JsonNode> EnvelopeOpener::data(const Record& record, const Opened& opened) {
  if (opened.data_in == Opened::DataIn::nowhere) {
    return Refusal{"the CloudEvent has neither data nor data_base64"};
  }
  if (opened.data_in == Opened::DataIn::base64) {
    const auto bytes = decode_base64(opened.base64);
    if (!bytes) return Refusal{"the CloudEvent's data_base64 is not Base64"};
    return parse_inner(without_framing(*bytes), "what data_base64 holds");
  }
  if (opened.data) return *opened.data;
  auto root = payload(record);
  auto* node = std::get_if<JsonNode>(&root);
  if (!node) return root;
  if (opened.data_in == Opened::DataIn::place) {
    if (auto data = child(*node, plain_.data)) return *data;
    return Refusal{"the payload has no event data at " + plain_.data +
                   "; name its place in source.plain.data"};
  }
  if (opened.data_in != Opened::DataIn::outbox) return root;
  *node = without_schema(*node);
  if (auto wrapped = outbox_payload(*node)) *node = std::move(*wrapped);
  std::string_view text;
  if (node->value.get(text) != simdjson::SUCCESS) return root;
  return parse_inner(text, "the text in the outbox event's payload");
}

}  // namespace uniqd

#include "readmodel/decode_event.hpp"

#include <simdjson.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace uniqd {
namespace {

using simdjson::dom::element;

// Why a record is not an event. Thrown nowhere: a value, and never with the record's own contents.
struct Refusal {
  std::string reason;
};

template <class T>
using Or = std::variant<T, Refusal>;

bool same_name(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::ranges::equal(a, b, {}, lower, lower);
}

bool begins_with_name(std::string_view text, std::string_view prefix) {
  return text.size() >= prefix.size() && same_name(text.substr(0, prefix.size()), prefix);
}

// The first header of that name with a value; names are compared without case.
std::optional<std::string_view> header(const Record& record, std::string_view name) {
  for (const Header& candidate : record.headers) {
    if (candidate.value && same_name(candidate.name, name)) return candidate.value;
  }
  return std::nullopt;
}

std::string header_or_empty(const Record& record, std::string_view name) {
  return std::string(header(record, name).value_or(""));
}

bool has_nul(std::string_view text) { return text.find('\0') != std::string_view::npos; }

// An id must be storable as text and short enough to be indexed.
std::optional<Refusal> check_id(std::string_view text, const char* what) {
  if (text.size() > id_bytes_max) {
    return Refusal{std::string(what) + " is longer than " + std::to_string(id_bytes_max) +
                   " bytes"};
  }
  if (!simdjson::validate_utf8(text.data(), text.size())) {
    return Refusal{std::string(what) + " is not valid UTF-8"};
  }
  if (has_nul(text)) return Refusal{std::string(what) + " contains a NUL character"};
  return std::nullopt;
}

// The text of a scalar: what it says, whatever its JSON type. Nothing for null, arrays, objects.
std::optional<std::string> scalar_text(const element& value) {
  switch (value.type()) {
    case simdjson::dom::element_type::STRING:
      return std::string(value.get_string().value_unsafe());
    case simdjson::dom::element_type::INT64:
    case simdjson::dom::element_type::UINT64:
    case simdjson::dom::element_type::DOUBLE:
    case simdjson::dom::element_type::BOOL:
      return simdjson::minify(value);
    default:
      return std::nullopt;
  }
}

std::optional<element> at(const element& root, std::string_view pointer) {
  element found;
  if (root.at_pointer(pointer).get(found) != simdjson::SUCCESS) return std::nullopt;
  return found;
}

// A text of the envelope; empty where it is missing or no text.
std::string text_at(const element& root, std::string_view pointer) {
  const auto found = at(root, pointer);
  return found ? scalar_text(*found).value_or("") : "";
}

// An event out of its envelope. `data` is set once the payload is parsed.
struct Opened {
  std::string type;
  std::string id;
  std::string identity;  // empty: topic, partition and offset serve
  std::string correlation_id;
  std::string traceparent;
  std::optional<element> data;
};

std::string cloudevents_identity(std::string_view source, std::string_view id) {
  return "ce" + std::to_string(source.size()) + ":" + std::string(source) + std::string(id);
}

std::string id_identity(const std::string& id) { return id.empty() ? "" : "id:" + id; }

}  // namespace

struct Decoder::Parts {
  DecoderOptions options;
  const ConstraintSet* constraints;
  ValueHasher hasher;
  simdjson::dom::parser parser;
  std::string padded;  // the payload with the room behind it that the parser reads

  Parts(DecoderOptions decoder_options, const ConstraintSet& constraint_set)
      : options(std::move(decoder_options)),
        constraints(&constraint_set),
        hasher(options.value_form == ValueForm::hmac_sha256 ? options.value_key : "") {}

  Or<element> parse(std::string_view payload) {
    padded.resize(payload.size() + simdjson::SIMDJSON_PADDING);
    std::memcpy(padded.data(), payload.data(), payload.size());
    element root;
    const auto error = parser.parse(padded.data(), payload.size(), false).get(root);
    if (error == simdjson::SUCCESS) return root;
    return Refusal{std::string("the payload is not JSON: ") + simdjson::error_message(error)};
  }

  Or<Opened> open(const Record& record);
  Or<Opened> open_structured(const Record& record);
  Or<Opened> open_binary(const Record& record) const;
  Or<Opened> open_plain(const Record& record);
  std::string plain_part(const Record& record, const element& root, const std::string& place) const;

  Decoded decode(const Record& record);
  Decoded interpret(const Record& record, Opened opened, const EventRule& rule);
  std::optional<Refusal> read_values(const element& data, const EventRule& rule, Event& event);
  Decoded refuse(const Record& record, std::string reason) const;
};

namespace {

bool is_structured(const Record& record) {
  const auto type = header(record, "content-type");
  return type && begins_with_name(*type, "application/cloudevents");
}

bool is_binary(const Record& record) {
  return header(record, "ce_id").has_value() && header(record, "ce_type").has_value();
}

// Confluent's wire format puts a zero byte and a four-byte schema id before the JSON.
std::string_view without_framing(std::string_view payload) {
  constexpr std::size_t framing = 5;
  if (payload.size() > framing && payload[0] == '\0') payload.remove_prefix(framing);
  return payload;
}

}  // namespace

Or<Opened> Decoder::Parts::open(const Record& record) {
  switch (options.envelope) {
    case Envelope::plain:
      return open_plain(record);
    case Envelope::cloudevents:
      if (is_structured(record)) return open_structured(record);
      return open_binary(record);
    case Envelope::automatic:
      break;
  }
  if (is_structured(record)) return open_structured(record);
  if (is_binary(record)) return open_binary(record);
  return open_plain(record);
}

Or<Opened> Decoder::Parts::open_structured(const Record& record) {
  auto root = parse(without_framing(*record.payload));
  if (auto* refusal = std::get_if<Refusal>(&root)) return *refusal;
  const element& event = std::get<element>(root);
  Opened opened;
  opened.type = text_at(event, "/type");
  opened.id = text_at(event, "/id");
  const std::string source = text_at(event, "/source");
  if (opened.type.empty() || opened.id.empty() || source.empty()) {
    return Refusal{"a structured CloudEvent needs type, id and source"};
  }
  opened.identity = cloudevents_identity(source, opened.id);
  opened.correlation_id = text_at(event, "/correlationid");
  opened.traceparent = text_at(event, "/traceparent");
  opened.data = at(event, "/data");
  if (!opened.data) return Refusal{"the CloudEvent has no JSON data"};
  return opened;
}

Or<Opened> Decoder::Parts::open_binary(const Record& record) const {
  Opened opened;
  opened.type = header_or_empty(record, "ce_type");
  opened.id = header_or_empty(record, "ce_id");
  const std::string source = header_or_empty(record, "ce_source");
  if (opened.type.empty() || opened.id.empty() || source.empty()) {
    return Refusal{"a CloudEvent needs the headers ce_type, ce_id and ce_source"};
  }
  opened.identity = cloudevents_identity(source, opened.id);
  opened.correlation_id = header_or_empty(record, "ce_correlationid");
  opened.traceparent = header_or_empty(record, "ce_traceparent");
  return opened;
}

std::string Decoder::Parts::plain_part(const Record& record, const element& root,
                                       const std::string& place) const {
  return place.starts_with('/') ? text_at(root, place) : header_or_empty(record, place);
}

Or<Opened> Decoder::Parts::open_plain(const Record& record) {
  auto root = parse(without_framing(*record.payload));
  if (auto* refusal = std::get_if<Refusal>(&root)) return *refusal;
  const element& event = std::get<element>(root);
  Opened opened;
  opened.type = plain_part(record, event, options.plain.type);
  if (opened.type.empty()) {
    return Refusal{"there is no event type at " + options.plain.type +
                   " and no header of a known envelope"};
  }
  opened.id = plain_part(record, event, options.plain.id);
  opened.identity = id_identity(opened.id);
  opened.correlation_id = header_or_empty(record, "correlation-id");
  opened.data = at(event, options.plain.data);
  if (!opened.data) return Refusal{"there is no event data at " + options.plain.data};
  return opened;
}

Decoded Decoder::Parts::refuse(const Record& record, std::string reason) const {
  BadEvent bad{record.partition, record.offset, std::move(reason), {}};
  if (options.value_form == ValueForm::plain) bad.raw = record.payload.value_or("");
  return bad;
}

Decoded Decoder::Parts::decode(const Record& record) {
  if (!record.payload) return Skipped::tombstone;
  auto opened = open(record);
  if (auto* refusal = std::get_if<Refusal>(&opened)) return refuse(record, refusal->reason);
  auto& event = std::get<Opened>(opened);
  const auto rule = options.events.find(event.type);
  if (rule == options.events.end()) {
    if (!options.reject_unknown_events) return Skipped::unknown_type;
    return refuse(record, "the event type is not configured, and unknown_events is reject");
  }
  if (!event.data) {
    auto data = parse(without_framing(*record.payload));
    if (auto* refusal = std::get_if<Refusal>(&data)) return refuse(record, refusal->reason);
    event.data = std::get<element>(data);
  }
  return interpret(record, std::move(event), rule->second);
}

Decoded Decoder::Parts::interpret(const Record& record, Opened opened, const EventRule& rule) {
  const auto entity = at(*opened.data, rule.entity_pointer);
  auto name = entity ? scalar_text(*entity) : std::nullopt;
  if (!name || name->empty()) {
    return refuse(record, "the event's data has no entity at " + rule.entity_pointer);
  }
  if (opened.traceparent.empty()) opened.traceparent = header_or_empty(record, "traceparent");
  for (const auto& [text, what] : {std::pair<const std::string&, const char*>{*name, "the entity"},
                                   {opened.id, "the event's id"},
                                   {opened.identity, "the event's identity"},
                                   {opened.correlation_id, "the event's correlation id"},
                                   {opened.traceparent, "traceparent"}}) {
    if (auto refusal = check_id(text, what)) return refuse(record, refusal->reason);
  }

  Event event;
  event.effect = rule.effect;
  event.entity = std::move(*name);
  event.partition = record.partition;
  event.offset = record.offset;
  event.type = std::move(opened.type);
  std::string place = options.source_topic + "/" + std::to_string(to_number(record.partition)) +
                      "/" + std::to_string(record.offset.value);
  event.cause = compensation_id(options.source_topic, event.entity,
                                opened.identity.empty() ? "at:" + place : opened.identity);
  event.id = opened.id.empty() ? std::move(place) : std::move(opened.id);
  event.correlation_id = std::move(opened.correlation_id);
  event.traceparent = std::move(opened.traceparent);
  event.key_differs = record.key != std::string_view(event.entity);
  if (auto refusal = read_values(*opened.data, rule, event)) {
    return refuse(record, refusal->reason);
  }
  return event;
}

// A value that is missing is not carried; null, or empty once normalised, says there is none.
std::optional<Refusal> Decoder::Parts::read_values(const element& data, const EventRule& rule,
                                                   Event& event) {
  for (const SlotPointer& slot : rule.slots) {
    const auto found = at(data, slot.pointer);
    if (!found) continue;
    CarriedValue value;
    value.slot = slot.slot;
    if (!found->is_null()) {
      const auto text = scalar_text(*found);
      if (!text) return Refusal{"the value at " + slot.pointer + " is an array or an object"};
      const auto owner = std::ranges::find_if(*constraints, [&](const Constraint& constraint) {
        return slot.slot < constraint.first_slot + constraint.fields.size();
      });
      const std::size_t field = slot.slot - owner->first_slot;
      std::string normal = owner->normalizers[field](*text);
      if (!normal.empty()) value.digest = hasher.digest(*owner, field, normal);
      if (options.value_form == ValueForm::plain) value.text = std::move(normal);
    } else if (options.value_form == ValueForm::plain) {
      value.text.emplace();
    }
    event.values.push_back(std::move(value));
  }
  return std::nullopt;
}

Decoder::Decoder(DecoderOptions options, const ConstraintSet& constraints)
    : parts_(std::make_unique<Parts>(std::move(options), constraints)) {}
Decoder::~Decoder() = default;
Decoder::Decoder(Decoder&&) noexcept = default;
Decoder& Decoder::operator=(Decoder&&) noexcept = default;

Decoded Decoder::decode(const Record& record) { return parts_->decode(record); }

}  // namespace uniqd

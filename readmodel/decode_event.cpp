#include "readmodel/decode_event.hpp"

#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <string_view>
#include <utility>
#include <variant>

#include "readmodel/envelope.hpp"
#include "readmodel/normalize_text.hpp"

namespace uniqd {
namespace {

// In place of an entity pointer.
constexpr std::string_view entity_is_key = "key";
constexpr std::string_view entity_is_subject = "subject";

bool is_storable(std::string_view text) {
  return text.size() <= id_bytes_max && simdjson::validate_utf8(text.data(), text.size()) &&
         text.find('\0') == std::string_view::npos;
}

bool is_blank(std::string_view text) {
  if (text.empty() || (text[0] > ' ' && text[0] <= '~')) return false;
  return without_outer_blanks(text).empty();
}

// An id must be storable as text, short enough to be indexed, and something that can be seen.
std::optional<Refusal> check_id(std::string_view text, const char* what) {
  const auto refuse = [&](const std::string& why) { return Refusal{std::string(what) + why}; };
  if (text.size() > id_bytes_max) {
    return refuse(" is longer than " + std::to_string(id_bytes_max) + " bytes");
  }
  if (!simdjson::validate_utf8(text.data(), text.size())) return refuse(" is not valid UTF-8");
  if (text.find('\0') != std::string_view::npos) return refuse(" contains a NUL character");
  if (is_blank(text)) return refuse(" is nothing but white space");
  return std::nullopt;
}

}  // namespace

struct Decoder::Parts {
  DecoderOptions options;
  const ConstraintSet* constraints;
  ValueHasher hasher;
  EnvelopeOpener opener;
  std::string identity;  // of the event being decoded
  struct Met {
    Offset next;
    std::optional<std::int64_t> sequence;
  };
  std::map<Partition, Met> met;  // only with options.sequence

  Parts(DecoderOptions decoder_options, const ConstraintSet& constraint_set)
      : options(std::move(decoder_options)),
        constraints(&constraint_set),
        hasher(options.value_form == ValueForm::hmac_sha256 ? options.value_key : ""),
        opener(options.envelope, options.plain) {}

  Decoded decode(const Record& record);
  Decoded decode_fresh(const Record& record);
  Or<std::int64_t> read_sequence(const Record& record);
  std::optional<Refusal> interpret(const Record& record, const Opened& opened,
                                   const EventRule& rule, Event& event);
  void name_event(const Record& record, const Opened& opened, Event& event);
  std::optional<Refusal> read_values(const JsonNode& data, const EventRule& rule, Event& event);
  std::optional<Refusal> set_value(std::string_view text, CarriedValue& value);
  Decoded refuse(const Record& record, std::string reason) const;
};

namespace {

Or<std::string_view> read_entity(const Record& record, const Opened& opened,
                                 const std::string& place, const JsonNode& data) {
  if (place == entity_is_key) {
    if (record.key.value_or("").empty()) {
      return Refusal{"the record has no key, and the event's entity is the key"};
    }
    return *record.key;
  }
  if (place == entity_is_subject) {
    if (opened.subject.empty()) {
      return Refusal{"the event has no subject, and its entity is the subject"};
    }
    return opened.subject;
  }
  const Scalar found = scalar_at(data, place);
  if (found.kind == Scalar::Kind::inexact) {
    return Refusal{"the entity at " + place +
                   " is a number that cannot be read exactly; send text"};
  }
  if (found.kind == Scalar::Kind::compound) {
    return Refusal{"the entity at " + place + " is an array or an object"};
  }
  if (found.text.empty()) return Refusal{"the event's data has no entity at " + place};
  return found.text;
}

bool needs_data(const EventRule& rule) {
  return !rule.slots.empty() ||
         (rule.entity_pointer != entity_is_key && rule.entity_pointer != entity_is_subject);
}

}  // namespace

Decoded Decoder::Parts::refuse(const Record& record, std::string reason) const {
  BadEvent bad{record.partition, record.offset, std::move(reason), {}};
  if (options.value_form == ValueForm::plain) bad.raw = record.payload.value_or("");
  if (const auto known = met.find(record.partition); known != met.end()) {
    bad.sequence = known->second.sequence;
  }
  return bad;
}

Or<std::int64_t> Decoder::Parts::read_sequence(const Record& record) {
  const auto found = opener.text_in(record, options.sequence);
  if (const auto* refusal = std::get_if<Refusal>(&found)) return *refusal;
  const auto text = std::get<std::string_view>(found);
  const bool is_header = !options.sequence.starts_with('/');
  const std::string place = (is_header ? "in a header " : "at ") + options.sequence;
  if (text.empty()) return Refusal{"the record has no sequence number " + place};
  std::int64_t number = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  if (read.ec != std::errc() || read.ptr != text.data() + text.size()) {
    return Refusal{"the sequence " + place + " is not a whole number of 64 bits"};
  }
  return number;
}

Decoded Decoder::Parts::decode(const Record& record) {
  if (!record.payload) return Skipped::tombstone;
  if (options.sequence.empty()) return decode_fresh(record);
  Met& known = met[record.partition];
  if (record.offset < known.next) return decode_fresh(record);
  known.next = record.offset.next();
  const auto number = read_sequence(record);
  if (const auto* refusal = std::get_if<Refusal>(&number)) return refuse(record, refusal->reason);
  const auto value = std::get<std::int64_t>(number);
  if (known.sequence && value <= *known.sequence) return Skipped::redelivered;
  known.sequence = value;
  return decode_fresh(record);
}

// Makes an event where it stays: it is some hundred bytes.
Decoded Decoder::Parts::decode_fresh(const Record& record) {
  Decoded decoded = Skipped::unknown_type;
  auto opened = opener.open(record);
  if (auto* refusal = std::get_if<Refusal>(&opened)) {
    decoded = refuse(record, std::move(refusal->reason));
    return decoded;
  }
  const auto& event = std::get<Opened>(opened);
  if (const auto rule = options.events.find(event.type); rule != options.events.end()) {
    auto refusal = interpret(record, event, rule->second, decoded.emplace<Event>());
    if (refusal) decoded = refuse(record, std::move(refusal->reason));
  } else if (options.reject_unknown_events) {
    decoded = refuse(record, "the event type is not configured, and unknown_events is reject");
  }
  return decoded;
}

std::optional<Refusal> Decoder::Parts::interpret(const Record& record, const Opened& opened,
                                                 const EventRule& rule, Event& event) {
  JsonNode data;
  if (needs_data(rule)) {
    auto found = opener.data(record, opened);
    if (auto* refusal = std::get_if<Refusal>(&found)) return *refusal;
    data = std::get<JsonNode>(std::move(found));
  }
  const auto entity = read_entity(record, opened, rule.entity_pointer, data);
  if (const auto* refusal = std::get_if<Refusal>(&entity)) return *refusal;
  const auto name = std::get<std::string_view>(entity);
  for (const auto& [text, what] : {std::pair{name, "the entity"},
                                   {opened.id, "the event's id"},
                                   {opened.source, "the event's source"},
                                   {opened.correlation_id, "the event's correlation id"}}) {
    if (auto refusal = check_id(text, what)) return *refusal;
  }
  event.effect = rule.effect;
  event.entity = name;
  event.partition = record.partition;
  event.offset = record.offset;
  event.type = opened.type;
  event.correlation_id = opened.correlation_id;
  if (is_storable(opened.traceparent)) event.traceparent = opened.traceparent;
  event.key_differs = record.key != name;
  name_event(record, opened, event);
  return read_values(data, rule, event);
}

// Each kind of identity begins with words of its own, so no two kinds coincide.
void Decoder::Parts::name_event(const Record& record, const Opened& opened, Event& event) {
  event.id = opened.id;
  if (!opened.source.empty()) {
    identity = "ce" + std::to_string(opened.source.size()) + ":";
    identity.append(opened.source).append(opened.id);
  } else if (!opened.id.empty()) {
    identity = "id:";
    identity.append(opened.id);
  } else {
    event.id = options.source_topic + "/" + std::to_string(to_number(record.partition)) + "/" +
               std::to_string(record.offset.value);
    identity = "at:" + event.id;
  }
  event.cause = compensation_id(options.source_topic, event.entity, identity);
}

// A value that is missing is not carried; null, or empty once normalised, says there is none.
std::optional<Refusal> Decoder::Parts::read_values(const JsonNode& data, const EventRule& rule,
                                                   Event& event) {
  for (const SlotPointer& slot : rule.slots) {
    const Scalar found = scalar_at(data, slot.pointer);
    if (found.kind == Scalar::Kind::missing) continue;
    if (found.kind == Scalar::Kind::compound) {
      return Refusal{"the value at " + slot.pointer + " is an array or an object"};
    }
    if (found.kind == Scalar::Kind::inexact) {
      return Refusal{"the value at " + slot.pointer +
                     " is a number that cannot be read exactly; send text"};
    }
    CarriedValue value;
    value.slot = slot.slot;
    if (auto refusal = set_value(found.text, value)) return refusal;
    event.values.push_back(std::move(value));
  }
  return std::nullopt;
}

// Of null the text is empty.
std::optional<Refusal> Decoder::Parts::set_value(std::string_view text, CarriedValue& value) {
  const auto owner = std::ranges::find_if(*constraints, [&](const Constraint& constraint) {
    return value.slot < constraint.first_slot + constraint.fields.size();
  });
  const std::size_t field = value.slot - owner->first_slot;
  Normalized normal = owner->normalizers[field](text);
  if (normal.rejected_by) {
    return Refusal{rejection_text(owner->name, owner->fields[field], *normal.rejected_by)};
  }
  if (!normal.text.empty()) value.digest = hasher.digest(*owner, field, normal.text);
  if (options.value_form == ValueForm::plain) value.text = std::move(normal.text);
  return std::nullopt;
}

Decoder::Decoder(DecoderOptions options, const ConstraintSet& constraints)
    : parts_(std::make_unique<Parts>(std::move(options), constraints)) {}
Decoder::~Decoder() = default;
Decoder::Decoder(Decoder&&) noexcept = default;
Decoder& Decoder::operator=(Decoder&&) noexcept = default;

Decoded Decoder::decode(const Record& record) { return parts_->decode(record); }

void Decoder::resume(Partition partition, Offset next, std::optional<std::int64_t> sequence) {
  parts_->met[partition] = {next, sequence};
}

std::optional<std::int64_t> Decoder::sequence(Partition partition) const {
  const auto known = parts_->met.find(partition);
  return known == parts_->met.end() ? std::nullopt : known->second.sequence;
}

}  // namespace uniqd

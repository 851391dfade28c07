#include "readmodel/header_envelope.hpp"

#include <string>

#include "readmodel/record_header.hpp"

namespace uniqd {

constinit const HeaderEnvelope cloudevents_binary{
    .name = "a CloudEvent in binary mode",
    .type = "ce_type",
    .id = {"ce_id"},
    .source = "ce_source",
    .subject = "ce_subject",
    .correlation = {"ce_correlationid"},
    .traceparent = {"ce_traceparent", "traceparent"},
};

// Names that begin with '$' come only with `headers:ignoreSystem` set to false.
constinit const HeaderEnvelope kurrentdb_sink{
    .name = "an event of KurrentDB's Kafka sink",
    .type = "esdb-record-schema-subject",
    .id = {"esdb-record-id"},
    .correlation = {"esdb-record-headers-$correlationId", "esdb-record-headers-correlationId",
                    "esdb-record-headers-correlation-id"},
    .traceparent = {"esdb-record-headers-traceparent", "traceparent"},
};

constinit const HeaderEnvelope axon_message{
    .name = "an Axon event message",
    .type = "axon-message-type",
    .id = {"axon-message-id"},
    .correlation = {"axon-metadata-correlationId"},
    .traceparent = {"axon-metadata-traceparent", "traceparent"},
};

constinit const HeaderEnvelope typed_message{
    .name = "a message with its type in a header",
    .type = "message-type",
    .id = {"id", "eventuous.message-id"},
    .needs_id = false,
    .correlation = {"correlation-id", "eventuous.correlation-id"},
    .traceparent = {"traceparent", "parent-id"},
};

namespace {

std::string_view id_of(const Record& record, const HeaderEnvelope& envelope) {
  const std::string_view first = header(record, envelope.id[0]);
  return first.empty() && !envelope.id[1].empty() ? header(record, envelope.id[1]) : first;
}

}  // namespace

std::string_view first_header(const Record& record, const std::array<std::string_view, 3>& names) {
  for (const std::string_view name : names) {
    if (name.empty()) break;
    if (const auto value = header(record, name); !value.empty()) return value;
  }
  return {};
}

bool has_envelope(const Record& record, const HeaderEnvelope& envelope) {
  return !header(record, envelope.type).empty() ||
         (envelope.needs_id && !header(record, envelope.id[0]).empty());
}

Or<Opened> open_headers(const Record& record, const HeaderEnvelope& envelope) {
  Opened opened;
  std::string missing;
  const auto need = [&](std::string_view value, std::string_view name) {
    if (value.empty()) missing.append(missing.empty() ? "" : ", ").append(name);
    return value;
  };
  opened.type = need(header(record, envelope.type), envelope.type);
  opened.id = id_of(record, envelope);
  if (envelope.needs_id) need(opened.id, envelope.id[0]);
  if (!envelope.source.empty()) {
    opened.source = need(header(record, envelope.source), envelope.source);
  }
  if (!missing.empty()) {
    return Refusal{std::string(envelope.name) + " has headers that this record lacks: " + missing +
                   "; set them where it is produced, or correct source.envelope"};
  }
  if (!envelope.subject.empty()) opened.subject = header(record, envelope.subject);
  opened.correlation_id = first_header(record, envelope.correlation);
  opened.traceparent = first_header(record, envelope.traceparent);
  return opened;
}

}  // namespace uniqd

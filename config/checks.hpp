#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

// What a single text of the configuration may look like. Pure functions of the text.
namespace uniqd::settings {

// Why a value cannot be taken. The sentence begins with the value, which is not part of it:
// (value) "is not ...".
struct Complaint {
  std::string problem;
  std::string allowed;  // "" where there is nothing to list
  std::string remedy;   // "" where the caller knows a better one
};

// A check answers nothing when all is well. `name` is the last part of the key, for the remedy.
using Check = std::optional<Complaint> (*)(std::string_view name, std::string_view value);

std::optional<Complaint> check_any(std::string_view name, std::string_view value);
std::optional<Complaint> check_not_empty(std::string_view name, std::string_view value);

// Comma-separated host[:port].
std::optional<Complaint> check_brokers(std::string_view name, std::string_view value);

// A name that Kafka takes for a topic.
std::optional<Complaint> check_topic(std::string_view name, std::string_view value);

// RFC 6901, at least one segment.
std::optional<Complaint> check_pointer(std::string_view name, std::string_view value);

// `key`, `subject`, or as check_pointer, and then the last segment names something that a command
// does not have anyway.
std::optional<Complaint> check_entity(std::string_view name, std::string_view value);

// A JSON Pointer if it begins with '/', else the name of a header.
std::optional<Complaint> check_pointer_or_header(std::string_view name, std::string_view value);

// ^[a-z_][a-z0-9_]{0,62}$
std::optional<Complaint> check_schema(std::string_view name, std::string_view value);

// The name of a constraint or of a field: ^[A-Za-z_][A-Za-z0-9_-]{0,62}$
std::optional<Complaint> check_identifier(std::string_view name, std::string_view value);

// A region whose phone numbers are known: ISO 3166-1 alpha-2 in upper case.
std::optional<Complaint> check_region(std::string_view name, std::string_view value);

// A message or event type: not empty, no control characters.
std::optional<Complaint> check_message_name(std::string_view name, std::string_view value);

// A libpq URI, or keywords; empty is fine, libpq then looks at PG* variables.
std::optional<Complaint> check_postgres(std::string_view name, std::string_view value);

// 500ms, 30s, 5m, 1h: a whole number and its unit.
std::optional<std::chrono::milliseconds> parse_duration(std::string_view value);

// The reverse of parse_duration, in the largest unit that leaves a whole number.
std::string duration_text(std::chrono::milliseconds duration);

struct HostPort {
  std::string host;  // an IPv6 address without its brackets
  std::uint16_t port = 0;
};

// host:port, an IPv6 address in brackets.
std::optional<HostPort> parse_host_port(std::string_view value);

// localhost, 127.0.0.0/8, ::1.
bool is_loopback(std::string_view host);

// The known name that `name` was probably meant to be; "" when none is near.
template <typename Names>
std::string nearest_name(std::string_view name, const Names& known);

// Number of single-character edits (insert, drop, replace, swap of neighbours) between two names.
std::size_t edit_distance(std::string_view a, std::string_view b);

template <typename Names>
std::string nearest_name(std::string_view name, const Names& known) {
  std::string best;
  std::size_t best_distance = name.size() < 4 ? 2 : 3;  // exclusive
  for (const auto& candidate : known) {
    const std::size_t distance = edit_distance(name, candidate);
    if (distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

}  // namespace uniqd::settings

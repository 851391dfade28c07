#pragma once
// encode_command.hpp - a compensation as the message that asks for the correction. Pure.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "commands/compensation.hpp"

namespace uniqd {

enum class CommandEnvelope : std::uint8_t {
  cloudevents_binary,      // attributes in ce_* headers, the body is the data
  cloudevents_structured,  // one JSON object, content-type application/cloudevents+json
};

// What all messages have in common.
struct CommandForm {
  std::string source_topic;
  CommandEnvelope envelope = CommandEnvelope::cloudevents_binary;
};

// A message ready for the broker; all text is UTF-8.
struct Command {
  CompensationId id;  // whose delivery this is
  std::string key;    // the entity, so that one entity's commands stay in order
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  Partition partition{};           // of the event that led to it
  std::int64_t decided_at_ms = 0;  // since the epoch, UTC

  bool operator==(const Command&) const = default;
};

// The command for the next send of `compensation`: attempt number attempts + 1. The same
// compensation gives the same bytes but for the attempt. Holds digests only, never a value.
[[nodiscard]] Command encode_command(const Compensation& compensation, const CommandForm& form);
[[nodiscard]] std::vector<Command> encode_commands(const std::vector<Compensation>& compensations,
                                                   const CommandForm& form);

// RFC 3339 in UTC with milliseconds, e.g. 2024-05-01T12:00:00.000Z.
[[nodiscard]] std::string to_rfc3339(std::int64_t ms_since_epoch);

}  // namespace uniqd

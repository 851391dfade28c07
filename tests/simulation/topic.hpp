#pragma once
// topic.hpp - the source topic: for each partition an append-only log with holes.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tests/simulation/fault_plan.hpp"
#include "tests/simulation/oracle.hpp"

namespace uniqd::simulation {

inline constexpr const char* source_topic = "ce-users";

struct LogRecord {
  std::int64_t offset = 0;
  std::int64_t timestamp_ms = 0;
  std::optional<std::string> key;
  std::optional<std::string> payload;
  Told told;           // what the payload means
  bool has_id = true;  // otherwise its place is its id
};

class Topic {
 public:
  Topic(std::size_t partitions, Dice& dice, FaultPlan& faults)
      : logs_(partitions), ends_(partitions), dice_(dice), faults_(faults) {}

  // Appends what `record` has but for the place, which is given here; also to an event without id.
  void append(std::int32_t partition, LogRecord record);

  [[nodiscard]] std::size_t partitions() const { return logs_.size(); }
  [[nodiscard]] const std::vector<LogRecord>& log(std::int32_t partition) const {
    return logs_[static_cast<std::size_t>(partition)];
  }
  // The next record's offset will be at least this.
  [[nodiscard]] std::int64_t end(std::int32_t partition) const {
    return ends_[static_cast<std::size_t>(partition)];
  }
  // The records from `begin` up to, not including, `end`.
  [[nodiscard]] std::vector<const LogRecord*> between(std::int32_t partition, std::int64_t begin,
                                                      std::int64_t end) const;

 private:
  std::vector<std::vector<LogRecord>> logs_;
  std::vector<std::int64_t> ends_;
  Dice& dice_;
  FaultPlan& faults_;
};

}  // namespace uniqd::simulation

#include "tests/simulation/topic.hpp"

#include <fmt/format.h>

#include <utility>

namespace uniqd::simulation {

void Topic::append(std::int32_t partition, LogRecord record) {
  std::int64_t& end = ends_[static_cast<std::size_t>(partition)];
  if (faults_.strikes(Fault::offset_hole, 8)) {
    end += 1 + static_cast<std::int64_t>(dice_.below(3));
  }
  record.offset = end++;
  record.told.partition = partition;
  record.told.offset = record.offset;
  if (!record.has_id) {
    record.told.event_id = fmt::format("{}/{}/{}", source_topic, partition, record.offset);
  }
  if (faults_.strikes(Fault::end_beyond_last_record, 8)) ++end;
  logs_[static_cast<std::size_t>(partition)].push_back(std::move(record));
}

std::vector<const LogRecord*> Topic::between(std::int32_t partition, std::int64_t begin,
                                             std::int64_t end) const {
  std::vector<const LogRecord*> records;
  for (const LogRecord& record : log(partition)) {
    if (record.offset >= begin && record.offset < end) records.push_back(&record);
  }
  return records;
}

}  // namespace uniqd::simulation

#pragma once
// random_load.hpp - events of many users who want few values: duplicates, changes, departures,
// redeliveries, records that mean nothing.

#include <cstddef>
#include <random>
#include <string>
#include <vector>

#include "tests/support/kafka_admin.hpp"

namespace uniqd::test {

// The same seed makes the same records. Users and values belong to one partition each, so that the
// outcome does not depend on the order between partitions. Thread safety: none.
class RandomLoad {
 public:
  explicit RandomLoad(unsigned seed, int partitions = 1, int users = 120);

  // Each names its partition.
  [[nodiscard]] std::vector<TestRecord> next(std::size_t count);

 private:
  TestRecord next_one();
  TestRecord make_event();
  void remember(const TestRecord& record);
  [[nodiscard]] int below(int bound);  // 0 to bound - 1
  [[nodiscard]] std::string value(const char* kind, int partition);

  std::mt19937 random_;
  int partitions_;
  int users_;
  int made_ = 0;
  int past_count_ = 0;
  std::vector<TestRecord> past_;  // of a long past a sample
};

}  // namespace uniqd::test

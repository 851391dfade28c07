#pragma once
// oracle_check.hpp - is the read model, are the commands, what the naive rules make of the topic?

#include <memory>
#include <string>
#include <vector>

#include "tests/support/test_bed.hpp"

namespace uniqd::test {

class BothTopics;

// Reads the bed's topic, folds it with the oracle, and compares claims, entities, compensations,
// violations, dead letters and positions in PostgreSQL, and the commands on their topic: one id for
// each violation still open, none for anyone else, an id again only with the same decision.
//
// With several partitions, users of one must not want the values of another: the order between
// partitions is not in the topic. Thread safety: none.
class OracleCheck {
 public:
  // The bed must outlive it, and keeps its topics.
  explicit OracleCheck(TestBed& bed);
  ~OracleCheck();
  OracleCheck(const OracleCheck&) = delete;
  OracleCheck& operator=(const OracleCheck&) = delete;

  // What differs, line by line; empty when nothing does. Reads only what both topics have got since
  // the last time. REQUIRES: settled; `values` is not plain SHA-256.
  [[nodiscard]] std::vector<std::string> differences();

 private:
  TestBed& bed_;
  std::unique_ptr<BothTopics> said_;
};

// Once.
[[nodiscard]] std::vector<std::string> differences_from_oracle(TestBed& bed);

// The same as a check of the running doctest case.
void expect_equal_to_oracle(TestBed& bed);

}  // namespace uniqd::test

#pragma once
// oracle_check.hpp - is the read model, are the commands, what the naive rules make of the topic?

#include <string>
#include <vector>

#include "tests/support/test_bed.hpp"

namespace uniqd::test {

// Reads the bed's topic, folds it with the oracle, and compares claims, entities, compensations,
// violations, dead letters and positions in PostgreSQL, and the commands on their topic: one id for
// each violation still open, none for anyone else, an id again only with the same decision.
// Returns what differs, line by line; empty when nothing does.
//
// With several partitions, users of one must not want the values of another: the order between
// partitions is not in the topic. REQUIRES: settled; `values` is not plain SHA-256.
[[nodiscard]] std::vector<std::string> differences_from_oracle(TestBed& bed);

// The same as a check of the running doctest case.
void expect_equal_to_oracle(TestBed& bed);

}  // namespace uniqd::test

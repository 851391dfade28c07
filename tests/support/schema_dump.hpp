#pragma once
// schema_dump.hpp - all that a bed's schema holds, as text, to look for what must not be there.

#include <string>

#include "tests/support/test_bed.hpp"

namespace uniqd::test {

// Throws std::runtime_error where pg_dump cannot be run.
[[nodiscard]] std::string dump(const TestBed& bed);

}  // namespace uniqd::test

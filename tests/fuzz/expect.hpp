#pragma once
// expect.hpp - a property that must hold for every input; the fuzzer keeps the input where it
// fails.

#include <cstdio>
#include <cstdlib>

namespace uniqd::test {

inline void expect(bool holds, const char* property) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", property);
  std::abort();
}

}  // namespace uniqd::test

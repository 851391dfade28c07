#pragma once
// promise.hpp - what our own code promised itself; checked in every build.

#include <cstdio>
#include <cstdlib>

namespace uniqd {

// Ends the process with a message where `kept` is false: going on would write nonsense.
inline void promise(bool kept, const char* what) {
  if (kept) return;
  std::fprintf(stderr,
               "uniqd: broken promise: %s. This is a defect in uniqd; nothing was written. "
               "Please report it.\n",
               what);
  std::abort();
}

}  // namespace uniqd

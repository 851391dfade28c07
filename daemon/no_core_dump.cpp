#include "daemon/no_core_dump.hpp"

#include <sys/prctl.h>
#include <sys/resource.h>

namespace uniqd {

void refuse_core_dumps() {
  const rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
  // A limit of 0 does not keep a core from a program that core_pattern pipes to; this does.
  prctl(PR_SET_DUMPABLE, 0);
}

}  // namespace uniqd

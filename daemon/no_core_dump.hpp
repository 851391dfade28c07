#pragma once
// no_core_dump.hpp - memory holds values in clear for moments; a core file would keep them.

namespace uniqd {

// From now on this process leaves no core file and cannot be inspected by other processes of its
// user. Best effort: the system may have its own ways.
void refuse_core_dumps();

}  // namespace uniqd

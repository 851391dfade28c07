#pragma once
// crash_points.hpp - lets a test end this very process at a named point, as a crash would.

#include "commands/relay.hpp"

namespace uniqd {

// Where UNIQD_KILL_AT is POINT or POINT:N, the process is killed (SIGKILL) when it passes that
// point for the N-th time; N is 1 where it is not given. Without the variable: does nothing.
//
// The points, in the order of a batch: after_positions after_poll after_compare_and_set
// after_begin before_commit after_model_written after_outbox_written after_commit;
// of the relay: relay_before_publish relay_before_mark relay_after_mark; of a rebuild, each passed
// when what it names comes next: rebuild_reading rebuild_loading rebuild_following
// rebuild_comparing rebuild_swapping rebuild_done.
[[nodiscard]] Probe make_crash_probe();

}  // namespace uniqd

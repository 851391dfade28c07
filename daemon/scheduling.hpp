#pragma once
// scheduling.hpp - which of the daemon's threads gets a core first.

namespace uniqd {

// Both are for the calling thread alone, need no rights, and leave things as they are where the
// kernel will have none of it, or where whoever started uniqd chose a policy of his own.

// Somebody waits for what this thread does next, which is short: it takes a core as soon as it
// wakes up, also from one that is still busy saying what woke it.
void go_first() noexcept;

// Nobody waits for this thread yet, and its work is long: the database's process and the threads
// that wait for its short answers go before it.
void give_way() noexcept;

}  // namespace uniqd

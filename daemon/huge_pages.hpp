#pragma once
// huge_pages.hpp - for commands that keep millions of small things in memory.

namespace uniqd {

// Has the allocator (jemalloc) ask for huge pages where the system leaves that to programs: then
// looking something up in gigabytes of memory does not also mean looking up where its page is. It
// takes its settings once, from MALLOC_CONF, so the program begins anew, as the same process; not
// where somebody has set that already. Best effort. REQUIRES: nothing has been done yet.
void ask_for_huge_pages(char** argv);

}  // namespace uniqd

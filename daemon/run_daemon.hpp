#pragma once
// run_daemon.hpp - `uniqd run`: wiring, threads, start and stop.

#include "config/settings.hpp"

namespace uniqd {

// Runs until a signal or a halt; returns the exit code. With `migrates`, creates or upgrades the
// schema at start. Services that are not there are waited for.
//
// REQUIRES: the only thread of the process; signal masks are changed for good.
[[nodiscard]] int run_daemon(const Settings& settings, bool migrates);

}  // namespace uniqd

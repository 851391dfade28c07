#pragma once
// latency.hpp - how long a lone duplicate takes.

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "tests/bench/stage.hpp"
#include "tests/bench/user_stream.hpp"

namespace uniqd::bench {

// The next offset of the topic's partition 0.
[[nodiscard]] std::int64_t end_of(const std::string& topic);

// Has the running daemon of `stage` take 100 events a second from `stream`, every tenth of them a
// duplicate, and returns for each duplicate how many ms after it was given to the producer a
// consumer had its command. The first two seconds do not count.
// REQUIRES: it is ready, and nothing is left to be sent.
[[nodiscard]] std::vector<double> time_duplicates(Stage& stage, UserStream& stream,
                                                  std::chrono::seconds length);

// Starts the daemon and waits until it is ready and has sent what it had to send.
void start_and_settle(Stage& stage);

}  // namespace uniqd::bench

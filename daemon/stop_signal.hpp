#pragma once
// stop_signal.hpp - SIGTERM and SIGINT as a flag and a wake-up; SIGHUP and SIGPIPE as nothing.

#include <atomic>
#include <chrono>
#include <functional>
#include <mutex>
#include <thread>

namespace uniqd {

// From construction on, SIGTERM and SIGINT are taken by a thread of its own, which sets the flag
// and calls `on_stop` once. If the process is still there `stop_within` later, the thread ends it
// with `exit_code`: all that matters is in the database, and the next start goes on from there.
//
// REQUIRES: constructed before any other thread, so that all inherit the signal mask.
class StopSignal {
 public:
  explicit StopSignal(int exit_code,
                      std::chrono::milliseconds stop_within = std::chrono::seconds{9});
  // Ends the thread. REQUIRES: nothing waits for the flag any more.
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  // Called on the signal thread. Set before the first wait.
  void on_stop(std::function<void()> call);
  [[nodiscard]] bool is_set() const { return is_set_; }

 private:
  void wait_for_signals();

  int exit_code_;
  std::chrono::milliseconds stop_within_;
  std::atomic<bool> is_set_{false};
  std::atomic<bool> is_over_{false};
  std::mutex mutex_;
  std::function<void()> on_stop_;
  std::thread thread_;
};

}  // namespace uniqd

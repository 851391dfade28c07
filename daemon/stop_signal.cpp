#include "daemon/stop_signal.hpp"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <csignal>
#include <ctime>
#include <utility>

namespace uniqd {
namespace {

constexpr timespec look_every{0, 100'000'000};  // 100 ms

sigset_t waited_for() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGHUP);
  return set;
}

}  // namespace

StopSignal::StopSignal(int exit_code, std::chrono::milliseconds stop_within)
    : exit_code_(exit_code), stop_within_(stop_within) {
  std::signal(SIGPIPE, SIG_IGN);
  const sigset_t set = waited_for();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  thread_ = std::thread([this] { wait_for_signals(); });
}

StopSignal::~StopSignal() {
  is_over_ = true;
  thread_.join();
}

void StopSignal::on_stop(std::function<void()> call) {
  const std::lock_guard lock(mutex_);
  on_stop_ = std::move(call);
}

void StopSignal::wait_for_signals() {
  const sigset_t set = waited_for();
  std::chrono::steady_clock::time_point deadline{};
  while (!is_over_) {
    const int signal = sigtimedwait(&set, nullptr, &look_every);
    if ((signal == SIGTERM || signal == SIGINT) && !is_set_.exchange(true)) {
      spdlog::info("stopping on {}", signal == SIGTERM ? "SIGTERM" : "SIGINT");
      deadline = std::chrono::steady_clock::now() + stop_within_;
      const std::lock_guard lock(mutex_);
      if (on_stop_) on_stop_();
    }
    if (is_set_ && std::chrono::steady_clock::now() > deadline) {
      spdlog::warn("something did not stop in time; leaving it. Nothing is lost");
      spdlog::shutdown();
      _exit(exit_code_);
    }
  }
}

}  // namespace uniqd

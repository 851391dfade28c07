#pragma once
// worker.hpp - a thread for the work that goes on beside another one's.

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <future>
#include <mutex>
#include <queue>
#include <thread>
#include <type_traits>
#include <utility>

namespace uniqd {

// How work is done ahead: beside whoever posts it, or (for simulations) before post() returns.
enum class Ahead : std::uint8_t { beside, at_once };

// Does one piece of work after the other, on a thread that begins with the first and stays, so that
// what it allocates stays near it. Thread safe.
class Worker {
 public:
  // `prepare` is run once, on the thread, before anything else.
  explicit Worker(
      Ahead ahead, std::function<void()> prepare = [] {})
      : ahead_(ahead), prepare_(std::move(prepare)) {}
  // Waits for all that was posted.
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // What `work` returns or throws comes out of the future.
  template <class Work>
  [[nodiscard]] auto post(Work work) -> std::future<std::invoke_result_t<Work&>> {
    std::packaged_task<std::invoke_result_t<Work&>()> task(std::move(work));
    auto done = task.get_future();
    take(Task([task = std::move(task)]() mutable { task(); }));
    return done;
  }

 private:
  using Task = std::packaged_task<void()>;
  void take(Task task);
  void run();

  Ahead ahead_;
  std::function<void()> prepare_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::queue<Task> tasks_;
  bool is_closed_ = false;
  std::thread thread_;
};

}  // namespace uniqd

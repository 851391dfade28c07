#pragma once
// chaos_proxy.hpp - stands between uniqd and PostgreSQL and cuts the line at the worst moment.

#include <atomic>
#include <cstdint>
#include <list>
#include <mutex>
#include <random>
#include <string>
#include <thread>

namespace uniqd::test {

// Forwards TCP connections to a PostgreSQL server, from construction to destruction. Thread safe.
class ChaosProxy {
 public:
  // `postgres` is a URI that names host (an address) and port. Throws std::runtime_error.
  explicit ChaosProxy(const std::string& postgres);
  ~ChaosProxy();
  ChaosProxy(const ChaosProxy&) = delete;
  ChaosProxy& operator=(const ChaosProxy&) = delete;

  // The same URI, but through here.
  [[nodiscard]] const std::string& uri() const { return uri_; }

  // From now on one COMMIT in `one_in` (0: none) meets one of these, each as often as the others:
  // it is swallowed; it is passed on and the line cut at once; its answer is swallowed. The line is
  // cut in each case.
  void cut_commits(int one_in) { one_in_ = one_in; }
  struct Cuts {
    int before = 0;  // the server never saw the COMMIT
    int during = 0;  // it may have
    int after = 0;   // it did, and answered
  };
  [[nodiscard]] Cuts cuts() const;

  // While true nothing passes in either direction, and nobody is told.
  void swallow_all(bool is_swallowing) { is_swallowing_ = is_swallowing; }
  void cut_all();

 private:
  enum class Fate : std::uint8_t { none, before, during, after };
  struct Line {
    int client = -1;
    int server = -1;
    bool awaits_answer = false;  // to the COMMIT that is to seem lost
    bool is_over = false;
  };

  void run();
  void accept_one();
  void serve(Line& line, bool client_speaks, bool server_speaks);
  void hear_client(Line& line);
  void hear_server(Line& line);
  Fate fate_of_commit();

  std::string uri_;
  std::string host_;
  int server_port_ = 0;
  int listener_ = -1;
  std::atomic<int> one_in_{0};
  std::atomic<bool> is_swallowing_{false};
  std::atomic<bool> is_cutting_{false};
  std::atomic<bool> is_ending_{false};
  mutable std::mutex mutex_;
  Cuts cuts_;              // under mutex_
  std::list<Line> lines_;  // the thread's, as is random_
  std::mt19937 random_{1};
  std::thread thread_;
};

}  // namespace uniqd::test

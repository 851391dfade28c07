#pragma once
// uniqd_process.hpp - the whole daemon as a process, for tests and the demo.

#include <sys/types.h>

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace uniqd::test {

// What a generated configuration says. The defaults are those of the users' example: UserAdded,
// UserEmailChanged, UserDeactivated, and one constraint, `email`.
struct UniqdOptions {
  // Of uniqd.yaml and uniqd.log; made where it is not there. Absolute, or from where we are.
  std::string folder;

  std::string brokers;   // "": those of Services
  std::string postgres;  // "": that of Services
  std::string topic = "ce-users";
  std::string commands_topic = "user-commands";
  std::string schema = "uniqd";
  std::string group = "uniqd";
  std::string values = "hmac-sha256";
  std::string envelope = "auto";
  std::string events;       // the text below `events:`, indented; "": the users'
  std::string constraints;  // the text below `constraints:`, indented; "": the users'
  std::string source_more;  // further lines below `source:`, indented
  std::string more;         // further keys of the file

  // The whole text of the file instead of all of the above but the folder.
  std::string yaml;

  // Added to our own environment, e.g. UNIQD_KILL_AT.
  std::map<std::string, std::string> environment;
};

// How a program ended and what it said.
struct ProgramResult {
  int exit_code = 0;  // of a program that was ended by a signal: minus its number
  std::string out;
  std::string err;
};

struct HttpAnswer {
  int status = 0;  // 0: nobody answered
  std::string body;
};

// One daemon at a time: the built uniqd as our child, which dies with us. Started again after it
// ended, it goes on with the same configuration and the same log.
// What does not happen in time throws std::runtime_error with the end of the log. Thread safety:
// none; and start() from a thread that lives on, as the child is ended with the thread.
class UniqdProcess {
 public:
  using Seconds = std::chrono::seconds;

  // Writes the configuration; starts nothing.
  explicit UniqdProcess(UniqdOptions options);
  // Kills what runs.
  ~UniqdProcess();
  UniqdProcess(const UniqdProcess&) = delete;
  UniqdProcess& operator=(const UniqdProcess&) = delete;

  // `environment` is for this start alone, beside that of the options.
  void start(const std::map<std::string, std::string>& environment = {});
  // Like start(), but it lives on when we end, in a session of its own.
  void start_detached();
  // Until /readyz says 200.
  void wait_until_ready(Seconds within = Seconds{30});
  void start_and_wait() {
    start();
    wait_until_ready();
  }

  // SIGTERM; returns what wait_for_exit() does.
  int stop(Seconds within = Seconds{20});
  // SIGKILL; returns when it is gone. Nothing where none runs.
  void kill();
  // E.g. SIGSTOP and SIGCONT.
  void send_signal(int number) const;
  // The exit code; of a daemon that was ended by a signal: minus its number.
  int wait_for_exit(Seconds within = Seconds{30});
  [[nodiscard]] bool is_running();
  // Of the running daemon, or of the last; 0 before the first start.
  [[nodiscard]] pid_t pid() const { return pid_; }

  [[nodiscard]] const std::string& config_path() const { return config_path_; }
  [[nodiscard]] const std::string& log_path() const { return log_path_; }
  // All starts, or since the last one.
  [[nodiscard]] std::string log() const;
  [[nodiscard]] std::string log_since_start() const;
  // The last lines of all starts.
  [[nodiscard]] std::string log_tail(std::size_t lines) const;
  void wait_for_log(const std::string& text, Seconds within = Seconds{30});

  // The admin port of this start; 0 while it is not known.
  [[nodiscard]] int port() const;
  // E.g. "/metrics".
  [[nodiscard]] HttpAnswer get(const std::string& path) const;

  // Runs `uniqd WORDS... --config FILE` and waits for its end.
  [[nodiscard]] ProgramResult command(std::vector<std::string> words,
                                      Seconds within = Seconds{30}) const;

 private:
  void launch(const std::map<std::string, std::string>& environment, bool is_detached);
  [[noreturn]] void fail(const std::string& what) const;

  UniqdOptions options_;
  std::string config_path_;
  std::string log_path_;
  std::size_t log_begin_ = 0;  // of this start, in bytes
  pid_t pid_ = 0;
  bool is_detached_ = false;
  std::optional<int> exit_code_;  // of the last start; nothing while it runs
};

// The program that is tested, absolute.
[[nodiscard]] std::string uniqd_program();

// The configuration that `options` make, as YAML.
[[nodiscard]] std::string make_yaml(const UniqdOptions& options);

// Runs uniqd with exactly these arguments and waits for its end.
[[nodiscard]] ProgramResult run_uniqd(const std::vector<std::string>& arguments,
                                      const std::map<std::string, std::string>& environment = {},
                                      std::chrono::seconds within = std::chrono::seconds{30});

}  // namespace uniqd::test

#include "tests/support/uniqd_process.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <httplib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>
#include <utility>

#include "tests/support/services.hpp"

namespace uniqd::test {
namespace {

using Clock = std::chrono::steady_clock;
using Environment = std::map<std::string, std::string>;

constexpr std::chrono::milliseconds look_every{10};
constexpr std::size_t log_lines_shown = 30;

constexpr const char* users_events =
    R"(  UserAdded: { effect: claim, entity: /userId, fields: { email: /email } }
  UserEmailChanged: { effect: change, entity: /userId, fields: { email: /email } }
  UserDeactivated: { effect: release, entity: /userId }
)";

constexpr const char* users_constraints = R"(  email:
    fields: [email]
    normalize: [trim, nfkc, casefold]
    on_violation:
      send: DeactivateUser
      reason: There is already a user with this email address.
)";

// Where the child's output goes, and who ends it.
struct Launch {
  std::vector<std::string> words;  // the program and its arguments
  Environment environment;         // beside our own
  std::string out;                 // files, appended to
  std::string err;
  bool is_detached = false;
};

std::vector<std::string> merge_environment(const Environment& more) {
  std::vector<std::string> merged;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    if (!more.contains(text.substr(0, text.find('=')))) merged.push_back(text);
  }
  for (const auto& [name, value] : more) merged.push_back(fmt::format("{}={}", name, value));
  return merged;
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

int open_output(const std::string& path) {
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (file < 0) throw std::runtime_error("cannot write " + path);
  return file;
}

// Between fork and exec only what is safe there is called: everything is prepared before.
pid_t spawn(Launch launch) {
  auto environment = merge_environment(launch.environment);
  const auto words = pointers_to(launch.words);
  const auto variables = pointers_to(environment);
  const int in = open("/dev/null", O_RDONLY | O_CLOEXEC);
  const int out = open_output(launch.out);
  const int err = open_output(launch.err);
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid == 0) {
    if (launch.is_detached) {
      setsid();
    } else {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (getppid() != parent) _exit(127);
    }
    dup2(in, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    dup2(err, STDERR_FILENO);
    close_range(STDERR_FILENO + 1, ~0U, 0);
    execve(words[0], words.data(), variables.data());
    _exit(127);
  }
  for (const int file : {in, out, err}) close(file);
  if (pid < 0) throw std::runtime_error("no process can be started: " + launch.words[0]);
  return pid;
}

// Nothing while it runs.
std::optional<int> collect(pid_t pid) {
  int status = 0;
  const pid_t ended = waitpid(pid, &status, WNOHANG);
  if (ended == 0) return std::nullopt;
  if (ended < 0) throw std::runtime_error(fmt::format("process {} is not our child", pid));
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

// True once `is_so` is; false after the deadline.
template <class Condition>
bool wait_until(Condition is_so, std::chrono::seconds within) {
  const auto deadline = Clock::now() + within;
  while (!is_so()) {
    if (Clock::now() >= deadline) return false;
    std::this_thread::sleep_for(look_every);
  }
  return true;
}

std::string read_file(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

std::string last_lines(const std::string& text, std::size_t count) {
  std::size_t from = text.size();
  for (++count; count > 0 && from != std::string::npos; --count) {
    from = from == 0 ? std::string::npos : text.rfind('\n', from - 1);
  }
  return from == std::string::npos ? text : text.substr(from + 1);
}

std::string or_else(const std::string& text, const std::string& other) {
  return text.empty() ? other : text;
}

}  // namespace

std::string uniqd_program() { return UNIQD_BUILD_DIR "/uniqd"; }

std::string make_yaml(const UniqdOptions& options) {
  if (!options.yaml.empty()) return options.yaml;
  const auto brokers = options.brokers.empty() ? Services::get().brokers : options.brokers;
  const auto postgres = options.postgres.empty() ? Services::get().postgres : options.postgres;
  return fmt::format(R"(source:
  topic: {}
  brokers: "{}"
  group: {}
  envelope: {}
{}commands:
  topic: {}
readmodel:
  postgres: "{}"
  schema: {}
  values: {}
events:
{}constraints:
{}admin: {{ listen: "127.0.0.1:0" }}
{})",
                     options.topic, brokers, options.group, options.envelope, options.source_more,
                     options.commands_topic, postgres, options.schema, options.values,
                     or_else(options.events, users_events),
                     or_else(options.constraints, users_constraints), options.more);
}

ProgramResult run_uniqd(const std::vector<std::string>& arguments, const Environment& environment,
                        std::chrono::seconds within) {
  const auto folder = (std::filesystem::temp_directory_path() / "uniqd-run.XXXXXX").string();
  std::string made = folder;
  if (mkdtemp(made.data()) == nullptr) throw std::runtime_error("cannot make folder " + folder);
  Launch launch{{uniqd_program()}, environment, made + "/out", made + "/err", false};
  launch.words.insert(launch.words.end(), arguments.begin(), arguments.end());
  const pid_t pid = spawn(std::move(launch));
  std::optional<int> exit_code;
  const bool has_ended = wait_until([&] { return (exit_code = collect(pid)).has_value(); }, within);
  if (!has_ended) {
    ::kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
  }
  ProgramResult result{exit_code.value_or(-SIGKILL), read_file(made + "/out"),
                       read_file(made + "/err")};
  std::filesystem::remove_all(made);
  if (!has_ended) {
    throw std::runtime_error(fmt::format("uniqd {} does not end in {} s; it said: {}{}",
                                         fmt::join(arguments, " "), within.count(), result.out,
                                         result.err));
  }
  return result;
}

UniqdProcess::UniqdProcess(UniqdOptions options) : options_(std::move(options)) {
  const auto folder = std::filesystem::absolute(options_.folder);
  std::filesystem::create_directories(folder);
  config_path_ = folder / "uniqd.yaml";
  log_path_ = folder / "uniqd.log";
  std::filesystem::remove(config_path_);
  std::filesystem::remove(log_path_);
  std::ofstream file(config_path_);
  std::filesystem::permissions(
      config_path_, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  if (!(file << make_yaml(options_) << std::flush)) {
    throw std::runtime_error("cannot write " + config_path_);
  }
}

UniqdProcess::~UniqdProcess() {
  if (is_detached_) return;
  try {
    kill();
  } catch (const std::runtime_error&) {  // it ends with us in any case
  }
}

void UniqdProcess::start(const Environment& environment) { launch(environment, false); }

void UniqdProcess::start_detached() { launch({}, true); }

void UniqdProcess::launch(const Environment& environment, bool is_detached) {
  if (is_running()) fail("uniqd was to be started while it runs");
  Environment all = environment;
  all.insert(options_.environment.begin(), options_.environment.end());
  log_begin_ = log().size();
  exit_code_.reset();
  is_detached_ = is_detached;
  pid_ = spawn({{uniqd_program(), "run", "--config", config_path_},
                std::move(all),
                log_path_,
                log_path_,
                is_detached});
}

void UniqdProcess::wait_until_ready(Seconds within) {
  const bool is_ready = wait_until(
      [this] {
        if (!is_running()) fail(fmt::format("uniqd ended with {}", *exit_code_));
        return get("/readyz").status == 200;
      },
      within);
  if (!is_ready) {
    fail(fmt::format("uniqd is not ready in {} s; /readyz: {}", within.count(),
                     get("/readyz").body));
  }
}

int UniqdProcess::stop(Seconds within) {
  send_signal(SIGTERM);
  return wait_for_exit(within);
}

void UniqdProcess::kill() {
  if (!is_running()) return;
  send_signal(SIGKILL);
  (void)wait_for_exit();
}

void UniqdProcess::send_signal(int number) const {
  // A process that was collected may have lent its number to another.
  if (pid_ == 0 || exit_code_) fail(fmt::format("no uniqd runs that could get signal {}", number));
  ::kill(pid_, number);
}

int UniqdProcess::wait_for_exit(Seconds within) {
  if (!wait_until([this] { return !is_running(); }, within)) {
    fail(fmt::format("uniqd does not end in {} s", within.count()));
  }
  if (!exit_code_) fail("uniqd was never started");
  return *exit_code_;
}

bool UniqdProcess::is_running() {
  if (pid_ == 0 || exit_code_) return false;
  exit_code_ = collect(pid_);
  return !exit_code_;
}

std::string UniqdProcess::log() const { return read_file(log_path_); }

std::string UniqdProcess::log_since_start() const { return log().substr(log_begin_); }

std::string UniqdProcess::log_tail(std::size_t lines) const { return last_lines(log(), lines); }

void UniqdProcess::wait_for_log(const std::string& text, Seconds within) {
  const auto is_said = [&] { return log_since_start().find(text) != std::string::npos; };
  const bool has_come = wait_until([&] { return is_said() || !is_running(); }, within);
  if (!has_come || !is_said()) fail("uniqd's log does not say \"" + text + "\"");
}

int UniqdProcess::port() const {
  const std::string said = " listens on 127.0.0.1:";
  const std::string text = log_since_start();
  const auto found = text.find(said);
  // A number that is followed by nothing yet may be a part of it.
  if (found == std::string::npos || text.find('\n', found) == std::string::npos) return 0;
  return std::atoi(text.c_str() + found + said.size());
}

HttpAnswer UniqdProcess::get(const std::string& path) const {
  const int known_port = port();
  if (known_port == 0) return {};
  httplib::Client client("127.0.0.1", known_port);
  client.set_connection_timeout(Seconds{2});
  client.set_read_timeout(Seconds{10});
  const auto answer = client.Get(path);
  return answer ? HttpAnswer{answer->status, answer->body} : HttpAnswer{};
}

ProgramResult UniqdProcess::command(std::vector<std::string> words, Seconds within) const {
  words.insert(words.end(), {"--config", config_path_});
  return run_uniqd(words, options_.environment, within);
}

void UniqdProcess::fail(const std::string& what) const {
  throw std::runtime_error(
      fmt::format("{}\nThe end of {}:\n{}", what, log_path_, log_tail(log_lines_shown)));
}

}  // namespace uniqd::test

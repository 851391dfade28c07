// A Kafka broker in memory, for machines that cannot have the real one: librdkafka's mock cluster
// as a process of its own. It prints its address (host:port) on stdout and runs until SIGTERM or
// SIGINT.
//
// Usage: mock_broker [NAME[:PARTITIONS]]...
//
// A topic named on the command line has one partition unless it says otherwise; so has one named in
// a line "NAME [PARTITIONS]" on stdin, whose name goes to stdout once it is there. Any other topic
// appears on first use, with librdkafka's default of four. No transactions, no retention settings,
// no admin requests; oldest batches go after 5 MiB.

#include <fmt/core.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <charconv>
#include <csignal>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace {

using Handle = std::unique_ptr<rd_kafka_t, decltype(&rd_kafka_destroy)>;
using Cluster = std::unique_ptr<rd_kafka_mock_cluster_t, decltype(&rd_kafka_mock_cluster_destroy)>;

struct Topic {
  std::string name;
  int partitions = 1;
};

/// NAME, then `separator` and a number of partitions (1..1000) if it is not 1. Nothing if
/// malformed.
std::optional<Topic> parse_topic(std::string_view text, char separator) {
  const auto split = text.find(separator);
  Topic topic{std::string(text.substr(0, split))};
  if (split != std::string_view::npos) {
    const auto number = text.substr(split + 1);
    const char* end = number.data() + number.size();
    const auto [stop, error] = std::from_chars(number.data(), end, topic.partitions);
    if (error != std::errc{} || stop != end) return std::nullopt;
  }
  if (topic.name.empty() || topic.partitions < 1 || topic.partitions > 1000) return std::nullopt;
  return topic;
}

bool create_topic(rd_kafka_mock_cluster_t* cluster, std::string_view text, char separator) {
  const auto topic = parse_topic(text, separator);
  if (!topic) {
    fmt::print(stderr, "mock_broker: \"{}\" is not a topic; write NAME{}PARTITIONS\n", text,
               separator);
    return false;
  }
  const auto error = rd_kafka_mock_topic_create(cluster, topic->name.c_str(), topic->partitions, 1);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    fmt::print(stderr, "mock_broker: topic {}: {}\n", topic->name, rd_kafka_err2str(error));
    return false;
  }
  return true;
}

/// SIGTERM and SIGINT as a readable descriptor; must run before librdkafka starts its threads,
/// which inherit the blocked signals.
int open_stop_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  return signalfd(-1, &signals, SFD_CLOEXEC);
}

/// Creates the topics of every complete line of `text`, says so by their names, and leaves the rest
/// in it.
void create_topics_of_lines(rd_kafka_mock_cluster_t* cluster, std::string& text) {
  for (auto end = text.find('\n'); end != std::string::npos; end = text.find('\n')) {
    const auto line = text.substr(0, end);
    text.erase(0, end + 1);
    if (!line.empty() && create_topic(cluster, line, ' ')) {
      fmt::print("{}\n", line.substr(0, line.find(' ')));
      std::fflush(stdout);
    }
  }
}

void serve_until_stopped(rd_kafka_mock_cluster_t* cluster, int stop_signals) {
  pollfd watched[] = {{stop_signals, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
  std::string pending;
  while (true) {
    if (poll(watched, 2, -1) < 0 && errno != EINTR) return;
    if (watched[0].revents != 0) return;
    if (watched[1].revents == 0) continue;
    char buffer[4096];
    const auto size = read(STDIN_FILENO, buffer, sizeof buffer);
    if (size <= 0) {
      watched[1].fd = -1;
      continue;
    }
    pending.append(buffer, static_cast<std::size_t>(size));
    create_topics_of_lines(cluster, pending);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const int stop_signals = open_stop_signals();
  char error[512];
  Handle owner(rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), error, sizeof error),
               &rd_kafka_destroy);
  if (!owner) {
    fmt::print(stderr, "mock_broker: librdkafka does not start: {}\n", error);
    return 1;
  }
  Cluster cluster(rd_kafka_mock_cluster_new(owner.get(), 1), &rd_kafka_mock_cluster_destroy);
  if (!cluster) {
    fmt::print(stderr, "mock_broker: librdkafka gives no mock cluster\n");
    return 1;
  }
  for (int i = 1; i < argc; ++i) {
    if (!create_topic(cluster.get(), argv[i], ':')) return 2;
  }
  fmt::print("{}\n", rd_kafka_mock_cluster_bootstraps(cluster.get()));
  std::fflush(stdout);
  serve_until_stopped(cluster.get(), stop_signals);
  return 0;
}

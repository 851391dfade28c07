#include "tests/bench/latency.hpp"

#include <fmt/format.h>

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <thread>

#include "tests/bench/kafka_load.hpp"
#include "tests/bench/measurements.hpp"
#include "tests/support/services.hpp"
#include "tests/support/wait.hpp"

namespace uniqd::bench {
namespace {

using Clock = std::chrono::steady_clock;
using test::Services;

constexpr std::chrono::milliseconds pace{10};
constexpr std::uint64_t one_in = 10;
constexpr std::chrono::seconds warm_up{2};
constexpr std::chrono::seconds answers_within{20};

// When each duplicate was sent, by its user. Thread safe.
class Sent {
 public:
  void note(const std::string& user, Clock::time_point at) {
    const std::lock_guard lock(mutex_);
    sent_.emplace(user, at);
  }
  [[nodiscard]] std::optional<Clock::time_point> find(const std::string& user) const {
    const std::lock_guard lock(mutex_);
    const auto found = sent_.find(user);
    return found == sent_.end() ? std::nullopt : std::optional(found->second);
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::string, Clock::time_point> sent_;
};

// A topic, those who answer its duplicates, and what is sent to it. Used by one sender and one
// reader at once.
struct Lane {
  std::string topic;
  std::string answers_topic;
  UserStream& stream;
  Sent sent{};
  // More than will ever come, until it is known.
  std::atomic<std::size_t> expected{static_cast<std::size_t>(-1)};
  std::vector<double> latencies_ms{};
  std::string trouble{};
};

// Sends at its pace until then; returns how many duplicates.
std::size_t send(LoadProducer& producer, Lane& lane, Clock::time_point until) {
  std::size_t duplicates = 0;
  const auto began = Clock::now();
  for (std::uint64_t i = 0; Clock::now() < until; ++i) {
    const bool is_duplicate = i % one_in == one_in - 1;
    const UserEvent event = is_duplicate ? lane.stream.duplicate() : lane.stream.add();
    const std::string user = user_id(event.user);
    const std::string payload = payload_of(event);
    std::this_thread::sleep_until(began + i * pace);
    if (is_duplicate) {
      lane.sent.note(user, Clock::now());
      ++duplicates;
    }
    producer.produce(lane.topic, user, payload);
  }
  return duplicates;
}

// To each lane for a second, in turns, until each had `length`.
void send_in_turns(const std::vector<Lane*>& lanes, std::chrono::seconds length) {
  LoadProducer producer(Services::get().brokers, LoadProducer::Pace::prompt);
  std::vector<std::size_t> duplicates(lanes.size());
  auto until = Clock::now();
  for (std::int64_t second = 0; second < length.count(); ++second) {
    for (std::size_t index = 0; index < lanes.size(); ++index) {
      until += std::chrono::seconds{1};
      duplicates[index] += send(producer, *lanes[index], until);
    }
  }
  producer.flush();
  for (std::size_t index = 0; index < lanes.size(); ++index) {
    lanes[index]->expected = duplicates[index];
  }
}

// Reads answers until as many came as were sent; an answer's key is the user.
void collect(Lane& lane, RecordReader& answers, Clock::time_point from, Clock::time_point until) {
  std::map<std::string, bool> seen;
  while (seen.size() < lane.expected) {
    if (Clock::now() > until) {
      lane.trouble =
          fmt::format("{} answers of {} came in time", seen.size(), lane.expected.load());
      return;
    }
    const KafkaMessage message = answers.next(100);
    const auto now = Clock::now();
    if (!message) continue;
    const std::string user(static_cast<const char*>(message->key), message->key_len);
    const auto at = lane.sent.find(user);
    if (!at || !seen.emplace(user, true).second || *at < from) continue;
    lane.latencies_ms.push_back(std::chrono::duration<double, std::milli>(now - *at).count());
  }
}

// `length` for each of them.
void time_answers(const std::vector<Lane*>& lanes, std::chrono::seconds length) {
  std::vector<std::unique_ptr<RecordReader>> readers;
  readers.reserve(lanes.size());
  for (const Lane* lane : lanes) {
    readers.push_back(std::make_unique<RecordReader>(Services::get().brokers, lane->answers_topic,
                                                     end_of(lane->answers_topic)));
  }
  const auto began = Clock::now();
  const auto count = static_cast<std::int64_t>(lanes.size());
  std::vector<std::jthread> threads;
  for (std::size_t index = 0; index < lanes.size(); ++index) {
    threads.emplace_back([=, lane = lanes[index], answers = readers[index].get()] {
      try {
        collect(*lane, *answers, began + warm_up * count, began + length * count + answers_within);
      } catch (const std::runtime_error& failure) {
        lane->trouble = failure.what();
      }
    });
  }
  send_in_turns(lanes, length);
  threads.clear();
  for (const Lane* lane : lanes) {
    if (!lane->trouble.empty()) throw std::runtime_error(lane->trouble);
  }
}

// The least that could be done: consume, one durable commit, produce.
class BareLoop {
 public:
  BareLoop(const std::string& topic, std::string answers_topic, const Sent& duplicates)
      : answers_topic_(std::move(answers_topic)),
        duplicates_(duplicates),
        link_(Services::get().postgres),
        reader_(Services::get().brokers, topic, RD_KAFKA_OFFSET_BEGINNING),
        producer_(Services::get().brokers, LoadProducer::Pace::prompt) {
    link_.run("DROP TABLE IF EXISTS bench_bare; CREATE TABLE bench_bare (event text, at bigint)");
    link_.prepare("keep", "INSERT INTO bench_bare VALUES ($1, $2)");
    thread_ = std::thread([this] { run(); });
  }
  ~BareLoop() {
    is_over_ = true;
    thread_.join();
  }
  BareLoop(const BareLoop&) = delete;
  BareLoop& operator=(const BareLoop&) = delete;

 private:
  void run() {
    try {
      while (!is_over_) {
        const KafkaMessage message = reader_.next(100);
        if (!message) continue;
        const std::string user(static_cast<const char*>(message->key), message->key_len);
        link_.run_prepared("keep", {user, std::to_string(message->offset)});
        if (duplicates_.find(user)) {
          producer_.produce(answers_topic_, user, R"({"reason":"There is already a user."})");
        }
      }
    } catch (const std::runtime_error& failure) {
      fmt::print(stderr, "bare loop: {}\n", failure.what());  // its answers will be missed
    }
  }

  std::string answers_topic_;
  const Sent& duplicates_;
  PgLink link_;
  RecordReader reader_;
  LoadProducer producer_;
  std::atomic<bool> is_over_{false};
  std::thread thread_;
};

// One run of both: each has its own topic, and they take turns, so that the machine's good and bad
// seconds are the same for both.
struct Pair {
  std::vector<double> uniqd_ms;
  std::vector<double> bare_ms;
};

Pair time_pair(std::chrono::seconds length) {
  Stage stage(make_topic());
  UserStream stream;
  UserStream bare_stream;
  Lane uniqd{stage.topic(), stage.commands_topic(), stream};
  Lane bare{make_topic(), make_topic(), bare_stream};
  LoadProducer producer(Services::get().brokers, LoadProducer::Pace::bulk);
  constexpr int users_before = 1000;
  const std::string users = std::to_string(users_before);
  for (int i = 0; i < users_before; ++i) {
    producer.produce(uniqd.topic, stream.add());
    producer.produce(bare.topic, bare_stream.add());
  }
  producer.flush();
  start_and_settle(stage);
  BareLoop loop(bare.topic, bare.answers_topic, bare.sent);
  test::wait_until(
      "the bare loop has kept what was there before",
      [&] { return stage.link().text("SELECT count(*) FROM public.bench_bare") == users; },
      std::chrono::minutes{1});
  time_answers({&uniqd, &bare}, length);
  return {std::move(uniqd.latencies_ms), std::move(bare.latencies_ms)};
}

}  // namespace

std::int64_t end_of(const std::string& topic) {
  const auto client = make_kafka_client(
      RD_KAFKA_CONSUMER,
      make_kafka_conf({}, {{"bootstrap.servers", Services::get().brokers}, {"log_level", "3"}},
                      {}));
  constexpr int within_ms = 30'000;
  std::int64_t low = 0;
  std::int64_t high = 0;
  const auto error =
      rd_kafka_query_watermark_offsets(client.get(), topic.c_str(), 0, &low, &high, within_ms);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    throw std::runtime_error("the end of " + topic + ": " + error_text(error));
  }
  return high;
}

void start_and_settle(Stage& stage) {
  stage.daemon().start_and_wait();
  const std::int64_t end = end_of(stage.topic());
  test::wait_until(
      "uniqd has applied all and sent what it had to",
      [&] {
        return stage.applied() >= end &&
               stage.link()
                   .text("SELECT 1 FROM compensations WHERE state = 'pending' LIMIT 1")
                   .empty();
      },
      std::chrono::minutes{5});
}

std::vector<double> time_duplicates(Stage& stage, UserStream& stream, std::chrono::seconds length) {
  Lane lane{stage.topic(), stage.commands_topic(), stream};
  time_answers({&lane}, length);
  return std::move(lane.latencies_ms);
}

void measure_latency(const Sizes& sizes, Report& report) {
  std::vector<double> p50;
  std::vector<double> p99;
  std::vector<double> bare_p50;
  std::vector<double> bare_p99;
  // One more beforehand, which does not count: a broker that has just begun compiles what it runs,
  // and would do so for the first of the two.
  for (std::size_t run = 0; run <= sizes.runs; ++run) {
    const auto [uniqd, bare] = time_pair(sizes.latency);
    if (run == 0) continue;
    p50.push_back(percentile(uniqd, 0.5));
    p99.push_back(percentile(uniqd, 0.99));
    bare_p50.push_back(percentile(bare, 0.5));
    bare_p99.push_back(percentile(bare, 0.99));
    fmt::print("T3 run {}: uniqd p50 {:.2f} p99 {:.2f} ms, bare p50 {:.2f} p99 {:.2f} ms\n", run,
               p50.back(), p99.back(), bare_p50.back(), bare_p99.back());
  }
  report.add("t3_p50_ms", p50);
  report.add("t3_p99_ms", p99);
  report.add("t3_bare_p50_ms", bare_p50);
  report.add("t3_bare_p99_ms", bare_p99);
  report.add_ratio("t3_p50_vs_bare", p50, bare_p50, Target{Target::Side::at_most, 2});
  report.add_ratio("t3_p99_vs_bare", p99, bare_p99, Target{Target::Side::at_most, 3});
}

}  // namespace uniqd::bench

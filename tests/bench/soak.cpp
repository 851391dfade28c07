// A steady stream at most of what T1 could take: neither memory nor lag may grow.

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <exception>
#include <thread>

#include "tests/bench/kafka_load.hpp"
#include "tests/bench/latency.hpp"
#include "tests/bench/measurements.hpp"
#include "tests/bench/stage.hpp"
#include "tests/support/services.hpp"

namespace uniqd::bench {
namespace {

using Clock = std::chrono::steady_clock;
using test::Services;

constexpr double share_of_t1 = 0.8;
constexpr std::chrono::milliseconds slice{10};
// So many users are there at a time, once they have come: what may not grow must not be made to.
constexpr std::uint64_t users_present = 1'000'000;
constexpr double lag_max_s = 2;        // of the stream, at any time after the warm-up
constexpr double lag_hopeless_s = 10;  // after which nobody needs to see more of it
// Over what is looked at: so much of the mean, or what a pause of the database may leave behind:
// the consumer reads ahead meanwhile (librdkafka's queued.max.messages.kbytes: 64 MiB) and two
// batches get as large as they may, and an allocator does not give it back. Beside it what the
// daemon remembers of each user and value that came (known_keys.hpp): less than so much an event,
// and not more than readmodel.memory_max_mib says.
constexpr double memory_growth_max = 0.05;
constexpr double memory_settles_bytes = (64 + 2 * 16) << 20;
constexpr double remembered_bytes_per_event = 6;
constexpr double remembered_bytes_max = 256 << 20;

struct Sample {
  double second = 0;
  double memory_bytes = 0;
  double lag = 0;  // records
};

// Sends at a steady rate until told to stop.
class SteadyStream {
 public:
  SteadyStream(std::string topic, double events_per_s)
      : topic_(std::move(topic)), thread_([this, events_per_s] { run(events_per_s); }) {}
  ~SteadyStream() { stop(); }
  SteadyStream(const SteadyStream&) = delete;
  SteadyStream& operator=(const SteadyStream&) = delete;

  void stop() {
    is_over_ = true;
    if (thread_.joinable()) thread_.join();
  }
  [[nodiscard]] std::int64_t sent() const { return sent_; }
  [[nodiscard]] bool has_failed() const { return has_failed_; }

 private:
  void run(double events_per_s) {
    try {
      LoadProducer producer(Services::get().brokers, LoadProducer::Pace::bulk);
      UserStream stream;
      stream.settle_at(users_present);
      const auto began = Clock::now();
      while (!is_over_) {
        const double seconds = std::chrono::duration<double>(Clock::now() - began).count();
        while (static_cast<double>(sent_) < seconds * events_per_s) {
          producer.produce(topic_, stream.next());
          ++sent_;
        }
        std::this_thread::sleep_for(slice);
      }
      producer.flush();
    } catch (const std::exception& failure) {
      fmt::print(stderr, "soak: {}\n", failure.what());
      has_failed_ = true;
    }
  }

  std::string topic_;
  std::atomic<std::int64_t> sent_{0};
  std::atomic<bool> is_over_{false};
  std::atomic<bool> has_failed_{false};
  std::thread thread_;
};

// Least squares: how much a second.
double slope(const std::vector<Sample>& samples, double Sample::*what) {
  const auto count = static_cast<double>(samples.size());
  double mean_x = 0;
  double mean_y = 0;
  for (const Sample& sample : samples) {
    mean_x += sample.second / count;
    mean_y += sample.*what / count;
  }
  double covariance = 0;
  double variance = 0;
  for (const Sample& sample : samples) {
    covariance += (sample.second - mean_x) * (sample.*what - mean_y);
    variance += (sample.second - mean_x) * (sample.second - mean_x);
  }
  return variance == 0 ? 0 : covariance / variance;
}

// For so long, unless the lag says before that the stream is too fast.
std::vector<Sample> watch(Stage& stage, const SteadyStream& stream, double events_per_s,
                          std::chrono::seconds length) {
  std::vector<Sample> samples;
  const auto began = Clock::now();
  for (auto at = began + std::chrono::seconds{1}; at < began + length;
       at += std::chrono::seconds{1}) {
    std::this_thread::sleep_until(at);
    if (stream.has_failed() || !stage.daemon().is_running()) {
      throw std::runtime_error("the soak ended early:\n" + stage.daemon().log_tail(20));
    }
    samples.push_back({std::chrono::duration<double>(Clock::now() - began).count(),
                       static_cast<double>(resident_bytes(stage.daemon().pid())),
                       static_cast<double>(stream.sent() - stage.applied())});
    if (samples.back().lag > lag_hopeless_s * events_per_s) break;
  }
  return samples;
}

struct Soaked {
  double events_per_s = 0;  // asked for
  double seconds = 0;
  double applied_per_s = 0;  // by the daemon
  double memory_mean = 0;
  double memory_slope = 0;  // a second
  double lag_max = 0;
  double lag_max_at = 0;  // seconds after the beginning
  double lag_slope = 0;
  bool is_memory_flat = false;
  bool is_lag_flat = false;
  [[nodiscard]] bool has_passed() const { return is_memory_flat && is_lag_flat; }
};

// What has been read long ago may go; half an hour of it would fill the disk.
std::string make_soak_topic() {
  return make_topic(1, {{"retention.bytes", std::to_string(std::uint64_t{16} << 30)},
                        {"segment.bytes", std::to_string(256 << 20)}});
}

Soaked soak(double events_per_s, std::chrono::seconds length) {
  Stage stage(make_soak_topic());
  (void)stage.open_read_model();
  stage.daemon().start_and_wait();
  SteadyStream stream(stage.topic(), events_per_s);
  auto samples = watch(stage, stream, events_per_s, length);
  const auto applied = static_cast<double>(stage.applied());
  stream.stop();
  Soaked soaked{events_per_s, samples.back().second, applied / samples.back().second};
  // The first third is for warming up.
  samples.erase(samples.begin(), samples.begin() + static_cast<std::ptrdiff_t>(samples.size() / 3));
  for (const Sample& sample : samples) {
    soaked.memory_mean += sample.memory_bytes / static_cast<double>(samples.size());
    if (sample.lag < soaked.lag_max) continue;
    soaked.lag_max = sample.lag;
    soaked.lag_max_at = sample.second;
  }
  soaked.memory_slope = slope(samples, &Sample::memory_bytes);
  soaked.lag_slope = slope(samples, &Sample::lag);
  const double seconds = samples.back().second - samples.front().second;
  const double remembered =
      std::min(remembered_bytes_max, remembered_bytes_per_event * seconds * soaked.applied_per_s);
  soaked.is_memory_flat =
      soaked.memory_slope * seconds <=
      remembered + std::max(memory_settles_bytes, memory_growth_max * soaked.memory_mean);
  soaked.is_lag_flat = soaked.lag_max <= lag_max_s * events_per_s;
  return soaked;
}

void add_soak(const std::string& name, const Soaked& soaked, Report& report) {
  constexpr double mib = 1 << 20;
  report.say(fmt::format(
      "Soak at {:.0f} events/s for {:.0f} s: {}. Applied {:.0f}/s; memory {:.1f} MiB, {:+.2f} "
      "MiB/min ({}); lag at most {:.0f} records ({:.1f} s, after {:.0f} s), {:+.1f} records/s ({})",
      soaked.events_per_s, soaked.seconds, soaked.has_passed() ? "passed" : "FAILED",
      soaked.applied_per_s, soaked.memory_mean / mib, 60 * soaked.memory_slope / mib,
      soaked.is_memory_flat ? "flat" : "grows", soaked.lag_max,
      soaked.lag_max / soaked.events_per_s, soaked.lag_max_at, soaked.lag_slope,
      soaked.is_lag_flat ? "flat" : "grows"));
  report.note(name, {{"passed", soaked.has_passed()},
                     {"seconds", soaked.seconds},
                     {"events_per_s", soaked.events_per_s},
                     {"applied_per_s", soaked.applied_per_s},
                     {"memory_mib", soaked.memory_mean / mib},
                     {"memory_mib_per_min", 60 * soaked.memory_slope / mib},
                     {"lag_max_records", soaked.lag_max},
                     {"lag_max_at_s", soaked.lag_max_at},
                     {"lag_records_per_s", soaked.lag_slope}});
}

}  // namespace

// With the producer beside it and commands to send, the daemon may not keep up with what it did
// alone; then its memory is told at a rate that it does keep up with.
void measure_soak(const Sizes& sizes, Report& report) {
  const bool is_asked_for = sizes.soak_rate > 0;
  const double rate =
      is_asked_for ? sizes.soak_rate : share_of_t1 * report.value("t1_events_per_s");
  const Soaked soaked = soak(rate, sizes.soak);
  add_soak("soak", soaked, report);
  if (soaked.is_lag_flat || is_asked_for) return;
  add_soak("soak_at_less", soak(share_of_t1 * soaked.applied_per_s, sizes.soak), report);
}

}  // namespace uniqd::bench

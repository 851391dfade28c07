// What comes in: how large a batch gets, and what is done on the thread beside.

#include "daemon/intake.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <future>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "daemon/worker.hpp"
#include "tests/unit/decode_world.hpp"

namespace uniqd::test {
namespace {

using std::chrono::milliseconds;

// Remembers how much it was asked for.
class EmptySource : public RecordSource {
 public:
  void poll(const PollLimits& limits, Poll& poll) override {
    poll = {};
    asked_for = limits.records_max;
  }
  std::vector<PartitionEnd> fetch_from(const std::vector<Position>& /*positions*/) override {
    return {};
  }
  void stop_fetching() override {}
  void report_progress(const std::vector<Position>& /*positions*/) override {}

  std::size_t asked_for = 0;
};

struct Reading {
  explicit Reading(std::size_t records_max)
      : intake(source, Decoder(user_options(), user_constraints()), OnBadEvent::park,
               {records_max, 1000, milliseconds(0)}, Ahead::at_once, [](std::string_view) {}) {}

  std::size_t asks_after(std::size_t record_count, milliseconds took) {
    Batch batch;
    batch.record_count = record_count;
    intake.adapt(batch, took);
    (void)intake.next();
    return source.asked_for;
  }

  EmptySource source;
  Intake intake;
};

TEST_CASE("a full batch that is soon written makes the next one larger, up to what is allowed") {
  Reading reading(20'000);
  CHECK(reading.asks_after(4'999, milliseconds(10)) == 5'000);
  CHECK(reading.asks_after(5'000, milliseconds(10)) == 10'000);
  CHECK(reading.asks_after(5'000, milliseconds(10)) == 10'000);
  CHECK(reading.asks_after(10'000, milliseconds(10)) == 20'000);
  CHECK(reading.asks_after(20'000, milliseconds(10)) == 20'000);
}

TEST_CASE("a batch that takes long makes the next one smaller, down to a few hundred") {
  Reading reading(20'000);
  CHECK(reading.asks_after(5'000, milliseconds(300)) == 5'000);
  CHECK(reading.asks_after(5'000, milliseconds(600)) == 2'500);
  for (int round = 0; round < 5; ++round) (void)reading.asks_after(100, milliseconds(600));
  CHECK(reading.asks_after(500, milliseconds(600)) == 500);
  CHECK(Reading(7).asks_after(7, milliseconds(600)) == 7);
}

TEST_CASE("a worker does one thing after the other, beside, and hands on what is thrown") {
  Worker worker(Ahead::beside);
  std::string done;
  auto first = worker.post([&] { done += "a"; });
  auto second = worker.post([&]() -> int { throw std::runtime_error(done + "b"); });
  auto third = worker.post([&] {
    done += "c";
    return std::this_thread::get_id();
  });
  CHECK(third.get() != std::this_thread::get_id());
  CHECK(done == "ac");
  first.get();
  CHECK_THROWS_WITH(second.get(), "ab");
}

TEST_CASE("a worker that goes away has done all that was posted") {
  int done = 0;
  {
    Worker worker(Ahead::beside);
    for (int i = 0; i < 100; ++i) (void)worker.post([&] { ++done; });
  }
  CHECK(done == 100);
  Worker at_once(Ahead::at_once);
  auto place = at_once.post([] { return std::this_thread::get_id(); });
  CHECK(place.get() == std::this_thread::get_id());
}

}  // namespace
}  // namespace uniqd::test

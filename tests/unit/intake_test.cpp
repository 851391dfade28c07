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

// Gives so many records with each poll, of which nothing comes, and then assignments.
class NumberingSource : public EmptySource {
 public:
  explicit NumberingSource(std::vector<std::size_t> counts) : counts_(std::move(counts)) {}

  void poll(const PollLimits& /*limits*/, Poll& poll) override {
    poll = {};
    if (polls == counts_.size()) {
      poll.assigned.emplace();
      return;
    }
    for (std::size_t i = 0; i < counts_[polls]; ++i) {
      poll.records.emplace_back();
      poll.records.back().offset = next_;
      next_ = next_.next();
    }
    ++polls;
  }
  void report_progress(const std::vector<Position>& positions) override {
    reported.push_back(positions.at(0).next_offset->value);
  }

  std::size_t polls = 0;
  std::vector<std::int64_t> reported;

 private:
  std::vector<std::size_t> counts_;
  Offset next_;
};

struct Backlog {
  explicit Backlog(std::vector<std::size_t> counts) : source(std::move(counts)) {}

  // Where the next batch begins, while it is applied as the loop does it.
  std::int64_t apply_next() {
    Batch& batch = intake.next();
    intake.fetch_ahead(batch);
    if (intake.has_ahead())
      intake.go_on_ahead([](Batch& ahead) { ahead.counts.count("", "seen"); });
    return batch.reaches.empty() ? -1 : batch.reaches[0].first.value;
  }

  NumberingSource source;
  Intake intake{source,           Decoder(user_options(), user_constraints()),
                OnBadEvent::park, {10, 1000, milliseconds(0)},
                Ahead::at_once,   [](std::string_view) {}};
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

TEST_CASE("in a backlog two batches are made before they are asked for, at its end none") {
  Backlog backlog({10, 10, 10, 5, 4, 10, 10});
  CHECK(backlog.apply_next() == 0);
  CHECK(backlog.source.polls == 3);
  CHECK(backlog.apply_next() == 10);
  CHECK(backlog.source.polls == 4);
  CHECK(backlog.apply_next() == 20);
  CHECK(backlog.source.polls == 5);
  CHECK(backlog.apply_next() == 30);
  CHECK(backlog.source.polls == 5);
  CHECK(backlog.apply_next() == 35);
  CHECK_FALSE(backlog.intake.has_ahead());
  CHECK(backlog.source.polls == 5);
  CHECK(backlog.apply_next() == 39);
  CHECK(backlog.source.polls == 7);
}

TEST_CASE("what is ahead can be dropped, but for the assignment that it has heard of") {
  Backlog behind({10, 10});
  (void)behind.apply_next();
  CHECK(behind.intake.drop_ahead().has_value());
  CHECK_FALSE(behind.intake.has_ahead());
  Backlog next_one({10});
  (void)next_one.apply_next();
  CHECK(next_one.intake.drop_ahead().has_value());
  Backlog nothing_new({10, 10, 10});
  (void)nothing_new.apply_next();
  CHECK_FALSE(nothing_new.intake.drop_ahead().has_value());
  CHECK_FALSE(nothing_new.intake.drop_ahead().has_value());
  CHECK(nothing_new.apply_next() == -1);
}

TEST_CASE("how far the read model is, is reported between two polls") {
  Backlog backlog({10, 10, 10, 10});
  (void)backlog.apply_next();
  backlog.intake.report_progress({{Partition{0}, Offset{10}}});
  CHECK(backlog.source.reported.empty());
  (void)backlog.apply_next();
  CHECK(backlog.source.reported == std::vector<std::int64_t>{10});
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

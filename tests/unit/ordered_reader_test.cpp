// Several partitions as one sequence: by the history, by time, as both grow; and what is said where
// the topic is not what it was.

#include "daemon/ordered_reader.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace uniqd {
namespace {

using Kind = HistoryStep::Kind;

struct Log {
  struct Entry {
    std::int64_t offset = 0;
    std::int64_t timestamp_ms = 0;
  };
  std::vector<Entry> entries;
  std::int64_t end = 0;
  bool is_away = false;  // the broker
  bool is_lost = false;  // the client: it is assigned anew
  std::size_t portion = 2;
};

// One partition, handed out in portions; an end is told once.
class LogSource : public RecordSource {
 public:
  LogSource(Log& log, Partition partition) : log_(log), partition_(partition) {}

  void poll(const PollLimits& /*limits*/, Poll& poll) override {
    poll = {};
    if (log_.is_away) {
      poll.failure = SourceFailure{SourceTrouble::passing, "the broker is away"};
      return;
    }
    if (!is_assigned_ || std::exchange(log_.is_lost, false)) {
      is_assigned_ = true;
      poll.assigned = std::vector{partition_};
      return;
    }
    for (const Log::Entry& entry : log_.entries) {
      if (entry.offset < next_ || poll.records.size() == log_.portion) continue;
      Record record;
      record.partition = partition_;
      record.offset = Offset{entry.offset};
      record.timestamp_ms = entry.timestamp_ms;
      poll.records.push_back(record);
    }
    if (!poll.records.empty()) next_ = poll.records.back().offset.value + 1;
    const bool is_at_end = std::ranges::none_of(
        log_.entries, [&](const Log::Entry& entry) { return entry.offset >= next_; });
    if (!is_at_end || told_ == log_.end) return;
    told_ = log_.end;
    poll.ends.push_back({partition_, Offset{log_.end}});
  }
  std::vector<PartitionEnd> fetch_from(const std::vector<Position>& positions) override {
    REQUIRE(positions.size() == 1);
    next_ = positions[0].next_offset.value_or(Offset{}).value;
    told_ = -1;
    if (log_.is_away) return {};
    return {{partition_, Offset{log_.end}}};
  }
  void stop_fetching() override {}
  void report_progress(const std::vector<Position>& /*positions*/) override {}

 private:
  Log& log_;
  Partition partition_;
  bool is_assigned_ = false;
  std::int64_t next_ = 0;
  std::int64_t told_ = -1;
};

struct Desk {
  explicit Desk(std::vector<std::vector<Log::Entry>> partitions) {
    std::vector<Position> from;
    for (auto& entries : partitions) {
      const Partition partition{static_cast<std::int32_t>(from.size())};
      logs[partition].entries = std::move(entries);
      if (!logs[partition].entries.empty()) {
        logs[partition].end = logs[partition].entries.back().offset + 1;
      }
      from.push_back({partition, std::nullopt});
    }
    reader = std::make_unique<OrderedReader>(
        [this](Partition partition) {
          return std::make_unique<LogSource>(logs.at(partition), partition);
        },
        from);
  }

  Log& log(std::int32_t partition) { return logs.at(Partition{partition}); }

  void read_to(std::vector<std::int64_t> targets, const std::vector<HistoryStep>& steps = {}) {
    std::vector<Position> positions;
    for (const std::int64_t target : targets) {
      const Partition partition{static_cast<std::int32_t>(positions.size())};
      positions.push_back({partition, Offset{target}});
    }
    reader->read_to(positions, steps);
  }

  // One batch: its records as partition.offset, "again" before one judged once more, and what a
  // person did.
  std::string next(std::size_t records_max = 100) {
    reader->next(records_max, batch);
    std::string text;
    const auto add = [&](const std::string& word) { text += text.empty() ? word : " " + word; };
    if (batch.is_again) add("again");
    for (const Record& record : batch.records) {
      add(fmt::format("{}.{}", to_number(record.partition), record.offset.value));
    }
    if (batch.then) add(batch.then->kind == Kind::retry ? "retry" : "dismiss");
    return text;
  }
  // All up to the target; batches that are cut by a person or an `again` in brackets.
  std::string all(std::size_t records_max = 100) {
    std::string text;
    for (int round = 0; round < 1000; ++round) {
      std::string words = next(records_max);
      if (batch.is_again) words = "[" + words + "]";
      if (!words.empty()) text += text.empty() ? words : " " + words;
      if (batch.is_at_target) return text;
    }
    return text + " and never at the target";
  }

  std::map<Partition, Log> logs;
  std::unique_ptr<OrderedReader> reader;
  OrderedReader::Batch batch;
};

HistoryStep applied(std::int64_t ordinal, std::int32_t partition, std::int64_t next) {
  return {ordinal, Kind::applied, Partition{partition}, Offset{next}, {}};
}
HistoryStep again(std::int64_t ordinal, std::int32_t partition, std::int64_t offset) {
  return {ordinal, Kind::again, Partition{partition}, Offset{offset}, {}};
}
HistoryStep did(std::int64_t ordinal, Kind kind) { return {ordinal, kind, {}, {}, {}}; }

// The later partitions have the earlier times.
std::vector<std::vector<Log::Entry>> two_partitions() {
  return {{{0, 50}, {1, 60}, {3, 70}, {4, 80}}, {{0, 10}, {2, 20}, {3, 65}}};
}

}  // namespace

TEST_CASE("ordered reader: the history's order, whatever the times say") {
  for (const std::size_t records_max : {1U, 2U, 100U}) {
    CAPTURE(records_max);
    Desk desk(two_partitions());
    desk.read_to({5, 4}, {applied(3, 0, 2), applied(7, 1, 1), applied(8, 0, 4), applied(9, 1, 4),
                          applied(12, 0, 5)});
    CHECK(desk.all(records_max) == "0.0 0.1 1.0 0.3 1.2 1.3 0.4");
    CHECK(desk.reader->positions() ==
          std::vector<Position>{{Partition{0}, Offset{5}}, {Partition{1}, Offset{4}}});
    CHECK(desk.reader->first(Partition{1}) == Offset{0});
  }
}

TEST_CASE("ordered reader: what people did comes after all before it, and before all after it") {
  Desk desk(two_partitions());
  desk.read_to({5, 4}, {applied(1, 0, 2), did(2, Kind::dismiss), applied(3, 1, 4), again(4, 0, 1),
                        did(5, Kind::retry), applied(6, 0, 5)});
  CHECK(desk.all() == "0.0 0.1 dismiss 1.0 1.2 1.3 [again 0.1] retry 0.3 0.4");
  CHECK(desk.reader->next_ordinal() == 6);
}

TEST_CASE("ordered reader: a record judged again that is there no more is passed over") {
  Desk desk(two_partitions());
  desk.read_to({5, 4}, {applied(1, 0, 5), again(2, 0, 2), again(3, 0, 0), applied(4, 1, 4)});
  CHECK(desk.all() == "0.0 0.1 0.3 0.4 [again 0.0] 1.0 1.2 1.3");
}

TEST_CASE("ordered reader: the last step grows, and others come") {
  Desk desk(two_partitions());
  desk.read_to({2, 1}, {applied(1, 1, 1), applied(2, 0, 2)});
  CHECK(desk.all() == "1.0 0.0 0.1");
  CHECK(desk.reader->next_ordinal() == 2);
  desk.read_to({4, 1}, {applied(2, 0, 4)});
  CHECK(desk.all() == "0.3");
  desk.read_to({5, 4}, {applied(2, 0, 4), applied(3, 1, 4), did(5, Kind::retry), applied(6, 0, 5)});
  CHECK(desk.all() == "1.2 1.3 retry 0.4");
  desk.read_to({5, 4}, {applied(6, 0, 5), did(7, Kind::dismiss)});
  CHECK(desk.all() == "dismiss");
  CHECK(desk.reader->next_ordinal() == 8);
  desk.read_to({5, 4}, {});
  CHECK(desk.all().empty());
}

TEST_CASE("ordered reader: where no history says it, by time, then by partition") {
  Desk desk({{{0, 5}, {1, 9}, {2, 2}, {3, 9}}, {{0, 5}, {1, 6}, {2, 9}, {3, 9}}, {}});
  SUBCASE("from several partitions, each in its own order") {
    desk.read_to({4, 4, 0});
    CHECK(desk.all() == "0.0 1.0 1.1 0.1 0.2 0.3 1.2 1.3");
  }
  SUBCASE("a few at a time") {
    desk.log(0).portion = 1;
    desk.log(1).portion = 3;
    desk.read_to({4, 4, 0});
    CHECK(desk.all(2) == "0.0 1.0 1.1 0.1 0.2 0.3 1.2 1.3");
  }
  SUBCASE("in batches whose positions say all of their order") {
    desk.reader->keep_to_numbers();
    desk.read_to({4, 4, 0});
    for (const Position& before : desk.reader->positions()) CHECK_FALSE(before.next_offset);
    std::string batches;
    do {
      const std::string batch = desk.next();
      if (!batch.empty()) batches += "[" + batch + "]";
      CHECK(std::ranges::is_sorted(desk.batch.records, {}, &Record::partition));
    } while (!desk.batch.is_at_target);
    std::erase_if(batches, [](char c) { return c == '[' || c == ']' || c == ' '; });
    CHECK(batches == "0.01.01.10.10.20.31.21.3");
  }
}

TEST_CASE("ordered reader: a target may lie behind the last record") {
  Desk desk({{{0, 1}, {1, 2}}, {}});
  desk.log(0).end = 7;
  desk.log(1).end = 3;
  SUBCASE("by time") { desk.read_to({7, 3}); }
  SUBCASE("by the history") { desk.read_to({7, 3}, {applied(1, 1, 3), applied(2, 0, 7)}); }
  CHECK(desk.all() == "0.0 0.1");
  CHECK(desk.reader->positions() ==
        std::vector<Position>{{Partition{0}, Offset{7}}, {Partition{1}, Offset{3}}});
  CHECK_FALSE(desk.reader->first(Partition{1}));
}

TEST_CASE("ordered reader: what is read ahead waits until it is asked for") {
  Desk desk({{{0, 1}, {1, 2}, {2, 3}}});
  desk.log(0).portion = 100;
  desk.read_to({1});
  CHECK(desk.all() == "0.0");
  SUBCASE("in its memory") {}
  SUBCASE("or read again, when the end is asked for") {
    desk.log(0).end = 9;
    CHECK(desk.reader->find_end(Partition{0}) == Offset{9});
  }
  SUBCASE("or read again by a source that lost its client") { desk.log(0).is_lost = true; }
  desk.read_to({3});
  CHECK(desk.all() == "0.1 0.2");
}

TEST_CASE("ordered reader: a source that lost its client goes on where it was") {
  Desk desk({{{0, 1}, {1, 2}, {2, 3}, {3, 4}}});
  desk.read_to({4});
  while (desk.next() != "0.0 0.1") {
    REQUIRE(!desk.batch.is_at_target);
  }
  desk.log(0).is_lost = true;
  CHECK(desk.all() == "0.2 0.3");
}

TEST_CASE("ordered reader: a broker that is away is waited for, and is no truncated topic") {
  Desk desk({{{0, 1}, {1, 2}}});
  desk.read_to({2});
  CHECK(desk.all() == "0.0 0.1");
  // The end that is known lies before the target.
  desk.read_to({4});
  desk.log(0).is_away = true;
  for (int round = 0; round < 500; ++round) {
    CHECK(desk.next().empty());
    REQUIRE(desk.batch.trouble == "the broker is away");
  }
  CHECK_FALSE(desk.reader->find_end(Partition{0}));
  desk.log(0).entries.push_back({3, 4});
  desk.log(0).end = 4;
  desk.log(0).is_away = false;
  CHECK(desk.all() == "0.3");
  CHECK(desk.batch.trouble.empty());
}

TEST_CASE("ordered reader: a topic that ends before what was applied is not the same") {
  Desk desk({{{0, 1}, {1, 2}}});
  desk.read_to({9});
  CHECK_THROWS_WITH_AS((void)desk.all(),
                       doctest::Contains("partition 0 of the topic ends at offset 2, but the read "
                                         "model has applied records up to 9"),
                       TopicChanged);
}

TEST_CASE("ordered reader: a partition that the topic does not have") {
  Desk desk({{{0, 1}}});
  CHECK_THROWS_WITH_AS(desk.read_to({1, 5}), doctest::Contains("records of partition 1"),
                       TopicChanged);
}

}  // namespace uniqd

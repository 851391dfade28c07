// The source against a broker: assignment, explicit offsets, ends, gaps, takeover, failures.

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <thread>

#include "daemon/kafka_source.hpp"
#include "tests/support/kafka_admin.hpp"
#include "tests/support/services.hpp"

namespace uniqd::test {
namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr auto within = 60s;

Position at(std::int32_t partition, std::optional<std::int64_t> offset = {}) {
  Position position{Partition{partition}, std::nullopt};
  if (offset) position.next_offset = Offset{*offset};
  return position;
}

// A record that owns what the source only lends.
struct Read {
  std::int32_t partition = 0;
  std::int64_t offset = 0;
  std::optional<std::string> key;
  std::optional<std::string> payload;
  std::vector<std::pair<std::string, std::optional<std::string>>> headers;
  std::int64_t timestamp_ms = -1;
};

std::optional<std::string> own(const std::optional<std::string_view>& text) {
  return text ? std::optional<std::string>{*text} : std::nullopt;
}

std::string listed(const std::vector<std::int64_t>& offsets) {
  return fmt::format("{}", fmt::join(offsets, " "));
}

// A source with all that it ever reported.
class Reader {
 public:
  explicit Reader(KafkaSourceOptions options) : source{std::move(options), {}} {}

  void poll(const PollLimits& limits = {}) {
    source.poll(limits, last);
    if (last.assigned) {
      assigned = last.assigned;
      ++assignments;
    }
    for (const Record& record : last.records) {
      Read read{to_number(record.partition),
                record.offset.value,
                own(record.key),
                own(record.payload),
                {},
                record.timestamp_ms};
      for (const Header& header : record.headers) {
        read.headers.emplace_back(header.name, own(header.value));
      }
      records.push_back(std::move(read));
    }
    for (const PartitionEnd& end : last.ends) ends[to_number(end.partition)] = end.offset.value;
    if (last.failure) failures.push_back(last.failure->text);
  }

  [[nodiscard]] bool poll_until(const std::function<bool()>& is_so) {
    const auto deadline = Clock::now() + within;
    while (!is_so()) {
      if (Clock::now() >= deadline) return false;
      poll();
    }
    return true;
  }

  [[nodiscard]] bool await_assignment(std::size_t count) {
    return poll_until([&] { return assigned && assigned->size() == count; });
  }

  [[nodiscard]] std::vector<std::int64_t> offsets() const {
    std::vector<std::int64_t> all;
    for (const Read& read : records) all.push_back(read.offset);
    return all;
  }

  KafkaSource source;
  Poll last;
  std::optional<std::vector<Partition>> assigned;
  int assignments = 0;
  std::vector<Read> records;
  std::map<std::int32_t, std::int64_t> ends;
  std::vector<std::string> failures;
};

KafkaSourceOptions options_for(const std::string& topic, KafkaStart start = KafkaStart::earliest) {
  return {Services::get().brokers, unique_name("group"), topic, start, {}};
}

std::vector<TestRecord> numbered(int count, int from = 0, std::int32_t partition = 0) {
  std::vector<TestRecord> records;
  for (int i = from; i < from + count; ++i) {
    records.push_back({"key", std::to_string(i), {}, partition, -1});
  }
  return records;
}

std::vector<std::int64_t> range(std::int64_t from, std::int64_t to) {
  std::vector<std::int64_t> all;
  for (auto i = from; i < to; ++i) all.push_back(i);
  return all;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("nothing is fetched before fetch_from, and then from the given offset to the end") {
  KafkaAdmin admin;
  const auto topic = unique_name("source");
  admin.create_topic(topic);
  admin.produce(topic, numbered(20));
  Reader reader{options_for(topic)};
  REQUIRE(reader.await_assignment(1));
  for (int i = 0; i < 5; ++i) reader.poll();
  CHECK(reader.records.empty());
  CHECK(reader.ends.empty());

  const auto ends = reader.source.fetch_from({at(0, 7)});
  REQUIRE(ends.size() == 1);
  CHECK(ends[0].offset.value == 20);
  REQUIRE(reader.poll_until([&] { return reader.ends.contains(0); }));
  CHECK(listed(reader.offsets()) == listed(range(7, 20)));
  CHECK(reader.ends[0] == 20);
  CHECK(reader.records[0].payload == "7");

  // What is written later comes too, and the end again.
  admin.produce(topic, numbered(3, 20));
  REQUIRE(reader.poll_until([&] { return reader.ends[0] == 23; }));
  CHECK(listed(reader.offsets()) == listed(range(7, 23)));
  CHECK(reader.failures.empty());
}

TEST_CASE("fetch_from again gives exactly the records from there, none that was buffered") {
  KafkaAdmin admin;
  const auto topic = unique_name("source");
  admin.create_topic(topic);
  admin.produce(topic, numbered(5000));
  Reader reader{options_for(topic)};
  REQUIRE(reader.await_assignment(1));
  for (const std::int64_t from : {0, 3000, 100, 0, 4999}) {
    CAPTURE(from);
    (void)reader.source.fetch_from({at(0, from)});
    reader.records.clear();
    // Leaves much behind in the buffers.
    const PollLimits few{10, 1 << 20, 100ms};
    const auto deadline = Clock::now() + within;
    while (reader.records.empty() && Clock::now() < deadline) reader.poll(few);
    CHECK(listed(reader.offsets()) == listed(range(from, std::min<std::int64_t>(from + 10, 5000))));
  }
  (void)reader.source.fetch_from({at(0, 4000)});
  reader.records.clear();
  reader.ends.clear();
  REQUIRE(reader.poll_until([&] { return reader.ends.contains(0); }));
  CHECK(listed(reader.offsets()) == listed(range(4000, 5000)));
}

TEST_CASE("stop_fetching keeps the assignment and fetches nothing") {
  KafkaAdmin admin;
  const auto topic = unique_name("source");
  admin.create_topic(topic);
  admin.produce(topic, numbered(100));
  Reader reader{options_for(topic)};
  REQUIRE(reader.await_assignment(1));
  (void)reader.source.fetch_from({at(0)});
  REQUIRE(reader.poll_until([&] { return !reader.records.empty(); }));
  reader.source.stop_fetching();
  const auto before = reader.records.size();
  for (int i = 0; i < 5; ++i) reader.poll();
  CHECK(reader.records.size() == before);
  CHECK(reader.assignments == 1);
  (void)reader.source.fetch_from({at(0, 90)});
  reader.records.clear();
  REQUIRE(reader.poll_until([&] { return reader.records.size() >= 10; }));
  CHECK(listed(reader.offsets()) == listed(range(90, 100)));
}

TEST_CASE("a poll keeps to its limits and loses nothing by it") {
  KafkaAdmin admin;
  const auto topic = unique_name("source");
  admin.create_topic(topic);
  auto records = numbered(500);
  for (TestRecord& record : records) record.payload = std::string(1000, 'x');
  admin.produce(topic, records);
  Reader reader{options_for(topic)};
  REQUIRE(reader.await_assignment(1));
  (void)reader.source.fetch_from({at(0)});
  const auto deadline = Clock::now() + within;
  std::size_t most = 0;
  while (!reader.ends.contains(0) && Clock::now() < deadline) {
    reader.poll({50, 20000, 100ms});
    most = std::max(most, reader.last.records.size());
  }
  CHECK(listed(reader.offsets()) == listed(range(0, 500)));
  CHECK(most == 19);  // of 1003 bytes each
}

TEST_CASE("keys, payloads and headers arrive as they were sent, null and empty apart") {
  KafkaAdmin admin;
  const auto topic = unique_name("source");
  admin.create_topic(topic);
  const std::string binary{
      "\x00\xff\x80"
      "a",
      4};
  admin.produce(topic, {{"k", "v", {{"a", "1"}, {"b", std::nullopt}, {"a", "2"}, {"e", ""}}, 0, -1},
                        {std::nullopt, std::nullopt, {}, 0, -1},
                        {"", "", {}, 0, -1},
                        {binary, binary, {{"bin", binary}}, 0, -1}});
  Reader reader{options_for(topic)};
  REQUIRE(reader.await_assignment(1));
  (void)reader.source.fetch_from({at(0)});
  REQUIRE(reader.poll_until([&] { return reader.records.size() >= 4; }));
  const auto& read = reader.records;
  CHECK(read[0].key == "k");
  CHECK(read[0].payload == "v");
  REQUIRE(read[0].headers.size() == 4);
  CHECK(read[0].headers[0] == std::pair{std::string{"a"}, std::optional<std::string>{"1"}});
  CHECK_FALSE(read[0].headers[1].second.has_value());
  CHECK(read[0].headers[2].second == "2");
  CHECK(read[0].headers[3].second == "");
  CHECK_FALSE(read[1].key.has_value());
  CHECK_FALSE(read[1].payload.has_value());
  CHECK(read[1].headers.empty());
  CHECK(read[2].payload == "");
  CHECK(read[3].key == binary);
  CHECK(read[3].payload == binary);
  CHECK(read[3].headers.at(0).second == binary);
  CHECK(read[0].timestamp_ms > 0);
}

TEST_CASE("the end lies beyond transaction markers, and aborted records are not seen") {
  if (lacks_kafka()) return;
  KafkaAdmin admin;
  const auto topic = unique_name("source");
  admin.create_topic(topic);
  admin.produce_transaction(topic, numbered(3), true);       // 0-2, marker 3
  admin.produce_transaction(topic, numbered(2, 90), false);  // 4-5, marker 6
  admin.produce(topic, numbered(1, 7));                      // 7
  admin.produce_transaction(topic, numbered(4, 80), false);  // 8-11, marker 12
  Reader reader{options_for(topic)};
  REQUIRE(reader.await_assignment(1));
  const auto ends = reader.source.fetch_from({at(0)});
  REQUIRE(ends.size() == 1);
  CHECK(ends[0].offset.value == 13);
  REQUIRE(reader.poll_until([&] { return reader.ends.contains(0); }));
  CHECK(listed(reader.offsets()) == "0 1 2 7");
  CHECK(reader.ends[0] == 13);

  // From the very end there is an end again, and no record.
  reader.records.clear();
  reader.ends.clear();
  (void)reader.source.fetch_from({at(0, 13)});
  REQUIRE(reader.poll_until([&] { return reader.ends.contains(0); }));
  CHECK(reader.ends[0] == 13);
  CHECK(reader.records.empty());
}

TEST_CASE("start: latest begins at the end as it was when fetching began") {
  KafkaAdmin admin;
  const auto topic = unique_name("source");
  admin.create_topic(topic);
  admin.produce(topic, numbered(10));
  Reader reader{options_for(topic, KafkaStart::latest)};
  REQUIRE(reader.await_assignment(1));
  (void)reader.source.fetch_from({at(0)});
  admin.produce(topic, numbered(5, 10));  // before the first poll
  REQUIRE(reader.poll_until([&] { return reader.ends[0] == 15; }));
  CHECK(listed(reader.offsets()) == listed(range(10, 15)));
}

TEST_CASE("two members share the partitions; what one leaves, the other takes over") {
  KafkaAdmin admin;
  const auto topic = unique_name("source");
  admin.create_topic(topic, 4);
  for (int p = 0; p < 4; ++p) admin.produce(topic, numbered(10, 0, p));
  const auto options = options_for(topic);
  Reader first{options};
  REQUIRE(first.await_assignment(4));
  (void)first.source.fetch_from({at(0), at(1), at(2), at(3)});
  REQUIRE(first.poll_until([&] { return first.records.size() == 40; }));
  {
    Reader second{options};
    REQUIRE(first.poll_until([&] {
      second.poll({1000, 1 << 20, 10ms});
      return second.assigned && second.assigned->size() == 2 && first.assigned->size() == 2;
    }));
    std::set<std::int32_t> all;
    for (const Partition partition : *first.assigned) all.insert(to_number(partition));
    for (const Partition partition : *second.assigned) all.insert(to_number(partition));
    CHECK(all == std::set{0, 1, 2, 3});

    // The records of an assignment that has ended never appear, the new ones from where we say.
    first.records.clear();
    std::vector<Position> positions;
    for (const Partition partition : *first.assigned) positions.push_back({partition, Offset{8}});
    (void)first.source.fetch_from(positions);
    REQUIRE(first.poll_until([&] { return first.records.size() >= 4; }));
    CHECK(first.offsets().size() == 4);
  }
  REQUIRE(first.await_assignment(4));
}

// A member that the group believes alive until its session times out.
class SilentMember {
 public:
  SilentMember(const KafkaSourceOptions& options) {
    KafkaProperties properties{{"session.timeout.ms", "6000"}, {"log_level", "3"}};
    auto all = options;
    all.properties = properties;
    client_ = make_kafka_client(RD_KAFKA_CONSUMER, make_source_conf(all));
    rd_kafka_poll_set_consumer(client_.get());
    const KafkaPartitions topics{rd_kafka_topic_partition_list_new(1)};
    rd_kafka_topic_partition_list_add(topics.get(), options.topic.c_str(), -1);
    REQUIRE(rd_kafka_subscribe(client_.get(), topics.get()) == RD_KAFKA_RESP_ERR_NO_ERROR);
  }
  void poll() { KafkaMessage{rd_kafka_consumer_poll(client_.get(), 10)}.reset(); }
  [[nodiscard]] int assigned() const {
    rd_kafka_topic_partition_list_t* list = nullptr;
    rd_kafka_assignment(client_.get(), &list);
    return KafkaPartitions { list } -> cnt;
  }
  // As if it had been killed: it says nothing to the group.
  void vanish() { rd_kafka_destroy_flags(client_.release(), RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE); }

 private:
  KafkaClient client_;
};

TEST_CASE("the partitions of a member that vanishes are taken over") {
  if (lacks_kafka()) return;
  KafkaAdmin admin;
  const auto topic = unique_name("source");
  admin.create_topic(topic, 2);
  const auto options = options_for(topic);
  SilentMember silent{options};
  Reader reader{options};
  REQUIRE(reader.poll_until([&] {
    silent.poll();
    return silent.assigned() == 1 && reader.assigned && reader.assigned->size() == 1;
  }));
  silent.vanish();
  CHECK(reader.await_assignment(2));
}

TEST_CASE("an assignment that is not fetched yet does not hold up the group") {
  if (lacks_kafka()) return;
  KafkaAdmin admin;
  const auto topic = unique_name("source");
  admin.create_topic(topic, 2);
  const auto options = options_for(topic);
  Reader first{options};
  REQUIRE(first.await_assignment(2));
  Reader second{options};
  REQUIRE(first.poll_until([&] {
    second.poll({1000, 1 << 20, 10ms});
    return second.assigned && second.assigned->size() == 1 && first.assigned->size() == 1;
  }));
}

TEST_CASE("a position older than the oldest record halts, and says what is missing") {
  if (lacks_kafka()) return;
  KafkaAdmin admin;
  const auto topic = unique_name("source");
  admin.create_topic(topic);
  admin.produce(topic, numbered(50));
  admin.delete_records_before(topic, 0, 30);
  Reader reader{options_for(topic)};
  REQUIRE(reader.await_assignment(1));
  (void)reader.source.fetch_from({at(0, 12)});
  reader.poll();
  REQUIRE(reader.last.failure);
  CHECK(reader.last.failure->trouble == SourceTrouble::halted);
  const auto text = reader.last.failure->text;
  CHECK_MESSAGE(contains(text, "next record to read is 12"), text);
  CHECK_MESSAGE(contains(text, "offsets 12 to 29 (18 in all)"), text);
  CHECK_MESSAGE(contains(text, "uniqd rebuild"), text);
  // It stands, and nothing is read.
  for (int i = 0; i < 3; ++i) reader.poll();
  CHECK(reader.last.failure);
  CHECK(reader.records.empty());

  // Until a position that is there is asked for.
  (void)reader.source.fetch_from({at(0, 30)});
  REQUIRE(reader.poll_until([&] { return reader.ends.contains(0); }));
  CHECK(listed(reader.offsets()) == listed(range(30, 50)));
  CHECK_FALSE(reader.last.failure);
}

TEST_CASE("a position beyond the end halts") {
  KafkaAdmin admin;
  const auto topic = unique_name("source");
  admin.create_topic(topic);
  admin.produce(topic, numbered(5));
  Reader reader{options_for(topic)};
  REQUIRE(reader.await_assignment(1));
  (void)reader.source.fetch_from({at(0, 9)});
  reader.poll();
  REQUIRE(reader.last.failure);
  CHECK(reader.last.failure->trouble == SourceTrouble::halted);
  CHECK_MESSAGE(contains(reader.last.failure->text, "ends at 5"), reader.last.failure->text);
  CHECK_MESSAGE(contains(reader.last.failure->text, "truncated by 4"), reader.last.failure->text);
}

TEST_CASE("records removed before a slow reader comes to them halt it") {
  if (lacks_kafka()) return;
  KafkaAdmin admin;
  const auto topic = unique_name("source");
  admin.create_topic(topic);
  auto records = numbered(400);
  for (TestRecord& record : records) record.payload = std::string(10000, 'x');
  admin.produce(topic, records);
  auto options = options_for(topic);
  // So little that the rest is fetched later.
  options.properties = {
      {"queued.min.messages", "1"},         {"queued.max.messages.kbytes", "64"},
      {"fetch.message.max.bytes", "65536"}, {"fetch.max.bytes", "65536"},
      {"message.max.bytes", "65536"},       {"receive.message.max.bytes", "1000000"}};
  Reader reader{options};
  REQUIRE(reader.await_assignment(1));
  (void)reader.source.fetch_from({at(0)});
  const auto deadline = Clock::now() + within;
  while (reader.records.empty() && Clock::now() < deadline) reader.poll({1, 1 << 20, 100ms});
  REQUIRE_FALSE(reader.records.empty());
  admin.delete_records_before(topic, 0, 390);
  REQUIRE(reader.poll_until([&] {
    const auto next = reader.records.back().offset + 1;
    if (reader.last.assigned) (void)reader.source.fetch_from({at(0, next)});
    return reader.last.failure && reader.last.failure->trouble == SourceTrouble::halted;
  }));
  const auto next = reader.records.back().offset + 1;
  CHECK(listed(reader.offsets()) == listed(range(0, next)));
  CHECK_MESSAGE(contains(reader.last.failure->text, fmt::format("offsets {} to 389", next)),
                reader.last.failure->text);
}

TEST_CASE("a missing topic is named with its remedy, and read once it exists, without a restart") {
  if (lacks_kafka()) return;
  KafkaAdmin admin;
  const auto topic = unique_name("source");
  Reader reader{options_for(topic)};
  REQUIRE(reader.poll_until([&] { return reader.last.failure.has_value(); }));
  CHECK(reader.last.failure->trouble == SourceTrouble::passing);
  const auto text = reader.last.failure->text;
  CHECK_MESSAGE(contains(text, "topic \"" + topic + "\" does not exist"), text);
  CHECK_MESSAGE(contains(text, "--create --topic " + topic), text);
  admin.create_topic(topic, 2);
  REQUIRE(reader.await_assignment(2));
  admin.produce(topic, numbered(3));
  (void)reader.source.fetch_from({at(0), at(1)});
  REQUIRE(reader.poll_until([&] { return reader.records.size() == 3; }));
  REQUIRE(reader.poll_until([&] { return !reader.last.failure; }));
}

TEST_CASE("a topic deleted and created again halts where the position is beyond its end") {
  if (lacks_kafka()) return;
  KafkaAdmin admin;
  const auto topic = unique_name("source");
  admin.create_topic(topic);
  admin.produce(topic, numbered(20));
  Reader reader{options_for(topic)};
  REQUIRE(reader.await_assignment(1));
  (void)reader.source.fetch_from({at(0)});
  REQUIRE(reader.poll_until([&] { return reader.ends[0] == 20; }));
  const auto assignments = reader.assignments;
  admin.delete_topic(topic);
  REQUIRE(reader.poll_until([&] { return reader.last.failure.has_value(); }));
  CHECK_MESSAGE(contains(reader.last.failure->text, "does not exist"), reader.last.failure->text);
  admin.create_topic(topic);
  admin.produce(topic, numbered(2));
  const auto is_halted = [&] {
    return reader.last.failure && reader.last.failure->trouble == SourceTrouble::halted;
  };
  REQUIRE(reader.poll_until([&] {
    if (is_halted()) return true;
    // As the loop does: an assignment is answered with the stored position.
    if (reader.assignments > assignments && reader.last.assigned && !reader.assigned->empty()) {
      (void)reader.source.fetch_from({at(0, 20)});
    }
    return false;
  }));
  CHECK_MESSAGE(contains(reader.last.failure->text, "ends at 2"), reader.last.failure->text);
  CHECK(reader.records.size() == 20);
}

// However fast that was: nothing of the new topic is handed out.
TEST_CASE("a topic replaced under a reader that has noticed nothing halts it") {
  if (lacks_kafka()) return;
  KafkaAdmin admin;
  const auto topic = unique_name("source");
  admin.create_topic(topic, 2);
  admin.produce(topic, numbered(3, 0, 0));
  admin.produce(topic, numbered(3, 0, 1));
  Reader reader{options_for(topic)};
  REQUIRE(reader.await_assignment(2));
  (void)reader.source.fetch_from({at(0), at(1)});
  REQUIRE(reader.poll_until([&] { return reader.records.size() == 6; }));
  admin.delete_topic(topic);
  admin.create_topic(topic, 2);
  admin.produce(topic, numbered(8, 0, 0));
  admin.produce(topic, numbered(8, 0, 1));
  REQUIRE(reader.poll_until([&] {
    if (reader.last.assigned && !reader.assigned->empty()) {
      (void)reader.source.fetch_from({at(0, 3), at(1, 3)});
    }
    return reader.last.failure && reader.last.failure->trouble == SourceTrouble::halted;
  }));
  CHECK(reader.records.size() == 6);
  CHECK_MESSAGE(contains(reader.last.failure->text, "the record at offset 2 is not the one"),
                reader.last.failure->text);
}

TEST_CASE("a record after a silence is handed out at once, as the one before it is the same") {
  KafkaAdmin admin;
  const auto topic = unique_name("source");
  admin.create_topic(topic);
  admin.produce(topic, numbered(3));
  Reader reader{options_for(topic)};
  REQUIRE(reader.await_assignment(1));
  (void)reader.source.fetch_from({at(0)});
  REQUIRE(reader.poll_until([&] { return reader.ends[0] == 3; }));
  for (int i = 3; i < 8; ++i) {
    const auto silent_until = Clock::now() + 400ms;
    while (Clock::now() < silent_until) reader.poll({1000, 1 << 20, 20ms});
    admin.produce(topic, numbered(1, i));
    const auto produced = Clock::now();
    const auto count = reader.records.size() + 1;
    REQUIRE(reader.poll_until([&] { return reader.records.size() == count; }));
    const auto took =
        std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - produced);
    CHECK(took < 1s);
  }
  CHECK(listed(reader.offsets()) == listed(range(0, 8)));
  CHECK(reader.failures.empty());
}

TEST_CASE("brokers that cannot be reached are named, with the reason") {
  KafkaSourceOptions options{"127.0.0.1:1", "group", "topic", KafkaStart::earliest, {}};
  const auto started = Clock::now();
  {
    Reader reader{options};
    REQUIRE(reader.poll_until([&] { return reader.last.failure.has_value(); }));
    CHECK(reader.last.failure->trouble == SourceTrouble::passing);
    const auto text = reader.last.failure->text;
    CHECK_MESSAGE(contains(text, "cannot reach brokers 127.0.0.1:1 ("), text);
    CHECK_MESSAGE(contains(text, "Connection refused"), text);
    for (int i = 0; i < 15; ++i) reader.poll();
    CHECK(reader.last.failure);
  }
  CHECK(Clock::now() - started < 10s);
}

TEST_CASE("a bad property is refused when the source is made") {
  auto options = options_for("topic");
  options.properties = {{"sesion.timeout.ms", "1"}};
  CHECK_THROWS_WITH_AS(KafkaSource(options, {}),
                       "Kafka property \"sesion.timeout.ms\": No such configuration property: "
                       "\"sesion.timeout.ms\"; correct or remove it",
                       std::runtime_error);
}

TEST_CASE("a broker that stops and comes back is waited for, and nothing is lost or repeated") {
  if (lacks_stoppable_servers()) return;
  KafkaAdmin admin;
  const auto topic = unique_name("source");
  admin.create_topic(topic);
  admin.produce(topic, numbered(10));
  Reader reader{options_for(topic)};
  REQUIRE(reader.await_assignment(1));
  (void)reader.source.fetch_from({at(0)});
  REQUIRE(reader.poll_until([&] { return reader.ends[0] == 10; }));
  Services::get().act("stop-kafka");
  REQUIRE(reader.poll_until([&] { return reader.last.failure.has_value(); }));
  CHECK_MESSAGE(contains(reader.last.failure->text, "cannot reach brokers"),
                reader.last.failure->text);
  Services::get().act("start-kafka");
  admin.produce(topic, numbered(5, 10));
  REQUIRE(reader.poll_until([&] {
    if (reader.last.assigned && !reader.assigned->empty()) {
      const auto next = reader.records.empty() ? 0 : reader.records.back().offset + 1;
      (void)reader.source.fetch_from({at(0, next)});
    }
    return reader.ends[0] == 15;
  }));
  CHECK(listed(reader.offsets()) == listed(range(0, 15)));
  CHECK(reader.poll_until([&] { return !reader.last.failure; }));
}

TEST_CASE("a broker that freezes holds nobody up, and is read on when it thaws") {
  if (lacks_stoppable_servers()) return;
  KafkaAdmin admin;
  const auto topic = unique_name("source");
  admin.create_topic(topic);
  admin.produce(topic, numbered(10));
  Reader reader{options_for(topic)};
  REQUIRE(reader.await_assignment(1));
  auto other = std::make_unique<Reader>(options_for(topic));
  REQUIRE(other->await_assignment(1));
  Services::get().act("pause-kafka");
  const auto started = Clock::now();
  const auto ends = reader.source.fetch_from({at(0, 4)});
  const auto fetched = Clock::now();
  other.reset();
  const auto closed = Clock::now();
  Services::get().act("resume-kafka");
  CHECK(ends.empty());
  CHECK(fetched - started < 3s);
  CHECK(closed - fetched < 6s);
  REQUIRE(reader.poll_until([&] {
    if (reader.last.assigned && !reader.assigned->empty()) {
      (void)reader.source.fetch_from({at(0, 4)});
    }
    return reader.ends[0] == 10;
  }));
  CHECK(listed(reader.offsets()) == listed(range(4, 10)));
}

TEST_CASE("start: latest reads nothing before the end is known, and says so") {
  if (lacks_stoppable_servers()) return;
  KafkaAdmin admin;
  const auto topic = unique_name("source");
  admin.create_topic(topic);
  admin.produce(topic, numbered(10));
  Reader reader{options_for(topic, KafkaStart::latest)};
  REQUIRE(reader.await_assignment(1));
  Services::get().act("pause-kafka");
  (void)reader.source.fetch_from({at(0)});
  reader.poll();
  const auto failure = reader.last.failure;
  Services::get().act("resume-kafka");
  REQUIRE(failure);
  CHECK_MESSAGE(contains(failure->text, "cannot be learned"), failure->text);
  REQUIRE(reader.poll_until([&] {
    if (reader.last.assigned && !reader.assigned->empty()) (void)reader.source.fetch_from({at(0)});
    return reader.ends[0] == 10;
  }));
  CHECK(reader.records.empty());
  CHECK(reader.poll_until([&] { return !reader.last.failure; }));
}

TEST_CASE("progress is told to the group, for lag tools") {
  KafkaAdmin admin;
  const auto topic = unique_name("source");
  admin.create_topic(topic);
  admin.produce(topic, numbered(10));
  const auto options = options_for(topic);
  Reader reader{options};
  REQUIRE(reader.await_assignment(1));
  (void)reader.source.fetch_from({at(0)});
  reader.source.report_progress({at(0, 6)});
  const auto asking = make_kafka_client(RD_KAFKA_CONSUMER, make_source_conf(options));
  const auto committed = [&] {
    const KafkaPartitions list{rd_kafka_topic_partition_list_new(1)};
    rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), 0);
    const auto error = rd_kafka_committed(asking.get(), list.get(), 5000);
    return error == RD_KAFKA_RESP_ERR_NO_ERROR ? list->elems[0].offset : -1;
  };
  CHECK(reader.poll_until([&] { return committed() == 6; }));
}

TEST_CASE("a batch that takes too long costs the assignment, which then comes anew") {
  if (lacks_kafka()) return;
  KafkaAdmin admin;
  const auto topic = unique_name("source");
  admin.create_topic(topic);
  admin.produce(topic, numbered(10));
  auto options = options_for(topic);
  options.properties = {{"session.timeout.ms", "6000"}, {"max.poll.interval.ms", "6000"}};
  Reader reader{options};
  REQUIRE(reader.await_assignment(1));
  (void)reader.source.fetch_from({at(0)});
  REQUIRE(reader.poll_until([&] { return reader.ends.contains(0); }));
  std::this_thread::sleep_for(8s);  // the batch
  REQUIRE(reader.poll_until([&] { return reader.assigned->empty(); }));
  REQUIRE_FALSE(reader.failures.empty());
  CHECK_MESSAGE(contains(reader.failures.back(), "max.poll.interval.ms"), reader.failures.back());
  REQUIRE(reader.await_assignment(1));
  reader.records.clear();
  (void)reader.source.fetch_from({at(0, 5)});
  REQUIRE(reader.poll_until([&] { return reader.records.size() >= 5; }));
  CHECK(listed(reader.offsets()) == listed(range(5, 10)));
}

}  // namespace
}  // namespace uniqd::test

// The publisher against a broker: order, keys, refusals, a broker that goes away.

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>

#include "commands/kafka_publisher.hpp"
#include "tests/support/kafka_admin.hpp"
#include "tests/support/services.hpp"

namespace uniqd::test {
namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

Command command(int number, const std::string& key) {
  Command made;
  made.id.bytes[0] = static_cast<std::uint8_t>(number >> 8);
  made.id.bytes[1] = static_cast<std::uint8_t>(number);
  made.key = key;
  made.headers = {{"ce_id", std::to_string(number)}, {"content-type", "application/json"}};
  made.body = fmt::format("{{\"number\":{}}}", number);
  return made;
}

KafkaPublisherOptions options_for(const std::string& topic) {
  return {Services::get().brokers, topic, {}, 5000ms};
}

bool all_delivered(const std::vector<DeliveryReport>& reports) {
  return std::ranges::all_of(
      reports, [](const DeliveryReport& r) { return r.delivery == Delivery::delivered; });
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("commands arrive whole, once, and in order for each key") {
  KafkaAdmin admin;
  const auto topic = unique_name("commands");
  admin.create_topic(topic, 3);
  KafkaPublisher publisher{options_for(topic), {}};
  std::vector<Command> commands;
  commands.reserve(300);
  for (int i = 0; i < 300; ++i) commands.push_back(command(i, "user-" + std::to_string(i % 7)));
  const auto reports = publisher.publish(commands);
  REQUIRE(reports.size() == commands.size());
  CHECK(all_delivered(reports));
  for (std::size_t i = 0; i < commands.size(); ++i) CHECK(reports[i].id == commands[i].id);

  const auto records = admin.read_all(topic);
  REQUIRE(records.size() == 300);
  std::map<std::string, std::vector<int>> by_key;
  std::map<std::string, std::int32_t> partition_of;
  for (const TestRecord& record : records) {
    REQUIRE(record.key);
    const int number = std::stoi(record.header("ce_id"));
    by_key[*record.key].push_back(number);
    CHECK(record.payload == commands[static_cast<std::size_t>(number)].body);
    CHECK(record.header("content-type") == "application/json");
    const auto [known, is_new] = partition_of.emplace(*record.key, record.partition);
    CHECK(known->second == record.partition);
  }
  CHECK(by_key.size() == 7);
  for (const auto& [key, numbers] : by_key) CHECK(std::ranges::is_sorted(numbers));
}

TEST_CASE("a lone command is acknowledged in milliseconds") {
  KafkaAdmin admin;
  const auto topic = unique_name("commands");
  admin.create_topic(topic);
  KafkaPublisher publisher{options_for(topic), {}};
  REQUIRE(all_delivered(publisher.publish({command(0, "u")})));  // connects
  std::vector<Clock::duration> taken;
  for (int i = 1; i <= 51; ++i) {
    const auto started = Clock::now();
    REQUIRE(all_delivered(publisher.publish({command(i, "u")})));
    taken.push_back(Clock::now() - started);
  }
  std::ranges::sort(taken);
  MESSAGE("median " << std::chrono::duration_cast<std::chrono::microseconds>(taken[25]).count()
                    << " us, slowest "
                    << std::chrono::duration_cast<std::chrono::microseconds>(taken[50]).count()
                    << " us");
  CHECK(taken[25] < 50ms);
}

TEST_CASE("publishing nothing is nothing") {
  KafkaPublisher publisher{{"127.0.0.1:1", "topic", {}, 5000ms}, {}};
  CHECK(publisher.publish({}).empty());
}

TEST_CASE("a missing topic is refused with its remedy, is not created, and works once it exists") {
  if (lacks_kafka()) return;
  KafkaAdmin admin;
  const auto topic = unique_name("commands");
  KafkaPublisher publisher{options_for(topic), {}};
  const auto refused = publisher.publish({command(1, "a"), command(2, "b")});
  REQUIRE(refused.size() == 2);
  for (const DeliveryReport& report : refused) {
    CHECK(report.delivery == Delivery::refused);
    CHECK_MESSAGE(contains(report.why, "--create --topic " + topic), report.why);
  }
  CHECK(admin.partitions_of(topic) == 0);
  admin.create_topic(topic);
  const auto deadline = Clock::now() + 30s;
  while (!all_delivered(publisher.publish({command(1, "a")}))) REQUIRE(Clock::now() < deadline);
  CHECK(admin.read_all(topic).size() == 1);
}

TEST_CASE("a topic deleted under the publisher is refused, not a crash") {
  if (lacks_kafka()) return;
  KafkaAdmin admin;
  const auto topic = unique_name("commands");
  admin.create_topic(topic);
  KafkaPublisher publisher{options_for(topic), {}};
  REQUIRE(all_delivered(publisher.publish({command(1, "a")})));
  admin.delete_topic(topic);
  const auto deadline = Clock::now() + 30s;
  DeliveryReport last;
  do {
    last = publisher.publish({command(2, "a")}).at(0);
    CHECK(last.delivery != Delivery::delivered);
    REQUIRE(Clock::now() < deadline);
  } while (last.delivery != Delivery::refused);
  CHECK_MESSAGE(contains(last.why, "does not exist"), last.why);
}

TEST_CASE("a message that is too large is refused, the others are delivered") {
  if (lacks_kafka()) return;
  KafkaAdmin admin;
  const auto topic = unique_name("commands");
  admin.create_topic(topic, 1, {{"max.message.bytes", "2000"}});
  KafkaPublisher publisher{options_for(topic), {}};
  auto large = command(2, "b");
  large.body = std::string(5000, 'x');
  std::vector<DeliveryReport> reports;
  for (const auto& one : {command(1, "a"), large, command(3, "c")}) {
    reports.push_back(publisher.publish({one}).at(0));
  }
  CHECK(reports[0].delivery == Delivery::delivered);
  CHECK(reports[1].delivery == Delivery::refused);
  CHECK_MESSAGE(contains(reports[1].why, "max.message.bytes"), reports[1].why);
  CHECK(reports[2].delivery == Delivery::delivered);

  // Larger than the client itself takes.
  large.body = std::string(2'000'000, 'x');
  reports = publisher.publish({command(4, "a"), large, command(5, "c")});
  CHECK(reports[0].delivery == Delivery::delivered);
  CHECK(reports[1].delivery == Delivery::refused);
  CHECK(reports[2].delivery == Delivery::delivered);
  CHECK(admin.read_all(topic).size() == 4);
}

TEST_CASE("brokers that cannot be reached make it uncertain within the deadline") {
  KafkaPublisher publisher{{"127.0.0.1:1", "topic", {}, 700ms}, {}};
  const auto started = Clock::now();
  const auto reports = publisher.publish({command(1, "a"), command(2, "b")});
  CHECK(Clock::now() - started < 3s);
  REQUIRE(reports.size() == 2);
  for (const DeliveryReport& report : reports) {
    CHECK(report.delivery == Delivery::uncertain);
    CHECK_MESSAGE(contains(report.why, "cannot reach brokers 127.0.0.1:1"), report.why);
    CHECK_MESSAGE(contains(report.why, "Connection refused"), report.why);
  }
}

TEST_CASE("a bad property is refused when the publisher is made") {
  auto options = options_for("topic");
  options.properties = {{"compression.type", "no"}};
  CHECK_THROWS_AS(KafkaPublisher(options, {}), std::runtime_error);
}

TEST_CASE("a broker that stops and comes back gets every command, in order") {
  if (lacks_stoppable_servers()) return;
  KafkaAdmin admin;
  const auto topic = unique_name("commands");
  admin.create_topic(topic);
  auto options = options_for(topic);
  options.deadline = 1000ms;
  KafkaPublisher publisher{options, {}};
  REQUIRE(all_delivered(publisher.publish({command(0, "u")})));
  Services::get().act("stop-kafka");
  const std::vector<Command> rest{command(1, "u"), command(2, "u"), command(3, "u")};
  const auto started = Clock::now();
  auto reports = publisher.publish(rest);
  CHECK(Clock::now() - started < 4s);
  for (const DeliveryReport& report : reports) CHECK(report.delivery == Delivery::uncertain);
  Services::get().act("start-kafka");
  const auto deadline = Clock::now() + 60s;
  do {
    REQUIRE(Clock::now() < deadline);
    reports = publisher.publish(rest);
  } while (!all_delivered(reports));

  // Each at least once; the last round, acknowledged as a whole, is in order at the end.
  const auto records = admin.read_all(topic);
  REQUIRE(records.size() >= 4);
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(records[records.size() - 3 + i].header("ce_id") == std::to_string(i + 1));
  }
}

TEST_CASE("a broker that freezes makes it uncertain within the deadline") {
  if (lacks_stoppable_servers()) return;
  KafkaAdmin admin;
  const auto topic = unique_name("commands");
  admin.create_topic(topic);
  auto options = options_for(topic);
  options.deadline = 1000ms;
  KafkaPublisher publisher{options, {}};
  REQUIRE(all_delivered(publisher.publish({command(0, "u")})));
  Services::get().act("pause-kafka");
  // A thread of the broker may get something done before the signal reaches it.
  std::vector<DeliveryReport> reports;
  Clock::duration taken{};
  const auto frozen_by = Clock::now() + 10s;
  do {
    const auto started = Clock::now();
    reports = publisher.publish({command(1, "u")});
    taken = Clock::now() - started;
  } while (all_delivered(reports) && Clock::now() < frozen_by);
  Services::get().act("resume-kafka");
  CHECK(taken < 4s);
  CHECK(reports.at(0).delivery == Delivery::uncertain);
  const auto deadline = Clock::now() + 60s;
  while (!all_delivered(reports)) {
    REQUIRE(Clock::now() < deadline);
    reports = publisher.publish({command(1, "u")});
  }
  const auto records = admin.read_all(topic);
  CHECK(records.back().header("ce_id") == "1");
}

}  // namespace
}  // namespace uniqd::test

// What `uniqd check --online` says of the brokers.

#include <doctest/doctest.h>

#include <algorithm>

#include "daemon/kafka_check.hpp"
#include "tests/support/kafka_admin.hpp"
#include "tests/support/services.hpp"

namespace uniqd::test {
namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("all is well: brokers, topic, reading, group") {
  KafkaAdmin admin;
  const auto topic = unique_name("check");
  admin.create_topic(topic, 3);
  const auto findings = check_kafka_source(
      {admin.brokers(), unique_name("group"), topic, KafkaStart::earliest, {}}, 10000);
  REQUIRE(findings.size() == 4);
  for (const KafkaFinding& finding : findings) CHECK_MESSAGE(finding.is_good, finding.text);
  CHECK_MESSAGE(contains(findings[1].text, "3 partitions"), findings[1].text);

  using namespace std::chrono_literals;
  const auto commands = check_kafka_commands({admin.brokers(), topic, {}, 5000ms}, 10000);
  REQUIRE(commands.size() == 2);
  for (const KafkaFinding& finding : commands) CHECK_MESSAGE(finding.is_good, finding.text);
}

TEST_CASE("a missing topic is said with its remedy") {
  if (lacks_kafka()) return;
  const auto topic = unique_name("check");
  const auto findings = check_kafka_source(
      {Services::get().brokers, "group", topic, KafkaStart::earliest, {}}, 10000);
  REQUIRE(findings.size() == 2);
  CHECK(findings[0].is_good);
  CHECK_FALSE(findings[1].is_good);
  CHECK_MESSAGE(contains(findings[1].text, "--create --topic " + topic), findings[1].text);
}

TEST_CASE("no broker is said in time, with the reason") {
  using namespace std::chrono_literals;
  const auto started = std::chrono::steady_clock::now();
  const auto findings = check_kafka_commands({"127.0.0.1:1", "topic", {}, 5000ms}, 1000);
  CHECK(std::chrono::steady_clock::now() - started < 5s);
  REQUIRE(findings.size() == 1);
  CHECK_FALSE(findings[0].is_good);
  CHECK_MESSAGE(contains(findings[0].text, "Connection refused"), findings[0].text);
}

}  // namespace
}  // namespace uniqd::test

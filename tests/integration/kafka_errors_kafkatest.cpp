// Errors that a healthy broker does not make: librdkafka's mock cluster, in this process, makes
// them to order. Needs no server.

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <algorithm>

#include "commands/kafka_publisher.hpp"
#include "daemon/kafka_source.hpp"
#include "tests/support/kafka_admin.hpp"

namespace uniqd::test {
namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

// Numbers of requests in Kafka's protocol.
constexpr std::int16_t produce_request = 0;
constexpr std::int16_t find_coordinator_request = 10;
constexpr std::int16_t heartbeat_request = 12;
constexpr std::int16_t init_producer_id_request = 22;

class MockCluster {
 public:
  explicit MockCluster(const std::string& topic, int partitions = 1) {
    client_ = make_kafka_client(RD_KAFKA_PRODUCER, make_kafka_conf({}, {{"log_level", "0"}}, {}));
    cluster_ = rd_kafka_mock_cluster_new(client_.get(), 1);
    REQUIRE(cluster_ != nullptr);
    rd_kafka_mock_topic_create(cluster_, topic.c_str(), partitions, 1);
  }
  MockCluster(const MockCluster&) = delete;
  MockCluster& operator=(const MockCluster&) = delete;
  ~MockCluster() { rd_kafka_mock_cluster_destroy(cluster_); }

  [[nodiscard]] std::string brokers() const { return rd_kafka_mock_cluster_bootstraps(cluster_); }

  void set_topic_error(const std::string& topic, rd_kafka_resp_err_t error) {
    rd_kafka_mock_topic_set_error(cluster_, topic.c_str(), error);
  }

  void set_down(bool is_down) {
    const auto set = is_down ? rd_kafka_mock_broker_set_down : rd_kafka_mock_broker_set_up;
    REQUIRE(set(cluster_, 1) == RD_KAFKA_RESP_ERR_NO_ERROR);
  }

  // The next `count` requests of this kind are answered with this error.
  void answer(std::int16_t request, rd_kafka_resp_err_t error, std::size_t count) {
    const std::vector<rd_kafka_resp_err_t> errors(count, error);
    rd_kafka_mock_push_request_errors_array(cluster_, request, errors.size(), errors.data());
  }

 private:
  KafkaClient client_;
  rd_kafka_mock_cluster_t* cluster_ = nullptr;
};

Command command(int number) {
  Command made;
  made.id.bytes[0] = static_cast<std::uint8_t>(number);
  made.key = "u";
  made.headers = {{"ce_id", std::to_string(number)}};
  made.body = "{}";
  return made;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// A source that is polled until something has happened.
struct Listener {
  explicit Listener(const std::string& brokers, const KafkaProperties& properties = {})
      : source{{brokers, "group", "events", KafkaStart::earliest, properties}, {}} {}

  template <class Condition>
  void await(Condition is_so) {
    const auto deadline = Clock::now() + 30s;
    do {
      REQUIRE(Clock::now() < deadline);
      source.poll({}, poll);
    } while (!is_so());
  }

  KafkaSource source;
  Poll poll;
};

TEST_CASE("a producer that fails for good is replaced: uncertain first, delivered again") {
  MockCluster cluster{"commands"};
  KafkaPublisher publisher{{cluster.brokers(), "commands", {}, 5000ms}, {}};
  REQUIRE(publisher.publish({command(1)}).at(0).delivery == Delivery::delivered);
  cluster.answer(produce_request, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, 1);
  const auto failed = publisher.publish({command(2), command(3)});
  for (const DeliveryReport& report : failed) {
    CHECK(report.delivery == Delivery::uncertain);
    CHECK_FALSE(report.why.empty());
  }
  const auto again = publisher.publish({command(2), command(3)});
  for (const DeliveryReport& report : again) CHECK(report.delivery == Delivery::delivered);
}

TEST_CASE("no right to write is refused, with the ACLs that are missing") {
  MockCluster cluster{"commands"};
  KafkaPublisher publisher{{cluster.brokers(), "commands", {}, 5000ms}, {}};
  REQUIRE(publisher.publish({command(1)}).at(0).delivery == Delivery::delivered);
  cluster.answer(produce_request, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, 1);
  const auto report = publisher.publish({command(2)}).at(0);
  CHECK(report.delivery == Delivery::refused);
  CHECK_MESSAGE(contains(report.why, "WRITE and DESCRIBE"), report.why);
  CHECK(publisher.publish({command(3)}).at(0).delivery == Delivery::delivered);
}

TEST_CASE("no right to an idempotent producer is said") {
  MockCluster cluster{"commands"};
  cluster.answer(init_producer_id_request, RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, 3);
  KafkaPublisher publisher{{cluster.brokers(), "commands", {}, 5000ms}, {}};
  const auto report = publisher.publish({command(1)}).at(0);
  CHECK(report.delivery != Delivery::delivered);
  CHECK_MESSAGE(contains(report.why, "IDEMPOTENT_WRITE"), report.why);
}

TEST_CASE("an error that passes is hidden by sending again, once") {
  MockCluster cluster{"commands"};
  KafkaPublisher publisher{{cluster.brokers(), "commands", {}, 10000ms}, {}};
  REQUIRE(publisher.publish({command(1)}).at(0).delivery == Delivery::delivered);
  cluster.answer(produce_request, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, 2);
  CHECK(publisher.publish({command(2)}).at(0).delivery == Delivery::delivered);
}

TEST_CASE("no right to use the group is said with the ACL") {
  MockCluster cluster{"events"};
  cluster.answer(find_coordinator_request, RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, 1);
  Listener listener{cluster.brokers()};
  listener.await([&] { return listener.poll.failure.has_value(); });
  CHECK(listener.poll.failure->trouble == SourceTrouble::passing);
  const auto text = listener.poll.failure->text;
  CHECK_MESSAGE(contains(text, "ACL READ on it"), text);
  // Over with the first assignment.
  listener.await([&] { return listener.poll.assigned && !listener.poll.assigned->empty(); });
  CHECK_FALSE(listener.poll.failure);
}

TEST_CASE("no right to read the topic is said with the ACLs, until the right is there") {
  MockCluster cluster{"events"};
  cluster.set_topic_error("events", RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
  Listener listener{cluster.brokers()};
  listener.await([&] { return listener.poll.failure.has_value(); });
  CHECK(listener.poll.failure->trouble == SourceTrouble::passing);
  const auto text = listener.poll.failure->text;
  CHECK_MESSAGE(contains(text, "READ and DESCRIBE"), text);
  cluster.set_topic_error("events", RD_KAFKA_RESP_ERR_NO_ERROR);
  listener.await([&] { return listener.poll.assigned && !listener.poll.assigned->empty(); });
  listener.await([&] { return !listener.poll.failure; });
}

TEST_CASE("an instance fenced by another with its group.instance.id halts") {
  MockCluster cluster{"events"};
  Listener listener{cluster.brokers(), {{"group.instance.id", "one"}}};
  listener.await([&] { return listener.poll.assigned && !listener.poll.assigned->empty(); });
  cluster.answer(heartbeat_request, RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID, 1);
  listener.await([&] {
    return listener.poll.failure && listener.poll.failure->trouble == SourceTrouble::halted;
  });
  CHECK_MESSAGE(contains(listener.poll.failure->text, "group.instance.id"),
                listener.poll.failure->text);
}

TEST_CASE("brokers that turn out to be of another cluster halt, also while it runs") {
  MockCluster first("events");
  MockCluster second("events");
  second.set_down(true);
  std::vector<std::string> told;
  bool does_answer = false;
  KafkaSourceOptions options{
      first.brokers() + "," + second.brokers(), "group", "events", KafkaStart::earliest, {}};
  // As the read model does, which is away at first.
  options.keep_cluster = [&](const std::string& cluster) -> std::optional<std::string> {
    told.push_back(cluster);
    return does_answer ? std::optional(told.front()) : std::nullopt;
  };
  KafkaSource source{options, {}};
  Poll poll;
  const auto await = [&](auto is_so) {
    const auto deadline = Clock::now() + 60s;
    do {
      REQUIRE(Clock::now() < deadline);
      source.poll({}, poll);
      if (poll.assigned && !poll.assigned->empty()) (void)source.fetch_from({{Partition{0}, {}}});
    } while (!is_so());
  };
  await([&] { return told.size() >= 3; });
  REQUIRE(poll.failure);
  CHECK_MESSAGE(contains(poll.failure->text, "the read model does not answer"), poll.failure->text);
  does_answer = true;
  await([&] { return !poll.ends.empty(); });
  const auto questions = told.size();
  await([&] { return !poll.failure; });
  CHECK(told.size() == questions);

  second.set_down(false);
  first.set_down(true);
  await([&] { return poll.failure && poll.failure->trouble == SourceTrouble::halted; });
  CHECK(told.back() != told.front());
  CHECK_MESSAGE(contains(poll.failure->text, "are of Kafka cluster " + told.back() +
                                                 ", but the read model was filled from cluster " +
                                                 told.front()),
                poll.failure->text);
}

}  // namespace
}  // namespace uniqd::test

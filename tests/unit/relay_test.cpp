#include "commands/relay.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "readmodel/store_failure.hpp"

namespace uniqd {
namespace {

CompensationId id_of(std::uint8_t number) {
  CompensationId id;
  id.bytes[0] = number;
  return id;
}

class ListOutbox : public Outbox {
 public:
  std::vector<Compensation> due(const std::vector<Partition>& partitions,
                                std::size_t limit) override {
    asked = partitions;
    std::vector<Compensation> found;
    for (const auto& compensation : waiting) {
      if (found.size() < limit) found.push_back(compensation);
    }
    return found;
  }
  void mark_sent(const std::vector<CompensationId>& ids,
                 std::chrono::milliseconds /*publish_took*/) override {
    if (fails_to_mark) throw StoreFailure("08006", "gone");
    marked.insert(marked.end(), ids.begin(), ids.end());
    std::erase_if(waiting, [&](const auto& known) { return std::ranges::count(ids, known.id); });
  }

  void mark_overdue(const std::vector<CompensationId>& ids) override {
    overdue.insert(overdue.end(), ids.begin(), ids.end());
    std::erase_if(waiting, [&](const auto& known) { return std::ranges::count(ids, known.id); });
  }

  std::vector<Compensation> waiting;
  std::vector<CompensationId> marked;
  std::vector<CompensationId> overdue;
  std::vector<Partition> asked;
  bool fails_to_mark = false;
};

class ListPublisher : public CommandPublisher {
 public:
  std::vector<DeliveryReport> publish(const std::vector<Command>& commands) override {
    std::vector<DeliveryReport> reports;
    for (const Command& command : commands) {
      sent.push_back(command);
      const bool fails = std::ranges::count(failing, command.id) > 0;
      reports.push_back({command.id, fails ? failure : Delivery::delivered, fails ? "why" : ""});
    }
    return reports;
  }

  std::vector<Command> sent;
  std::vector<CompensationId> failing;
  Delivery failure = Delivery::uncertain;
};

struct Post {
  RelayPace pace{3, std::chrono::milliseconds{0}};
  ListOutbox outbox;
  ListPublisher publisher;
  std::vector<std::string> points;
  const CommandForm form{"ce-users"};
  Relay relay{outbox, publisher, form, pace,
              [this](std::string_view point) { points.emplace_back(point); }};
  const std::vector<Partition> partitions{Partition{0}, Partition{2}};

  explicit Post(std::uint8_t waiting, std::chrono::milliseconds looks_every = {})
      : pace{3, looks_every} {
    for (std::uint8_t number = 1; number <= waiting; ++number) {
      Compensation compensation;
      compensation.id = id_of(number);
      compensation.entity = "u" + std::string(1, static_cast<char>('0' + number));
      compensation.decided_at_ms = number;
      outbox.waiting.push_back(compensation);
    }
  }
};

}  // namespace

TEST_CASE("what may send nothing at a time looks, and that is all") {
  Post post(2);
  Relay looking(post.outbox, post.publisher, post.form, {0, post.pace.looks_every},
                [](std::string_view) {});
  const RelayStep step = looking.step(post.partitions);
  CHECK(post.outbox.asked == post.partitions);
  CHECK_FALSE(step.may_have_more);
  CHECK(post.publisher.sent.empty());
  CHECK(post.outbox.marked.empty());
}

TEST_CASE("what is pending is sent in order and marked") {
  Post post(5);
  const RelayStep first = post.relay.step(post.partitions);
  CHECK(post.outbox.asked == post.partitions);
  CHECK(first.delivered == 3);
  CHECK(first.failed == 0);
  CHECK(first.may_have_more);
  CHECK(first.decided_at_ms == std::vector<std::int64_t>{1, 2, 3});
  const RelayStep second = post.relay.step(post.partitions);
  CHECK(second.delivered == 2);
  CHECK_FALSE(second.may_have_more);
  REQUIRE(post.publisher.sent.size() == 5);
  for (std::uint8_t index = 0; index < 5; ++index) {
    CHECK(post.publisher.sent[index].id == id_of(index + 1));
    CHECK(post.outbox.marked.at(index) == id_of(index + 1));
  }
  const RelayStep third = post.relay.step(post.partitions);
  CHECK(third.delivered == 0);
  CHECK(post.publisher.sent.size() == 5);
}

TEST_CASE("what was decided just now is sent without asking, where its partition may send") {
  Post post(3, std::chrono::hours{1});
  auto decided = encode_commands(std::exchange(post.outbox.waiting, {}), post.form);
  decided[1].partition = Partition{1};
  (void)post.relay.step(post.partitions);
  post.outbox.asked.clear();
  const RelayStep step = post.relay.step(post.partitions, decided);
  CHECK(post.outbox.asked.empty());
  CHECK(step.delivered == 2);
  CHECK_FALSE(step.may_have_more);
  CHECK(post.outbox.marked == std::vector<CompensationId>{id_of(1), id_of(3)});
  CHECK(post.relay.step({Partition{5}}, decided).delivered == 0);
  CHECK(post.relay.step({}, decided).delivered == 0);
  CHECK(post.publisher.sent.size() == 2);
}

TEST_CASE("however much it is handed, the relay looks for what becomes due with time") {
  Post post(1);
  const auto decided = encode_commands(std::exchange(post.outbox.waiting, {}), post.form);
  CHECK(post.relay.step(post.partitions, decided).may_have_more);
  CHECK_FALSE(post.relay.step(post.partitions).may_have_more);
  CHECK(post.relay.step(post.partitions, decided).may_have_more);
  Post patient(1, std::chrono::hours{1});
  CHECK(patient.relay.step(patient.partitions, decided).may_have_more);  // it has never looked
}

TEST_CASE("nothing is asked for while no partition may send") {
  Post post(1);
  post.relay.step({});
  CHECK(post.outbox.asked.empty());
  CHECK(post.publisher.sent.empty());
  CHECK(post.points.empty());
}

TEST_CASE("only what was delivered is marked, the rest is sent again") {
  for (const Delivery failure : {Delivery::uncertain, Delivery::refused}) {
    Post post(3);
    post.publisher.failing = {id_of(2)};
    post.publisher.failure = failure;
    const RelayStep step = post.relay.step(post.partitions);
    CHECK(step.delivered == 2);
    CHECK(step.failed == 1);
    CHECK(step.why == "why");
    CHECK(step.decided_at_ms == std::vector<std::int64_t>{1, 3});
    CHECK(post.outbox.marked == std::vector{id_of(1), id_of(3)});
    post.publisher.failing.clear();
    CHECK(post.relay.step(post.partitions).delivered == 1);
    CHECK(post.publisher.sent.back() == post.publisher.sent[1]);
  }
}

TEST_CASE("when nothing was delivered nothing is marked") {
  Post post(1);
  post.publisher.failing = {id_of(1)};
  CHECK(post.relay.step(post.partitions).delivered == 0);
  CHECK(post.outbox.marked.empty());
}

TEST_CASE("a mark that fails leaves the command to be sent again") {
  Post post(1);
  post.outbox.fails_to_mark = true;
  CHECK_THROWS_AS(post.relay.step(post.partitions), StoreFailure);
  post.outbox.fails_to_mark = false;
  CHECK(post.relay.step(post.partitions).delivered == 1);
  REQUIRE(post.publisher.sent.size() == 2);
  CHECK(post.publisher.sent[0] == post.publisher.sent[1]);
}

TEST_CASE("a step has its points, in order") {
  Post post(1);
  post.relay.step(post.partitions);
  CHECK(post.points ==
        std::vector<std::string>{"relay_before_publish", "relay_before_mark", "relay_after_mark"});
}

}  // namespace uniqd

#include "commands/decide.hpp"

#include <doctest/doctest.h>

#include <algorithm>

#include "tests/support/table_language.hpp"

namespace uniqd {
namespace {

// Two constraints with an action each for claims and changes; u1 owns e=a and n=ann.
struct Desk {
  ConstraintSet constraints = make_constraints({{"e"}, {"n"}});
  Policy policy;
  EventMaker maker{constraints};
  Model model{constraints};
  Compensations compensations;

  Desk() {
    policy.by_constraint = {
        {{ActionKind::review, "", "mail"}, {ActionKind::detect, "", "mail"}},
        {{ActionKind::send, "DeactivateUser", "name"}, {ActionKind::send, "RevertName", "name"}}};
    policy.entity_field = {{"UserAdded", "userId"}};
    tell(maker.make("UserAdded", "u1", {{"e", "a"}, {"n", "ann"}}, "1", 1));
  }

  Compensations::Changes tell(const Event& event) {
    const Verdict verdict = judge(model, event);
    const auto opened = decide(model, event, verdict, policy, 1234, compensations);
    apply(model, event, verdict, opened);
    return compensations.changes();
  }
};

}  // namespace

TEST_CASE("a compensation knows its event, its time and its action") {
  Desk desk;
  Event event = desk.maker.make("UserAdded", "u2", {{"n", "ann"}}, "event-2", 7);
  event.partition = Partition{3};
  event.correlation_id = "request-9";
  event.traceparent = "00-ab-cd-01";
  const auto opened = desk.tell(event).opened;
  REQUIRE(opened.size() == 1);
  const Compensation& compensation = opened.front();
  CHECK(compensation.id == event.cause);
  CHECK(compensation.entity == "u2");
  CHECK(compensation.entity_field == "userId");
  CHECK(compensation.state == CompensationState::pending);
  CHECK(compensation.action == Action{ActionKind::send, "DeactivateUser", "name"});
  CHECK(compensation.event_id == "event-2");
  CHECK(compensation.correlation_id == "request-9");
  CHECK(compensation.traceparent == "00-ab-cd-01");
  CHECK(compensation.partition == Partition{3});
  CHECK(compensation.offset == Offset{7});
  CHECK(compensation.decided_at_ms == 1234);
  CHECK(compensation.attempts == 0);
  REQUIRE(compensation.violations.size() == 1);
  const Violation& violation = compensation.violations.front();
  CHECK(violation.cause == event.cause);
  CHECK(violation.constraint == "n");
  CHECK(violation.fields == std::vector<std::string>{"n"});
  CHECK(violation.value == *event.values.front().digest);
  CHECK(violation.owner == "u1");
  CHECK(violation.event_id == "event-2");
  CHECK(violation.event_type == "UserAdded");
  CHECK(violation.partition == Partition{3});
  CHECK(violation.offset == Offset{7});
}

TEST_CASE("without a correlation id the event's id serves, without a name the entity is 'entity'") {
  Desk desk;
  desk.tell(desk.maker.make("UserAdded", "u2", {}, "2", 2));
  const auto opened =
      desk.tell(desk.maker.make("UserChanged", "u2", {{"n", "ann"}}, "event-3", 3)).opened;
  REQUIRE(opened.size() == 1);
  CHECK(opened.front().correlation_id == "event-3");
  CHECK(opened.front().entity_field == "entity");
  CHECK(opened.front().action.command == "RevertName");
}

TEST_CASE("of an event's actions the strongest wins") {
  Desk desk;
  const auto opened =
      desk.tell(desk.maker.make("UserAdded", "u2", {{"e", "a"}, {"n", "ann"}}, "2", 2)).opened;
  REQUIRE(opened.size() == 1);
  CHECK(opened.front().action.kind == ActionKind::send);
  CHECK(opened.front().violations.size() == 2);
  CHECK(opened.front().violations[0].constraint == "e");
  CHECK(opened.front().violations[1].constraint == "n");
}

TEST_CASE("a stronger action of a further violation wins, a weaker one does not") {
  Desk desk;
  desk.tell(desk.maker.make("UserAdded", "u2", {{"e", "a"}}, "2", 2));
  const auto stronger = desk.tell(desk.maker.make("UserAdded", "u2", {{"n", "ann"}}, "3", 3));
  REQUIRE(stronger.opened.size() == 1);
  CHECK(stronger.opened.front().action.command == "DeactivateUser");
  CHECK(stronger.opened.front().violations.size() == 2);

  Desk other;
  other.tell(other.maker.make("UserAdded", "u2", {{"n", "ann"}}, "2", 2));
  const auto weaker = other.tell(other.maker.make("UserChanged", "u2", {{"e", "a"}}, "3", 3));
  CHECK(weaker.opened.front().action == Action{ActionKind::send, "DeactivateUser", "name"});
}

TEST_CASE("what was loaded and ends is a change, not an opening") {
  Desk desk;
  const auto opened = desk.tell(desk.maker.make("UserAdded", "u2", {{"n", "ann"}}, "2", 2)).opened;
  Compensation stored = opened.at(0);
  stored.violations.clear();
  desk.compensations = {};
  desk.compensations.load(stored);

  const auto added = desk.tell(desk.maker.make("UserAdded", "u2", {{"e", "a"}}, "3", 3));
  CHECK(added.opened.empty());
  REQUIRE(added.changed.size() == 1);
  CHECK(added.changed[0].now.id == stored.id);
  CHECK_FALSE(has_ended(added.changed[0].now.state));
  CHECK_FALSE(added.changed[0].becomes_due);
  CHECK(added.changed[0].now.violations.size() == 1);

  const auto ended = desk.tell(desk.maker.make("UserDeactivated", "u2", {}, "4", 4));
  REQUIRE(ended.changed.size() == 1);
  CHECK(ended.changed[0].now.state == CompensationState::confirmed);
}

TEST_CASE("few messages are those that were opened and have to be sent") {
  Desk desk;
  desk.tell(desk.maker.make("UserAdded", "u2", {{"n", "ann"}, {"e", "a"}}, "2", 2));
  desk.tell(desk.maker.make("UserAdded", "u3", {{"e", "a"}}, "3", 3));  // to review
  desk.tell(desk.maker.make("UserAdded", "u4", {{"n", "ann"}}, "4", 4));
  desk.tell(desk.maker.make("UserDeactivated", "u4", {}, "5", 5));
  auto changes = desk.tell(desk.maker.make("UserAdded", "u5", {{"n", "ann"}}, "6", 6));
  std::ranges::reverse(changes.opened.at(0).violations);
  const auto few = changes.few_messages(2);
  REQUIRE(few.size() == 2);
  CHECK(few[0].entity == "u2");
  CHECK(few[0].violations.at(0).constraint == "e");  // in the order of the outbox
  CHECK(few[1].entity == "u5");
  CHECK(changes.few_messages(1).empty());

  changes.changed.push_back({few[0], false});
  CHECK(changes.few_messages(2).size() == 2);
  changes.changed.push_back({few[1], true});  // which has to be read
  CHECK(changes.few_messages(2).empty());
}

TEST_CASE("states have names and names have states") {
  for (const auto* name :
       {"pending", "sent", "confirmed", "resolved", "overdue", "open", "detected", "dismissed"}) {
    const auto state = compensation_state(name);
    REQUIRE(state);
    CHECK(to_text(*state) == name);
  }
  CHECK_FALSE(compensation_state("happy"));
  CHECK_FALSE(has_ended(CompensationState::sent));
  CHECK(has_ended(CompensationState::resolved));
}

}  // namespace uniqd

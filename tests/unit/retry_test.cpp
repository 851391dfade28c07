// A parked record judged again: what is judged with it, and what is refused.

#include "daemon/retry.hpp"

#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <vector>

#include "daemon/process_batch.hpp"
#include "tests/support/memory_store.hpp"
#include "tests/support/table_language.hpp"

namespace uniqd {
namespace {

// One partition's position and the read model, in memory.
class MemoryLedger final : public Ledger {
 public:
  std::vector<Position> positions(const std::vector<Partition>& partitions) override {
    return {{partitions.front(), next}};
  }
  bool begin(const std::vector<Advance>& advances, const std::vector<Event>& events,
             Loaded& loaded) override {
    if (advances.front().expected != next) return false;
    store.load(events, loaded);
    return true;
  }
  void load_missing(Loaded& loaded) override { store.load_missing(loaded); }
  void commit_transaction(const Outcome& outcome) override {
    store.apply(outcome);
    retried = outcome.retried;
  }
  void abandon() noexcept override { ++abandoned; }

  MemoryStore store;
  Offset next{100};
  std::optional<Retried> retried;
  int abandoned = 0;
};

struct StillClock final : Clock {
  [[nodiscard]] std::int64_t now_ms() const override { return 5; }
  [[nodiscard]] std::chrono::milliseconds steady() const override { return {}; }
};

// A daemon that has applied some events, and a person who retries.
struct Desk {
  ConstraintSet constraints = make_constraints({{"e"}, {"n"}});
  Policy policy = make_policy(constraints, {ActionKind::send, ActionKind::review});
  EventMaker maker{constraints};
  MemoryLedger ledger;
  std::vector<PastEvent> past;
  std::int64_t offset = 0;

  Event make(const std::string& type, const std::string& entity, const EventMaker::Fields& fields) {
    ++offset;
    return maker.make(type, entity, fields, "id" + std::to_string(offset), offset);
  }
  void apply(const Event& event) {
    Loaded loaded(constraints);
    EventCounts counts;
    REQUIRE(ledger.begin({{Partition{0}, ledger.next, ledger.next, ledger.next}}, {event}, loaded));
    process_batch(
        {event}, policy, 1, [&](Loaded& partial) { ledger.load_missing(partial); }, loaded, counts);
    ledger.commit_transaction({loaded.model.changes(), loaded.compensations.changes(), {}});
  }
  // Applied by the daemon; of u, it is also what a retry comes across.
  void applied(const std::string& type, const std::string& entity,
               const EventMaker::Fields& fields = {}) {
    const Event event = make(type, entity, fields);
    apply(event);
    if (entity == "u") past.push_back({event, false});
  }
  void parked(const std::string& type, const EventMaker::Fields& fields = {}) {
    past.push_back({make(type, "u", fields), true});
  }
  RetryOutcome retry_now() {
    return retry(ledger, constraints, policy, StillClock(), past, Partition{0}, ledger.next, {7});
  }
  [[nodiscard]] std::string owner(const std::string& field, const std::string& value) {
    const auto found = ledger.store.claims.find(maker.key(field == "e" ? 0 : 1, {{field, value}}));
    return found == ledger.store.claims.end() ? "" : found->second.owner;
  }
  [[nodiscard]] std::vector<std::int64_t> judged() const {
    std::vector<std::int64_t> offsets;
    for (const Offset place : ledger.retried->judged) offsets.push_back(place.value);
    return offsets;
  }
};

using Offsets = std::vector<std::int64_t>;

}  // namespace

TEST_CASE("retry: a parked claim takes what is free, and ends its letter") {
  Desk desk;
  desk.parked("UserAdded", {{"e", "a"}});
  const auto outcome = desk.retry_now();
  CHECK(outcome.kind == RetryOutcome::Kind::done);
  CHECK(outcome.judged == 1);
  CHECK(outcome.opened == 0);
  CHECK(desk.owner("e", "a") == "u");
  CHECK(desk.ledger.retried->letters == Offsets{7});
  CHECK(desk.judged() == Offsets{1});
}

TEST_CASE("retry: what came later is judged again and has the last word") {
  Desk desk;
  desk.parked("UserAdded", {{"e", "a"}, {"n", "ann"}});
  desk.applied("UserEmailChanged", "u", {{"e", "b"}});  // of somebody absent
  desk.applied("UserAdded", "w", {{"e", "a"}});
  const auto outcome = desk.retry_now();
  CHECK(outcome.kind == RetryOutcome::Kind::done);
  CHECK(desk.judged() == Offsets{1, 2});
  CHECK(desk.owner("e", "a") == "w");
  CHECK(desk.owner("e", "b") == "u");
  CHECK(desk.owner("n", "ann") == "u");
  // The violation of the older event is over as soon as it was found.
  CHECK(outcome.opened == 0);
  CHECK(outcome.resolved == 1);
  CHECK(desk.ledger.store.due.empty());
}

TEST_CASE("retry: what violates now opens a compensation, to be sent") {
  Desk desk;
  desk.applied("UserAdded", "w", {{"e", "a"}});
  desk.parked("UserAdded", {{"e", "a"}});
  const auto outcome = desk.retry_now();
  CHECK(outcome.kind == RetryOutcome::Kind::done);
  CHECK(outcome.opened == 1);
  CHECK(desk.ledger.store.due.size() == 1);
}

TEST_CASE("retry: a parked release frees, and confirms what was open before it") {
  Desk desk;
  desk.applied("UserAdded", "w", {{"e", "a"}});
  desk.applied("UserAdded", "u", {{"e", "a"}, {"n", "ann"}});
  desk.past.clear();  // the reading begins at the parked record
  desk.parked("UserDeactivated");
  const auto outcome = desk.retry_now();
  CHECK(outcome.kind == RetryOutcome::Kind::done);
  CHECK_FALSE(desk.ledger.store.entities.contains("u"));
  CHECK(desk.ledger.store.compensations.begin()->second.state == CompensationState::confirmed);
}

TEST_CASE("retry: a release that was applied later has wiped it out; nothing is judged") {
  Desk desk;
  desk.parked("UserAdded", {{"e", "a"}});
  desk.applied("UserDeactivated", "u");
  desk.applied("UserAdded", "u", {{"e", "b"}});
  const auto outcome = desk.retry_now();
  CHECK(outcome.kind == RetryOutcome::Kind::done);
  CHECK(outcome.judged == 0);
  CHECK(desk.judged().empty());
  CHECK(desk.owner("e", "a").empty());
  CHECK(desk.owner("e", "b") == "u");
  // One that is parked behind that release counts.
  desk.parked("UserEmailChanged", {{"e", "c"}});
  CHECK(desk.retry_now().judged == 1);
  CHECK(desk.judged() == Offsets{4});
  CHECK(desk.owner("e", "c") == "u");
}

TEST_CASE("retry: refused where a later event was found violating, and nothing is changed") {
  Desk desk;
  desk.applied("UserAdded", "w", {{"e", "a"}});
  desk.applied("UserAdded", "u", {{"e", "z"}});
  desk.past.clear();
  desk.parked("UserEmailChanged", {{"e", "b"}});
  desk.applied("UserEmailChanged", "u", {{"e", "a"}});
  const auto compensations = desk.ledger.store.compensations;
  const auto outcome = desk.retry_now();
  CHECK(outcome.kind == RetryOutcome::Kind::refused);
  CHECK(outcome.text.find("UserEmailChanged at offset 4") != std::string::npos);
  CHECK(desk.ledger.abandoned == 1);
  CHECK_FALSE(desk.ledger.retried);
  CHECK(desk.ledger.store.compensations == compensations);
  CHECK(desk.owner("e", "z") == "u");
}

// Between the parked event and the one after it the name would be free for a moment.
TEST_CASE("retry: refused where the entity would lose what it owns to who waits for it") {
  Desk desk;
  desk.applied("UserAdded", "u", {{"n", "ann"}});
  desk.past.clear();
  desk.parked("UserNameChanged", {{"n", "bea"}});
  desk.applied("UserNameChanged", "u", {{"n", "ann"}});
  desk.applied("UserAdded", "w", {{"n", "ann"}});  // for review, so it waits
  const auto outcome = desk.retry_now();
  CHECK(outcome.kind == RetryOutcome::Kind::refused);
  CHECK(outcome.text.find("constraint \"n\"") != std::string::npos);
  CHECK(desk.owner("n", "ann") == "u");
  CHECK(desk.owner("n", "bea").empty());
}

TEST_CASE("retry: nothing is changed where the daemon has moved on") {
  Desk desk;
  desk.parked("UserAdded", {{"e", "a"}});
  desk.ledger.next = Offset{101};
  const auto outcome = retry(desk.ledger, desk.constraints, desk.policy, StillClock(), desk.past,
                             Partition{0}, Offset{100}, {7});
  CHECK(outcome.kind == RetryOutcome::Kind::moved);
  CHECK_FALSE(desk.ledger.retried);
}

}  // namespace uniqd

// Does the benchmark measure what it says? The load, the naive way, and bulk loading the same rows.

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <map>

#include "tests/bench/bulk_load.hpp"
#include "tests/bench/kafka_load.hpp"
#include "tests/bench/naive.hpp"
#include "tests/bench/sizes.hpp"
#include "tests/bench/stage.hpp"
#include "tests/bench/user_stream.hpp"
#include "tests/support/services.hpp"

namespace uniqd::bench {
namespace {

using test::Services;

auto count_of(const std::vector<UserEvent>& events, UserEvent::Kind kind) {
  return std::ranges::count(events, kind, &UserEvent::kind);
}

// Users who come, some with an address that is taken.
std::vector<UserEvent> newcomers(UserStream& stream) {
  std::vector<UserEvent> events;
  for (int i = 0; i < 300; ++i) events.push_back(i % 10 == 9 ? stream.duplicate() : stream.add());
  return events;
}

// How many rows of a query in one schema the other does not have, both ways.
std::string differing(Stage& one, Stage& other, const std::string& columns,
                      const std::string& table) {
  const auto rows = [&](Stage& stage) {
    return "(SELECT " + columns + " FROM \"" + stage.schema() + "\"." + table + ")";
  };
  return one.link().text("SELECT (SELECT count(*) FROM (" + rows(one) + " EXCEPT " + rows(other) +
                         ") a) + (SELECT count(*) FROM (" + rows(other) + " EXCEPT " + rows(one) +
                         ") b)");
}

}  // namespace

TEST_CASE("a load that has settled: as many leave as come, and no more are there at a time") {
  UserStream stream;
  stream.settle_at(500);
  std::map<std::uint64_t, bool> present;
  std::size_t left = 0;
  for (const UserEvent& event : stream.next(20'000)) {
    if (event.kind == UserEvent::Kind::deactivated) {
      CHECK(present.erase(event.user) == 1);
      ++left;
    } else if (event.kind == UserEvent::Kind::email_changed) {
      CHECK(present.contains(event.user));
    } else {
      CHECK(present.emplace(event.user, true).second);
      if (event.kind == UserEvent::Kind::duplicate) CHECK(present.contains(event.owner));
    }
    CHECK(present.size() <= 500);
  }
  CHECK(left > 9'000);
  CHECK(present.size() >= 499);
}

TEST_CASE("the load: its mix, its size, the same every time") {
  constexpr std::size_t count = 20'000;
  const auto events = UserStream().next(count);
  const auto share = [&](UserEvent::Kind kind) {
    return static_cast<double>(count_of(events, kind)) / count;
  };
  CHECK(share(UserEvent::Kind::duplicate) == doctest::Approx(0.045).epsilon(0.1));
  CHECK(share(UserEvent::Kind::email_changed) == doctest::Approx(0.05).epsilon(0.1));
  CHECK(share(UserEvent::Kind::deactivated) == doctest::Approx(0.05).epsilon(0.1));
  std::size_t bytes = 0;
  for (const UserEvent& event : events) bytes += payload_of(event).size();
  CHECK(bytes / count > 220);
  CHECK(bytes / count < 280);
  const auto again = UserStream().next(count);
  CHECK(std::ranges::equal(events, again, {}, payload_of, payload_of));
}

TEST_CASE("the naive way finds each duplicate of the load") {
  const auto events = UserStream().next(1000);
  const std::string topic = make_topic();
  produce_all(Services::get().brokers, topic, events);
  Stage stage(topic);
  stage.link().run("CREATE SCHEMA \"" + stage.schema() + "\"");
  const auto result = run_naive(Services::get().brokers, Services::get().postgres, stage.schema(),
                                topic, 1000, std::chrono::seconds{30});
  CHECK(result.events == 1000);
  CHECK(result.violations == count_of(events, UserEvent::Kind::duplicate));
}

TEST_CASE("bulk loading writes the rows that uniqd writes, also before the load") {
  constexpr std::uint64_t owners = 50;
  constexpr std::uint64_t violators = 5;
  Stage uniqd(make_topic());
  Stage copied(uniqd.topic());
  const std::string key = uniqd.open_read_model();
  copied.migrate();
  preload(uniqd.link(), owners, violators, key, uniqd.topic());
  preload(copied.link(), owners, violators, key, uniqd.topic());
  UserStream stream(owners, violators);
  const auto events = newcomers(stream);
  produce_all(Services::get().brokers, uniqd.topic(), events);
  (void)run_backlog(uniqd, static_cast<std::int64_t>(events.size()));
  const auto batches = make_batches(events, batch_events, key, uniqd.topic(), 0);
  (void)load_batches(copied.link(), batches, uniqd.topic());
  for (const auto& [table, columns] : std::map<std::string, std::string>{
           {"entities", "entity, state, compensation"},
           {"claims", "key, constraint_id, owner"},
           {"contenders", "key, entity"},
           {"compensations", "id, entity, action, command, reason, event_id, \"offset\""},
           {"violations", "cause, constraint_name, compensation, fields, value, owner, \"offset\""},
           {"positions", "next_offset"}}) {
    CAPTURE(table);
    CHECK(differing(uniqd, copied, columns, table) == "0");
  }
  CHECK(uniqd.link().text("SELECT count(*) FROM violations") == "35");
}

}  // namespace uniqd::bench

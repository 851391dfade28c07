// Whatever the batch sizes: the same events give the same model, the same ids, the same commands.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "commands/encode_command.hpp"
#include "daemon/process_batch.hpp"
#include "tests/support/table_language.hpp"

namespace uniqd {
namespace {

using BatchSize = std::function<std::size_t()>;

std::vector<Event> random_events(const ConstraintSet& constraints, std::mt19937_64& random) {
  const auto below = [&](std::size_t count) { return random() % count; };
  const auto pick = [&](const char* prefix, std::size_t count) {
    return below(6) == 0 ? std::string("null") : fmt::format("{}{}", prefix, below(count));
  };
  const std::vector<std::string> types{"UserAdded", "UserAdded", "UserChanged", "UserDeactivated"};
  EventMaker maker(constraints);
  std::vector<Event> events;
  for (std::int64_t offset = 0; offset < 3000; ++offset) {
    if (!events.empty() && below(10) == 0) {
      events.push_back(events[below(events.size())]);  // redelivered
      events.back().offset = Offset{offset};
      continue;
    }
    EventMaker::Fields fields;
    if (below(4) != 0) fields.emplace_back("e", pick("mail", 12));
    if (below(3) != 0) fields.emplace_back("f", pick("first", 4));
    if (below(3) != 0) fields.emplace_back("l", pick("last", 4));
    events.push_back(maker.make(types[below(types.size())], fmt::format("u{}", below(30)), fields,
                                std::to_string(offset), offset));
  }
  return events;
}

// Compound values are reviewed, so that entities are promoted too.
MemoryStore fold(const ConstraintSet& constraints, const std::vector<Event>& events,
                 const BatchSize& batch_size) {
  const Policy policy = make_policy(constraints, {ActionKind::send, ActionKind::review});
  MemoryStore store;
  EventCounts counts;
  for (auto next = events.begin(); next != events.end();) {
    const auto rest = static_cast<std::size_t>(events.end() - next);
    const auto last = next + static_cast<std::ptrdiff_t>(std::min(rest, batch_size()));
    const std::vector<Event> batch(next, last);
    Loaded loaded(constraints);
    store.load(batch, loaded);
    process_batch(
        batch, policy, 0, [&](Loaded& partial) { store.load_missing(partial); }, loaded, counts);
    store.apply({loaded.model.changes(), loaded.compensations.changes(), {}});
    next = last;
  }
  return store;
}

std::vector<Command> commands_of(const MemoryStore& store) {
  std::vector<Command> commands;
  for (const auto& id : store.decided) {
    commands.push_back(
        encode_command(store.compensations.at(id), {"users", CommandEnvelope::cloudevents_binary}));
  }
  return commands;
}

// Who waits for a value, in order.
std::map<ClaimKey, std::vector<std::string>> contenders_of(const MemoryStore& store) {
  std::map<ClaimKey, std::vector<std::string>> names;
  for (const auto& [key, contenders] : store.contenders) {
    for (const Contender& contender : contenders) names[key].push_back(contender.entity);
  }
  return names;
}

}  // namespace

TEST_CASE("a batch may be cut anywhere") {
  const ConstraintSet constraints = make_constraints({{"e"}, {"f", "l"}});
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    const auto events = random_events(constraints, random);
    const MemoryStore one_by_one = fold(constraints, events, [] { return 1; });
    REQUIRE(one_by_one.decided.size() > 100);
    REQUIRE(one_by_one.claims.size() > 10);
    const std::vector<BatchSize> sizes{[] { return 2; }, [] { return 7; }, [] { return 1000; },
                                       [&] { return 1 + random() % 50; }};
    for (const auto& size : sizes) {
      const MemoryStore batched = fold(constraints, events, size);
      CHECK(batched.entities == one_by_one.entities);
      CHECK(batched.claims == one_by_one.claims);
      CHECK(contenders_of(batched) == contenders_of(one_by_one));
      CHECK(batched.decided == one_by_one.decided);
      CHECK(batched.compensations == one_by_one.compensations);
      CHECK(commands_of(batched) == commands_of(one_by_one));
    }
  }
}

TEST_CASE("a claim has the owner that its entity says") {
  const ConstraintSet constraints = make_constraints({{"e"}, {"f", "l"}});
  std::mt19937_64 random(77);
  const MemoryStore store =
      fold(constraints, random_events(constraints, random), [&] { return 1 + random() % 9; });
  std::size_t owned = 0;
  for (const auto& named : store.entities) {
    const std::string& name = named.first;
    const Entity& entity = named.second;
    CAPTURE(name);
    bool has_all = true;
    for (std::size_t index = 0; index < constraints.size(); ++index) {
      const auto& key = entity.owned[index];
      if (key) CHECK(store.claims.at(*key).owner == name);
      owned += key ? 1 : 0;
      has_all = has_all && key == wanted_key(constraints[index], entity.parts);
    }
    CHECK(entity.compensation.has_value() == !has_all);
  }
  CHECK(owned == store.claims.size());
}

}  // namespace uniqd

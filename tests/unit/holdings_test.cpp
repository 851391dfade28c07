// What a complete model knows of entities and claims, kept small.

#include "readmodel/holdings.hpp"

#include <doctest/doctest.h>

#include <map>
#include <string>
#include <vector>

namespace uniqd::test {
namespace {

// A single field, and two that count together.
const ConstraintSet& constraints() {
  static const ConstraintSet set(
      {Constraint{"email", {"email"}, {}, 0}, Constraint{"name", {"first", "last"}, {}, 0}});
  return set;
}

ClaimKey key(std::uint8_t number) {
  ClaimKey key;
  key.bytes[0] = number;
  return key;
}

using Keys = PerSlot<std::optional<ClaimKey>>;

Entity content(const Keys& parts) {
  Entity entity{parts, {}, {}};
  for (const Constraint& constraint : constraints()) {
    entity.owned.push_back(wanted_key(constraint, parts));
  }
  return entity;
}

const Entity full = content({key(1), key(2), key(3)});
const Entity partly = content({std::nullopt, key(2), std::nullopt});
// Owns an address that it does not want any more, and not its name.
const Entity violating{{key(1), key(2), key(3)}, {key(9), std::nullopt}, CompensationId{}};

std::map<std::string, Entity> all_of(const Holdings& holdings) {
  std::map<std::string, Entity> all;
  holdings.visit([&](std::string_view name, const Entity& entity) {
    CHECK(all.emplace(name, entity).second);
  });
  return all;
}

TEST_CASE("an entity is read as it was put, whatever it was before") {
  Holdings holdings(constraints());
  std::optional<Entity> before;
  for (const Entity& entity : {full, violating, violating, partly, full, partly, violating}) {
    CHECK(holdings.put_entity("u", entity) == before);
    CHECK(holdings.entity("u") == entity);
    before = entity;
  }
  CHECK(holdings.remove_entity("u") == violating);
  CHECK_FALSE(holdings.entity("u"));
  CHECK_FALSE(holdings.remove_entity("u"));
  CHECK_FALSE(holdings.put_entity("u", full));
}

TEST_CASE("an owner is known before it is put, and is nobody's entity until then") {
  Holdings holdings(constraints());
  holdings.put_claim(key(1), "u");
  CHECK(holdings.owner(key(1)) == "u");
  CHECK_FALSE(holdings.entity("u"));
  CHECK(all_of(holdings).empty());
  holdings.put_claim(key(1), "w");
  CHECK(holdings.owner(key(1)) == "w");
  holdings.remove_claim(key(1));
  CHECK_FALSE(holdings.owner(key(1)));
}

TEST_CASE("each that is present is visited once, and copied with what it owns") {
  Holdings holdings(constraints());
  std::map<std::string, Entity> put;
  for (int number = 0; number < 1000; ++number) {
    const std::string name = "user-" + std::to_string(number);
    const Entity& entity = number % 3 == 0 ? full : number % 3 == 1 ? partly : violating;
    holdings.put_entity(name, entity);
    put.emplace(name, entity);
  }
  for (const char* name : {"user-0", "user-1", "user-2"}) {
    holdings.remove_entity(name);
    put.erase(name);
  }
  holdings.put_entity("", full);
  put.emplace("", full);
  CHECK(all_of(holdings) == put);

  Holdings copy(holdings);
  holdings.remove_entity("user-5");
  CHECK(all_of(copy) == put);
  CHECK(copy.owner(key(9)).has_value());
  const Holdings moved(std::move(copy));
  CHECK(all_of(moved) == put);
}

}  // namespace
}  // namespace uniqd::test

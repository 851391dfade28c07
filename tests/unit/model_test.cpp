// The working set of a batch: what was loaded, what was asked for in vain, what another batch
// knows.

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "readmodel/claims.hpp"
#include "tests/unit/decode_world.hpp"

namespace uniqd::test {
namespace {

ClaimKey key(std::uint8_t number) {
  ClaimKey key;
  key.bytes[0] = number;
  return key;
}

Model partial() {
  Model model(user_constraints());
  model.set_partial();
  return model;
}

std::vector<std::string> names(const std::vector<Contender>& contenders) {
  std::vector<std::string> names;
  names.reserve(contenders.size());
  for (const Contender& contender : contenders) names.push_back(contender.entity);
  return names;
}

// Wants `wanted`, and owns it unless it has a compensation.
Entity entity_with(ClaimKey wanted, bool is_violating) {
  Entity entity;
  entity.parts = {wanted};
  entity.owned = {is_violating ? std::nullopt : std::optional(wanted)};
  if (is_violating) entity.compensation = CompensationId{};
  return entity;
}

TEST_CASE("what was asked for in vain and put all the same is not loaded after a reset") {
  Model model = partial();
  CHECK_FALSE(model.owner(key(1)));
  CHECK_FALSE(model.entity("u1"));
  model.put_claim({key(1), 0, "u1"});
  model.put_entity("u1", entity_with(key(1), false));
  model.load_no_claim(key(2));
  model.reset();
  CHECK_FALSE(model.has_loaded_claim(key(1)));
  CHECK(model.has_loaded_claim(key(2)));
  CHECK(model.missing().empty());
  CHECK_FALSE(model.entity("u1"));
  CHECK(model.missing().entities.contains("u1"));
}

TEST_CASE("what another batch knows counts, be it there or gone") {
  Model before = partial();
  before.load_entity("stays", entity_with(key(1), false));
  before.load_entity("goes", entity_with(key(2), false));
  before.remove_claim(key(2));
  before.remove_entity("goes");

  Model model = partial();
  for (const char* name : {"stays", "goes", "unknown"}) model.load_no_entity(name);
  CHECK(model.load_entity_from(before, "stays"));
  CHECK(model.load_entity_from(before, "goes"));
  CHECK_FALSE(model.load_entity_from(before, "unknown"));
  CHECK(model.entity("stays"));
  CHECK_FALSE(model.entity("goes"));
  CHECK(*model.owner(key(1)) == "stays");
  model.load_no_claim(key(2));
  CHECK(model.load_claim_from(before, key(2)));
  CHECK_FALSE(model.owner(key(2)));
  CHECK_FALSE(model.load_claim_from(before, key(3)));
  CHECK(model.changes().empty());
}

TEST_CASE("of an earlier life no text is left") {
  Model model = partial();
  model.load_entity("u1", entity_with(key(1), false));
  model.put_text("u1", 0, "old");
  model.put_text("u10", 0, "of another");
  model.load_no_entity("u10");
  model.put_entity("u10", entity_with(key(2), false));
  model.remove_entity("u1");
  CHECK(model.changes().entities_returned.empty());
  model.put_entity("u1", entity_with(key(1), false));
  const ModelChanges changes = model.changes();
  CHECK(changes.entities_returned == std::vector<std::string>{"u1"});
  CHECK(changes.entities_removed.empty());
  REQUIRE(changes.texts.size() == 1);
  CHECK(changes.texts[0].entity == "u10");
  model.reset();
  CHECK(model.changes().entities_returned.empty());
}

TEST_CASE("who came to want a value in the batch before stands last, seen by the store or not") {
  Model before = partial();
  before.load_entity("second", entity_with(key(1), true));
  before.remove_entity("second");
  for (const char* name : {"third", "fourth"}) {
    before.load_no_entity(name);
    before.put_entity(name, entity_with(key(1), true));
  }
  const std::vector<Contender> stored_before{{"first", 1}, {"second", 2}};
  const std::vector<Contender> stored_after{{"first", 1}, {"third", 3}, {"fourth", 4}};
  for (const auto& stored : {stored_before, stored_after}) {
    Model model = partial();
    model.load_contenders(key(1), stored);
    model.load_no_contenders(key(2));
    model.catch_up_contenders(before);
    CHECK(names(model.contenders(key(1))) == std::vector<std::string>{"first", "third", "fourth"});
    CHECK(model.contenders(key(2)).empty());
    CHECK(model.changes().empty());
  }
}

}  // namespace
}  // namespace uniqd::test

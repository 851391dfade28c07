#pragma once
// table_language.hpp - the fold as a table: one line an event, `=>` what it sends; other lines look
// at what is known.
//
//   UserAdded u1 e=a@x                    => -
//   UserAdded u2 e=a@x n=bob              => DeactivateUser u2 (owner u1)
//   UserAdded u2 e=a@x n=bob   (again)    => -
//   owns u1 a@x
//
// Events: UserAdded claims, UserDeactivated releases, every other type changes. A field is carried
// as `field=value`, or as `field=null`. `(again)` repeats the last line like it, with its event id.
// Sent is `-` (nothing), `COMMAND ENTITY (owner O1, O2)` for a compensation that was opened, with
// the owner of each contested value, or `added ENTITY (owner O)` for violations added to one. In
// place of the command stands `review`, `alert` or `detect` where that is the action.
// Looks:
//   owns ENTITY VALUE      the entity owns it; VALUE is `field=value` for each field of a
//                          constraint, or just the value for the first constraint
//   free VALUE             nobody owns it
//   present ENTITY         and `absent ENTITY`
//   pending ENTITY         the state of the entity's last compensation; also `open`, `confirmed`
//                          and every other
//   compensations N        so many have ever been opened
// And `dismiss ENTITY` does to its last compensation what an operator may do.

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "commands/decide.hpp"
#include "readmodel/digest.hpp"
#include "readmodel/event.hpp"
#include "tests/support/memory_store.hpp"

namespace uniqd {

// The fields of each constraint, e.g. {{"e"}, {"f", "l"}}. Each constraint is named by its fields.
using TableConstraints = std::vector<std::vector<std::string>>;

[[nodiscard]] ConstraintSet make_constraints(const TableConstraints& fields);

// What a violation of each constraint leads to; those not named send DeactivateUser.
using TableActions = std::vector<ActionKind>;

[[nodiscard]] Policy make_policy(const ConstraintSet& constraints,
                                 const TableActions& actions = {});

// Makes events as the decoder would.
class EventMaker {
 public:
  // "null" says that there is none.
  using Fields = std::vector<std::pair<std::string, std::string>>;

  explicit EventMaker(const ConstraintSet& constraints) : constraints_(&constraints) {}

  [[nodiscard]] Event make(const std::string& type, const std::string& entity, const Fields& fields,
                           const std::string& id, std::int64_t offset);
  [[nodiscard]] ClaimKey key(std::size_t constraint, const Fields& fields);

 private:
  const ConstraintSet* constraints_;
  ValueHasher hasher_{"a key for tests"};
};

// Runs a table through the real judge, decide and apply, one batch an event, with a store between.
// Returns what does not hold, line by line; empty when all does.
[[nodiscard]] std::string run_table(std::string_view table,
                                    const TableConstraints& constraints = {{"e"}},
                                    const TableActions& actions = {});

}  // namespace uniqd

#include "tests/bench/users_rules.hpp"

namespace uniqd::bench {

const ConstraintSet& users_constraints() {
  static const ConstraintSet constraints(
      {Constraint{"email",
                  {"email"},
                  {Normalizer({NormalizeStep::trim, NormalizeStep::nfkc, NormalizeStep::casefold})},
                  0}});
  return constraints;
}

Policy users_policy() {
  const Action sends{ActionKind::send, "DeactivateUser", violation_reason};
  Policy policy;
  policy.by_constraint.push_back({sends, sends});
  for (const char* type : {"UserAdded", "UserEmailChanged", "UserDeactivated"}) {
    policy.entity_field[type] = "userId";
  }
  return policy;
}

DecoderOptions users_decoding(const std::string& key) {
  DecoderOptions options;
  options.source_topic = "ce-users";
  options.events["UserAdded"] = {Effect::claim, "/userId", {{0, "/email"}}};
  options.events["UserEmailChanged"] = {Effect::change, "/userId", {{0, "/email"}}};
  options.events["UserDeactivated"] = {Effect::release, "/userId", {}};
  options.value_key = key;
  return options;
}

}  // namespace uniqd::bench

#include "readmodel/rules.hpp"

#include <utility>

namespace uniqd {

ConstraintSet::ConstraintSet(std::vector<Constraint> constraints)
    : constraints_(std::move(constraints)) {
  for (auto& constraint : constraints_) {
    constraint.first_slot = slot_count_;
    slot_count_ += constraint.fields.size();
  }
}

}  // namespace uniqd

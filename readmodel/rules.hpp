#pragma once
// rules.hpp - what the operator declared: which values must be unique, and what each event does.

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "readmodel/normalize.hpp"

namespace uniqd {

enum class Effect : std::uint8_t { claim, change, release };

// How a value is kept: keyed digest, plain digest, or digest with the text beside it.
enum class ValueForm : std::uint8_t { hmac_sha256, sha256, plain };

// A named rule: its fields' values, together, may be held by one entity at a time.
//
// Each (constraint, field) pair is a slot; slots are numbered through all constraints, so a field
// used by two constraints fills two slots, each with its own normalisation.
struct Constraint {
  std::string name;
  std::vector<std::string> fields;
  std::vector<Normalizer> normalizers;  // one a field, same order
  std::size_t first_slot = 0;           // slot of fields[0]; the others follow
};

// All constraints of a configuration, in the order of the file.
class ConstraintSet {
 public:
  ConstraintSet() = default;
  // Numbers the slots; `first_slot` of the given constraints is overwritten.
  explicit ConstraintSet(std::vector<Constraint> constraints);

  [[nodiscard]] std::size_t size() const { return constraints_.size(); }
  [[nodiscard]] std::size_t slot_count() const { return slot_count_; }
  [[nodiscard]] const Constraint& operator[](std::size_t index) const {
    return constraints_[index];
  }
  [[nodiscard]] auto begin() const { return constraints_.begin(); }
  [[nodiscard]] auto end() const { return constraints_.end(); }

 private:
  std::vector<Constraint> constraints_;
  std::size_t slot_count_ = 0;
};

// Where an event type's data has the value for one slot.
struct SlotPointer {
  std::size_t slot = 0;
  std::string pointer;  // RFC 6901, into the event's data
};

// What one event type does.
struct EventRule {
  Effect effect = Effect::claim;
  // RFC 6901, into the event's data; or `key`, the record's key; or `subject`, a CloudEvent's.
  std::string entity_pointer;
  std::vector<SlotPointer> slots;
};

using EventRules = std::map<std::string, EventRule, std::less<>>;

}  // namespace uniqd

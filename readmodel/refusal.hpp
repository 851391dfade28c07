#pragma once
// refusal.hpp - why a record is not an event: a value, thrown nowhere.

#include <string>
#include <variant>

namespace uniqd {

// A reason for people, with the remedy. Never holds what the record says: only names of places.
struct Refusal {
  std::string reason;
};

template <class T>
using Or = std::variant<T, Refusal>;

}  // namespace uniqd

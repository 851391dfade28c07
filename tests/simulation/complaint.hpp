#pragma once
// complaint.hpp - something that must never happen has happened.

#include <stdexcept>

namespace uniqd::simulation {

class Complaint : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

inline void require(bool holds, const char* what) {
  if (!holds) throw Complaint(what);
}

}  // namespace uniqd::simulation

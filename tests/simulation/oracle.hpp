#pragma once
// oracle.hpp - the rules once more, naively: plain text values, plain maps, a scan for every
// question. Shares nothing with the fold, so that one can object to the other.

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace uniqd::simulation {

// What a record says, as its writer meant it.
struct Told {
  enum class Kind : std::uint8_t { claim, change, release, bad, passed_over };
  Kind kind = Kind::passed_over;
  std::string user;
  std::string event_id;
  std::map<std::string, std::string> fields;  // carried; empty text: there is none
  std::int32_t partition = 0;
  std::int64_t offset = 0;
};

class Oracle {
 public:
  using Fields = std::vector<std::string>;
  struct User {
    std::map<std::string, std::string> fields;  // last known
    std::map<std::size_t, std::string> owns;    // by constraint
    std::optional<std::string> open;            // its compensation
  };
  struct Violation {
    std::size_t constraint = 0;
    std::string value;
    std::string owner;
    std::string event_id;
  };
  struct Compensation {
    Told cause;
    std::string state = "open";  // or confirmed, resolved
    std::vector<Violation> violations;
    std::size_t decided = 0;  // how many were decided before
  };

  explicit Oracle(std::vector<Fields> fields) : constraints(std::move(fields)) {}

  void fold(const Told& told);

  [[nodiscard]] std::optional<std::string> wanted(std::size_t constraint, const User& user) const;

  std::vector<Fields> constraints;
  std::map<std::string, User> users;
  std::map<std::string, Compensation> compensations;  // by user and event id
  std::vector<std::pair<std::int32_t, std::int64_t>> dead_letters;

 private:
  void fold_values(const Told& told);
  [[nodiscard]] std::optional<std::string> other_owner(std::size_t constraint, const User& user,
                                                       const std::string& name) const;
  std::set<std::string> found_violating_;
};

}  // namespace uniqd::simulation

#pragma once
// oracle.hpp - the rules once more, naively: plain text values, plain maps. Shares nothing with the
// fold, so that one can object to the other. Who owns and who wants a value is looked up, not
// searched for, as topics of millions are held against it.

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

// What a violation leads to, the weakest first.
enum class Deed : std::uint8_t { detect, review, alert, send };

class Oracle {
 public:
  using Fields = std::vector<std::string>;
  struct Rule {
    Fields fields;
    Deed on_claim = Deed::send;
    Deed on_change = Deed::send;
  };
  struct User {
    std::map<std::string, std::string> fields;   // last known
    std::map<std::size_t, std::string> owns;     // by rule
    std::map<std::size_t, std::uint64_t> since;  // by rule: when it came to want what it wants
    std::optional<std::string> open;             // its compensation
  };
  struct Violation {
    std::size_t rule = 0;
    std::string value;
    std::string owner;
    std::string event_id;
  };
  struct Compensation {
    Told cause;
    Deed deed = Deed::send;
    std::string state = "open";  // or dismissed, confirmed, resolved
    std::string ended_by;        // an event's id
    std::vector<Violation> violations;
    std::size_t decided = 0;  // how many were decided before
    int begun = 1;            // how often its sending began
    bool is_limited = false;  // something of it is less than the rules say
  };

  // `share`: of claiming events that may violate before sending pauses; 1: any.
  explicit Oracle(std::vector<Rule> all, double share = 1)
      : rules(std::move(all)), max_violation_share(share) {}

  void fold(const Told& told);
  // A person ends a pause.
  void resume();
  // What a person did with a compensation, by user and event id.
  void dismiss(const std::string& identity);
  void retry(const std::string& identity);

  // What the user wants under a rule; nothing where a field is missing.
  [[nodiscard]] std::optional<std::string> wanted(std::size_t rule, const User& user) const;

  std::vector<Rule> rules;
  std::map<std::string, User> users;
  std::map<std::string, Compensation> compensations;  // by user and event id
  std::vector<std::pair<std::int32_t, std::int64_t>> dead_letters;
  std::uint64_t promotions = 0;
  double max_violation_share;
  std::vector<bool> claiming;  // each since the last resume: does it violate, so that one is told?
  bool is_paused = false;
  // The most that is done about an event, by user and event id, for a rebuild.
  std::map<std::string, Deed> limits;

 private:
  using Value = std::pair<std::size_t, std::string>;  // by rule
  using Values = std::vector<Value>;

  [[nodiscard]] std::optional<std::string> owner(std::size_t rule, const std::string& value) const;
  [[nodiscard]] bool is_contested(const std::string& name, const User& user) const;
  [[nodiscard]] std::optional<std::string> first_waiting(std::size_t rule,
                                                         const std::string& value) const;
  void fold_values(const Told& told);
  void claim(bool violates);
  [[nodiscard]] bool is_somebody_told(const Told& told,
                                      const std::vector<Violation>& violations) const;
  void violate(const Told& told, User& user, const std::vector<Violation>& violations);
  void end(User& user, const char* state, const Told& told);
  // The user does not want the value any more.
  void leave(const std::string& name, const Value& value);
  // What the user owns under the rule is from now on what it wants, if anything.
  void take(const std::string& name, User& user, std::size_t rule, Values& freed);
  void take_all(const std::string& name, const Told& told, Values& freed);
  void promote(Values freed, const Told& told);

  std::map<Value, std::string> owners_;
  std::map<Value, std::set<std::string>> wanted_by_;
  std::set<std::string> found_violating_;
  std::uint64_t time_ = 0;
};

}  // namespace uniqd::simulation

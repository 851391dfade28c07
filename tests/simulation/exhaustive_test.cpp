// Not some sequences of events but all: every one of up to six events from a small alphabet, and
// with a rich alphabet every state that any sequence of any length leads to. After each event what
// the fold has stored is held against the oracle.

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <deque>
#include <map>
#include <numeric>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "daemon/process_batch.hpp"
#include "tests/simulation/complaint.hpp"
#include "tests/simulation/examiner.hpp"
#include "tests/support/table_language.hpp"

namespace uniqd::simulation {
namespace {

constexpr std::size_t user_count = 3;
using Fields = std::map<std::string, std::string>;

// What may be told of any user. Values are single letters; empty: null.
struct Letter {
  Told::Kind kind;
  Fields fields;
};

struct Spoken {
  Letter letter;
  std::size_t user = 0;
  std::size_t number = 0;  // its id; the same again is the same event again
};

// What is known after a sequence: by the ledger, by a complete working set, by the oracle.
struct Node {
  DatabaseState state;
  Loaded complete;
  std::vector<Spoken> path;
};

std::string name_of(std::size_t user) { return fmt::format("u{}", user); }

std::string to_text(const std::vector<Spoken>& path) {
  std::string text;
  for (const Spoken& spoken : path) {
    const Told::Kind kind = spoken.letter.kind;
    text += fmt::format("\n  e{} {} {}", spoken.number,
                        kind == Told::Kind::release  ? "release"
                        : kind == Told::Kind::change ? "change"
                                                     : "claim",
                        name_of(spoken.user));
    for (const auto& [field, value] : spoken.letter.fields) {
      text += fmt::format(" {}={}", field, value.empty() ? "null" : value);
    }
  }
  return text;
}

Policy policy_of(const std::vector<Oracle::Rule>& rules) {
  const auto action = [](Deed deed) {
    const auto kind = static_cast<ActionKind>(deed);
    return Action{kind, kind == ActionKind::send ? command_type : "", command_reason};
  };
  static_assert(static_cast<int>(Deed::send) == static_cast<int>(ActionKind::send));
  Policy policy;
  for (const Oracle::Rule& rule : rules) {
    policy.by_constraint.push_back({action(rule.on_claim), action(rule.on_change)});
  }
  return policy;
}

TableConstraints fields_of(const std::vector<Oracle::Rule>& rules) {
  TableConstraints fields;
  for (const Oracle::Rule& rule : rules) fields.push_back(rule.fields);
  return fields;
}

// Tells one event to all three and holds them against each other.
class Teller {
 public:
  explicit Teller(std::vector<Oracle::Rule> rules)
      : rules_(std::move(rules)),
        constraints_(make_constraints(fields_of(rules_))),
        policy_(policy_of(rules_)),
        maker_(constraints_) {}

  [[nodiscard]] Node root() const {
    return {{{}, {}, {}, Oracle(rules_)}, Loaded(constraints_), {}};
  }

  // Changes `node`; false where the event changed nothing that is stored. Throws Complaint.
  bool tell(Node& node, const Spoken& spoken) {
    const std::vector<Event> batch{event_of(spoken, node.path.size())};
    node.path.push_back(spoken);
    Loaded loaded(constraints_);
    EventCounts counts;
    MemoryStore& store = node.state.store;
    store.load(batch, loaded);
    process_batch(
        batch, policy_, 0, [&](Loaded& partial) { store.load_missing(partial); }, loaded, counts);
    const Outcome outcome{loaded.model.changes(), loaded.compensations.changes(), {}};
    store.apply(outcome);
    process_batch(
        batch, policy_, 0, [](Loaded&) {}, node.complete, counts);
    node.state.oracle.fold(told_of(spoken, node.path.size() - 1));
    examiner_.examine_state(node.state);
    examine_wants(node.state);
    examine_complete(node);
    return !outcome.model.empty() || !outcome.compensations.empty();
  }

 private:
  Event event_of(const Spoken& spoken, std::size_t offset) {
    EventMaker::Fields fields;
    for (const auto& [field, value] : spoken.letter.fields) {
      fields.emplace_back(field, value.empty() ? "null" : value);
    }
    const char* type = spoken.letter.kind == Told::Kind::claim    ? "UserAdded"
                       : spoken.letter.kind == Told::Kind::change ? "UserChanged"
                                                                  : "UserDeactivated";
    return maker_.make(type, name_of(spoken.user), fields, fmt::format("e{}", spoken.number),
                       static_cast<std::int64_t>(offset));
  }

  static Told told_of(const Spoken& spoken, std::size_t offset) {
    return {spoken.letter.kind,
            name_of(spoken.user),
            fmt::format("e{}", spoken.number),
            spoken.letter.fields,
            0,
            static_cast<std::int64_t>(offset)};
  }

  void examine_wants(const DatabaseState& state) {
    std::size_t contenders = 0;
    for (const auto& [name, user] : state.oracle.users) {
      const Entity& entity = state.store.entities.at(name);
      for (const Constraint& constraint : constraints_) {
        for (std::size_t index = 0; index < constraint.fields.size(); ++index) {
          const auto known = user.fields.find(constraint.fields[index]);
          const bool has_value = known != user.fields.end() && !known->second.empty();
          const auto& part = entity.parts[constraint.first_slot + index];
          require(part.has_value() == has_value, "the last known values are the oracle's");
          if (!has_value) continue;
          require(parts_.agree({constraint.first_slot + index, known->second}, *part),
                  "one key a value");
        }
      }
    }
    for (const auto& [key, waiting] : state.store.contenders) contenders += waiting.size();
    for (std::size_t rule = 0; rule < rules_.size(); ++rule) {
      contenders -= examine_contenders(state, rule);
    }
    require(contenders == 0, "nobody else waits");
  }

  // Returns how many wait for a value of this rule.
  std::size_t examine_contenders(const DatabaseState& state, std::size_t rule) {
    std::map<ClaimKey, std::map<std::uint64_t, std::string>> waiting;
    for (const auto& [name, user] : state.oracle.users) {
      const auto wants = wanted_key(constraints_[rule], state.store.entities.at(name).parts);
      const auto owns = user.owns.find(rule);
      const bool owns_it = owns != user.owns.end() && owns->second == wanted(rule, user);
      if (wants && !owns_it) waiting[*wants][user.since.at(rule)] = name;
    }
    std::size_t count = 0;
    for (const auto& [key, in_order] : waiting) {
      const auto known = state.store.contenders.find(key);
      require(known != state.store.contenders.end(), "who wants a value of another waits for it");
      require(std::ranges::equal(
                  in_order, known->second, {}, [](const auto& since) { return since.second; },
                  &Contender::entity),
              "they wait in the order in which they came");
      count += in_order.size();
    }
    return count;
  }

  std::string wanted(std::size_t rule, const Oracle::User& user) const {
    std::string text;
    for (const std::string& field : rules_[rule].fields) {
      const auto known = user.fields.find(field);
      if (known != user.fields.end()) text += known->second + "|";
    }
    return text;
  }

  // The working set that knows all has come to the same as the one that loads what it needs.
  void examine_complete(const Node& node) const {
    const MemoryStore& store = node.state.store;
    const Model& model = node.complete.model;
    for (std::size_t user = 0; user < user_count; ++user) {
      const auto known = model.entity(name_of(user));
      const auto stored = store.entities.find(name_of(user));
      require(known.has_value() == (stored != store.entities.end()), "present in both or neither");
      if (known) require(*known == stored->second, "loaded or complete, an entity is the same");
    }
    for (const auto& [key, claim] : store.claims) {
      const auto owner = model.owner(key);
      require(owner && *owner == claim.owner, "loaded or complete, a claim has the same owner");
    }
    for (const auto& [key, waiting] : store.contenders) {
      require(std::ranges::equal(model.contenders(key), waiting, {}, &Contender::entity,
                                 &Contender::entity),
              "loaded or complete, the same wait");
    }
    const auto opened = node.complete.compensations.changes().opened;
    require(std::ranges::equal(opened, store.decided, {}, &Compensation::id),
            "loaded or complete, the same is decided");
    for (const Compensation& known : opened) {
      require(known == store.compensations.at(known.id), "loaded or complete, the same in detail");
    }
  }

  std::vector<Oracle::Rule> rules_;
  ConstraintSet constraints_;
  Policy policy_;
  EventMaker maker_;
  Examiner examiner_{constraints_};
  Pairs<std::pair<std::size_t, std::string>, ClaimKey> parts_;  // by slot
};

struct Found {
  std::uint64_t sequences = 0;  // judged to their end
  std::uint64_t states = 0;
  std::string complaint;
};

// ------------------------------------------------------------------------ all short sequences

// Users and values are interchangeable, so only sequences that name them in their order are told.
class Sequences {
 public:
  Sequences(std::vector<Oracle::Rule> rules, std::vector<Letter> letters)
      : teller_(std::move(rules)), letters_(std::move(letters)) {}

  Found run(std::size_t length_max) {
    const Node root = teller_.root();
    descend(root, length_max);
    return found_;
  }

 private:
  void descend(const Node& node, std::size_t more) {
    if (more == 0 || !found_.complaint.empty()) return;
    std::set<std::size_t> users;
    std::map<std::string, std::set<std::string>> values;
    for (const Spoken& spoken : node.path) {
      users.insert(spoken.user);
      for (const auto& [field, value] : spoken.letter.fields) values[field].insert(value);
    }
    for (std::size_t user = 0; user < std::min(users.size() + 1, user_count); ++user) {
      for (const Letter& letter : letters_) {
        const bool in_order = std::ranges::all_of(letter.fields, [&](const auto& carried) {
          return carried.second != "b" || values[carried.first].contains("a");
        });
        if (in_order) go_on(node, {letter, user, node.path.size()}, more);
      }
    }
    for (std::size_t again = 0; again < node.path.size(); ++again) {
      if (node.path[again].number == again) go_on(node, node.path[again], more);
    }
  }

  // What follows an event that changed nothing is what follows without it.
  void go_on(Node node, const Spoken& spoken, std::size_t more) {
    try {
      const bool has_changed = teller_.tell(node, spoken);
      ++found_.sequences;
      if (has_changed) descend(node, more - 1);
    } catch (const std::logic_error& complaint) {
      if (found_.complaint.empty()) found_.complaint = complaint.what() + to_text(node.path);
    }
  }

  Teller teller_;
  std::vector<Letter> letters_;
  Found found_;
};

// ------------------------------------------------------------------------ all reachable states

// A state is what the rules may ask for: who wants, owns and waits for what, in which order, under
// which action. Ids and what has ended tell states apart no more, nor do the names of users and
// values.
class States {
 public:
  States(const std::vector<Oracle::Rule>& rules, std::vector<Letter> letters,
         std::vector<std::string> fields)
      : rules_(rules), teller_(rules), letters_(std::move(letters)), fields_(std::move(fields)) {}

  Found run() {
    std::deque<Node> waiting{teller_.root()};
    std::set<std::string> seen{key_of(waiting.front())};
    for (; !waiting.empty(); waiting.pop_front()) {
      for (std::size_t user = 0; user < user_count; ++user) {
        for (const Letter& letter : letters_) {
          Node next = waiting.front();
          try {
            const Spoken spoken{letter, user, next.path.size()};
            const bool has_changed = teller_.tell(next, spoken);
            ++found_.sequences;
            if (!has_changed || !seen.insert(key_of(next)).second) continue;
            Node again = next;
            require(!teller_.tell(again, spoken), "the same again changes nothing");
          } catch (const std::logic_error& complaint) {
            found_.complaint = complaint.what() + to_text(next.path);
            return found_;
          }
          waiting.push_back(std::move(next));
        }
      }
    }
    found_.states = seen.size();
    return found_;
  }

 private:
  using Order = std::array<std::size_t, user_count>;

  // The first of what all renamings make of it.
  std::string key_of(const Node& node) const {
    Order order;
    std::iota(order.begin(), order.end(), 0);
    std::string least;
    do {
      for (unsigned swapped = 0; swapped < 1U << fields_.size(); ++swapped) {
        std::string key = renamed(node.state.oracle, order, swapped);
        if (least.empty() || key < least) least = std::move(key);
      }
    } while (std::ranges::next_permutation(order).found);
    return least;
  }

  [[nodiscard]] char swap(const std::string& field, char value, unsigned swapped) const {
    const auto place = std::ranges::find(fields_, field) - fields_.begin();
    if ((swapped >> place & 1U) == 0 || value == '-') return value;
    return value == 'a' ? 'b' : 'a';
  }

  [[nodiscard]] std::string renamed(const Oracle& oracle, const Order& order,
                                    unsigned swapped) const {
    std::string key;
    std::vector<std::tuple<std::size_t, std::string, std::uint64_t, std::size_t>> waiting;
    for (std::size_t place = 0; place < user_count; ++place) {
      const auto found = oracle.users.find(name_of(order[place]));
      if (found == oracle.users.end()) {
        key += "/absent";
        continue;
      }
      const Oracle::User& user = found->second;
      key += user.open
                 ? fmt::format("/{}", static_cast<int>(oracle.compensations.at(*user.open).deed))
                 : "/-";
      for (std::size_t rule = 0; rule < rules_.size(); ++rule) {
        std::string wants;
        for (const std::string& field : rules_[rule].fields) {
          const auto known = user.fields.find(field);
          const bool has_value = known != user.fields.end() && !known->second.empty();
          wants += swap(field, has_value ? known->second[0] : '-', swapped);
        }
        std::string owns = "-";
        if (const auto owned = user.owns.find(rule); owned != user.owns.end()) {
          owns.clear();
          for (std::size_t index = 0; index < rules_[rule].fields.size(); ++index) {
            owns += swap(rules_[rule].fields[index], owned->second[2 * index], swapped);
          }
        }
        key.append(wants).append(":").append(owns).append(" ");
        if (user.open && wants != owns && wants.find('-') == std::string::npos) {
          waiting.emplace_back(rule, wants, user.since.at(rule), place);
        }
      }
    }
    std::ranges::sort(waiting);
    for (const auto& [rule, wants, since, place] : waiting) {
      key += fmt::format("{}{}{}", rule, wants, place);
    }
    return key;
  }

  std::vector<Oracle::Rule> rules_;
  Teller teller_;
  std::vector<Letter> letters_;
  std::vector<std::string> fields_;  // those with two values
  Found found_;
};

// ------------------------------------------------------------------------ alphabets and runs

// Each field absent, null, or one of its values; in all combinations.
std::vector<Letter> all_letters(const std::map<std::string, std::string>& values_of) {
  std::vector<Fields> combinations{{}};
  for (const auto& [field, values] : values_of) {
    std::vector<Fields> more = combinations;
    for (const Fields& fields : combinations) {
      more.push_back(fields);
      more.back()[field] = "";
      for (const char value : values) {
        more.push_back(fields);
        more.back()[field] = std::string(1, value);
      }
    }
    combinations = std::move(more);
  }
  std::vector<Letter> letters{{Told::Kind::release, {}}};
  for (const Fields& fields : combinations) {
    letters.push_back({Told::Kind::claim, fields});
    letters.push_back({Told::Kind::change, fields});
  }
  return letters;
}

struct Deeds {
  const char* name;
  std::array<std::array<Deed, 2>, 2> by_rule;  // for a claim, for a change
};

constexpr Deed send = Deed::send;
constexpr Deed review = Deed::review;
constexpr Deed detect = Deed::detect;
const std::vector<Deeds> all_deeds{{"send", {{{send, send}, {send, send}}}},
                                   {"review", {{{review, review}, {review, review}}}},
                                   {"mixed", {{{send, send}, {detect, detect}}}},
                                   {"mixed by effect", {{{review, send}, {send, detect}}}}};

std::vector<Oracle::Rule> rules_of(const std::vector<Oracle::Fields>& fields, const Deeds& deeds) {
  std::vector<Oracle::Rule> rules;
  for (std::size_t index = 0; index < fields.size(); ++index) {
    rules.push_back({fields[index], deeds.by_rule[index][0], deeds.by_rule[index][1]});
  }
  return rules;
}

// Runs them on two threads; the last takes longest, so it begins.
template <class Job>
std::vector<Found> run_all(std::size_t count, Job job) {
  std::vector<Found> found(count);
  std::atomic<std::size_t> next = 0;
  {
    std::vector<std::jthread> threads;
    for (int number = 0; number < 2; ++number) {
      threads.emplace_back([&] {
        for (std::size_t done = next++; done < count; done = next++) {
          found[count - 1 - done] = job(count - 1 - done);
        }
      });
    }
  }
  return found;
}

}  // namespace

// The counts are those of the alphabets and the rules; whoever changes either looks at them again.
TEST_CASE("every sequence of up to six events") {
  const std::vector<Letter> letters{
      {Told::Kind::release, {}},          {Told::Kind::claim, {{"e", "a"}, {"n", "a"}}},
      {Told::Kind::claim, {{"e", "b"}}},  {Told::Kind::change, {{"e", "a"}}},
      {Told::Kind::change, {{"n", "a"}}}, {Told::Kind::change, {{"e", ""}}},
  };
  const std::vector<std::uint64_t> expected{84241, 80442, 84241, 83989};
  const auto found = run_all(all_deeds.size(), [&](std::size_t index) {
    return Sequences(rules_of({{"e"}, {"e", "n"}}, all_deeds[index]), letters).run(6);
  });
  for (std::size_t index = 0; index < found.size(); ++index) {
    fmt::print("{}: {} sequences\n", all_deeds[index].name, found[index].sequences);
    CHECK_MESSAGE(found[index].complaint.empty(), found[index].complaint);
    CHECK(found[index].sequences == expected[index]);
  }
}

TEST_CASE("every state that any sequence of events leads to") {
  struct Shape {
    std::vector<Oracle::Fields> rules;
    std::array<std::uint64_t, 4> states;
  };
  const std::vector<Shape> shapes{{{{"e"}, {"n"}}, {1256, 527, 3577, 9969}},
                                  {{{"e"}, {"e", "n"}}, {2165, 806, 5022, 14377}}};
  const auto letters = all_letters({{"e", "ab"}, {"n", "a"}});
  const auto found = run_all(shapes.size() * all_deeds.size(), [&](std::size_t index) {
    const Deeds& deeds = all_deeds[index % all_deeds.size()];
    return States(rules_of(shapes[index / all_deeds.size()].rules, deeds), letters, {"e"}).run();
  });
  for (std::size_t index = 0; index < found.size(); ++index) {
    const Shape& shape = shapes[index / all_deeds.size()];
    const Deeds& deeds = all_deeds[index % all_deeds.size()];
    const bool is_compound = shape.rules[1].size() > 1;
    fmt::print("e and {}, {}: {} states, {} events\n", is_compound ? "e+n" : "n", deeds.name,
               found[index].states, found[index].sequences);
    CHECK_MESSAGE(found[index].complaint.empty(), found[index].complaint);
    CHECK(found[index].states == shape.states[index % all_deeds.size()]);
  }
}

}  // namespace uniqd::simulation

#include "tests/demo/story.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <optional>
#include <utility>

namespace uniqd::demo {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds step_within{20};

// One line: where it happened, and what.
struct Line {
  std::string who;
  std::string what;
};

// Plays and prints the steps in turn.
class Story {
 public:
  explicit Story(Stage& stage) : stage_(stage) {}

  void play() {
    add(first_user);
    see_added(first_user, 0);
    see_applied();
    see_owner("owns");
    add(second_user);
    see_added(second_user, 1);
    see_violation();
    see_command();
    see_command_taken();
    see_deactivated();
    see_confirmed();
    see_nothing_left();
  }

 private:
  void step(const Line& line, const std::string& expected, const std::function<Look()>& look) {
    ++number_;
    const auto what = fmt::format("Step {} did not come true: {} {}", number_, line.who, line.what);
    stage_.wait_for(what, expected, look, step_within);
    const std::chrono::duration<double> passed = Clock::now() - begin_;
    fmt::print("{:>4}  {:>6.2f} s  {:<8}  {}\n", number_, passed.count(), line.who, line.what);
    std::fflush(stdout);
  }

  void add(const std::string& user) {
    const auto command = fmt::format("\"add user {} {}\"", user, shared_email);
    stage_.service().add_user(user, shared_email);
    const char* remark = user == second_user ? "; for it alone, all is well" : "";
    step({"service", "accepts " + command + remark}, "an active user " + user, [&] {
      return Look{stage_.service().is_active(user), "no such user"};
    });
  }

  // The first event of this type and subject.
  static std::optional<TestRecord> find(const std::vector<TestRecord>& records,
                                        const std::string& type, const std::string& subject) {
    const auto found = std::ranges::find_if(records, [&](const TestRecord& record) {
      return record.header("ce_type") == type && record.header("ce_subject") == subject;
    });
    return found == records.end() ? std::nullopt : std::optional(*found);
  }

  void see_added(const std::string& user, std::int64_t offset) {
    step({"Kafka", fmt::format("has UserAdded {} on the topic, offset {}", user, offset)},
         fmt::format("UserAdded {} at offset {} of {}", user, offset, stage_.events_topic()), [&] {
           const auto& events = stage_.events();
           const auto event = find(events, "UserAdded", user);
           return Look{event && event->offset == offset,
                       fmt::format("{} events on the topic", events.size())};
         });
  }

  void see_applied() {
    step({"uniqd", "has applied it: it will go on at offset 1"}, "position 1", [&] {
      const auto next = stage_.next_offset();
      return Look{next == 1, fmt::format("position {}", next)};
    });
  }

  void see_owner(const std::string& verb) {
    step({"uniqd", fmt::format("knows that {} {} the address (uniqd lookup)", first_user, verb)},
         fmt::format("owner {}", first_user), [&] {
           const auto owner = stage_.lookup(shared_email);
           return Look{owner == first_user, "owner " + (owner.empty() ? "none" : owner)};
         });
  }

  void see_violation() {
    step({"uniqd",
          fmt::format("finds the violation: {} owns what {} asks for", first_user, second_user)},
         fmt::format("one compensation, for {}, against owner {}", second_user, first_user), [&] {
           const auto rows = stage_.query(
               "SELECT c.entity, v.owner, c.id FROM compensations c"
               " JOIN violations v ON v.compensation = c.id");
           const bool is_right =
               rows.size() == 1 && rows[0][0] == second_user && rows[0][1] == first_user;
           if (is_right) compensation_ = rows[0][2];
           return Look{is_right, rows.empty() ? "no compensation"
                                              : fmt::format("{} violations, of {} against {}",
                                                            rows.size(), rows[0][0], rows[0][1])};
         });
  }

  void see_command() {
    step({"Kafka", fmt::format("has DeactivateUser {} on the command topic", second_user)},
         "the command with id " + compensation_, [&] {
           const auto& commands = stage_.commands();
           const auto command = find(commands, "DeactivateUser", second_user);
           return Look{command && command->header("ce_id") == compensation_,
                       fmt::format("{} commands on the topic", commands.size())};
         });
  }

  void see_command_taken() {
    step({"service", "takes the command"}, "command " + compensation_ + " taken", [&] {
      return Look{stage_.service().has_taken(compensation_),
                  fmt::format("{} commands taken", stage_.service().facts().commands_taken)};
    });
  }

  void see_deactivated() {
    step({"Kafka", fmt::format("has UserDeactivated {} on the topic", second_user)},
         "UserDeactivated, led to by the command", [&] {
           const auto& events = stage_.events();
           const auto event = find(events, "UserDeactivated", second_user);
           return Look{event && event->header("ce_causationid") == compensation_,
                       fmt::format("{} events on the topic", events.size())};
         });
  }

  void see_confirmed() {
    step({"uniqd", "sees it: the compensation is confirmed"}, "state confirmed", [&] {
      const auto rows =
          stage_.query("SELECT state FROM compensations WHERE id = '" + compensation_ + "'");
      const auto state = rows.empty() ? "gone" : rows[0][0];
      return Look{state == "confirmed", "state " + state};
    });
  }

  void see_nothing_left() {
    const auto about = [&](const std::string& user) {
      return stage_.count(
          fmt::format("SELECT (SELECT count(*) FROM entities WHERE entity = '{0}')"
                      " + (SELECT count(*) FROM claims WHERE owner = '{0}')",
                      user));
    };
    step({"uniqd", fmt::format("has nothing left of {}, and {} still owns the address", second_user,
                               first_user)},
         fmt::format("no entity and no claim of {}, owner {}", second_user, first_user), [&] {
           const auto left = about(second_user);
           const auto owner = stage_.lookup(shared_email);
           return Look{left == 0 && owner == first_user,
                       fmt::format("{} rows of {}, owner {}", left, second_user,
                                   owner.empty() ? "none" : owner)};
         });
  }

  Stage& stage_;
  Clock::time_point begin_ = Clock::now();
  int number_ = 0;
  std::string compensation_;
};

void print_topic(const std::string& topic, const std::vector<TestRecord>& records) {
  fmt::print("\n  {}\n    {:>6}  {:<16} {:<8} {}\n", topic, "offset", "type", "subject", "id");
  for (const TestRecord& record : records) {
    fmt::print("    {:>6}  {:<16} {:<8} {}\n", record.offset, record.header("ce_type"),
               record.header("ce_subject"), record.header("ce_id"));
  }
}

void print_read_model(Stage& stage) {
  fmt::print("\n  the read model (PostgreSQL, schema {})\n", stage.schema());
  for (const auto& row : stage.query(
           "SELECT n.name, c.owner FROM claims c JOIN constraints n ON n.id = c.constraint_id")) {
    fmt::print("    claim         {} of {}; the address itself is not kept\n", row[0], row[1]);
  }
  for (const auto& row : stage.query("SELECT entity FROM entities ORDER BY 1")) {
    fmt::print("    entity        {}\n", row[0]);
  }
  for (const auto& row : stage.query("SELECT command, entity, state FROM compensations")) {
    fmt::print("    compensation  {} {}: {}\n", row[0], row[1], row[2]);
  }
}

}  // namespace

void play_story(Stage& stage) {
  fmt::print("Two users, one e-mail address\n\n");
  fmt::print("step  seen at   who       what\n");
  Story(stage).play();
  fmt::print("\nWhat is there now\n");
  print_topic(stage.events_topic(), stage.events());
  print_topic(stage.commands_topic(), stage.commands());
  print_read_model(stage);
}

}  // namespace uniqd::demo

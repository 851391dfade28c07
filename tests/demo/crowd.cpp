#include "tests/demo/crowd.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <map>
#include <random>
#include <set>
#include <span>
#include <utility>

#include "tests/demo/story.hpp"

namespace uniqd::demo {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int users_in_all = 3000;
constexpr std::chrono::seconds settles_within{90};

// What the user service is asked to do.
struct Act {
  enum class Kind { add, leave, publish_again };
  Kind kind;
  std::string user;
  std::string email;  // of an add
};

// What is asked, and what must come of it: worked out by the plainest means, in the order of the
// events, and without a line of uniqd.
struct Script {
  std::vector<Act> acts;
  std::map<std::string, std::string> owners;  // address -> user, at the end
  std::set<std::string> losers;               // asked for an address that another had
  std::set<std::string> leavers;
  std::size_t published_again = 0;
};

// Two addresses that differ only in blanks around them and in case are the same.
std::string plain_address(const std::string& email) {
  std::string plain;
  for (const char letter : email) {
    if (letter != ' ')
      plain += static_cast<char>(letter >= 'A' && letter <= 'Z' ? letter + 32 : letter);
  }
  return plain;
}

// Makes the script with a fixed seed, so that every demo has the same.
class ScriptWriter {
 public:
  Script write() {
    note_add(first_user, shared_email);
    note_add(second_user, shared_email);
    while (users_.size() < users_in_all) {
      add();
      if (one_in(20)) publish_again(users_.back().first);
      if (one_in(30)) leave();
      // Long after it was answered, maybe.
      if (one_in(30)) publish_again_a_loser();
    }
    return std::move(script_);
  }

 private:
  bool one_in(unsigned many) { return random_() % many == 0; }

  const std::pair<std::string, std::string>& any_user() {
    return users_[random_() % users_.size()];
  }

  void note_add(const std::string& user, const std::string& email) {
    users_.emplace_back(user, email);
    if (!script_.owners.try_emplace(plain_address(email), user).second) script_.losers.insert(user);
  }

  void add() {
    const auto user = fmt::format("u{}", users_.size() + 1);
    const auto email = one_in(10) ? written_differently(any_user().second) : user + "@example.com";
    note_add(user, email);
    script_.acts.push_back({Act::Kind::add, user, email});
  }

  std::string written_differently(std::string email) {
    if (one_in(2)) email[0] = static_cast<char>(email[0] >= 'a' ? email[0] - 32 : email[0]);
    if (one_in(3)) email.replace(email.find('@'), std::string::npos, "@Example.COM");
    if (one_in(3)) email = "  " + email;
    return one_in(3) ? email + " " : email;
  }

  void publish_again(const std::string& user) {
    script_.acts.push_back({Act::Kind::publish_again, user, {}});
    ++script_.published_again;
  }

  void publish_again_a_loser() {
    const auto& user = any_user().first;
    // The event of the story is not at hand any more.
    if (user != second_user && script_.losers.contains(user)) publish_again(user);
  }

  // An owner leaves, and the address is free for whoever asks next.
  void leave() {
    const auto& [user, email] = any_user();
    const auto owned = script_.owners.find(plain_address(email));
    const bool is_owner = owned != script_.owners.end() && owned->second == user;
    if (!is_owner || user == first_user) return;
    script_.owners.erase(owned);
    script_.leavers.insert(user);
    script_.acts.push_back({Act::Kind::leave, user, {}});
  }

  std::mt19937 random_{20};
  std::vector<std::pair<std::string, std::string>> users_;  // and their addresses as written
  Script script_;
};

void perform(Stage& stage, std::span<const Act> acts,
             std::map<std::string, std::string>& event_ids) {
  for (const Act& act : acts) {
    switch (act.kind) {
      case Act::Kind::add:
        event_ids[act.user] = stage.service().add_user(act.user, act.email);
        break;
      case Act::Kind::leave:
        (void)stage.service().deactivate_user(act.user);
        break;
      case Act::Kind::publish_again:
        stage.service().publish_again(event_ids.at(act.user));
        break;
    }
  }
  stage.service().flush();
}

void require_exit(int expected, int seen) {
  if (seen == expected) return;
  throw DemoFailed(fmt::format("uniqd was to end with {}, but ended with {}", expected, seen));
}

// Plays all acts, with a crash of uniqd on the way, and a few commands that come twice. Returns how
// many did.
std::size_t perform_with_a_crash(Stage& stage, const std::vector<Act>& acts) {
  const std::span all(acts);
  const auto half = all.size() / 2;
  std::map<std::string, std::string> event_ids;  // of UserAdded, by user
  require_exit(0, stage.uniqd().stop());
  stage.uniqd().start({{"UNIQD_KILL_AT", "relay_before_mark"}});
  stage.uniqd().wait_until_ready();
  perform(stage, all.first(half), event_ids);
  require_exit(-SIGKILL, stage.uniqd().wait_for_exit());
  perform(stage, all.subspan(half), event_ids);
  // As a relay would send them again that cannot know whether the first time succeeded.
  const auto sent_twice = stage.commands();
  stage.kafka().produce(stage.commands_topic(), sent_twice);
  stage.uniqd().start_and_wait();
  return sent_twice.size();
}

// All events applied and every compensation at its end: then no command is on its way, and with
// it no event, so nothing changes any more.
void wait_until_settled(Stage& stage) {
  stage.wait_for(
      "The crowd did not settle:", "all events applied, no compensation open",
      [&] {
        stage.service().flush();
        const auto open = stage.count("SELECT count(*) FROM compensations WHERE ended_at IS NULL");
        const auto end = static_cast<std::int64_t>(stage.service().facts().events_published);
        const auto next = stage.next_offset();
        return Look{open == 0 && next == end,
                    fmt::format("{} of {} events applied, {} compensations open", next, end, open)};
      },
      settles_within);
}

void wait_until_taken(Stage& stage, std::size_t commands) {
  stage.wait_for(
      "The service does not keep up:", fmt::format("{} commands taken or dropped", commands),
      [&] {
        const auto facts = stage.service().facts();
        const auto done = facts.commands_taken + facts.commands_dropped;
        return Look{done == commands, fmt::format("{}", done)};
      },
      settles_within);
}

// What should be beside what is.
class Table {
 public:
  Table() { fmt::print("\n  {:<54}{:>10}{:>8}\n", "", "should be", "is"); }

  void row(const std::string& what, std::size_t should_be, std::size_t is) {
    print(what, fmt::format("{}", should_be), is, should_be == is);
  }

  void at_least(const std::string& what, std::size_t should_be, std::size_t is) {
    print(what, fmt::format("{}+", should_be), is, is >= should_be);
  }

  [[nodiscard]] const std::vector<std::string>& wrong() const { return wrong_; }

 private:
  void print(const std::string& what, const std::string& should_be, std::size_t is, bool is_right) {
    fmt::print("  {:<54}{:>10}{:>8}  {}\n", what, should_be, is, is_right ? "ok" : "WRONG");
    if (!is_right) wrong_.push_back(fmt::format("{}: expected {}, seen {}", what, should_be, is));
  }

  std::vector<std::string> wrong_;
};

std::size_t occurrences(const std::string& text, char letter) {
  return static_cast<std::size_t>(std::ranges::count(text, letter));
}

void count_commands(Table& table, Stage& stage, const Script& script, std::size_t sent_twice) {
  std::set<std::string> ids;
  std::size_t against_others = 0;
  std::size_t addresses = 0;
  const auto commands = stage.kafka().read_all(stage.commands_topic());
  for (const TestRecord& command : commands) {
    ids.insert(command.header("ce_id"));
    if (!script.losers.contains(command.header("ce_subject"))) ++against_others;
    addresses += occurrences(command.payload.value_or(""), '@');
  }
  table.row("commands on the topic, by their ids", script.losers.size(), ids.size());
  table.at_least("commands on the topic in all, some of them twice",
                 script.losers.size() + sent_twice, commands.size());
  wait_until_taken(stage, commands.size());
  table.row("repeated commands that the service dropped", commands.size() - ids.size(),
            stage.service().facts().commands_dropped);
  table.row("commands against a user who is in the right", 0, against_others);
  table.row("e-mail addresses in commands and in uniqd's log", 0,
            addresses + occurrences(stage.uniqd().log(), '@'));
}

void count_events(Table& table, Stage& stage, const Script& script) {
  std::size_t on_command = 0;
  std::size_t by_themselves = 0;
  std::size_t added = 0;
  for (const TestRecord& event : stage.kafka().read_all(stage.events_topic())) {
    if (event.header("ce_type") == "UserAdded") {
      ++added;
    } else {
      ++(event.header("ce_causationid").empty() ? by_themselves : on_command);
    }
  }
  table.row("UserAdded on the topic, some of them twice", users_in_all + script.published_again,
            added);
  table.row("UserDeactivated because a user left", script.leavers.size(), by_themselves);
  table.row("UserDeactivated on command, each once", script.losers.size(), on_command);
}

void count_read_model(Table& table, Stage& stage, const Script& script) {
  const auto count = [&](const std::string& what) {
    return static_cast<std::size_t>(stage.count("SELECT count(*) FROM " + what));
  };
  table.row("duplicates that uniqd found", script.losers.size(), count("compensations"));
  table.row("compensations confirmed", script.losers.size(),
            count("compensations WHERE state = 'confirmed'"));
  table.row("users left in the read model", script.owners.size(), count("entities"));
  table.row("addresses that are owned", script.owners.size(), count("claims"));
  std::set<std::string> owners;
  for (const auto& row : stage.query("SELECT owner FROM claims")) owners.insert(row[0]);
  const auto right = std::ranges::count_if(
      script.owners, [&](const auto& entry) { return owners.contains(entry.second); });
  table.row("of these, owned by the user who came first", script.owners.size(),
            static_cast<std::size_t>(right));
  table.row("events that could not be read", 0, count("dead_letters"));
}

}  // namespace

void play_crowd(Stage& stage) {
  const auto script = ScriptWriter().write();
  fmt::print("\n\nThe same with {} users\n\n", users_in_all);
  fmt::print(
      "  {} of them ask for an address that another has, often in other letters (\" "
      "U7@Example.COM\"),\n"
      "  {} events are published twice, {} users leave and free their address. uniqd is killed at\n"
      "  the worst moment, when commands are sent and not yet noted, and started again.\n",
      script.losers.size(), script.published_again, script.leavers.size());
  std::fflush(stdout);
  const auto begin = Clock::now();
  const auto sent_twice = perform_with_a_crash(stage, script.acts);
  wait_until_settled(stage);
  const std::chrono::duration<double> passed = Clock::now() - begin;
  Table table;
  table.row("users that the service has accepted", users_in_all, stage.service().facts().users);
  count_events(table, stage, script);
  count_commands(table, stage, script, sent_twice);
  count_read_model(table, stage, script);
  table.row("users active in the service", script.owners.size(),
            stage.service().facts().active_users);
  fmt::print("\n  All of it took {:.1f} s.\n", passed.count());
  if (!table.wrong().empty()) {
    throw DemoFailed(fmt::format("The counts differ:\n  {}", fmt::join(table.wrong(), "\n  ")));
  }
}

}  // namespace uniqd::demo

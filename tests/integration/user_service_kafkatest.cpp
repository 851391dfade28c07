// A user service that is slow, deaf for a while, answers twice, loses commands, refuses some: every
// compensation comes to an end.

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "tests/support/oracle_check.hpp"
#include "tests/support/test_bed.hpp"
#include "tests/support/user_events.hpp"
#include "tests/support/wait.hpp"

namespace uniqd::test {
namespace {

constexpr int users_each = 12;

// How the service treats the commands for a user, by the first letter of its name.
enum class Manner : char {
  prompt = 'p',     // obeys at once
  twice = 't',      // obeys, and says so twice
  forgetful = 'f',  // loses the first command
  slow = 's',       // obeys only once the second attempt has been sent
  refusing = 'r',   // never obeys
  changing = 'c',   // the user takes another address before the command is looked at
};
constexpr Manner manners[]{Manner::prompt, Manner::twice,    Manner::forgetful,
                           Manner::slow,   Manner::refusing, Manner::changing};

class Service {
 public:
  explicit Service(TestBed& bed) : bed_(bed) {}

  // Reads all commands there are and does what is to be done about those that are new.
  void serve() {
    const auto commands = bed_.commands_sent();
    std::vector<TestRecord> answers;
    for (; read_ < commands.size(); ++read_) {
      const TestRecord& command = commands[read_];
      const std::string user = *command.key;
      const int attempt = std::stoi(command.header("ce_attempt"));
      attempts_[user] = std::max(attempts_[user], attempt);
      if (!ids_.emplace(user, command.header("ce_id")).second) {
        CHECK(ids_[user] == command.header("ce_id"));
      }
      answer(user, attempt, answers);
    }
    if (!answers.empty()) bed_.produce(answers);
  }

  void obey_from_now_on() { is_obedient_ = true; }
  [[nodiscard]] const std::map<std::string, int>& attempts() const { return attempts_; }

 private:
  void answer(const std::string& user, int attempt, std::vector<TestRecord>& answers) {
    const auto manner = static_cast<Manner>(user[0]);
    const auto deactivated =
        cloud_event({"UserDeactivated", user, fmt::format("d-{}-{}", user, attempt), {}});
    switch (manner) {
      case Manner::prompt:
        answers.push_back(deactivated);
        break;
      case Manner::twice:
        answers.insert(answers.end(), 2, deactivated);
        break;
      case Manner::forgetful:
      case Manner::slow:
        if (attempt >= 2) answers.push_back(deactivated);
        break;
      case Manner::refusing:
        if (is_obedient_) answers.push_back(deactivated);
        break;
      case Manner::changing:
        if (attempt == 1) {
          answers.push_back(
              cloud_event({"UserEmailChanged", user, "c-" + user, {{"email", user + "@mine"}}}));
        }
        break;
    }
  }

  TestBed& bed_;
  std::size_t read_ = 0;
  std::map<std::string, std::string> ids_;
  std::map<std::string, int> attempts_;
  bool is_obedient_ = false;
};

std::string count(const TestBed& bed, const std::string& state) {
  return bed.sql_text("SELECT count(*) FROM compensations WHERE state = '" + state + "'");
}

TEST_CASE("whatever the user service does, every compensation ends") {
  TestBed bed;
  bed.more = "compensation: { deadline: 1500ms, attempts: 3, backoff: 1.2 }\n";
  std::vector<TestRecord> records;
  for (const Manner manner : manners) {
    for (int number = 0; number < users_each; ++number) {
      const std::string email = fmt::format("{}{}@x", static_cast<char>(manner), number);
      const std::string owner = fmt::format("owner-{}", email);
      const std::string user = fmt::format("{}{}", static_cast<char>(manner), number);
      records.push_back(cloud_event({"UserAdded", owner, "o-" + user, {{"email", email}}}));
      records.push_back(cloud_event({"UserAdded", user, "e-" + user, {{"email", email}}}));
    }
  }
  const auto daemon = bed.daemon();
  daemon->start_and_wait();
  bed.produce(records);
  // Deaf until the first commands have been there for a while.
  wait_until("the first attempts", [&] { return count(bed, "sent") != "0"; });
  Service service(bed);
  const std::string all_but_overdue = fmt::to_string(users_each * 4);
  wait_until("every compensation ends", [&] {
    service.serve();
    return count(bed, "confirmed") == all_but_overdue &&
           count(bed, "resolved") == fmt::to_string(users_each) &&
           count(bed, "overdue") == fmt::to_string(users_each);
  });
  service.serve();  // a last attempt, sent while its answer was on the way
  CHECK(bed.sql_text("SELECT count(*) FROM compensations") ==
        fmt::to_string(users_each * std::size(manners)));
  for (const auto& [user, attempts] : service.attempts()) {
    CAPTURE(user);
    const auto manner = static_cast<Manner>(user[0]);
    if (manner == Manner::refusing) CHECK(attempts == 3);
    if (manner == Manner::forgetful || manner == Manner::slow) CHECK(attempts >= 2);
    CHECK(bed.sql_text("SELECT attempts FROM compensations WHERE entity = '" + user + "'") ==
          fmt::to_string(attempts));
  }
  expect_equal_to_oracle(bed);

  // The operator asks the service's people, and sends again.
  service.obey_from_now_on();
  const auto listed = daemon->command({"compensations", "list", "--state", "overdue", "--json"});
  const auto overdue = nlohmann::json::parse(listed.out);
  REQUIRE(overdue.size() == users_each);
  for (const auto& one : overdue) {
    const auto id = one["id"].get<std::string>();
    CHECK(daemon->command({"compensations", "retry", id}).exit_code == 0);
  }
  wait_until("the retried ones are confirmed", [&] {
    service.serve();
    return count(bed, "confirmed") == fmt::to_string(users_each * 5);
  });
  const auto answer = daemon->command({"rebuild", "--verify"});
  INFO(answer.out);
  CHECK(answer.exit_code == 0);
  CHECK(daemon->stop() == 0);
}

}  // namespace
}  // namespace uniqd::test

// What keeps the daemon from starting, what it says of it, and what lets it go on.

#include <doctest/doctest.h>

#include <string>

#include "tests/support/oracle_check.hpp"
#include "tests/support/services.hpp"
#include "tests/support/test_bed.hpp"
#include "tests/support/user_events.hpp"
#include "tests/support/wait.hpp"

namespace uniqd::test {
namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// A login of its own, gone at the end; its rights are none but what is granted.
class Login {
 public:
  explicit Login(TestBed& bed) : bed_(bed), name_("r" + bed.schema) {
    bed.sql("CREATE ROLE \"" + name_ + "\" LOGIN PASSWORD 'right'");
  }
  ~Login() {
    try {
      bed_.sql("DROP SCHEMA IF EXISTS \"" + bed_.schema + "\" CASCADE; DROP OWNED BY \"" + name_ +
               "\"; DROP ROLE \"" + name_ + "\"");
    } catch (const StoreFailure& failure) {
      FAIL_CHECK(failure.what());
    }
  }
  Login(const Login&) = delete;
  Login& operator=(const Login&) = delete;

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] std::string uri(const std::string& password) const {
    const std::string& uri = bed_.sql_postgres;
    return "postgresql://" + name_ + ":" + password + uri.substr(uri.find('@'));
  }

 private:
  TestBed& bed_;
  std::string name_;
};

TEST_CASE("a wrong password is said and waited out; once it is right it goes on by itself") {
  TestBed bed;
  const Login login(bed);
  bed.sql("CREATE SCHEMA \"" + bed.schema + "\" AUTHORIZATION \"" + login.name() + "\"");
  bed.postgres = login.uri("new");
  const auto daemon = bed.daemon();
  daemon->start();
  daemon->wait_for_log("PostgreSQL refuses the login; check user and password");
  CHECK_FALSE(contains(daemon->log(), ":new@"));
  const HttpAnswer ready = daemon->get("/readyz");
  CHECK(ready.status == 503);
  CHECK(contains(ready.body, "password authentication failed"));
  bed.sql("ALTER ROLE \"" + login.name() + "\" PASSWORD 'new'");
  daemon->wait_until_ready();
  bed.produce({cloud_event({"UserAdded", "u1", "e1", {{"email", "a@x"}}})});
  bed.wait_settled();
  expect_equal_to_oracle(bed);
  CHECK(daemon->stop() == 0);
}

TEST_CASE("a user without rights on the tables halts it, and it names the grants") {
  TestBed bed;
  const Login login(bed);
  REQUIRE(bed.daemon("owner")->command({"migrate"}).exit_code == 0);
  bed.sql("GRANT USAGE ON SCHEMA \"" + bed.schema + "\" TO \"" + login.name() + "\"");
  bed.postgres = login.uri("right");
  const auto daemon = bed.daemon();
  const auto run = daemon->command({"run", "--no-migrate"});
  CHECK(run.exit_code == 3);
  CHECK_MESSAGE(contains(run.err, "grant it SELECT, INSERT, UPDATE and DELETE"), run.err);

  // With the grants it names, and no others, it works.
  bed.sql("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA \"" + bed.schema +
          "\" TO \"" + login.name() + "\"");
  daemon->start_and_wait();
  bed.produce({cloud_event({"UserAdded", "u1", "e1", {{"email", "a@x"}}}),
               cloud_event({"UserAdded", "u2", "e2", {{"email", "a@x"}}})});
  bed.wait_settled();
  CHECK(bed.command_count() == 1);
  expect_equal_to_oracle(bed);
  CHECK(daemon->stop() == 0);
}

TEST_CASE("rights taken away while it runs halt it with 3") {
  TestBed bed;
  const Login login(bed);
  bed.sql("CREATE SCHEMA \"" + bed.schema + "\" AUTHORIZATION \"" + login.name() + "\"");
  bed.postgres = login.uri("right");
  const auto daemon = bed.daemon();
  daemon->start_and_wait();
  bed.wait_applied();
  bed.sql("REVOKE ALL ON ALL TABLES IN SCHEMA \"" + bed.schema + "\" FROM \"" + login.name() +
          "\"");
  bed.produce({cloud_event({"UserAdded", "u1", "e1", {{"email", "a@x"}}})});
  CHECK(daemon->wait_for_exit() == 3);
  CHECK(contains(daemon->log(), "halted: "));
}

TEST_CASE("a missing topic is said; once it is there it goes on by itself") {
  if (lacks_kafka()) return;
  TestBed bed;
  bed.topic = unique_name("later");
  const auto daemon = bed.daemon();
  daemon->start();
  wait_until("readyz names the missing topic", [&] {
    const HttpAnswer ready = daemon->get("/readyz");
    return ready.status == 503 && contains(ready.body, "--create --topic " + bed.topic);
  });
  bed.kafka().create_topic(bed.topic);
  bed.produce({cloud_event({"UserAdded", "u1", "e1", {{"email", "a@x"}}}),
               cloud_event({"UserAdded", "u2", "e2", {{"email", "a@x"}}})});
  daemon->wait_until_ready();
  bed.wait_settled();
  CHECK(bed.command_count() == 1);
  expect_equal_to_oracle(bed);
}

TEST_CASE("a missing command topic holds commands back, is said, and nothing is lost") {
  if (lacks_kafka()) return;
  TestBed bed;
  bed.commands_topic = unique_name("later");
  const auto daemon = bed.daemon();
  daemon->start();
  bed.produce({cloud_event({"UserAdded", "u1", "e1", {{"email", "a@x"}}}),
               cloud_event({"UserAdded", "u2", "e2", {{"email", "a@x"}}})});
  bed.wait_applied();
  wait_until("readyz names the missing topic", [&] {
    const HttpAnswer ready = daemon->get("/readyz");
    return ready.status == 503 && contains(ready.body, bed.commands_topic);
  });
  bed.kafka().create_topic(bed.commands_topic);
  bed.wait_settled();
  daemon->wait_until_ready();
  CHECK(bed.command_count() == 1);
  expect_equal_to_oracle(bed);
}

TEST_CASE("other rules than those of the read model are refused with 78, by name") {
  TestBed bed;
  const auto migrated = bed.daemon("first");
  migrated->start_and_wait();
  CHECK(migrated->stop() == 0);
  bed.normalize = "[trim]";
  const auto daemon = bed.daemon();
  daemon->start();
  CHECK(daemon->wait_for_exit() == 78);
  CHECK(contains(daemon->log(), "constraint email is \"email: trim"));
  CHECK_FALSE(contains(daemon->log(), "constraint username"));
  CHECK(contains(daemon->log(), "uniqd rebuild"));
  CHECK(daemon->command({"status"}).exit_code == 78);
  CHECK(daemon->command({"lookup", "email", "email=a@x"}).exit_code == 78);
}

TEST_CASE("without a schema, run --no-migrate halts with 3 and names the command") {
  TestBed bed;
  const auto daemon = bed.daemon();
  const auto run = daemon->command({"run", "--no-migrate"});
  CHECK(run.exit_code == 3);
  CHECK_MESSAGE(contains(run.err, "does not exist; run 'uniqd migrate'"), run.err);
}

TEST_CASE("a configuration that is wrong ends with 78 before anything is touched") {
  TestBed bed;
  bed.more = "no_such_key: 1\n";
  const auto run = bed.daemon()->command({"run"});
  CHECK(run.exit_code == 78);
  CHECK_MESSAGE(contains(run.err, "no_such_key"), run.err);
}

}  // namespace
}  // namespace uniqd::test

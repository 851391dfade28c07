// What the commands answer, and with which exit codes.

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/support/services.hpp"
#include "tests/support/test_bed.hpp"
#include "tests/support/user_events.hpp"
#include "tests/support/wait.hpp"

namespace uniqd::test {
namespace {

using Json = nlohmann::json;

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// Of a URI with user and password.
std::string password_of(const std::string& uri) {
  const auto colon = uri.find(':', uri.find("//") + 2);
  return uri.substr(colon + 1, uri.find('@') - colon - 1);
}

TEST_CASE("check: 0 for a good file, 78 for a bad one") {
  TestBed bed;
  const auto good = bed.daemon()->command({"check"});
  CHECK(good.exit_code == 0);
  CHECK(contains(good.out, "the configuration is good"));
  const auto printed = bed.daemon("printed")->command({"check", "--print"});
  CHECK(printed.exit_code == 0);
  CHECK(contains(printed.out, bed.topic));
  const std::string password = password_of(bed.postgres);
  REQUIRE(contains(bed.config(), password));
  CHECK_FALSE(contains(printed.out, password));
  bed.more = "mode: sleep\n";
  const auto bad = bed.daemon("bad")->command({"check"});
  CHECK(bad.exit_code == 78);
  CHECK_MESSAGE(contains(bad.err, "mode"), bad.err);
  CHECK(run_uniqd({"check", "--config", "/no/such/file"}).exit_code == 78);
}

TEST_CASE("what a client library does not take is bad configuration, whoever is asked") {
  TestBed properties;
  properties.source["kafka"] = "{ no.such: 1 }";
  TestBed conninfo;
  conninfo.postgres = "host=127.0.0.1 dbnam=uniqd";
  for (const char* command : {"check", "run", "status", "audit", "rebuild", "migrate"}) {
    CAPTURE(command);
    const auto of_kafka = properties.daemon(command)->command({command});
    CHECK(of_kafka.exit_code == 78);
    CHECK_MESSAGE(contains(of_kafka.err, "\"no.such\""), of_kafka.err);
    const auto of_postgres = conninfo.daemon(command)->command({command});
    CHECK(of_postgres.exit_code == 78);
    CHECK_MESSAGE(contains(of_postgres.err, "invalid connection option"), of_postgres.err);
  }
}

TEST_CASE("what client libraries do not take is said at once with the rest, and no password") {
  TestBed bed;
  bed.source["kafka"] = "{ no.such: 1, nor.such: 2 }";
  bed.commands["kafka"] = "{ nothing.such: 3 }";
  bed.more = "compensation: { attempts: 0 }\n";
  for (const char* conninfo :
       {"postgresql://u:100%zz-secret@h/db", "postgresql://u:secret@[::1]x/db",
        "host=h password=my secret", "host=h password=a sec=ret secret=1 'secret"}) {
    CAPTURE(conninfo);
    bed.postgres = conninfo;
    const auto refused = bed.daemon()->command({"check"});
    CHECK(refused.exit_code == 78);
    for (const char* said :
         {": source.kafka.no.such: is not taken by librdkafka: ", ": source.kafka.nor.such: ",
          ": commands.kafka.nothing.such: ", "correct or remove it",
          ": readmodel.postgres: ", "write it as libpq takes it", ": compensation.attempts: "}) {
      CHECK_MESSAGE(contains(refused.err, said), refused.err);
    }
    for (const char* secret : {"secret", "100%zz", "sec"}) {
      CHECK_MESSAGE(!contains(refused.err, secret), refused.err);
    }
  }
}

TEST_CASE("who only looks does not say under which rules the read model is made") {
  if (lacks_kafka()) return;
  TestBed bed;
  bed.normalize = "[trim]";
  const auto draft = bed.daemon("draft");
  CHECK(draft->command({"migrate"}).exit_code == 0);
  CHECK(draft->command({"check", "--online"}).exit_code == 0);
  const auto status = draft->command({"status", "--json"});
  CHECK(status.exit_code == 0);
  CHECK(Json::parse(status.out)["claims"] == Json{{"email", 0}, {"full_name", 0}, {"username", 0}});
  CHECK(draft->command({"lookup", "email", "email=a@x"}).out == "email: free\n");
  CHECK(draft->command({"rebuild", "--verify"}).exit_code == 0);
  bed.normalize = "[trim, casefold]";
  const auto daemon = bed.daemon();
  daemon->start_and_wait();
  CHECK(daemon->stop() == 0);
  CHECK(draft->command({"status"}).exit_code == 78);
}

TEST_CASE("check --online: 0 where all is well, 69 and the remedy where something is away") {
  if (lacks_kafka()) return;
  TestBed bed;
  const auto good = bed.daemon()->command({"check", "--online"});
  INFO(good.out << good.err);
  CHECK(good.exit_code == 0);
  CHECK(contains(good.out, "schema " + bed.schema + " is not there yet"));

  TestBed topicless;
  topicless.topic = unique_name("missing");
  const auto topic = topicless.daemon()->command({"check", "--online"});
  CHECK(topic.exit_code == 69);
  CHECK_MESSAGE(contains(topic.out, "--create --topic " + topicless.topic), topic.out);

  const std::string server = bed.postgres.substr(0, bed.postgres.rfind('/') + 1);
  bed.postgres = server + "no_such_database";
  const auto database = bed.daemon("no-database")->command({"check", "--online"});
  CHECK(database.exit_code == 69);
  CHECK_MESSAGE(contains(database.err, "The database does not exist; create it"), database.err);

  bed.postgres = bed.sql_postgres;
  bed.postgres.replace(bed.postgres.find(password_of(bed.postgres)), 1, "no");
  const auto password = bed.daemon("wrong-password")->command({"check", "--online"});
  CHECK(password.exit_code == 69);
  CHECK_MESSAGE(contains(password.err, "refuses the login"), password.err);

  bed.brokers = "127.0.0.1:1";
  const auto broker = bed.daemon("no-broker")->command({"check", "--online"});
  CHECK(broker.exit_code == 69);
  CHECK_MESSAGE(contains(broker.out, "127.0.0.1:1"), broker.out);
}

TEST_CASE("migrate: makes the schema, does it again without harm, refuses a newer one with 3") {
  TestBed bed;
  const auto daemon = bed.daemon();
  const auto first = daemon->command({"migrate"});
  CHECK(first.exit_code == 0);
  CHECK(contains(first.out, "brought from version 0 to "));
  const auto second = daemon->command({"migrate"});
  CHECK(second.exit_code == 0);
  CHECK(contains(second.out, "nothing to do"));

  bed.sql("INSERT INTO schema_version (version) VALUES (1000)");
  const auto newer = daemon->command({"migrate"});
  CHECK(newer.exit_code == 3);
  CHECK_MESSAGE(contains(newer.err, "run a newer uniqd"), newer.err);
  for (const char* flag : {"--no-migrate", ""}) {
    auto words = std::vector<std::string>{"run"};
    if (*flag) words.emplace_back(flag);
    CHECK(daemon->command(words).exit_code == 3);
  }
}

TEST_CASE("status and lookup, as text and as JSON, with and without a schema") {
  TestBed bed;
  const auto daemon = bed.daemon();
  CHECK(daemon->command({"status"}).exit_code == 3);
  daemon->start_and_wait();
  bed.wait_applied();
  bed.produce({cloud_event({"UserAdded", "u1", "e1", {{"email", "a@x"}, {"username", "ann"}}}),
               cloud_event({"UserAdded", "u2", "e2", {{"email", "a@x"}}})});
  bed.wait_settled();

  const auto text = daemon->command({"status"});
  CHECK(text.exit_code == 0);
  CHECK(contains(text.out, "topic " + bed.topic + ", read model in schema " + bed.schema));
  const auto json = daemon->command({"status", "--json"});
  CHECK(json.exit_code == 0);
  const Json status = Json::parse(json.out);
  CHECK(status["topic"] == bed.topic);
  CHECK(status["claims"] == Json{{"email", 1}, {"full_name", 0}, {"username", 1}});
  CHECK(status["compensations"]["sent"] == 1);
  CHECK(status["positions"][0]["next_offset"] == 2);
  CHECK(status["positions"][0]["end_offset"] == 2);
  CHECK(status["positions"][0]["lag"] == 0);
  CHECK(status["dead_letters"] == 0);
  CHECK(Json::parse(daemon->get("/api/v1/status").body)["claims"] == status["claims"]);

  CHECK(daemon->command({"lookup", "email", "email= A@X"}).out == "email: owned by u1\n");
  CHECK(daemon->command({"lookup", "email", "email=b@x"}).out == "email: free\n");
  const auto owned = daemon->command({"lookup", "username", "username=Ann", "--json"});
  CHECK(owned.exit_code == 0);
  CHECK(Json::parse(owned.out)["owner"] == "u1");
  const auto free = daemon->command({"lookup", "email", "email=", "--json"});
  CHECK(Json::parse(free.out)["owner"].is_null());
  const auto unknown = daemon->command({"lookup", "phone", "phone=1"});
  CHECK(unknown.exit_code == 2);
  CHECK(contains(unknown.err, "there are: email, full_name, username"));
  CHECK(daemon->command({"lookup", "email", "phone=1"}).exit_code == 2);
}

TEST_CASE("a group's commands take the configuration before or behind their own name") {
  TestBed bed;
  const auto daemon = bed.daemon();
  REQUIRE(daemon->command({"migrate"}).exit_code == 0);
  for (const char* group : {"compensations", "deadletters"}) {
    CAPTURE(group);
    CHECK(run_uniqd({group, "--config", daemon->config_path(), "list"}).exit_code == 0);
    CHECK(run_uniqd({group, "list", "--config", daemon->config_path()}).exit_code == 0);
    const auto without = run_uniqd({group, "list"});
    CHECK(without.exit_code == 2);
    CHECK_MESSAGE(contains(without.err, "--config is required"), without.err);
  }
}

TEST_CASE("words that are not commands are usage, with 2") {
  CHECK(run_uniqd({}).exit_code == 2);
  CHECK(run_uniqd({"dance"}).exit_code == 2);
  CHECK(run_uniqd({"run"}).exit_code == 2);
  CHECK(run_uniqd({"--version"}).out.starts_with("uniqd "));
  CHECK(run_uniqd({"--help"}).exit_code == 0);
}

TEST_CASE("a list says when it is not all there is, and an id that is no text is refused") {
  TestBed bed;
  const auto daemon = bed.daemon();
  daemon->start_and_wait();
  std::vector<TestRecord> records{cloud_event({"UserAdded", "u0", "e0", {{"email", "a@x"}}})};
  for (const char* user : {"u1", "u2", "u3"}) {
    records.push_back(
        cloud_event({"UserAdded", user, std::string("e") + user, {{"email", "a@x"}}}));
    records.push_back({"no key", "no event", {}});
  }
  bed.produce(records);
  bed.wait_settled();
  for (const char* group : {"compensations", "deadletters"}) {
    CAPTURE(group);
    const auto all = daemon->command({group, "list", "--json", "--limit", "3"});
    CHECK(Json::parse(all.out).size() == 3);
    CHECK(all.err.empty());
    const auto some = daemon->command({group, "list", "--json", "--limit", "2"});
    CHECK(some.exit_code == 0);
    CHECK(Json::parse(some.out).size() == 2);
    CHECK_MESSAGE(contains(some.err, "there are more than these 2; --limit"), some.err);
    CHECK(daemon->command({group, "list", "--limit", "0"}).exit_code == 2);
  }
  const auto no_text = daemon->command({"explain", "\xff"});
  CHECK(no_text.exit_code == 2);
  CHECK_MESSAGE(contains(no_text.err, "UTF-8"), no_text.err);
  CHECK(daemon->get("/api/v1/entities/%FF").status == 400);
  CHECK(daemon->get("/api/v1/entities/u1").status == 200);
}

TEST_CASE("the admin port: the lag is up to the broker's end, also while nothing can be applied") {
  TestBed bed;
  const auto daemon = bed.daemon();
  daemon->start_and_wait();
  bed.produce({cloud_event({"UserAdded", "u0", "e0", {{"email", "a@x"}}})});
  bed.wait_settled();
  const auto shows = [&daemon](const std::string& metric) {
    return contains(daemon->get("/metrics").body, metric + "\n");
  };
  PgSession somebody({bed.postgres, bed.schema});
  somebody.begin();
  take_lock(somebody, PgLock::batch, bed.schema);
  somebody.flush();
  std::vector<TestRecord> records;
  for (int number = 1; number <= 40; ++number) {
    const std::string user = "u" + std::to_string(number);
    records.push_back(cloud_event({"UserAdded", user, "e" + user, {{"email", user + "@x"}}}));
  }
  bed.produce(records);
  wait_until("the lag shows", [&] { return shows("uniqd_lag_records{partition=\"0\"} 40"); });
  CHECK_FALSE(shows("uniqd_lag_seconds{partition=\"0\"} 0"));
  somebody.roll_back();
  wait_until("the lag is gone", [&] { return shows("uniqd_lag_records{partition=\"0\"} 0"); });
  CHECK(shows("uniqd_lag_seconds{partition=\"0\"} 0"));
}

TEST_CASE("the admin port: alive, ready, every metric by its name") {
  TestBed bed;
  const auto daemon = bed.daemon();
  daemon->start_and_wait();
  bed.produce({cloud_event({"UserAdded", "u1", "e1", {{"email", "a@x"}}}),
               cloud_event({"UserAdded", "u2", "e2", {{"email", "a@x"}}})});
  bed.wait_settled();
  CHECK(daemon->get("/livez").status == 200);
  CHECK(Json::parse(daemon->get("/readyz").body) ==
        Json{{"ready", true}, {"reasons", Json::array()}});
  wait_until("the command is counted",
             [&] { return contains(daemon->get("/metrics").body, "uniqd_commands_sent_total 1"); });
  const std::string metrics = daemon->get("/metrics").body;
  for (const char* name :
       {"uniqd_events_total{", "uniqd_lag_records{partition=\"0\"} 0",
        "uniqd_lag_seconds{partition=\"0\"} 0", "uniqd_claims{constraint=\"email\"}",
        "uniqd_compensations{state=\"sent\"}", "uniqd_oldest_open_compensation_seconds ",
        "uniqd_command_attempts_total 1", "uniqd_dead_letters 0", "uniqd_batch_events_count",
        "uniqd_batch_seconds_bucket", "uniqd_commit_seconds_bucket",
        "uniqd_decision_to_ack_seconds_count 1", "uniqd_fenced_total 0", "uniqd_build_info{"}) {
    CHECK_MESSAGE(contains(metrics, name), name);
  }
}

}  // namespace
}  // namespace uniqd::test

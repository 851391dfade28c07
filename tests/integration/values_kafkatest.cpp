// Personal values are nowhere but in the source topic, unless `values: plain` says so.

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cstdio>
#include <memory>
#include <string>

#include "tests/support/schema_dump.hpp"
#include "tests/support/test_bed.hpp"
#include "tests/support/user_events.hpp"

namespace uniqd::test {
namespace {

const std::string secret = "very.private";
const std::string spelled = "Very.PRIVATE@Home.example";  // as the events have it
const std::string normal = "very.private@home.example";   // as it is compared

std::string lower(std::string text) {
  for (char& letter : text) letter = static_cast<char>(std::tolower(letter));
  return text;
}

// Everything that the daemon has written anywhere.
std::string all_traces(TestBed& bed, const UniqdProcess& daemon) {
  std::string traces = daemon.log() + daemon.get("/metrics").body + daemon.get("/readyz").body +
                       daemon.get("/api/v1/status").body;
  for (const TestRecord& command : bed.commands_sent()) {
    traces += command.payload.value_or("") + command.key.value_or("");
    for (const auto& [name, value] : command.headers) traces += name + value.value_or("");
  }
  return lower(traces);
}

void run_a_life(TestBed& bed, UniqdProcess& daemon) {
  daemon.start_and_wait();
  TestRecord bad = cloud_event({"UserAdded", "u4", "e4", {{"email", spelled}}});
  bad.payload = "not JSON: " + spelled;
  bed.produce({cloud_event({"UserAdded", "u1", "e1", {{"email", spelled}, {"username", "bob"}}}),
               cloud_event({"UserAdded", "u2", "e2", {{"email", " " + spelled}}}), bad,
               cloud_event({"UserEmailChanged", "u2", "e3", {{"email", spelled + "2"}}}),
               cloud_event({"UserAdded", "u3", "e5", {{"email", spelled}}})});
  bed.wait_settled();
  REQUIRE(bed.command_count() >= 1);
  (void)daemon.command({"status"});
}

TEST_CASE("with hmac-sha256 and sha256 no value is in the database, in a command or in the log") {
  for (const char* form : {"hmac-sha256", "sha256"}) {
    CAPTURE(form);
    TestBed bed;
    bed.readmodel["values"] = form;
    bed.more = "log: { level: trace }\n";
    const auto daemon = bed.daemon();
    run_a_life(bed, *daemon);
    const std::string dumped = dump(bed);
    REQUIRE(dumped.find("u1") != std::string::npos);
    CHECK(lower(dumped).find(secret) == std::string::npos);
    CHECK(all_traces(bed, *daemon).find(secret) == std::string::npos);
    const auto found = daemon->command({"lookup", "email", "email=" + spelled});
    CHECK(found.out == "email: owned by u1\n");
    CHECK(lower(found.err).find(secret) == std::string::npos);
  }
}

TEST_CASE("with values: plain the text is in the database, and still nowhere else") {
  TestBed bed;
  bed.readmodel["values"] = "plain";
  bed.more = "log: { level: trace }\n";
  const auto daemon = bed.daemon();
  run_a_life(bed, *daemon);
  CHECK(bed.sql_text("SELECT value FROM value_texts WHERE entity = 'u1' AND slot = 0") == normal);
  CHECK(bed.sql_text("SELECT value FROM value_texts WHERE entity = 'u1' AND slot = 3") == "bob");
  CHECK(dump(bed).find(normal) != std::string::npos);
  CHECK(all_traces(bed, *daemon).find(secret) == std::string::npos);

  // Nothing is left of an earlier life.
  bed.produce({cloud_event({"UserDeactivated", "u1", "e6"}),
               cloud_event({"UserAdded", "u1", "e7", {{"email", "other@x"}}})});
  bed.wait_settled();
  const std::string texts =
      "SELECT string_agg(slot || '=' || value, ',') FROM value_texts"
      " WHERE entity = 'u1' AND value <> ''";
  CHECK(bed.sql_text(texts) == "0=other@x");
  CHECK(daemon->command({"rebuild"}).exit_code == 0);
  CHECK(bed.sql_text(texts) == "0=other@x");

  // The text goes with the user.
  bed.produce({cloud_event({"UserDeactivated", "u1", "e9"})});
  bed.wait_settled();
  CHECK(bed.sql_text("SELECT count(*) FROM value_texts WHERE entity = 'u1'") == "0");
}

TEST_CASE("a key from a file makes digests that another key does not make") {
  TestBed bed;
  const auto daemon = bed.daemon();
  daemon->start_and_wait();
  bed.produce({cloud_event({"UserAdded", "u1", "e1", {{"email", normal}}})});
  bed.wait_settled();
  const std::string own_key = bed.sql_text("SELECT key FROM claims");
  CHECK(daemon->stop() == 0);

  TestBed other;
  const std::string key_file = other.folder + ".key";
  const std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(key_file.c_str(), "w"), std::fclose);
  REQUIRE(file != nullptr);
  std::fputs("a key of sixteen bytes or more", file.get());
  std::fflush(file.get());
  other.readmodel["values_key_file"] = key_file;
  const auto keyed = other.daemon();
  keyed->start_and_wait();
  other.produce({cloud_event({"UserAdded", "u1", "e1", {{"email", normal}}})});
  other.wait_settled();
  CHECK(other.sql_text("SELECT key FROM claims") != own_key);
  CHECK(other.sql_text("SELECT count(*) FROM meta WHERE name = 'value_key'") == "0");
  CHECK(dump(other).find("sixteen") == std::string::npos);

  // The same read model under another key is another read model.
  CHECK(keyed->stop() == 0);
  other.readmodel.erase("values_key_file");
  const auto unkeyed = other.daemon("unkeyed");
  unkeyed->start();
  CHECK(unkeyed->wait_for_exit() == 78);
  CHECK(unkeyed->log().find("values key") != std::string::npos);
}

}  // namespace
}  // namespace uniqd::test

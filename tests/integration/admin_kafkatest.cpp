// What may be changed over HTTP and by whom; and the operator's page.

#include <doctest/doctest.h>
#include <httplib.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/test_bed.hpp"
#include "tests/support/user_events.hpp"
#include "tests/support/wait.hpp"

namespace uniqd::test {
namespace {

using Json = nlohmann::json;

constexpr const char* token = "a token of some length";

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// A bed with a token, where u2 is told to go and where u3's name is for review.
struct Scene {
  Scene() {
    std::filesystem::create_directories(bed.folder);
    bed.token_file = bed.folder + "/token";
    std::ofstream(bed.token_file) << token << "\n";
    daemon = bed.daemon();
    daemon->start_and_wait();
    bed.produce(
        {cloud_event(
             {"UserAdded", "u1", "e1", {{"email", "a@x"}, {"first", "Ann"}, {"last", "Lee"}}}),
         cloud_event({"UserAdded", "u2", "e2", {{"email", "a@x"}}}),
         cloud_event({"UserAdded", "u3", "e3", {{"first", "Ann"}, {"last", "Lee"}}})});
    bed.wait_settled();
  }

  [[nodiscard]] std::string id_of(const std::string& user) const {
    return bed.sql_text("SELECT id FROM compensations WHERE entity = '" + user + "'");
  }
  [[nodiscard]] std::string state_of(const std::string& user) const {
    return bed.sql_text("SELECT state FROM compensations WHERE entity = '" + user + "'");
  }
  [[nodiscard]] httplib::Response post(const std::string& path,
                                       const std::string& authorization) const {
    httplib::Client client("127.0.0.1", daemon->port());
    httplib::Headers headers;
    if (!authorization.empty()) headers.emplace("Authorization", authorization);
    const auto answer = client.Post(path, headers, "", "application/json");
    REQUIRE(answer);
    return *answer;
  }
  [[nodiscard]] httplib::Response step_in(const std::string& id, const std::string& deed) const {
    return post("/api/v1/compensations/" + id + "/" + deed, std::string("Bearer ") + token);
  }

  TestBed bed;
  std::unique_ptr<UniqdProcess> daemon;
};

TEST_CASE("admin: who does not show the token changes nothing") {
  const Scene scene;
  const std::vector<std::string> paths{"/api/v1/compensations/" + scene.id_of("u2") + "/retry",
                                       "/api/v1/compensations/" + scene.id_of("u2") + "/dismiss",
                                       "/api/v1/compensations/" + scene.id_of("u3") + "/dismiss",
                                       "/api/v1/resume"};
  std::string almost = token;
  almost.back() = 'x';
  const std::string all = token;
  for (const std::string& path : paths) {
    for (const std::string& shown :
         {std::string(), std::string("Bearer"), std::string("Bearer "), "Bearer " + almost,
          "Bearer " + all.substr(1), "Bearer " + all + "x", "Basic " + all, all}) {
      CAPTURE(path);
      CAPTURE(shown);
      const auto answer = scene.post(path, shown);
      CHECK(answer.status == 401);
      CHECK(answer.get_header_value("WWW-Authenticate") == "Bearer");
      CHECK(Json::parse(answer.body)["error"] == "Unauthorized");
      CHECK_FALSE(contains(answer.body, token));
    }
  }
  CHECK(scene.state_of("u2") == "sent");
  CHECK(scene.state_of("u3") == "open");
  // To ask takes no token.
  for (const char* path : {"/", "/metrics", "/api/v1/status", "/api/v1/compensations"}) {
    CHECK(scene.daemon->get(path).status == 200);
  }
  CHECK_FALSE(contains(scene.daemon->log(), token));
}

TEST_CASE("admin: without a token set nothing can be changed, and the remedy is said") {
  TestBed bed;
  const auto daemon = bed.daemon();
  daemon->start_and_wait();
  httplib::Client client("127.0.0.1", daemon->port());
  for (const char* shown : {"", "Bearer ", "Bearer something"}) {
    const auto answer =
        client.Post("/api/v1/resume", httplib::Headers{{"Authorization", shown}}, "", "text/plain");
    REQUIRE(answer);
    CHECK(answer->status == 403);
    CHECK(contains(answer->body, "admin.token_file"));
  }
  const auto asked = client.Post("/api/v1/check", R"({"fields":{"email":"a@x"}})", "text/plain");
  REQUIRE(asked);
  CHECK(asked->status == 200);
}

TEST_CASE("admin: a check takes values as events have them, and what is known beside them") {
  TestBed bed;
  const auto daemon = bed.daemon();
  daemon->start_and_wait();
  bed.produce({cloud_event({"UserAdded", "u1", "e1", {{"first", "Ann"}, {"last", "Lee"}}}),
               cloud_event({"UserAdded", "u2", "e2", {{"first", "Ann"}, {"last", "Roe"}}}),
               cloud_event({"UserAdded", "u3", "e3", {{"username", "1.10"}}})});
  bed.wait_settled();
  httplib::Client client("127.0.0.1", daemon->port());
  const auto status_of = [&](const char* body) {
    const auto answer = client.Post("/api/v1/check", body, "application/json");
    REQUIRE(answer);
    return answer->status;
  };
  CHECK(status_of(R"({"fields":{"last":"Lee"},"entity":"u2"})") == 409);
  CHECK(status_of(R"({"fields":{"last":"Lee"},"entity":"u1"})") == 200);
  CHECK(status_of(R"({"fields":{"last":"Lee"},"entity":"u9"})") == 200);
  CHECK(status_of(R"({"fields":{"last":"Lee","first":null},"entity":"u2"})") == 200);
  CHECK(status_of(R"({"fields":{"last":"Lee","first":"Ann"}})") == 409);
  CHECK(status_of(R"({"fields":{"email":"new@x"},"entity":"u2"})") == 200);
  CHECK(status_of(R"({"fields":{"username":1.10}})") == 409);
  CHECK(status_of(R"({"fields":{"username":1.1}})") == 200);
  for (const char* bad : {"", "{", "[]", R"({"fields":[]})", R"({"fields":{"email":["a@x"]}})",
                          R"({"fields":{"other":{}}})", R"({"fields":{},"entity":{}})",
                          R"({"fields":{},"entity":"u\u0000"})"}) {
    CAPTURE(bad);
    CHECK(status_of(bad) == 400);
  }
  CHECK(daemon->get("/api/v1/claims?constraint=%FF").status == 400);
  CHECK(daemon->get("/api/v1/claims?constraint=email&email=%FF").status == 400);
  CHECK(daemon->get("/api/v1/entities/u1%00x").status == 400);
  CHECK(daemon->get("/api/v1/entities/u1%FF").status == 400);
}

TEST_CASE("admin: retry and dismiss, and what cannot be") {
  const Scene scene;
  const auto retried = scene.step_in(scene.id_of("u2"), "retry");
  CHECK(retried.status == 200);
  const Json answer = Json::parse(retried.body);
  CHECK(answer["id"] == scene.id_of("u2"));
  CHECK(answer["result"] == "pending: the command is sent again");
  CHECK(answer["compensation"]["entity"] == "u2");
  wait_until("it is sent again", [&] { return scene.bed.command_count() == 2; });
  wait_until("and marked", [&] { return scene.state_of("u2") == "sent"; });

  const auto dismissed = scene.step_in(scene.id_of("u3"), "dismiss");
  CHECK(dismissed.status == 200);
  CHECK(Json::parse(dismissed.body)["compensation"]["state"] == "dismissed");
  CHECK(scene.state_of("u3") == "dismissed");
  const auto again = scene.step_in(scene.id_of("u3"), "dismiss");
  CHECK(again.status == 409);
  CHECK(contains(again.body, "the compensation is dismissed"));
  CHECK(scene.step_in(scene.id_of("u3"), "retry").status == 409);  // there is no command

  CHECK(scene.step_in("00000000-0000-5000-8000-000000000000", "retry").status == 404);
  CHECK(scene.step_in("u2", "retry").status == 400);
  CHECK(scene.step_in(scene.id_of("u2"), "forget").status == 404);

  const auto oldest = [&scene] {
    const Json status = Json::parse(scene.daemon->get("/api/v1/status").body);
    return status["oldest_open_compensation_seconds"];
  };
  CHECK(oldest().is_number());
  CHECK(scene.step_in(scene.id_of("u2"), "dismiss").status == 200);
  CHECK(oldest().is_null());
}

TEST_CASE("admin: resume over HTTP") {
  const Scene scene;
  const std::string shown = std::string("bearer ") + token;  // the scheme is not case sensitive
  const auto nothing = scene.post("/api/v1/resume", shown);
  CHECK(nothing.status == 200);
  CHECK(Json::parse(nothing.body) == Json{{"resumed", false}});
  scene.bed.sql("UPDATE safety SET paused_at = now(), reason = 'for a test'");
  const auto resumed = scene.post("/api/v1/resume", shown);
  CHECK(resumed.status == 200);
  CHECK(Json::parse(resumed.body)["resumed"] == true);
  CHECK(Json::parse(resumed.body)["reason"] == "for a test");
  CHECK(Json::parse(scene.daemon->get("/api/v1/status").body)["paused"].is_null());
}

TEST_CASE("admin: compensations of several states, and some of them") {
  const Scene scene;
  const auto list = [&](const std::string& query) {
    return Json::parse(scene.daemon->get("/api/v1/compensations" + query).body)["compensations"];
  };
  CHECK(list("").size() == 2);
  CHECK(list("?limit=1").size() == 1);
  CHECK(list("?state=sent")[0]["entity"] == "u2");
  CHECK(list("?state=sent,open").size() == 2);
  CHECK(list("?state=pending,overdue").empty());
  for (const char* bad : {"?state=sent,", "?state=asleep", "?limit=0", "?limit=1001", "?limit=x"}) {
    CHECK(scene.daemon->get(std::string("/api/v1/compensations") + bad).status == 400);
  }
}

TEST_CASE("admin: status says what this instance is at, and how a rebuild goes") {
  const Scene scene;
  const Json status = Json::parse(scene.daemon->get("/api/v1/status").body);
  CHECK(status["paused"].is_null());
  CHECK(status["rebuild"].is_null());
  const Json& instance = status["instance"];
  CHECK(instance["ready"] == true);
  CHECK(instance["can_change"] == true);
  CHECK(instance["catching_up"].empty());
  CHECK(instance["constraints"]["full_name"] == Json{"first", "last"});

  CHECK(contains(scene.daemon->get("/metrics").body, "uniqd_rebuild_events_total 0"));
  scene.bed.sql(
      "INSERT INTO meta VALUES ('rebuild', '{\"events\":45,\"total\":100,\"phase\":\"reading\"}')");
  // What one left behind that died.
  CHECK(Json::parse(scene.daemon->command({"status", "--json"}).out)["rebuild"].is_null());
  PgSession rebuild({scene.bed.postgres, scene.bed.schema});
  rebuild.run("SELECT pg_advisory_lock(hashtextextended('uniqd rebuild " + scene.bed.schema +
              "', 0))");
  const auto text = scene.daemon->command({"status"}).out;
  CHECK_MESSAGE(contains(text, "rebuild: 45 %, reading, 45 of 100 events"), text);
  CHECK(Json::parse(scene.daemon->command({"status", "--json"}).out)["rebuild"] ==
        Json{{"phase", "reading"}, {"events", 45}, {"total", 100}});
  wait_until("the metric follows", [&] {
    return contains(scene.daemon->get("/metrics").body, "uniqd_rebuild_events_total 45");
  });
  scene.bed.sql("DELETE FROM meta WHERE name = 'rebuild'");
  wait_until("it is over", [&] {
    return Json::parse(scene.daemon->get("/api/v1/status").body)["rebuild"].is_null();
  });
  CHECK(contains(scene.daemon->get("/metrics").body, "uniqd_rebuild_events_total 45"));
}

TEST_CASE("admin: the operator's page needs nothing from elsewhere and may load nothing") {
  const Scene scene;
  httplib::Client client("127.0.0.1", scene.daemon->port());
  const auto page = client.Get("/");
  REQUIRE(page);
  CHECK(page->status == 200);
  CHECK(page->get_header_value("Content-Type") == "text/html; charset=utf-8");
  CHECK(page->get_header_value("X-Content-Type-Options") == "nosniff");
  CHECK(page->get_header_value("Cache-Control") == "no-store");
  CHECK(page->get_header_value("Referrer-Policy") == "no-referrer");
  const std::string policy = page->get_header_value("Content-Security-Policy");
  for (const char* part : {"default-src 'none'", "connect-src 'self'", "frame-ancestors 'none'",
                           "script-src 'sha256-", "style-src 'sha256-"}) {
    CHECK_MESSAGE(contains(policy, part), policy);
  }
  CHECK_FALSE(contains(policy, "unsafe"));
  for (const char* never :
       {"http:", "https:", "//cdn", "src=", "href=", "url(", "@import", "innerHTML", "outerHTML",
        "insertAdjacent", "document.write", "eval(", " style=", " onclick"}) {
    CHECK_MESSAGE(!contains(page->body, never), never);
  }
  CHECK(contains(page->body, "prefers-color-scheme"));
  CHECK(contains(page->body, "textContent"));
}

}  // namespace
}  // namespace uniqd::test

// Marked personal values go through every path, good and bad; then all that the daemon has written
// anywhere is searched for them.

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <httplib.h>
#include <sys/resource.h>

#include <algorithm>
#include <cctype>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "readmodel/identifiers.hpp"
#include "tests/support/schema_dump.hpp"
#include "tests/support/services.hpp"
#include "tests/support/test_bed.hpp"
#include "tests/support/user_events.hpp"
#include "tests/support/wait.hpp"

namespace uniqd::test {
namespace {

using Json = nlohmann::json;
using Places = std::map<std::string, std::string>;  // what was written, by where

const std::string name = "Zq7Kanarienvogel";
const std::string host = "@Kanarienhaus.example";
const std::string phone = "0151 234 56789";
const std::vector<std::string> markers{name, "Kanarienhaus", phone, "15123456789"};

std::string mail(int number) { return name + std::to_string(number) + host; }

template <class Change>
std::string each(std::string text, Change change) {
  for (char& letter : text) letter = static_cast<char>(change(static_cast<unsigned char>(letter)));
  return text;
}
std::string lower(const std::string& text) {
  return each(text, [](int c) { return std::tolower(c); });
}
std::string upper(const std::string& text) {
  return each(text, [](int c) { return std::toupper(c); });
}

std::string hex(const std::string& text) {
  return to_hex(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
}

std::string base64(const std::string& text) {
  static constexpr char digits[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string encoded;
  unsigned bits = 0;
  int count = 0;
  for (const char byte : text) {
    bits = (bits << 8U | static_cast<unsigned char>(byte)) & 0xFFFFU;
    for (count += 8; count >= 6; count -= 6) encoded += digits[bits >> (count - 6) & 63U];
  }
  if (count > 0) encoded += digits[bits << (6 - count) & 63U];
  while (encoded.size() % 4 != 0) encoded += '=';
  return encoded;
}

// `text` inside something longer in base64: by its place in there, without what it shares a digit
// with.
std::vector<std::string> base64_within(const std::string& text) {
  std::vector<std::string> forms;
  for (std::size_t before = 0; before < 3; ++before) {
    const std::string encoded = base64(std::string(before, 'x') + text);
    const std::size_t first = (before * 8 + 5) / 6;
    forms.push_back(encoded.substr(first, (before + text.size()) * 8 / 6 - first));
  }
  return forms;
}

// The places where a marker is, in whatever dress.
std::set<std::string> find_markers(const Places& places) {
  std::set<std::string> found;
  for (const auto& [place, text] : places) {
    const std::string folded = lower(text);
    for (const std::string& marker : markers) {
      for (const std::string& spelled : {marker, lower(marker), upper(marker)}) {
        bool is_there = folded.find(lower(spelled)) != std::string::npos ||
                        folded.find(hex(spelled)) != std::string::npos;
        for (const std::string& form : base64_within(spelled)) {
          is_there = is_there || text.find(form) != std::string::npos;
        }
        if (is_there) found.insert(place);
      }
    }
  }
  return found;
}

std::string joined(const std::set<std::string>& names) {
  return fmt::format("{}", fmt::join(names, "; "));
}

// Every step that looks into a value, every action, a compound constraint.
std::string config_of(const TestBed& bed, const std::string& values, const std::string& log) {
  return fmt::format(R"(source: {{ topic: {}, brokers: "{}", group: {} }}
commands: {{ topic: {} }}
readmodel: {{ postgres: "{}", schema: {}, values: {} }}
events:
  UserAdded:
    effect: claim
    entity: /userId
    fields: &all {{ email: /email, phone: /phone, nick: /nick, first: /first, last: /last }}
  UserChanged: {{ effect: change, entity: /userId, fields: *all }}
  UserDeactivated: {{ effect: release, entity: /userId }}
constraints:
  email:
    fields: [email]
    normalize: [trim, email: {{ on_invalid: reject }}]
    on_violation: {{ send: DeactivateUser }}
  phone:
    fields: [phone]
    default_region: DE
    normalize: [trim, e164: {{ on_invalid: reject }}]
    on_violation: {{ detect: true }}
  nick: {{ fields: [nick], normalize: [casefold], on_violation: {{ alert: true }} }}
  full_name: {{ fields: [first, last], normalize: [nfkc], on_violation: {{ review: true }} }}
admin: {{ listen: "127.0.0.1:0" }}
log: {{ level: trace, format: {} }}
)",
                     bed.topic, bed.brokers, bed.group, bed.commands_topic, bed.postgres,
                     bed.schema, values, log);
}

std::vector<TestRecord> good_records() {
  TestRecord framed = cloud_event({"UserAdded", "u6", "e6", {{"email", mail(6)}}});
  framed.payload->insert(0, std::string("\0\0\0\0\7", 5));
  TestRecord by_mail = cloud_event({"UserAdded", "u7", "e7", {{"email", mail(7)}}});
  by_mail.key = mail(7);
  by_mail.headers.emplace_back("x-note", mail(1));
  by_mail.headers.emplace_back("x-" + name, std::nullopt);
  TestRecord inside = structured_event({"UserAdded", "u8", "e8", {}});
  Json message = Json::parse(*inside.payload);
  message.erase("data");
  message["data_base64"] = base64(Json{{"userId", "u8"}, {"email", mail(1)}}.dump());
  inside.payload = message.dump();
  return {cloud_event({"UserAdded",
                       "u1",
                       "e1",
                       {{"email", mail(1)},
                        {"phone", phone},
                        {"nick", name},
                        {"first", name},
                        {"last", name}}}),
          plain_event({"UserAdded", "u2", "e2", {{"email", " " + upper(mail(1)) + "\t"}}}),
          structured_event({"UserAdded", "u3", "e3", {{"phone", "+49 " + phone.substr(1)}}}),
          plain_event({"UserAdded", "u4", "e4", {{"nick", lower(name)}}}),
          cloud_event({"UserAdded", "u5", "e5", {{"first", name}, {"last", name}}}),
          framed,
          by_mail,
          inside,
          cloud_event({"UserChanged", "u3", "e9", {{"email", mail(1)}}}),
          cloud_event({"UserChanged", "u3", "e10", {{"email", mail(3)}, {"phone", std::nullopt}}}),
          cloud_event({"UserChanged", "u1", "e11", {{"email", mail(5)}, {"last", mail(5)}}}),
          plain_event({"UserAdded", "u9", "e12", {{"phone", "(0151) 23456789"}}}),
          plain_event({"UserDeactivated", "u2", "e13"})};
}

TestRecord with_payload(const std::string& payload) {
  TestRecord record = cloud_event({"UserAdded", "u20", "e-bad", {}});
  record.payload = payload;
  return record;
}

// What is wrong with each is where the value is, or right beside it.
std::vector<TestRecord> bad_records() {
  using namespace std::string_literals;
  std::vector<TestRecord> records;
  for (const std::string& payload :
       {"not JSON: " + mail(1), R"({"userId":"u20","email":")" + mail(1),
        R"({"userId":"u20","email":")" + mail(1) + "\xff\xfe\"}",
        R"({"userId":"u20","email":")" + mail(1) + R"(\ud800"})",
        R"({"userId":"u20","email":")" + mail(1) + R"(\q"})",
        R"({"userId":"u20","email":[")" + mail(1) + R"("]})",
        R"({"userId":"u20","email":{")" + mail(1) + R"(":1}})", R"({"email":")" + mail(1) + R"("})",
        R"({"userId":null,"email":")" + mail(1) + R"("})", R"({"userId":[")" + mail(1) + R"("]})",
        R"({"userId":{")" + mail(1) + R"(":true}})", R"([")" + mail(1) + R"("])",
        "\"" + mail(1) + "\"", "\0\0\0\0\1"s + mail(1),
        R"({"userId":"u20","email":")" + name + R"( at the house"})",
        R"({"userId":"u20","email":")" + mail(1) + "@" + mail(2) + R"("})",
        R"({"userId":"u20","phone":")" + phone + " or " + name + R"("})"}) {
    records.push_back(with_payload(payload));
  }
  records.push_back(
      cloud_event({"UserAdded", "u20", std::string(1025, 'i'), {{"email", mail(1)}}}));
  records.push_back(cloud_event({"UserAdded", std::string(1025, 'u'), "e", {{"email", mail(1)}}}));
  TestRecord typeless = plain_event({"UserAdded", "u20", "e", {{"email", mail(1)}}});
  typeless.payload = Json{{"type", {mail(1)}}, {"data", {{"userId", "u20"}}}}.dump();
  records.push_back(typeless);
  TestRecord broken_inside = structured_event({"UserAdded", "u20", "e", {}});
  broken_inside.payload = R"({"specversion":"1.0","id":"e","source":"/users","type":"UserAdded",)"
                          R"("data_base64":")" +
                          base64("not JSON: " + mail(1)) + R"("})";
  records.push_back(broken_inside);
  return records;
}

std::vector<TestRecord> passed_over_records() {
  TestRecord tombstone;
  tombstone.key = "u21";
  tombstone.headers.emplace_back("x-mail", mail(1));
  TestRecord unknown = cloud_event({"UserSmiled", "u21", "e-smile", {{"email", mail(1)}}});
  unknown.headers.emplace_back("x-mail", mail(1));
  return {tombstone, unknown, plain_event({name, "u21", "e-name", {{"email", mail(1)}}})};
}

std::string text_of(const std::vector<TestRecord>& records) {
  std::string text;
  for (const TestRecord& record : records) {
    text += record.key.value_or("") + "\n" + record.payload.value_or("") + "\n";
    for (const auto& [header, value] : record.headers) text += header + value.value_or("") + "\n";
  }
  return text;
}

// All that the command line says, each with its place.
void ask_commands(const TestBed& bed, const UniqdProcess& daemon, Places& places) {
  std::vector<std::vector<std::string>> questions{
      {"status"},
      {"check", "--print"},
      {"check", "--online"},
      {"migrate"},
      {"audit"},
      {"lookup", "email", "email=" + mail(5)},
      {"lookup", "email", "email=" + name},
      {"lookup", "phone", "phone=" + phone},
      {"lookup", "phone", "phone=" + name},
      {"lookup", "full_name", "first=" + name, "last=" + name},
      {"lookup", "email", mail(1)},
      {"lookup", "email", "mail=" + mail(1)},
      {"lookup", "email", "email=" + mail(1) + "\xff"},
      {"compensations", "list"}};
  for (int user = 1; user <= 9; ++user) questions.push_back({"explain", fmt::format("u{}", user)});
  for (const auto& row : bed.sql("SELECT id FROM compensations")) {
    questions.push_back({"compensations", "show", row[0].c_str()});
  }
  for (auto words : questions) {
    for (const bool as_json : {false, true}) {
      const bool has_json = words[0] != "check" && words[0] != "migrate";
      if (as_json && !has_json) continue;
      if (as_json) words.emplace_back("--json");
      const auto answer = daemon.command(words);
      places[fmt::format("uniqd {}{}", words[0], as_json ? " --json" : "")] +=
          answer.out + answer.err;
    }
  }
}

std::string text_of(const httplib::Result& answer) {
  REQUIRE(answer);
  std::string text = answer->body;
  for (const auto& [header, value] : answer->headers) text += header + value;
  return text;
}

void ask_http(const UniqdProcess& daemon, Places& places) {
  httplib::Client client("127.0.0.1", daemon.port());
  for (const std::string& path :
       {std::string("/"), std::string("/livez"), std::string("/readyz"), std::string("/metrics"),
        std::string("/api/v1/status"), std::string("/api/v1/compensations"),
        std::string("/api/v1/entities/u1"), std::string("/api/v1/entities/u3"),
        "/api/v1/claims?constraint=email&email=" + mail(5),
        "/api/v1/claims?constraint=email&email=" + name,
        "/api/v1/claims?constraint=email&mail=" + mail(5), "/api/v1/claims?email=" + mail(5),
        "/api/v1/claims?constraint=phone&phone=" + name}) {
    places["HTTP GET " + path.substr(0, path.find('?'))] += text_of(client.Get(path));
  }
  for (const std::string& body :
       {Json{{"fields", {{"email", mail(5)}}}}.dump(), Json{{"fields", {{"email", name}}}}.dump(),
        Json{{"fields", {{"email", {mail(5)}}}}}.dump(), Json{{"fields", mail(5)}}.dump(),
        Json{{"fields", {{"phone", name}}}, {"entity", "u9"}}.dump(), "not JSON " + mail(5),
        Json{mail(5)}.dump(), Json{{"fields", {{"first", name}, {"last", mail(5)}}}}.dump()}) {
    places["HTTP POST check"] += text_of(client.Post("/api/v1/check", body, "application/json"));
  }
}

// A good part before PostgreSQL dies, the rest after.
void run_a_life(TestBed& bed, UniqdProcess& daemon) {
  daemon.start_and_wait();
  bed.produce(good_records());
  bed.wait_settled();
  const auto before = bed.ends_of(bed.topic);
  const auto bad = bad_records();
  if (Services::get().real_kafka() && !Services::get().script.empty()) {
    Services::get().act("kill-postgres");
    bed.produce(bad);
    wait_until("it notices that PostgreSQL is gone",
               [&] { return daemon.get("/readyz").status == 503; });
    Services::get().act("start-postgres");
  } else {
    bed.produce(bad);
  }
  bed.produce(passed_over_records());
  daemon.wait_until_ready();
  bed.wait_settled();
  CHECK(bed.sql_text("SELECT min(\"offset\") || ' ' || count(*) FROM dead_letters") ==
        fmt::format("{} {}", before[0], bad.size()));
  CHECK(before[0] == static_cast<std::int64_t>(good_records().size()));
  CHECK(bed.sql_text("SELECT string_agg(DISTINCT action::text, ',' ORDER BY action::text) FROM "
                     "compensations") == "alert,detect,review,send");
}

Places all_places(TestBed& bed, UniqdProcess& daemon) {
  Places places;
  ask_http(daemon, places);
  ask_commands(bed, daemon, places);
  places["the command topic"] = text_of(bed.commands_sent());
  places["PostgreSQL"] = dump(bed);
  places["the log"] = daemon.log();
  for (const auto& place : places) CHECK_MESSAGE(!place.second.empty(), place.first);
  return places;
}

std::unique_ptr<UniqdProcess> daemon_of(const TestBed& bed, const std::string& values,
                                        const std::string& log) {
  UniqdOptions options;
  options.folder = bed.folder + "/uniqd";
  options.yaml = config_of(bed, values, log);
  return std::make_unique<UniqdProcess>(std::move(options));
}

TEST_CASE("personal values are in no log, answer, metric, command or table") {
  for (const std::string values : {"hmac-sha256", "sha256"}) {
    CAPTURE(values);
    TestBed bed;
    const auto daemon = daemon_of(bed, values, values == "sha256" ? "text" : "json");
    run_a_life(bed, *daemon);
    CHECK(joined(find_markers(all_places(bed, *daemon))) == "");
    CHECK(daemon->stop() == 0);
    CHECK(joined(find_markers({{"the log of the end", daemon->log()}})) == "");
    // The search finds what there is to be found.
    const std::string source = text_of(bed.kafka().read_all(bed.topic));
    for (const Places& where :
         {Places{{"", source}}, Places{{"", lower(source)}}, Places{{"", upper(source)}},
          Places{{"", hex(source)}}, Places{{"", base64(source)}},
          Places{{"", base64(lower(source))}}, Places{{"", base64(upper("xy" + source))}}}) {
      CHECK(find_markers(where).size() == 1);
    }
  }
}

TEST_CASE("with values: plain they are in PostgreSQL and nowhere else") {
  TestBed bed;
  const auto daemon = daemon_of(bed, "plain", "json");
  run_a_life(bed, *daemon);
  CHECK(joined(find_markers(all_places(bed, *daemon))) ==
        "HTTP GET /api/v1/entities/u1; HTTP GET /api/v1/entities/u3; PostgreSQL; "
        "uniqd explain --json");
}

// Files here that are called as cores are.
std::set<std::string> cores_in(const std::string& folder) {
  std::set<std::string> cores;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string file = entry.path().filename();
    if (entry.is_regular_file() && file.starts_with("core")) cores.insert(file);
  }
  return cores;
}

TEST_CASE("a daemon that aborts leaves no core file, where any other program does") {
  rlimit limit{};
  REQUIRE(getrlimit(RLIMIT_CORE, &limit) == 0);
  limit.rlim_cur = limit.rlim_max;
  REQUIRE(setrlimit(RLIMIT_CORE, &limit) == 0);
  TestBed bed;
  const auto daemon = bed.daemon();
  daemon->start_and_wait();
  bed.produce({cloud_event({"UserAdded", "u1", "e1", {{"email", mail(1)}}})});
  bed.wait_settled();
  const auto here_before = cores_in(".");
  daemon->send_signal(SIGABRT);
  CHECK(daemon->wait_for_exit() == -SIGABRT);
  CHECK(cores_in(".") == here_before);
  CHECK(cores_in(bed.folder + "/uniqd").empty());

  std::string pattern;
  std::getline(std::ifstream("/proc/sys/kernel/core_pattern"), pattern);
  if (pattern != "core" || limit.rlim_cur == 0) return;
  const std::string other =
      "exec 2>/dev/null; cd '" + bed.folder + "' && (sh -c 'kill -ABRT $$'; exit 1)";
  CHECK(std::system(other.c_str()) != 0);
  CHECK(cores_in(bed.folder).size() == 1);
  for (const auto& core : cores_in(bed.folder)) std::filesystem::remove(bed.folder + "/" + core);
}

}  // namespace
}  // namespace uniqd::test

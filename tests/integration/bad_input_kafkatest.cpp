// Records that cannot be understood, or mean nothing: the topic goes on, and nothing disappears.

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

#include "tests/support/test_bed.hpp"
#include "tests/support/user_events.hpp"

namespace uniqd::test {
namespace {

TestRecord added(const std::string& user, const std::string& email, const std::string& id) {
  return cloud_event({"UserAdded", user, id, {{"email", email}}});
}

TestRecord with_payload(const std::string& payload) {
  TestRecord record = added("u1", "", "e-bad");
  record.payload = payload;
  return record;
}

struct Bad {
  TestRecord record;
  std::string reason;  // how it begins
};

std::vector<Bad> bad_records() {
  using namespace std::string_literals;
  TestRecord no_type = plain_event({"UserAdded", "u1", "e", {}});
  no_type.payload = R"({"id":"e","data":{"userId":"u1"}})";
  TestRecord id_with_nul = plain_event({"UserAdded", "u1", "a\0b"s, {{"email", "a@x"}}});
  return {{with_payload("secret-text, not JSON"), "the payload is not JSON"},
          {with_payload("{\"userId\":\"\xff\xfe secret-text\"}"), "the payload is not JSON"},
          {with_payload(R"({"email":"secret-text"})"), "the event's data has no entity at /userId"},
          {with_payload(R"({"userId":null,"email":"secret-text"})"),
           "the event's data has no entity at /userId"},
          {with_payload(R"({"userId":["secret-text"]})"), "the entity at /userId is an array"},
          {with_payload(R"({"userId":"u1","email":{"secret-text":1}})"), "the value at /email is"},
          {added(std::string(1025, 'u'), "secret-text", "e"), "the entity is longer than 1024"},
          {added("u\0x"s, "secret-text", "e"), "the entity contains a NUL"},
          {added("u1", "secret-text", std::string(1025, 'i')), "the event's id is longer"},
          {id_with_nul, "the event's id contains a NUL"},
          {no_type, "the payload has no event type at /type"},
          {with_payload(""), "the payload is not JSON"}};
}

void expect_dead_letters(const TestBed& bed, const std::vector<Bad>& bad, std::size_t first) {
  const auto letters =
      bed.sql("SELECT partition, \"offset\", reason, topic FROM dead_letters ORDER BY \"offset\"");
  REQUIRE(letters.size() == bad.size());
  for (std::size_t i = 0; i < bad.size(); ++i) {
    const auto row = letters[static_cast<pqxx::result::size_type>(i)];
    INFO(std::string(row[2].c_str()));
    CHECK(row[0].as<int>() == 0);
    CHECK(row[1].as<std::size_t>() == first + i);
    CHECK(std::string(row[2].c_str()).starts_with(bad[i].reason));
    CHECK(row[3].c_str() == bed.topic);
  }
}

TEST_CASE("each bad record becomes a dead letter with its place and reason; the topic goes on") {
  TestBed bed;
  const auto daemon = bed.daemon();
  daemon->start_and_wait();
  const auto bad = bad_records();
  std::vector<TestRecord> records{added("u1", "a@x", "e1")};
  for (const Bad& one : bad) records.push_back(one.record);
  records.push_back(added("u2", "a@x", "e2"));
  bed.produce(records);
  bed.wait_settled();
  expect_dead_letters(bed, bad, 1);
  CHECK(bed.command_count() == 1);
  CHECK(bed.sql_text("SELECT count(*) FROM dead_letters WHERE raw IS NOT NULL") == "0");
  CHECK(daemon->log().find("secret-text") == std::string::npos);
  CHECK(daemon->get("/metrics").body.find("uniqd_dead_letters " + std::to_string(bad.size())) !=
        std::string::npos);
}

TEST_CASE("with values: plain a dead letter keeps the record's bytes") {
  TestBed bed;
  bed.readmodel["values"] = "plain";
  const auto daemon = bed.daemon();
  daemon->start_and_wait();
  std::string every_byte = "not JSON ";
  for (int byte = 0; byte < 256; ++byte) every_byte += static_cast<char>(byte);
  bed.produce({with_payload(every_byte)});
  bed.wait_settled();
  const auto rows = bed.sql("SELECT raw FROM dead_letters");
  REQUIRE(rows.size() == 1);
  CHECK(bytes_of(rows[0][0]) == every_byte);
}

TEST_CASE("tombstones, unknown types and strange but good records are no dead letters") {
  TestBed bed;
  const auto daemon = bed.daemon();
  daemon->start_and_wait();
  TestRecord tombstone;
  tombstone.key = "u1";
  TestRecord unknown = with_payload("not JSON, and not ours to read");
  unknown.headers[2].second = "SomethingElse";
  REQUIRE(unknown.header("ce_type") == "SomethingElse");
  TestRecord framed = added("u3", "a@x", "e3");
  framed.payload->insert(0, std::string("\0\0\0\0\7", 5));
  TestRecord keyless = added("u4", "a@x", "e4");
  keyless.key.reset();
  bed.produce({added("u1", "a@x", "e1"), tombstone, unknown, framed, keyless});
  bed.wait_settled();
  CHECK(bed.sql_text("SELECT count(*) FROM dead_letters") == "0");
  CHECK(bed.command_count() == 2);
  const std::string metrics = daemon->get("/metrics").body;
  CHECK(metrics.find("uniqd_key_mismatches_total 1") != std::string::npos);
  CHECK(metrics.find(R"(uniqd_events_total{type="",outcome="tombstone"} 1)") != std::string::npos);
  CHECK(metrics.find(R"(uniqd_events_total{type="",outcome="unknown"} 1)") != std::string::npos);
}

TEST_CASE("unknown_events: reject makes dead letters of unknown types") {
  TestBed bed;
  bed.more = "unknown_events: reject\n";
  const auto daemon = bed.daemon();
  daemon->start_and_wait();
  TestRecord unknown = added("u1", "a@x", "e1");
  unknown.headers[2].second = "SomethingElse";
  bed.produce({unknown, added("u2", "a@x", "e2")});
  bed.wait_settled();
  CHECK(bed.sql_text("SELECT reason FROM dead_letters").find("unknown_events is reject") !=
        std::string::npos);
  CHECK(bed.sql_text("SELECT string_agg(entity, ',') FROM entities") == "u2");
}

}  // namespace
}  // namespace uniqd::test

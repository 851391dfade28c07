// Every envelope, as the systems write it: by its name, and recognised.

#include <doctest/doctest.h>

#include <string>

#include "readmodel/digest.hpp"
#include "tests/support/record_file.hpp"
#include "tests/unit/decode_world.hpp"

namespace uniqd::test {
namespace {

constexpr const char* event_id = "7c0a6c1e-5d0b-4b6e-9a53-3f6e2f2d0002";
constexpr const char* trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

struct Fixture {
  const char* file;
  Envelope envelope;
  const char* identity;  // what stands before the id in the event's identity
  const char* subject = nullptr;
  const char* type = "UserAdded";
};

constexpr Fixture fixtures[] = {
    {"cloudevents-structured", Envelope::cloudevents, "ce6:/users", "user-2"},
    {"cloudevents-base64", Envelope::cloudevents, "ce6:/users", "user-2"},
    {"cloudevents-binary", Envelope::cloudevents, "ce6:/users", "user-2"},
    {"kurrentdb", Envelope::kurrentdb, "id:"},
    {"axon", Envelope::axon, "id:", nullptr, "com.example.users.UserAdded"},
    {"wolverine", Envelope::message_type, "id:"},
    {"eventuous", Envelope::message_type, "id:"},
    {"debezium-header", Envelope::debezium, "id:"},
    {"debezium-envelope", Envelope::debezium, "id:"},
    {"debezium-schema", Envelope::debezium, "id:"},
    {"debezium-schema-envelope", Envelope::debezium, "id:"},
    {"plain", Envelope::plain, "id:"},
    {"plain-confluent", Envelope::plain, "id:"},
};

RecordFile fixture_file(const std::string& name) {
  const std::string folder = UNIQD_SOURCE_DIR "/tests/unit/fixtures/";
  return parse_record_file(read_text_file(folder + name + ".record"));
}

Decoded decode_file(const RecordFile& file, const DecoderOptions& options) {
  Decoder decoder(options, user_constraints());
  const auto headers = header_views(file);
  return decoder.decode(record_view(file, headers));
}

void check_event(const Event& event, const Fixture& fixture) {
  CHECK(event.effect == Effect::claim);
  CHECK(event.entity == "user-2");
  CHECK(event.type == fixture.type);
  CHECK(event.id == event_id);
  CHECK(event.correlation_id == "signup-7");
  CHECK(event.traceparent == trace);
  CHECK_FALSE(event.key_differs);
  CHECK(event.cause ==
        compensation_id("ce-users", "user-2", std::string(fixture.identity) + event_id));
  REQUIRE(event.values.size() == 1);
  CHECK(event.values[0].text == "joe@example.com");
}

}  // namespace

TEST_CASE("an envelope named by the configuration is opened") {
  for (const Fixture& fixture : fixtures) {
    CAPTURE(std::string(fixture.file));
    check_event(event_of(decode_file(fixture_file(fixture.file), user_options(fixture.envelope))),
                fixture);
  }
}

TEST_CASE("auto recognises every envelope") {
  for (const Fixture& fixture : fixtures) {
    CAPTURE(std::string(fixture.file));
    check_event(event_of(decode_file(fixture_file(fixture.file), user_options())), fixture);
  }
}

TEST_CASE("header names are matched without case in every envelope") {
  for (const Fixture& fixture : fixtures) {
    CAPTURE(std::string(fixture.file));
    RecordFile file = fixture_file(fixture.file);
    for (auto& [name, value] : file.headers) {
      for (char& c : name) {
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
      }
    }
    check_event(event_of(decode_file(file, user_options())), fixture);
  }
}

TEST_CASE(
    "a record in another envelope than the one named is a bad event, and the reason says why") {
  constexpr Envelope all[] = {Envelope::cloudevents,  Envelope::kurrentdb, Envelope::axon,
                              Envelope::message_type, Envelope::debezium,  Envelope::plain};
  const char* const lacks[] = {"ce_type, ce_id, ce_source",
                               "esdb-record-schema-subject, esdb-record-id",
                               "axon-message-type, axon-message-id",
                               "message-type",
                               "id;",
                               "/type"};
  for (const Fixture& fixture : fixtures) {
    for (std::size_t other = 0; other < std::size(all); ++other) {
      // Wolverine's header `id` is Debezium's too; what is missing then is the type.
      if (all[other] == fixture.envelope) continue;
      // A structured CloudEvent is plain JSON as well.
      if (fixture.file == std::string("cloudevents-structured") ||
          fixture.file == std::string("cloudevents-base64")) {
        continue;
      }
      CAPTURE(std::string(fixture.file));
      CAPTURE(std::string(lacks[other]));
      const std::string reason =
          reason_of(decode_file(fixture_file(fixture.file), user_options(all[other])));
      const bool has_id = fixture.file == std::string("wolverine");
      const char* said = all[other] == Envelope::debezium && has_id ? "eventType" : lacks[other];
      CAPTURE(reason);
      CHECK(reason.find(said) != std::string::npos);
      CHECK(reason.find("user-2") == std::string::npos);
    }
  }
}

TEST_CASE("the entity may be the record's key or the subject") {
  for (const Fixture& fixture : fixtures) {
    CAPTURE(std::string(fixture.file));
    const RecordFile file = fixture_file(fixture.file);
    const auto by_key = user_options(Envelope::automatic, "key");
    CHECK(event_of(decode_file(file, by_key)).entity == "user-2");
    const auto decoded = decode_file(file, user_options(Envelope::automatic, "subject"));
    if (fixture.subject) {
      CHECK(event_of(decoded).entity == fixture.subject);
    } else {
      CHECK(reason_of(decoded) == "the event has no subject, and its entity is the subject");
    }
  }
  RecordFile keyless = fixture_file("plain");
  keyless.key.reset();
  CHECK(reason_of(decode_file(keyless, user_options(Envelope::automatic, "key"))) ==
        "the record has no key, and the event's entity is the key");
}

TEST_CASE("envelopes are recognised in their order, headers before the payload") {
  const std::string data = R"({"userId":"u1","email":"a@x"})";
  OwnedRecord record{
      {}, R"({"id":"plain","type":"UserAdded","payload":)" + data + R"(,"data":)" + data + "}"};
  const auto id = [&](const Headers& more) {
    record.named.insert(record.named.begin(), more.begin(), more.end());
    const Decoded decoded = record.decoded(user_options(Envelope::automatic, "key"));
    return std::holds_alternative<Event>(decoded) ? std::get<Event>(decoded).id : "skipped";
  };
  CHECK(id({}) == "plain");
  CHECK(id({{"id", "debezium"}}) == "plain");  // an id alone is not Debezium's
  CHECK(id({{"eventType", "UserAdded"}}) == "debezium");
  CHECK(id({{"id", "wolverine"}, {"message-type", "UserAdded"}}) == "wolverine");
  CHECK(id({{"axon-message-id", "axon"}, {"axon-message-type", "UserAdded"}}) == "axon");
  CHECK(id({{"esdb-record-id", "kurrent"}, {"esdb-record-schema-subject", "UserAdded"}}) ==
        "kurrent");
  CHECK(id({{"ce_id", "binary"}, {"ce_type", "UserAdded"}, {"ce_source", "/s"}}) == "binary");
  record.payload = R"({"id":"structured","type":"UserAdded","source":"/s","data":)" + data + "}";
  CHECK(id({{"content-type", "application/cloudevents+json"}}) == "structured");
}

TEST_CASE("of a header that occurs twice the first that says something counts") {
  OwnedRecord record{{{"message-type", ""},
                      {"Message-Type", "UserAdded"},
                      {"message-type", "UserDeactivated"},
                      {"id", "first"},
                      {"ID", "second"}},
                     R"({"userId":"u1"})"};
  const Event event = event_of(record.decoded());
  CHECK(event.type == "UserAdded");
  CHECK(event.id == "first");

  const Header headers[] = {{"message-type", std::nullopt}, {"message-type", "UserAdded"}};
  Record with_null;
  with_null.payload = record.payload;
  with_null.headers = headers;
  Decoder decoder(user_options(), user_constraints());
  CHECK(event_of(decoder.decode(with_null)).type == "UserAdded");
}

TEST_CASE("what auto does not recognise is a bad event that says what was looked for") {
  const std::string looked_for =
      "; and there is no header of an envelope either (content-type application/cloudevents, "
      "ce_type, esdb-record-id, axon-message-id, message-type, or id with eventType); "
      "name the right one in source.envelope, or the place of the type in source.plain";
  CHECK(reason_of(OwnedRecord{{}, R"({"userId":"u1"})"}.decoded()) ==
        "the payload has no event type at /type" + looked_for);
  const std::string reason = reason_of(OwnedRecord{{{"id", "e1"}}, "<user/>"}.decoded());
  CHECK(reason.starts_with("the payload is not JSON: "));
  CHECK(reason.ends_with(looked_for));
}

TEST_CASE("a record with half an envelope is a bad event that names what it lacks") {
  const auto reason = [](const Headers& headers) {
    return reason_of(OwnedRecord{headers, R"({"userId":"u1"})"}.decoded());
  };
  const std::string remedy = "; set them where it is produced, or correct source.envelope";
  const std::string lacks = " has headers that this record lacks: ";
  CHECK(reason({{"ce_type", "UserAdded"}}) ==
        "a CloudEvent in binary mode" + lacks + "ce_id, ce_source" + remedy);
  CHECK(reason({{"ce_id", "e1"}, {"ce_source", "/s"}}) ==
        "a CloudEvent in binary mode" + lacks + "ce_type" + remedy);
  CHECK(reason({{"esdb-record-id", "e1"}}) ==
        "an event of KurrentDB's Kafka sink" + lacks + "esdb-record-schema-subject" + remedy);
  CHECK(reason({{"axon-message-type", "UserAdded"}}) ==
        "an Axon event message" + lacks + "axon-message-id" + remedy);
}

TEST_CASE("structured CloudEvents that are none") {
  const auto reason = [](const std::string& type, const std::string& payload) {
    return reason_of(OwnedRecord{{{"content-type", type}}, payload}.decoded());
  };
  const std::string json = "application/cloudevents+json";
  CHECK(reason("application/cloudevents-batch+json", "[]") ==
        "CloudEvents come one a record on Kafka, and this is a batch; send them singly");
  CHECK(reason(json, R"({"type":"UserAdded","data":{}})") ==
        "a CloudEvent in structured mode has members that this one lacks: id source; "
        "set them where it is produced");
  CHECK(reason(json, "[1]").find("lacks: id source type") != std::string::npos);
  CHECK(reason("application/cloudevents+avro", "\x01\x02").starts_with("the payload is not JSON"));
  const std::string start = R"({"id":"1","source":"/s","type":"UserAdded")";
  CHECK(reason(json, start + "}") == "the CloudEvent has neither data nor data_base64");
  CHECK(reason(json, start + R"(,"data_base64":"eyJ1c2VySWQiOiJ1MSJ9="})") ==
        "the CloudEvent's data_base64 is not Base64");
  CHECK(reason(json, start + R"(,"data_base64":"e30= "})") ==
        "the CloudEvent's data_base64 is not Base64");
  CHECK(reason(json, start + R"(,"data_base64":"PGEvPg=="})")
            .starts_with("what data_base64 holds is not JSON: "));
}

TEST_CASE("an outbox payload that is no JSON after all") {
  const Headers headers{{"id", "e1"}, {"eventType", "UserAdded"}};
  CHECK(reason_of(OwnedRecord{headers, R"("<user/>")"}.decoded())
            .starts_with("the text in the outbox event's payload is not JSON: "));
  CHECK(
      reason_of(OwnedRecord{headers, "<user/>"}.decoded()).starts_with("the payload is not JSON"));
}

TEST_CASE("data with members named schema and payload is only unwrapped where it is nothing else") {
  DecoderOptions options = user_options(Envelope::debezium, "/payload/userId");
  const Headers headers{{"id", "e1"}, {"eventType", "UserAdded"}};
  const OwnedRecord more{headers, R"({"schema":1,"payload":{"userId":"u1"},"tenant":"t"})"};
  CHECK(event_of(more.decoded(options)).entity == "u1");
  options = user_options(Envelope::debezium);
  CHECK(event_of(OwnedRecord{headers, R"({"schema":1,"payload":{"userId":"u1"}})"}.decoded(options))
            .entity == "u1");
}

TEST_CASE("plain events have their parts where the configuration says") {
  DecoderOptions options = user_options(Envelope::plain);
  options.plain = {"event-type", "/meta/id", "/meta/at", ""};
  const OwnedRecord record{{{"Event-Type", "UserAdded"}},
                           R"({"meta":{"id":17},"userId":"u1","email":"A@x"})"};
  const Event event = event_of(record.decoded(options));
  CHECK(event.id == "17");
  CHECK(event.values[0].text == "a@x");
  CHECK(event.cause == compensation_id("ce-users", "u1", "id:17"));

  CHECK(reason_of(OwnedRecord{{}, "{}"}.decoded(options)) ==
        "there is no event type in a header event-type; name its place in source.plain.type");
  options.plain = {"/kind", "/id", "/time", "/body"};
  CHECK(reason_of(OwnedRecord{{}, "{}"}.decoded(options)) ==
        "the payload has no event type at /kind; name its place in source.plain.type");
  CHECK(reason_of(OwnedRecord{{}, R"({"kind":"UserAdded"})"}.decoded(options)) ==
        "the payload has no event data at /body; name its place in source.plain.data");
}

TEST_CASE("an event without an id is named by its place") {
  for (const OwnedRecord& record :
       {OwnedRecord{{}, R"({"type":"UserAdded","data":{"userId":"u1"}})"},
        OwnedRecord{{}, R"({"id":"","type":"UserAdded","data":{"userId":"u1"}})"},
        OwnedRecord{{}, R"({"id":null,"type":"UserAdded","data":{"userId":"u1"}})"},
        OwnedRecord{{{"message-type", "UserAdded"}}, R"({"userId":"u1"})"}}) {
    const Event event = event_of(record.decoded());
    CHECK(event.id == "ce-users/0/7");
    CHECK(event.cause == compensation_id("ce-users", "u1", "at:ce-users/0/7"));
  }
}

TEST_CASE("identities of different envelopes never coincide, nor do source and id run together") {
  const auto cause = [](const Headers& headers) {
    return event_of(OwnedRecord{headers, R"({"userId":"u1"})"}.decoded()).cause;
  };
  const auto cloud = [&](const char* source, const char* id) {
    return cause({{"ce_type", "UserAdded"}, {"ce_source", source}, {"ce_id", id}});
  };
  const auto message = [&](const char* id) {
    return cause({{"message-type", "UserAdded"}, {"id", id}});
  };
  CHECK(cloud("/users", "1") == cloud("/users", "1"));
  CHECK(cloud("/users", "1") != cloud("/user", "s1"));
  CHECK(cloud("/users", "1") != message("/users1"));
  CHECK(message("ce6:/users1") != cloud("/users", "1"));
  CHECK(message("ce-users/0/7") != cause({{"message-type", "UserAdded"}}));
}

TEST_CASE("a payload is not parsed where nothing of it is asked for") {
  const OwnedRecord unknown{{{"message-type", "UserSeen"}}, "<user/>"};
  CHECK(std::get<Skipped>(unknown.decoded()) == Skipped::unknown_type);
  const auto by_key = user_options(Envelope::automatic, "key");
  const OwnedRecord released{{{"message-type", "UserDeactivated"}}, "<user/>"};
  CHECK(event_of(released.decoded(by_key)).effect == Effect::release);
  CHECK(reason_of(released.decoded()).starts_with("the payload is not JSON"));
}

TEST_CASE("a tombstone is passed over in every envelope") {
  for (const Fixture& fixture : fixtures) {
    CAPTURE(std::string(fixture.file));
    RecordFile file = fixture_file(fixture.file);
    file.payload.reset();
    CHECK(std::get<Skipped>(decode_file(file, user_options())) == Skipped::tombstone);
  }
}

TEST_CASE("an unknown type is ignored or rejected, as configured") {
  const OwnedRecord record{{}, R"({"type":"UserSeen","data":{}})"};
  DecoderOptions options = user_options();
  CHECK(std::get<Skipped>(record.decoded(options)) == Skipped::unknown_type);
  options.reject_unknown_events = true;
  CHECK(reason_of(record.decoded(options)) ==
        "the event type is not configured, and unknown_events is reject");
}

}  // namespace uniqd::test

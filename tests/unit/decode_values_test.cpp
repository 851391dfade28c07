// Odd values: one case for each line of "Odd values" in readmodel/README.md.

#include <doctest/doctest.h>

#include <optional>
#include <string>

#include "tests/unit/decode_world.hpp"

namespace uniqd::test {
namespace {

// A user u1 with this JSON as its e-mail.
OwnedRecord with_email(const std::string& json) {
  return plain_record(R"({"userId":"u1","email":)" + json + "}");
}

// The value's normalised text; nothing where the event says that there is none.
std::optional<std::string> email(const std::string& json) {
  const Event event = event_of(with_email(json).decoded());
  REQUIRE(event.values.size() == 1);
  const CarriedValue& value = event.values[0];
  CHECK(value.digest.has_value() == !value.text.value_or("").empty());
  return value.digest ? value.text : std::nullopt;
}

std::string bad_email(const std::string& json) { return reason_of(with_email(json).decoded()); }

OwnedRecord with_user(const std::string& json) {
  return plain_record(R"({"userId":)" + json + "}");
}

std::string user(const std::string& json) { return event_of(with_user(json).decoded()).entity; }
std::string bad_user(const std::string& json) { return reason_of(with_user(json).decoded()); }

OwnedRecord with_id(const std::string& json) {
  return {{}, R"({"id":)" + json + R"(,"type":"UserAdded","data":{"userId":"u1"}})"};
}

std::string quoted(const std::string& text) { return "\"" + text + "\""; }

}  // namespace

TEST_CASE("a value of a mebibyte is a value") {
  const std::string text(1 << 20, 'x');
  CHECK(email(quoted(text)) == text);
}

TEST_CASE("a NUL within a value is a character like any other") {
  CHECK(email(R"("a\u0000b")") == std::string("a\0b", 3));
  CHECK(email(R"("a\u0000c")") != email(R"("a\u0000b")"));
}

TEST_CASE("an id with a NUL is bad") {
  CHECK(bad_user(R"("u\u00001")") == "the entity contains a NUL character");
  CHECK(reason_of(with_id(R"("e\u00001")").decoded()) == "the event's id contains a NUL character");
}

TEST_CASE("text that is not UTF-8 is bad, wherever it is") {
  CHECK(bad_email("\"\xff\"").starts_with("the payload is not JSON: "));
  CHECK(reason_of(plain_record("{\"userId\":\"u1\",\"nick\":\"\xc3\"}").decoded())
            .starts_with("the payload is not JSON: "));
  const OwnedRecord record{{{"message-type", "UserAdded"}, {"id", "\xfe"}}, R"({"userId":"u1"})"};
  CHECK(reason_of(record.decoded()) == "the event's id is not valid UTF-8");
  OwnedRecord keyed = plain_record("{}");
  keyed.key = "\xfe";
  CHECK(reason_of(keyed.decoded(user_options(Envelope::automatic, "key"))) ==
        "the entity is not valid UTF-8");
}

TEST_CASE("half a surrogate pair is bad, wherever it is; a whole one is its character") {
  for (const char* half : {R"("\ud800")", R"("\udc00")", R"("\ud800x")", R"("\ud800\u0041")"}) {
    CAPTURE(std::string(half));
    CHECK(bad_email(half).find("surrogate") != std::string::npos);
  }
  CHECK(email(R"("\ud83d\ude00")") == "\U0001F600");
}

TEST_CASE("numbers and booleans are their JSON text") {
  CHECK(email("1") == "1");
  CHECK(email("1") == email("\"1\""));
  CHECK(email("\"01\"") == "01");
  CHECK(email("1.0") == "1.0");
  CHECK(email("1.10") == "1.10");
  CHECK(email("1E2") == "1e2");  // folded like any text
  CHECK(email("-0") == "0");
  CHECK(email("true") == "true");
  CHECK(email("false") == "false");
  CHECK(email("18446744073709551615") == "18446744073709551615");
  CHECK(email("-9223372036854775808") == "-9223372036854775808");
}

TEST_CASE("numbers that a double cannot tell apart stay apart") {
  CHECK(email("0.12345678901234567890") == "0.12345678901234567890");
  CHECK(email("0.12345678901234567891") == "0.12345678901234567891");
  // Within what is wrapped once more, too.
  const Headers headers{{"id", "e1"}, {"eventType", "UserAdded"}};
  const OwnedRecord wrapped{headers,
                            R"({"schema":0,"payload":"{\"userId\":1.50,\"email\":2.50}"})"};
  const Event event = event_of(wrapped.decoded());
  CHECK(event.entity == "1.50");
  CHECK(event.values[0].text == "2.50");
}

TEST_CASE("a number whose name is written with escapes is bad, where its text is in doubt") {
  const OwnedRecord record = plain_record(R"({"userId":"u1","\u0065mail":1.5})");
  CHECK(reason_of(record.decoded()) ==
        "the value at /email is a number that cannot be read exactly; send text");
}

TEST_CASE("a number beyond 64 bits or a double is bad, wherever it is") {
  for (const char* number : {"18446744073709551616", "-9223372036854775809", "1e400"}) {
    CAPTURE(std::string(number));
    CHECK(bad_email(number).find("a number beyond 64 bits or a double") != std::string::npos);
  }
}

TEST_CASE("arrays and objects are bad as values and as entities") {
  CHECK(bad_email("[]") == "the value at /email is an array or an object");
  CHECK(bad_email(R"({"a":1})") == "the value at /email is an array or an object");
  CHECK(bad_user("[1]") == "the entity at /userId is an array or an object");
}

TEST_CASE("missing says nothing; null, empty and empty once normalised say that there is none") {
  CHECK(event_of(plain_record(R"({"userId":"u1"})").decoded()).values.empty());
  CHECK_FALSE(email("null").has_value());
  CHECK_FALSE(email("\"\"").has_value());
  CHECK_FALSE(email("\" \\t\xe3\x80\x80 \"").has_value());
}

TEST_CASE("JSON may be 1,024 levels deep") {
  const auto nested = [](int levels) {
    const auto count = static_cast<std::size_t>(levels);
    return plain_record(R"({"userId":"u1","more":)" + std::string(count, '[') +
                        std::string(count, ']') + "}");
  };
  CHECK(event_of(nested(1022).decoded()).entity == "u1");
  const std::string reason = reason_of(nested(1023).decoded());
  CHECK(reason.find("too deep") != std::string::npos);
  CHECK(reason_of(nested(1'000'000).decoded()).find("too deep") != std::string::npos);
}

TEST_CASE("of a name that occurs twice the first counts") {
  CHECK(event_of(plain_record(R"({"userId":"u1","userId":"u2"})").decoded()).entity == "u1");
  CHECK(event_of(plain_record(R"({"userId":"u1","\u0075serId":"u2"})").decoded()).entity == "u1");
}

TEST_CASE("an id may have 1,024 bytes") {
  const std::string longest(1024, 'u');
  CHECK(user(quoted(longest)) == longest);
  CHECK(event_of(with_id(quoted(longest)).decoded()).id == longest);
  CHECK(bad_user(quoted(longest + "u")) == "the entity is longer than 1024 bytes");
  CHECK(reason_of(with_id(quoted(longest + "u")).decoded()) ==
        "the event's id is longer than 1024 bytes");
  OwnedRecord cloud{{{"ce_type", "UserAdded"}, {"ce_id", longest}, {"ce_source", longest}},
                    R"({"userId":"u1"})"};
  CHECK(event_of(cloud.decoded()).id == longest);
  cloud.named[2].second += "s";
  CHECK(reason_of(cloud.decoded()) == "the event's source is longer than 1024 bytes");
  OwnedRecord correlated = with_user("\"u1\"");
  correlated.named = {{"correlation-id", longest + "c"}};
  CHECK(reason_of(correlated.decoded()) == "the event's correlation id is longer than 1024 bytes");
}

TEST_CASE("a trace parent that cannot be kept is left out") {
  OwnedRecord record = with_user("\"u1\"");
  for (const std::string& parent :
       {std::string("\xff"), std::string("a\0b", 3), std::string(1025, 'a')}) {
    record.named = {{"traceparent", parent}};
    CHECK(event_of(record.decoded()).traceparent.empty());
  }
  record.named = {{"traceparent", "00-ab-cd-01"}};
  CHECK(event_of(record.decoded()).traceparent == "00-ab-cd-01");
}

TEST_CASE("an id that is nothing but white space is bad") {
  CHECK(bad_user("\" \"") == "the entity is nothing but white space");
  CHECK(bad_user("\"\\t\xe3\x80\x80\"") == "the entity is nothing but white space");
  CHECK(reason_of(with_id("\" \"").decoded()) == "the event's id is nothing but white space");
  CHECK(user("\" u1 \"") == " u1 ");  // ids are never normalised
}

TEST_CASE("an entity that is missing, null or empty is bad") {
  for (const char* json : {"null", "\"\""}) {
    CHECK(bad_user(json) == "the event's data has no entity at /userId");
  }
  CHECK(reason_of(plain_record("{}").decoded()) == "the event's data has no entity at /userId");
  CHECK(reason_of(plain_record("7").decoded()) == "the event's data has no entity at /userId");
}

TEST_CASE("an entity may be a number or a boolean, and is its text") {
  CHECK(user("17") == "17");
  CHECK(user("true") == "true");
  CHECK(event_of(with_user("17").decoded()).cause == event_of(with_user("\"17\"").decoded()).cause);
}

TEST_CASE("what is empty, has a byte order mark or goes on behind its end is not JSON") {
  for (const std::string& payload :
       {std::string(), std::string(" "), std::string("\xef\xbb\xbf{}"), std::string("{} {}"),
        std::string("{"), std::string(5, '\0')}) {
    CAPTURE(payload);
    CHECK(reason_of(OwnedRecord{{}, payload}.decoded(user_options(Envelope::plain)))
              .starts_with("the payload is not JSON: "));
  }
}

TEST_CASE("a bad event shows its payload only where values are kept as text") {
  DecoderOptions options = user_options();
  const OwnedRecord record = with_email("[\"secret@x\"]");
  CHECK(std::get<BadEvent>(record.decoded(options)).raw == record.payload);
  options.value_form = ValueForm::sha256;
  const auto bad = std::get<BadEvent>(record.decoded(options));
  CHECK(bad.raw.empty());
  CHECK(bad.reason.find("secret") == std::string::npos);
  CHECK(bad.offset == Offset{7});
}

TEST_CASE("a decoder that has decoded something else gives the same answer") {
  Decoder decoder(user_options(), user_constraints());
  const OwnedRecord first = with_email("1.50");
  const Event before = event_of(first.decoded_by(decoder));
  CHECK(std::holds_alternative<BadEvent>(OwnedRecord{{}, "{"}.decoded_by(decoder)));
  CHECK(event_of(with_email(quoted(std::string(100'000, 'x'))).decoded_by(decoder)).cause ==
        before.cause);
  const Event after = event_of(first.decoded_by(decoder));
  CHECK(after.entity == before.entity);
  CHECK(after.cause == before.cause);
  CHECK(after.values[0].digest == before.values[0].digest);
}

}  // namespace uniqd::test

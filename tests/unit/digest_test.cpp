#include "readmodel/digest.hpp"

#include <doctest/doctest.h>

#include <array>
#include <string>

#include "readmodel/identifiers.hpp"

namespace uniqd {
namespace {

Constraint constraint_of(const std::string& name, std::vector<std::string> fields) {
  Constraint constraint;
  constraint.name = name;
  constraint.normalizers.resize(fields.size());
  constraint.fields = std::move(fields);
  return constraint;
}

ClaimKey counting_key(std::uint8_t first) {
  ClaimKey key;
  for (auto& byte : key.bytes) byte = first++;
  return key;
}

}  // namespace

// The expected texts were computed apart from this program, from the description in digest.hpp.
TEST_CASE("digests are what they have always been") {
  const Constraint email = constraint_of("email", {"email"});
  CHECK(to_hex(ValueHasher("secret").digest(email, 0, "a@x")) ==
        "f837b4d4958bce3aba86150fbda930daee958cf8cfc258ea2f642687b0167e8d");
  CHECK(to_hex(ValueHasher(std::string(64, 'k')).digest(email, 0, "a@x")) ==
        "ee3f54cbcf9fb9dd01ca6dc6d7f48f2837d7f8ffa8f47ec75a99730fa9f63606");
  CHECK(to_hex(ValueHasher(std::string(65, 'k')).digest(email, 0, "a@x")) ==
        "09cd5cc2844e0b8e5e63634c3d8009eee45ede1f8717a51cbe5d0b34c2fe5ac8");
  CHECK(to_hex(ValueHasher("").digest(email, 0, "a@x")) ==
        "76d4159c819ceee0c98f947a79d35300e87d5d5927adc0d94f1a964d658676b5");
  const std::array parts{counting_key(0), counting_key(16)};
  CHECK(to_hex(combine(parts)) ==
        "695ff4b1ca802601cbb9fd76129788fbbd900d8ac93c42ff899c0a8c7907378b");
  CHECK(to_uuid_text(compensation_id("ce-users", "u2", "id:event-1")) ==
        "4d741a27-b2cb-50fe-a9da-27d65c902e70");
}

TEST_CASE("the same text digests alike each time, other texts and other places do not") {
  ValueHasher hasher("secret");
  const Constraint email = constraint_of("email", {"email"});
  const Constraint name = constraint_of("name", {"first", "last"});
  const ValueDigest digest = hasher.digest(email, 0, "a@x");
  CHECK(hasher.digest(email, 0, "a@x") == digest);
  CHECK(ValueHasher("secret").digest(email, 0, "a@x") == digest);
  CHECK(ValueHasher("other").digest(email, 0, "a@x") != digest);
  CHECK(hasher.digest(email, 0, "a@y") != digest);
  CHECK(hasher.digest(constraint_of("mail", {"email"}), 0, "a@x") != digest);
  CHECK(hasher.digest(name, 0, "Lee") != hasher.digest(name, 1, "Lee"));
  CHECK(to_hex(digest.key().bytes.data(), 16) == to_hex(digest).substr(0, 32));
}

TEST_CASE("what is joined never looks alike") {
  ValueHasher hasher("secret");
  const Constraint name = constraint_of("name", {"first", "last"});
  const auto joined = [&](const char* first, const char* last) {
    const std::array parts{hasher.digest(name, 0, first).key(), hasher.digest(name, 1, last).key()};
    return combine(parts);
  };
  CHECK(joined("ab", "c") != joined("a", "bc"));
  CHECK(joined("a", "b") != joined("b", "a"));
  CHECK(joined("a", "b") == joined("a", "b"));
  CHECK(compensation_id("ab", "c", "d") != compensation_id("a", "bc", "d"));
  CHECK(compensation_id("a", "bc", "d") != compensation_id("a", "b", "cd"));
  // A constraint and its field have a border too.
  CHECK(hasher.digest(constraint_of("ab", {"c"}), 0, "x") !=
        hasher.digest(constraint_of("a", {"bc"}), 0, "x"));
}

TEST_CASE("a compensation's id is a UUID of version 5") {
  for (int number = 0; number < 100; ++number) {
    const std::string text = to_uuid_text(compensation_id("t", "u", std::to_string(number)));
    REQUIRE(text.size() == 36);
    CHECK(text[14] == '5');
    CHECK(std::string("89ab").find(text[19]) != std::string::npos);
    CompensationId read;
    REQUIRE(parse_uuid(text, read.bytes));
    CHECK(to_uuid_text(read) == text);
  }
}

TEST_CASE("the digest of a record tells key, payload and time apart, and null from empty") {
  Record record;
  record.key = "k";
  record.payload = "p";
  record.timestamp_ms = 1;
  const RecordDigest same = record_digest(record);
  CHECK(record_digest(record) == same);
  record.offset = Offset{9};  // its place is not part of it
  CHECK(record_digest(record) == same);
  const auto differs = [&](auto change) {
    Record other = record;
    change(other);
    return record_digest(other) != same;
  };
  CHECK(differs([](Record& other) { other.key = "K"; }));
  CHECK(differs([](Record& other) { other.payload = "P"; }));
  CHECK(differs([](Record& other) { other.timestamp_ms = 2; }));
  CHECK(differs([](Record& other) {
    other.key = "kp";
    other.payload = "";
  }));
  Record null;
  null.key = "";
  Record empty = null;
  empty.payload = "";
  CHECK(record_digest(null) != record_digest(empty));
}

TEST_CASE("what is no UUID is not read as one") {
  std::array<std::uint8_t, 16> bytes{};
  CHECK(parse_uuid("4d741a27-b2cb-50fe-a9da-27d65c902e70", bytes));
  CHECK(bytes[0] == 0x4d);
  CHECK(bytes[15] == 0x70);
  for (const auto* text :
       {"", "4d741a27", "4d741a27-b2cb-50fe-a9da-27d65c902e7",
        "4d741a27-b2cb-50fe-a9da-27d65c902e7g", "4d741a27-b2cb-50fe-a9da-27d65c902e700",
        "4d741a27ab2cb-50fe-a9da-27d65c902e70", "4d741a27-b2cb-50fe-a9da027d65c902e70"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_uuid(text, bytes));
  }
}

}  // namespace uniqd

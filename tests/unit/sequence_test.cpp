// source.sequence: redeliveries told by a number that only grows along a partition.

#include <doctest/doctest.h>

#include <optional>
#include <string>

#include "tests/unit/decode_world.hpp"

namespace uniqd::test {
namespace {

constexpr const char* header_name = "esdb-record-log-position";

DecoderOptions numbered_options(const std::string& place) {
  DecoderOptions options = user_options();
  options.sequence = place;
  return options;
}

// The record at `offset` with a number in its header; none: without the header.
Decoded decode(Decoder& decoder, std::int64_t offset, const std::optional<std::string>& number,
               const std::string& payload = plain_record(R"({"userId":"u1"})").payload,
               Partition partition = Partition{0}) {
  std::vector<Header> headers;
  if (number) headers.push_back({"ESDB-Record-Log-Position", *number});
  Record record;
  record.partition = partition;
  record.offset = Offset{offset};
  record.payload = payload;
  record.headers = headers;
  return decoder.decode(record);
}

bool is_event(const Decoded& decoded) { return std::holds_alternative<Event>(decoded); }

bool is_redelivered(const Decoded& decoded) {
  const auto* skipped = std::get_if<Skipped>(&decoded);
  return skipped && *skipped == Skipped::redelivered;
}

TEST_CASE("sequence: what is not beyond the greatest number met is a redelivery") {
  Decoder decoder(numbered_options(header_name), user_constraints());
  CHECK_FALSE(decoder.sequence(Partition{0}));
  CHECK(is_event(decode(decoder, 0, "100")));
  CHECK(is_event(decode(decoder, 1, "230")));
  CHECK(is_redelivered(decode(decoder, 2, "100")));
  CHECK(is_redelivered(decode(decoder, 3, "230")));
  CHECK(is_event(decode(decoder, 4, "231")));
  CHECK(decoder.sequence(Partition{0}) == 231);
  // Each partition for itself.
  CHECK(
      is_event(decode(decoder, 0, "7", plain_record(R"({"userId":"u1"})").payload, Partition{1})));
  CHECK(decoder.sequence(Partition{1}) == 7);
  CHECK(is_event(decode(decoder, 5, "9223372036854775807")));
}

TEST_CASE("sequence: a record without its number is a bad event, and says why") {
  Decoder decoder(numbered_options(header_name), user_constraints());
  CHECK(is_event(decode(decoder, 0, "5")));
  CHECK(reason_of(decode(decoder, 1, std::nullopt)) ==
        "the record has no sequence number in a header esdb-record-log-position");
  std::int64_t offset = 2;
  for (const char* bad : {"six", "6.0", " 6", "6 ", "0x6", "9223372036854775808"}) {
    CAPTURE(bad);
    CHECK(reason_of(decode(decoder, offset++, bad)) ==
          "the sequence in a header esdb-record-log-position is not a whole number of 64 bits");
  }
  // It does not count as met, and what it says of the numbers before it is right.
  CHECK(std::get<BadEvent>(decode(decoder, offset++, "x")).sequence == 5);
  CHECK(is_event(decode(decoder, offset, "6")));
}

TEST_CASE("sequence: a bad event with a number has been met, so that it is not parked twice") {
  Decoder decoder(numbered_options(header_name), user_constraints());
  const auto bad = decode(decoder, 0, "5", "{");
  REQUIRE(std::holds_alternative<BadEvent>(bad));
  CHECK(std::get<BadEvent>(bad).sequence == 5);
  CHECK(is_redelivered(decode(decoder, 1, "5", "{")));
}

TEST_CASE("sequence: a pointer looks into the payload") {
  Decoder decoder(numbered_options("/meta/position"), user_constraints());
  const auto numbered = [](const std::string& number) {
    return R"({"id":"e1","type":"UserAdded","meta":{"position":)" + number +
           R"(},"data":{"userId":"u1"}})";
  };
  CHECK(is_event(decode(decoder, 0, std::nullopt, numbered("12"))));
  CHECK(is_redelivered(decode(decoder, 1, std::nullopt, numbered("12"))));
  CHECK(is_event(decode(decoder, 2, std::nullopt, numbered("\"13\""))));
  CHECK(reason_of(decode(decoder, 3, std::nullopt, numbered("null"))) ==
        "the record has no sequence number at /meta/position");
  CHECK(reason_of(decode(decoder, 4, std::nullopt, "{")).starts_with("the payload is not JSON: "));
}

TEST_CASE("sequence: a tombstone needs none; a record that is looked at again is no redelivery") {
  Decoder decoder(numbered_options(header_name), user_constraints());
  Record tombstone;
  tombstone.offset = Offset{0};
  CHECK(std::get<Skipped>(decoder.decode(tombstone)) == Skipped::tombstone);
  CHECK(is_event(decode(decoder, 5, "50")));
  CHECK(is_event(decode(decoder, 5, "50")));
  CHECK(is_event(decode(decoder, 4, "40")));
  CHECK(decoder.sequence(Partition{0}) == 50);
}

TEST_CASE("sequence: a decoder goes on where another has stopped") {
  Decoder decoder(numbered_options(header_name), user_constraints());
  decoder.resume(Partition{0}, Offset{10}, 77);
  CHECK(decoder.sequence(Partition{0}) == 77);
  CHECK(is_redelivered(decode(decoder, 10, "77")));
  CHECK(is_event(decode(decoder, 11, "78")));
  decoder.resume(Partition{0}, Offset{11}, 77);
  CHECK(is_event(decode(decoder, 11, "78")));
}

}  // namespace
}  // namespace uniqd::test

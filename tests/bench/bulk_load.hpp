#pragma once
// bulk_load.hpp - the rows that the daemon would write, by binary COPY: the measure of how fast it
// could be at best, and the way a large read model is made before a measurement.

#include <cstdint>
#include <string>
#include <vector>

#include "tests/bench/pg_link.hpp"
#include "tests/bench/user_stream.hpp"

namespace uniqd::bench {

// Rows of one table for COPY ... (FORMAT binary).
class CopyRows {
 public:
  CopyRows();
  void begin(std::int16_t columns);
  void add_bytes(std::string_view bytes);  // text, bytea, uuid, arrays
  void add_int2(std::int16_t number);
  void add_int4(std::int32_t number);
  void add_int8(std::int64_t number);  // also timestamptz: microseconds since 2000
  void add_null();
  // All rows; nothing can be added after it.
  [[nodiscard]] std::string finish();
  [[nodiscard]] bool is_empty() const { return is_empty_; }

 private:
  void add_number(std::uint64_t number, std::size_t size);
  std::string rows_;
  bool is_empty_ = true;
};

// What one batch of events adds to each table; empty where nothing. What it changes or removes has
// no place in a bulk load and is left out.
struct BulkBatch {
  std::string entities;
  std::string claims;
  std::string contenders;
  std::string compensations;
  std::string violations;
  std::int64_t next_offset = 0;
};

// The events of `events` in batches of this many; rows sorted by their keys as the daemon sorts
// them. `key` is that of the values' HMAC. The first event's offset is `first_offset`.
[[nodiscard]] std::vector<BulkBatch> make_batches(const std::vector<UserEvent>& events,
                                                  std::size_t batch_events, const std::string& key,
                                                  const std::string& topic,
                                                  std::int64_t first_offset);

// Loads the batches, each in a transaction that also moves the position, into the tables of a read
// model in `link`'s schema; returns the seconds it took.
double load_batches(PgLink& link, const std::vector<BulkBatch>& batches, const std::string& topic);

// Makes the read model that UserStream(owners, violators) begins with, in the tables of `link`'s
// schema, which are empty: loads first, then the indexes. The violators' compensations have been
// sent and wait for their correction. REQUIRES: the schema is that of this version.
void preload(PgLink& link, std::uint64_t owners, std::uint64_t violators, const std::string& key,
             const std::string& topic);

}  // namespace uniqd::bench

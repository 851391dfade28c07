#pragma once
// known_keys.hpp - what the tables surely do not hold, so that they need not be asked.

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "readmodel/claims.hpp"
#include "readmodel/key_filter.hpp"
#include "readmodel/pg_session.hpp"

namespace uniqd {

// Most events are of entities never seen and of values that are free. One who writes alone, and
// knows what was there when it began, need not look up either: this remembers all that may be
// there.
//
// It is of use only while nobody else writes; its owner must forget() as soon as anybody has, or
// might have. Keys that have left the tables stay until then, so in time there is no memory left
// for more: then it forgets all, and its owner may have it read what is there now. Where even that
// is too much, it does not begin again. Thread safety: none; it has a thread of its own while it
// reads the tables.
class KnownKeys {
 public:
  // `constraints` must outlive it.
  KnownKeys(const ConstraintSet& constraints, std::size_t bytes_max);
  ~KnownKeys();
  KnownKeys(const KnownKeys&) = delete;
  KnownKeys& operator=(const KnownKeys&) = delete;

  // Nothing is known any more, and nothing is being learned.
  void forget();
  // The tables are empty. What is remembered from now on is all there is.
  void begin_empty();
  // Reads the tables in the background; what is remembered meanwhile counts too.
  // REQUIRES: no transaction that has not been remembered yet is committed later.
  void begin_reading(const PgTarget& target);
  // Waits until the tables have been read, but not longer than so long after that began.
  void await(std::chrono::milliseconds since_begin) const;

  // Whether there is memory for it, as far as is known.
  [[nodiscard]] bool may_begin() const { return !is_too_much_; }
  // Whether it knows, or is about to.
  [[nodiscard]] bool is_active() const;
  // Whether absence can be told by now; until then everything may be there. Where reading failed it
  // is not active any more.
  [[nodiscard]] bool is_ready();
  [[nodiscard]] std::size_t bytes() const;  // without what is being read

  [[nodiscard]] bool may_have_entity(std::string_view name) const;
  [[nodiscard]] bool may_have_key(ClaimKey key) const;  // of a claim or a contender
  [[nodiscard]] bool may_have_contenders(ClaimKey key) const;
  [[nodiscard]] bool may_have_cause(CompensationId cause) const;

  // Have the CPU fetch from memory what the questions above will ask for.
  void prefetch_entity(std::string_view name) const;
  void prefetch_key(ClaimKey key) const;
  void prefetch_cause(CompensationId cause) const;

  // To be told before the transaction that adds them is committed.
  void remember(const ModelChanges& changes);
  void remember_cause(CompensationId cause);

 private:
  struct Reading;  // with the thread that reads

  void add(std::uint64_t hash);
  [[nodiscard]] bool may_contain(std::uint64_t hash) const;
  void prefetch(std::uint64_t hash) const;

  const ConstraintSet& constraints_;
  std::size_t bytes_max_;
  bool is_too_much_;
  bool is_active_ = false;
  bool is_ready_ = false;
  KeyFilter remembered_;
  KeyFilter read_;
  std::unique_ptr<Reading> reading_;
};

}  // namespace uniqd

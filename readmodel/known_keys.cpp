#include "readmodel/known_keys.hpp"

#include <absl/hash/hash.h>

#include <atomic>
#include <cstring>
#include <thread>

#include "readmodel/fetch_ahead.hpp"
#include "readmodel/pg_copy.hpp"

namespace uniqd {
namespace {

// One filter for four kinds of keys, which therefore must not have the same hashes.
std::uint64_t hash_of_entity(std::string_view name) { return absl::Hash<std::string_view>{}(name); }
std::uint64_t hash_of_key(ClaimKey key) { return std::hash<ClaimKey>{}(key) ^ 0x9e3779b97f4a7c15U; }
std::uint64_t hash_of_contended(ClaimKey key) {
  return absl::Hash<std::uint64_t>{}(std::hash<ClaimKey>{}(key));
}
std::uint64_t hash_of_cause(CompensationId cause) {
  // Of the second half: the first of a UUIDv5 is as good, but holds its version.
  std::uint64_t half = 0;
  std::memcpy(&half, cause.bytes.data() + sizeof half, sizeof half);
  return absl::Hash<std::uint64_t>{}(half);
}

// Of a UUID's binary form.
template <class Id>
Id id_of(std::string_view bytes) {
  Id id;
  if (bytes.size() != id.bytes.size()) throw StoreFailure("XX001", "a UUID was expected");
  std::memcpy(id.bytes.data(), bytes.data(), bytes.size());
  return id;
}

}  // namespace

struct KnownKeys::Reading {
  const std::size_t bytes_max;
  KeyFilter filter;  // the thread's until is_done
  std::atomic<bool> is_done{false};
  std::atomic<bool> is_too_much{false};
  std::atomic<bool> has_failed{false};
  std::atomic<bool> is_cancelled{false};
  std::thread thread;

  explicit Reading(std::size_t most) : bytes_max(most) {}
  Reading(const Reading&) = delete;
  Reading& operator=(const Reading&) = delete;
  ~Reading() {
    is_cancelled = true;
    if (thread.joinable()) thread.join();
  }

  void read(const PgTarget& target) {
    try {
      PgSession session(target);
      session.run("SET statement_timeout = 0; SET enable_seqscan = on");
      session.begin();
      session.run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY");
      const bool has_read_all =
          each(session, "SELECT entity FROM entities",
               [&](std::string_view name) { add(hash_of_entity(name)); }) &&
          each(session, "SELECT key FROM claims",
               [&](std::string_view key) { add(hash_of_key(id_of<ClaimKey>(key))); }) &&
          each(session, "SELECT key FROM contenders",
               [&](std::string_view bytes) {
                 const auto key = id_of<ClaimKey>(bytes);
                 add(hash_of_key(key));
                 add(hash_of_contended(key));
               }) &&
          each(session, "SELECT cause FROM violations",
               [&](std::string_view cause) { add(hash_of_cause(id_of<CompensationId>(cause))); });
      if (!has_read_all) return;
      session.roll_back();
      is_done = true;
    } catch (const StoreFailure&) {
      has_failed = true;  // then the tables go on being asked
    }
  }

  void add(std::uint64_t hash) {
    if (filter.has_room_within(bytes_max)) {
      filter.add(hash);
    } else {
      is_too_much = is_cancelled = true;
    }
  }

  // False: cancelled.
  template <class Take>
  bool each(PgSession& session, const std::string& query, Take take) {
    return copy_out(session, query, [&](std::string_view field) {
      take(field);
      return !is_cancelled;
    });
  }
};

KnownKeys::KnownKeys(std::size_t bytes_max)
    : bytes_max_(bytes_max), is_too_much_(!KeyFilter().has_room_within(bytes_max / 2)) {}
KnownKeys::~KnownKeys() { forget(); }

void KnownKeys::forget() {
  reading_.reset();
  is_active_ = is_ready_ = false;
  remembered_ = {};
  read_ = {};
}

void KnownKeys::begin_empty() {
  forget();
  is_active_ = is_ready_ = !is_too_much_;
}

void KnownKeys::begin_reading(const PgTarget& target) {
  forget();
  if (is_too_much_) return;
  is_active_ = true;
  reading_ = std::make_unique<Reading>(bytes_max_ / 2);
  reading_->thread = std::thread([reading = reading_.get(), target] { reading->read(target); });
}

bool KnownKeys::is_active() const { return is_active_; }

bool KnownKeys::is_ready() {
  if (reading_ && (reading_->is_too_much || reading_->has_failed)) {
    is_too_much_ = reading_->is_too_much;
    forget();
  }
  if (!is_ready_ && reading_ && reading_->is_done) {
    read_ = std::move(reading_->filter);
    reading_.reset();
    is_ready_ = true;
  }
  return is_ready_;
}

std::size_t KnownKeys::bytes() const { return remembered_.bytes() + read_.bytes(); }

void KnownKeys::add(std::uint64_t hash) {
  if (!is_active_) return;
  const std::size_t others = reading_ ? bytes_max_ / 2 : read_.bytes();
  if (remembered_.has_room_within(bytes_max_ - others)) return remembered_.add(hash);
  forget();
}

bool KnownKeys::may_contain(std::uint64_t hash) const {
  return !is_ready_ || read_.may_contain(hash) || remembered_.may_contain(hash);
}

void KnownKeys::prefetch(std::uint64_t hash) const {
  read_.prefetch(hash);
  remembered_.prefetch(hash);
}

bool KnownKeys::may_have_entity(std::string_view name) const {
  return may_contain(hash_of_entity(name));
}
bool KnownKeys::may_have_key(ClaimKey key) const { return may_contain(hash_of_key(key)); }
bool KnownKeys::may_have_contenders(ClaimKey key) const {
  return may_contain(hash_of_contended(key));
}
bool KnownKeys::may_have_cause(CompensationId cause) const {
  return may_contain(hash_of_cause(cause));
}

void KnownKeys::prefetch_entity(std::string_view name) const { prefetch(hash_of_entity(name)); }
void KnownKeys::prefetch_key(ClaimKey key) const { prefetch(hash_of_key(key)); }
void KnownKeys::prefetch_cause(CompensationId cause) const { prefetch(hash_of_cause(cause)); }

void KnownKeys::remember(const ModelChanges& changes) {
  if (!is_active_) return;
  each_fetched_ahead(
      changes.entities_added, [this](const auto& added) { prefetch_entity(added.first); },
      [this](const auto& added) { add(hash_of_entity(added.first)); });
  each_fetched_ahead(
      changes.claims_added, [this](const Claim& claim) { prefetch_key(claim.key); },
      [this](const Claim& claim) { add(hash_of_key(claim.key)); });
  for (const auto& [key, entity] : changes.contenders_added) {
    add(hash_of_key(key));
    add(hash_of_contended(key));
  }
}

void KnownKeys::remember_cause(CompensationId cause) { add(hash_of_cause(cause)); }

}  // namespace uniqd

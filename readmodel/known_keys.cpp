#include "readmodel/known_keys.hpp"

#include <absl/hash/hash.h>

#include <atomic>
#include <cstring>
#include <thread>

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

}  // namespace

struct KnownKeys::Reading {
  KeyFilter filter;  // the thread's until is_done
  std::atomic<bool> is_done{false};
  std::atomic<bool> is_cancelled{false};
  std::thread thread;

  Reading() = default;
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
      each(session, "SELECT entity FROM entities",
           [&](const pqxx::field& field) { filter.add(hash_of_entity(field.c_str())); });
      each(session, "SELECT key FROM claims",
           [&](const pqxx::field& field) { filter.add(hash_of_key(uuid_of<ClaimKey>(field))); });
      each(session, "SELECT key FROM contenders", [&](const pqxx::field& field) {
        const auto key = uuid_of<ClaimKey>(field);
        filter.add(hash_of_key(key));
        filter.add(hash_of_contended(key));
      });
      each(session, "SELECT cause FROM violations", [&](const pqxx::field& field) {
        filter.add(hash_of_cause(uuid_of<CompensationId>(field)));
      });
      session.roll_back();
      is_done = !is_cancelled;
    } catch (const StoreFailure&) {
      // Then the tables go on being asked.
    }
  }

  template <class Take>
  void each(PgSession& session, const std::string& query, Take take) {
    session.run("DECLARE known_keys NO SCROLL CURSOR FOR " + query);
    while (!is_cancelled) {
      const auto rows = session.run("FETCH 20000 FROM known_keys");
      if (rows.empty()) break;
      for (const auto& row : rows) take(row[0]);
    }
    session.run("CLOSE known_keys");
  }
};

KnownKeys::KnownKeys() = default;
KnownKeys::~KnownKeys() { forget(); }

void KnownKeys::forget() {
  reading_.reset();
  is_active_ = is_ready_ = false;
  remembered_ = {};
  read_ = {};
}

void KnownKeys::begin_empty() {
  forget();
  is_active_ = is_ready_ = true;
}

void KnownKeys::begin_reading(const PgTarget& target) {
  forget();
  is_active_ = true;
  reading_ = std::make_unique<Reading>();
  reading_->thread = std::thread([reading = reading_.get(), target] { reading->read(target); });
}

bool KnownKeys::is_active() const { return is_active_; }

bool KnownKeys::is_ready() {
  if (!is_ready_ && reading_ && reading_->is_done) {
    read_ = std::move(reading_->filter);
    reading_.reset();
    is_ready_ = true;
  }
  return is_ready_;
}

bool KnownKeys::may_contain(std::uint64_t hash) const {
  return !is_ready_ || read_.may_contain(hash) || remembered_.may_contain(hash);
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

void KnownKeys::remember(const ModelChanges& changes) {
  if (!is_active_) return;
  for (const auto& [name, entity] : changes.entities_added) remembered_.add(hash_of_entity(name));
  for (const Claim& claim : changes.claims_added) remembered_.add(hash_of_key(claim.key));
  for (const auto& [key, entity] : changes.contenders_added) {
    remembered_.add(hash_of_key(key));
    remembered_.add(hash_of_contended(key));
  }
}

void KnownKeys::remember_cause(CompensationId cause) {
  if (is_active_) remembered_.add(hash_of_cause(cause));
}

}  // namespace uniqd

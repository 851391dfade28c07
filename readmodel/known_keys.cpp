#include "readmodel/known_keys.hpp"

#include <absl/hash/hash.h>

#include <atomic>
#include <cstring>
#include <future>

#include "readmodel/entity_codec.hpp"
#include "readmodel/fetch_ahead.hpp"
#include "readmodel/pg_copy.hpp"

namespace uniqd {
namespace {

constexpr std::size_t waiting_max = 256;

// One filter for four kinds of keys, which therefore must not have the same hashes. Names have that
// of entity.hpp.
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
  const ConstraintSet& constraints;
  const std::size_t bytes_max;
  const std::chrono::steady_clock::time_point began = std::chrono::steady_clock::now();
  std::atomic<bool> is_cancelled{false};
  // The thread's until it has ended.
  KeyFilter filter;
  std::vector<std::uint64_t> waiting;  // for the filter's memory to be fetched
  bool is_complete = false;
  bool is_too_much = false;
  std::future<void> ended;  // last, as it waits for the thread when it is destroyed

  Reading(const ConstraintSet& of, std::size_t most) : constraints(of), bytes_max(most) {}
  Reading(const Reading&) = delete;
  Reading& operator=(const Reading&) = delete;
  ~Reading() { is_cancelled = true; }

  [[nodiscard]] bool has_ended() const {
    return ended.wait_for(std::chrono::seconds{0}) == std::future_status::ready;
  }

  void read(const PgTarget& target) {
    try {
      PgSession session(target);
      session.run("SET statement_timeout = 0; SET enable_seqscan = on");
      session.begin();
      session.run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY");
      // What is owned, and what is wanted in vain, an entity's state has: no need for more tables.
      const bool has_read_all =
          copy_out(session, "SELECT entity, state FROM entities",
                   [&](CopiedRow row) { return add_entity(row[0], row[1]); }) &&
          copy_out(session, "SELECT cause FROM violations",
                   [&](CopiedRow row) { return add_cause(row[0]); });
      if (!has_read_all) return;
      add_waiting();
      session.roll_back();
      is_complete = !is_too_much;  // the last few may have been
    } catch (const StoreFailure&) {
      // Then the tables go on being asked.
    }
  }

  void add(std::uint64_t hash) {
    waiting.push_back(hash);
    if (waiting.size() == waiting_max) add_waiting();
  }

  void add_waiting() {
    each_fetched_ahead(
        waiting, [this](std::uint64_t hash) { filter.prefetch_to_add(hash); },
        [this](std::uint64_t hash) {
          if (filter.has_room_within(bytes_max)) {
            filter.add(hash);
          } else {
            is_too_much = is_cancelled = true;
          }
        });
    waiting.clear();
  }

  // Whether to go on.
  bool add_entity(std::string_view name, std::string_view state) {
    const auto entity = decode_entity(state, constraints);
    if (!entity) throw StoreFailure("XX001", "an entity's state is not readable");
    add(hash_of(name));
    for (std::size_t index = 0; index < constraints.size(); ++index) {
      const auto& owned = entity->owned[index];
      if (owned) add(hash_of_key(*owned));
      const auto wanted = wanted_key(constraints[index], entity->parts);
      if (!wanted || wanted == owned) continue;
      add(hash_of_key(*wanted));
      add(hash_of_contended(*wanted));
    }
    return !is_cancelled;
  }
  bool add_cause(std::string_view bytes) {
    add(hash_of_cause(id_of<CompensationId>(bytes)));
    return !is_cancelled;
  }
};

KnownKeys::KnownKeys(const ConstraintSet& constraints, std::size_t bytes_max)
    : constraints_(constraints),
      bytes_max_(bytes_max),
      is_too_much_(!KeyFilter().has_room_within(bytes_max / 2)) {}
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
  reading_ = std::make_unique<Reading>(constraints_, bytes_max_ / 2);
  reading_->ended =
      std::async(std::launch::async, [reading = reading_.get(), target] { reading->read(target); });
}

void KnownKeys::await(std::chrono::milliseconds since_begin) const {
  if (reading_) reading_->ended.wait_until(reading_->began + since_begin);
}

bool KnownKeys::is_active() const { return is_active_; }

bool KnownKeys::is_ready() {
  if (reading_ && reading_->has_ended()) {
    const auto read = std::move(reading_);
    if (read->is_complete) {
      read_ = std::move(read->filter);
      is_ready_ = true;
    } else {
      is_too_much_ = read->is_too_much;
      forget();
    }
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

bool KnownKeys::may_have_entity(std::string_view name) const { return may_contain(hash_of(name)); }
bool KnownKeys::may_have_key(ClaimKey key) const { return may_contain(hash_of_key(key)); }
bool KnownKeys::may_have_contenders(ClaimKey key) const {
  return may_contain(hash_of_contended(key));
}
bool KnownKeys::may_have_cause(CompensationId cause) const {
  return may_contain(hash_of_cause(cause));
}

void KnownKeys::prefetch_entity(std::string_view name) const { prefetch(hash_of(name)); }
void KnownKeys::prefetch_key(ClaimKey key) const { prefetch(hash_of_key(key)); }
void KnownKeys::prefetch_cause(CompensationId cause) const { prefetch(hash_of_cause(cause)); }

void KnownKeys::remember(const ModelChanges& changes) {
  if (!is_active_) return;
  const auto fetch = [this](std::uint64_t hash) { remembered_.prefetch_to_add(hash); };
  each_fetched_ahead(
      changes.entities_added, [&](const auto& added) { fetch(hash_of(added.first)); },
      [this](const auto& added) { add(hash_of(added.first)); });
  each_fetched_ahead(
      changes.claims_added, [&](const Claim& claim) { fetch(hash_of_key(claim.key)); },
      [this](const Claim& claim) { add(hash_of_key(claim.key)); });
  for (const auto& [key, entity] : changes.contenders_added) {
    add(hash_of_key(key));
    add(hash_of_contended(key));
  }
}

void KnownKeys::remember_cause(CompensationId cause) { add(hash_of_cause(cause)); }

}  // namespace uniqd

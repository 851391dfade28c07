#pragma once
// rebuild_store.hpp - seam: two generations of the read model, the one in use and the next.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "daemon/ledger.hpp"
#include "readmodel/history.hpp"

namespace uniqd {

// What the generation in use knows that the topic does not say.
struct InUse {
  std::vector<Position> positions;   // how far it has applied; empty: it knows nothing
  std::vector<HistoryStep> history;  // from the ordinal that was asked for
};

// The place of a record.
struct Place {
  Partition partition{};
  Offset offset;

  auto operator<=>(const Place&) const = default;
};

// How much of one kind of rows the two generations have in common.
struct Compared {
  std::uint64_t only_old = 0;
  std::uint64_t only_new = 0;
  std::uint64_t changed = 0;  // in both, but not alike
  std::uint64_t both = 0;     // alike
};

struct Comparison {
  Compared claims;         // by value; changed: another owner
  Compared entities;       // changed: wants or owns something else; not compared under other rules
  Compared compensations;  // by id; changed: ended in one only, or of another entity
  std::vector<std::string> examples;  // a few of what is not alike, for people

  [[nodiscard]] bool is_equal() const;
};

// What the next generation will send, and what it only reports.
struct Prospect {
  std::uint64_t to_send = 0;   // commands and alerts that were never sent
  std::uint64_t detected = 0;  // new in this generation, kept as `detected`
};

// Thread safety: none. Everything throws StoreFailure, after which the rebuild is over; nothing of
// it is in use until swap() has returned.
class RebuildStore {
 public:
  RebuildStore() = default;
  RebuildStore(const RebuildStore&) = delete;
  RebuildStore& operator=(const RebuildStore&) = delete;
  virtual ~RebuildStore() = default;

  // The most that may be done about the event with this cause (see Policy::strongest_allowed).
  [[nodiscard]] virtual std::optional<ActionKind> strongest_allowed(CompensationId cause) const = 0;
  // Whether the record is passed over where it stands: a dead letter that a person has dropped, or
  // retried, which the history then has at its place.
  [[nodiscard]] virtual bool is_passed_over(Place place) const = 0;

  // The generation in use as it is now.
  virtual InUse look(std::int64_t from_ordinal) = 0;

  // Fills the next generation, which is empty, with all of `loaded`, whose model is complete; it
  // is empty afterwards. `order`: in which order the records were applied, where no history says
  // so. Then makes its indexes.
  virtual void load(Loaded& loaded, const std::vector<BadEvent>& bad_events,
                    const std::vector<Advance>& advances,
                    const std::vector<HistoryStep>& order) = 0;
  // The next generation, batch by batch, once it is loaded.
  virtual Ledger& ledger() = 0;
  // In the next generation.
  virtual void intervene(CompensationId id, Intervention intervention) = 0;

  // As look(); compare() compares with what is seen now, whatever happens in the meantime.
  virtual InUse pin(std::int64_t from_ordinal) = 0;
  // REQUIRES: pinned, and the next generation stands at the positions of then.
  virtual Comparison compare() = 0;

  // As look(), but no other batch is committed until swap() or release().
  virtual InUse hold(std::int64_t from_ordinal) = 0;
  virtual void release() noexcept = 0;
  // What the next generation would send, as things are.
  virtual Prospect prospect() = 0;
  // In one transaction: what was sent is carried over, the next generation is the one in use, the
  // old one is gone. Nothing: someone was in the way, and it is not held any more; try again.
  // REQUIRES: held, and the next generation stands at the positions of then.
  virtual std::optional<Prospect> swap() = 0;

  // For those who ask how far it is. Failures are ignored.
  virtual void tell(const std::string& phase, std::uint64_t done, std::uint64_t total) noexcept = 0;
};

}  // namespace uniqd

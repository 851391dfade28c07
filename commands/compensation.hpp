#pragma once
// compensation.hpp - the process a violation starts: what is known of it, and a working set.

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "readmodel/identifiers.hpp"

namespace uniqd {

// What a violation leads to. A stronger action has the greater value (R8).
enum class ActionKind : std::uint8_t { detect, review, alert, send };

struct Action {
  ActionKind kind = ActionKind::send;
  std::string command;  // the command's name, e.g. DeactivateUser; only with `send`
  std::string reason;   // for people; goes into the command

  bool operator==(const Action&) const = default;
};

// pending: decided, in the outbox.     sent: acknowledged by the broker.
// confirmed: the release event came.   resolved: the violation ended by itself.
enum class CompensationState : std::uint8_t { pending, sent, confirmed, resolved };

[[nodiscard]] std::string_view to_text(CompensationState state);
// Nothing where `text` names no state.
[[nodiscard]] std::optional<CompensationState> compensation_state(std::string_view text);

[[nodiscard]] inline bool has_ended(CompensationState state) {
  return state == CompensationState::confirmed || state == CompensationState::resolved;
}

// One value that one event asked for and another entity owned.
struct Violation {
  CompensationId
      cause;  // of the violating event; not the compensation's id where it was added (R8)
  std::string constraint;
  std::vector<std::string> fields;
  ValueDigest value;
  std::string owner;
  std::string event_id;
  std::string event_type;
  Partition partition{};
  Offset offset;

  bool operator==(const Violation&) const = default;
};

// One per violating entity at a time (R8).
struct Compensation {
  CompensationId id;
  std::string entity;
  std::string entity_field;  // what the command's body calls the entity, e.g. userId
  CompensationState state = CompensationState::pending;
  Action action;
  // Of the violating event that opened it.
  std::string event_id;
  std::string correlation_id;
  std::string traceparent;
  Partition partition{};
  Offset offset;
  std::int64_t decided_at_ms = 0;  // since the epoch, UTC
  std::int32_t attempts = 0;       // sends acknowledged so far
  std::vector<Violation> violations;

  bool operator==(const Compensation&) const = default;
};

// The compensations a batch touches. Thread safety: none.
class Compensations {
 public:
  // What the store has, without its violations: decisions do not depend on them.
  void load(Compensation compensation);

  [[nodiscard]] const Compensation* find(CompensationId id) const;
  // REQUIRES: the id is not known yet.
  void open(Compensation compensation);
  // REQUIRES: loaded or opened, not ended.
  void add(CompensationId id, std::vector<Violation> violations, const Action& action);
  void end(CompensationId id, CompensationState state);

  // What has to be stored, in the order of opening and of first change.
  struct Changes {
    std::vector<Compensation> opened;  // with all their violations
    struct Change {
      CompensationId id;
      std::optional<CompensationState> ended;
      std::vector<Violation> added;
    };
    std::vector<Change> changed;
    [[nodiscard]] bool empty() const { return opened.empty() && changed.empty(); }
  };
  [[nodiscard]] Changes changes() const;

 private:
  struct Tracked {
    Compensation compensation;
    bool is_new = false;
    bool is_touched = false;
    std::optional<CompensationState> ended;
  };
  Tracked& touch(CompensationId id);

  boost::unordered_flat_map<CompensationId, Tracked, std::hash<CompensationId>> known_;
  std::vector<CompensationId> touched_;
};

}  // namespace uniqd

#pragma once
// compensation.hpp - the process a violation starts: what is known of it, and a working set.

#include <absl/container/node_hash_map.h>

#include <cstdint>
#include <functional>
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
  std::string command;  // the message's type, e.g. DeactivateUser; empty where nothing is sent
  std::string reason;   // for people; goes into the message

  bool operator==(const Action&) const = default;
};

// pending: decided, in the outbox.      sent: acknowledged by the broker, the correction awaited.
// confirmed: the release event came.    resolved: the violation ended by itself.
// overdue: sent as often as allowed, no correction.
// open: for a person (review, alert).   detected: recorded only.   dismissed: a person let it be.
enum class CompensationState : std::uint8_t {
  pending,
  sent,
  confirmed,
  resolved,
  overdue,
  open,
  detected,
  dismissed,
};
inline constexpr std::size_t compensation_state_count = 8;

[[nodiscard]] std::string_view to_text(CompensationState state);
// Nothing where `text` names no state.
[[nodiscard]] std::optional<CompensationState> compensation_state(std::string_view text);

// Nothing more comes of it, and its entity has no open compensation any more.
[[nodiscard]] inline bool has_ended(CompensationState state) {
  return state == CompensationState::confirmed || state == CompensationState::resolved;
}

// What has become of its command so far, which the outbox says and no decision depends on.
[[nodiscard]] inline bool is_under_way(CompensationState state) {
  return state == CompensationState::pending || state == CompensationState::sent ||
         state == CompensationState::overdue;
}

// Its entity may take what it wants when that becomes free: no correction is under way (R9).
[[nodiscard]] inline bool may_be_promoted(CompensationState state) {
  return state == CompensationState::open || state == CompensationState::detected ||
         state == CompensationState::dismissed;
}

// Where a compensation with this action begins.
[[nodiscard]] CompensationState first_state(ActionKind kind);
// Whether the action sends a message: a command, or an alert's event.
[[nodiscard]] inline bool has_message(ActionKind kind) {
  return kind == ActionKind::send || kind == ActionKind::alert;
}

// What a person may do with a compensation.
enum class Intervention : std::uint8_t {
  retry,    // its command is sent again, with the same id and as many attempts as at first
  dismiss,  // nothing more is sent; its entity may still be promoted (R9)
};

// The type of the message that an action of this kind sends, where `command` is what it would send
// as a command; empty where it sends none.
[[nodiscard]] std::string message_type(ActionKind kind, const std::string& command);

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
  bool is_exhausted = false;       // from the outbox: attempts have reached what is allowed
  std::string ended_by;            // the id of the event that ended it; empty until then
  std::vector<Violation> violations;

  bool operator==(const Compensation&) const = default;
};

// The compensations a batch touches. Thread safety: none.
class Compensations {
 public:
  // What the store has, without its violations: decisions do not depend on them. Loading the same
  // again is no change.
  void load(Compensation compensation);
  // As `before` knows it; false: it does not.
  bool load_from(const Compensations& before, CompensationId id);
  [[nodiscard]] std::vector<CompensationId> loaded() const;
  // So that the same was decided: but for what has become of its command meanwhile.
  [[nodiscard]] bool was_loaded(const Compensation& compensation) const;

  [[nodiscard]] const Compensation* find(CompensationId id) const;
  // REQUIRES: the id is not known yet.
  void open(Compensation compensation);
  // Adds violations; the strongest action wins (R8). Where it is stronger than the one before, or
  // the compensation was dismissed, it begins anew under it, with the same id.
  // REQUIRES: known, not ended.
  void add(CompensationId id, std::vector<Violation> violations, const Action& action);
  // REQUIRES: known; `state` has ended.
  void end(CompensationId id, CompensationState state, const std::string& event_id);

  // What a person did, for the decisions that follow; nothing where it is not known, or has ended.
  void intervene(CompensationId id, Intervention intervention);

  // Back to what was loaded.
  void reset();

  // What has to be stored, in the order of opening and of first change.
  struct Changes {
    std::vector<Compensation> opened;  // with all their violations
    struct Change {
      // Of its violations only those that were added. Its state, where that is under way and does
      // not become due, is as it was loaded: what is stored is newer, and stays.
      Compensation now;
      bool becomes_due = false;  // a message has to be sent
    };
    std::vector<Change> changed;
    [[nodiscard]] bool empty() const { return opened.empty() && changed.empty(); }
    // Whether a message has to be sent.
    [[nodiscard]] bool has_messages() const;
    // Those whose message it is, as the outbox will have them, where they are at most `count_max`
    // and all of them opened; else none.
    [[nodiscard]] std::vector<Compensation> few_messages(std::size_t count_max) const;
  };
  [[nodiscard]] Changes changes() const;

  // Hands over all that was opened, in this order and in parts of `count_max`, and forgets it.
  void drain(std::size_t count_max, const std::function<void(const Changes&)>& take);

 private:
  struct Tracked {
    Compensation known;
    bool is_touched = false;
    bool becomes_due = false;
  };
  // In nodes of their own: a whole topic's are many, and large.
  template <class T>
  using ById = absl::node_hash_map<CompensationId, T, std::hash<CompensationId>>;
  Tracked& touch(CompensationId id);

  ById<Tracked> known_;
  ById<Compensation> stored_;  // what was loaded; the others were opened by this batch
  std::vector<CompensationId> touched_;
};

}  // namespace uniqd

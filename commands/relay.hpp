#pragma once
// relay.hpp - committed compensations become messages: outbox -> broker -> marked as sent.

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "commands/compensation.hpp"
#include "commands/encode_command.hpp"

namespace uniqd {

// Called at named points; a test may end the process, or throw, there. See crash_points.hpp.
using Probe = std::function<void(std::string_view point)>;

// The compensations whose message is due, as the relay needs them. Owned and used by one thread.
class Outbox {
 public:
  Outbox() = default;
  Outbox(const Outbox&) = delete;
  Outbox& operator=(const Outbox&) = delete;
  virtual ~Outbox() = default;

  // Those decided in one of `partitions` whose time has come by the store's clock, with their
  // violations, earliest first, at most `limit`: pending, sent without an answer by the deadline,
  // alerts. Only what is durable is returned. Throws StoreFailure.
  virtual std::vector<Compensation> due(const std::vector<Partition>& partitions,
                                        std::size_t limit) = 0;

  // Acknowledged: pending becomes sent and due again at its deadline, attempts + 1; an alert is no
  // longer due. One that has ended meanwhile stays as it is. `publish_took` is how long before now
  // the messages were given to the broker.
  // Throws StoreFailure; whether it took effect is then unknown, and sending again is allowed.
  virtual void mark_sent(const std::vector<CompensationId>& ids,
                         std::chrono::milliseconds publish_took) = 0;

  // Sent becomes overdue. Throws StoreFailure.
  virtual void mark_overdue(const std::vector<CompensationId>& ids) = 0;
};

// What became of one message.
enum class Delivery : std::uint8_t {
  delivered,  // acknowledged by all in-sync replicas
  uncertain,  // not acknowledged in time, may or may not be there: send it again
  refused,    // the broker will not have it as it is; `why` says so
};

struct DeliveryReport {
  CompensationId id;
  Delivery delivery = Delivery::uncertain;
  std::string why;  // for the log; empty when delivered
};

// Sends messages and waits for their acknowledgement. Owned and used by one thread.
class CommandPublisher {
 public:
  CommandPublisher() = default;
  CommandPublisher(const CommandPublisher&) = delete;
  CommandPublisher& operator=(const CommandPublisher&) = delete;
  virtual ~CommandPublisher() = default;

  // One report for each command, in the same order; returns within its own deadline. Messages of
  // one key reach the topic in the order given. Does not throw for failures of the world.
  virtual std::vector<DeliveryReport> publish(const std::vector<Command>& commands) = 0;
};

struct RelayStep {
  std::size_t delivered = 0;
  std::vector<std::int64_t> decided_at_ms;  // of each delivered one, since the epoch
  std::size_t failed = 0;   // uncertain or refused: still due, to be tried again after a pause
  std::size_t overdue = 0;  // given up: sent as often as allowed
  std::string why;          // the first failure's text
  bool may_have_more = false;
};

// How much the relay sends at a time, and how often it looks whether something has become due with
// time, however much it is handed.
struct RelayPace {
  std::size_t batch_max = 500;  // 0: it only looks
  std::chrono::milliseconds looks_every{1000};
};

// One relay a daemon. Thread safety: none; everything in it belongs to the relay's thread.
class Relay {
 public:
  // The references must outlive the relay.
  Relay(Outbox& outbox, CommandPublisher& publisher, CommandForm form, RelayPace pace, Probe probe);

  // Sends one batch of what is due for `partitions` (those that have caught up). The outbox need
  // not be asked where `decided` has what has become due, committed just now; that of other
  // partitions is left for later.
  // REQUIRES: `decided` is empty where nothing may be sent at a time.
  // Throws StoreFailure from the outbox. After any failure the next step begins anew from what is
  // stored, so nothing is lost and a command may be sent twice with the same id.
  RelayStep step(const std::vector<Partition>& partitions, std::vector<Command> decided = {});

 private:
  void publish(const std::vector<Command>& commands, RelayStep& result);

  Outbox& outbox_;
  CommandPublisher& publisher_;
  CommandForm form_;
  RelayPace pace_;
  Probe probe_;
  std::optional<std::chrono::steady_clock::time_point> looked_at_;
};

}  // namespace uniqd

#pragma once
// relay.hpp - committed compensations become messages: outbox -> broker -> marked as sent.

#include <atomic>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "commands/compensation.hpp"
#include "commands/encode_command.hpp"

namespace uniqd {

// Called at named points; a test may end the process, or throw, there. See crash_points.hpp.
using Probe = std::function<void(std::string_view point)>;

// The pending compensations, as the relay needs them. Owned and used by one thread.
class Outbox {
 public:
  Outbox() = default;
  Outbox(const Outbox&) = delete;
  Outbox& operator=(const Outbox&) = delete;
  virtual ~Outbox() = default;

  // Pending compensations decided in one of `partitions`, with their violations, in the order of
  // decision, at most `limit`. Only what is durable is returned.
  // Throws StoreFailure.
  virtual std::vector<Compensation> pending(const std::vector<Partition>& partitions,
                                            std::size_t limit) = 0;

  // Pending becomes sent, attempts + 1; one that has ended meanwhile stays ended.
  // Throws StoreFailure; whether it took effect is then unknown, and sending again is allowed.
  virtual void mark_sent(const std::vector<CompensationId>& ids) = 0;
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
  std::size_t failed = 0;  // uncertain or refused: still pending, to be tried again after a pause
  std::string why;         // the first failure's text
  bool may_have_more = false;
};

// One relay a daemon. Thread safety: none; everything in it belongs to the relay's thread.
class Relay {
 public:
  // The references must outlive the relay.
  Relay(Outbox& outbox, CommandPublisher& publisher, std::string source_topic,
        CommandEnvelope envelope, std::size_t batch_max, Probe probe);

  // Sends one batch of what is pending for `partitions` (those that have caught up).
  // Throws StoreFailure from the outbox. After any failure the next step begins anew from what is
  // stored, so nothing is lost and a command may be sent twice with the same id.
  RelayStep step(const std::vector<Partition>& partitions);

 private:
  Outbox& outbox_;
  CommandPublisher& publisher_;
  std::string source_topic_;
  CommandEnvelope envelope_;
  std::size_t batch_max_;
  Probe probe_;
};

}  // namespace uniqd

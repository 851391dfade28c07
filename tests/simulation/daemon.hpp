#pragma once
// daemon.hpp - one instance of the daemon: the real loop and relay on fakes.

#include "daemon/loop.hpp"
#include "tests/simulation/fake_ledger.hpp"
#include "tests/simulation/fake_source.hpp"
#include "tests/simulation/world.hpp"

namespace uniqd::simulation {

// How the simulated daemons are configured.
[[nodiscard]] Decoder make_decoder(const ConstraintSet& constraints);
[[nodiscard]] Loop::Reading make_reading(const ConstraintSet& constraints, std::size_t records_max);
[[nodiscard]] Policy make_policy(const std::vector<Oracle::Rule>& rules,
                                 double max_violation_share);

// Thrown at a probe point: the process has ended there.
struct Crash {
  Fault fault;
};

class Daemon {
 public:
  explicit Daemon(World& world);

  // Where the relay waits for news, it goes on at once when there are some.
  LoopStep step_loop();
  // As the relay's thread does: whatever fails is tried again at the next step.
  void step_relay();
  void drop_connections();
  [[nodiscard]] FakeSource& source() { return source_; }

 private:
  Probe probe();
  void have_relay_wait();
  void examine(const Command& command);

  World& world_;
  FakeSource source_;
  FakeLedger ledger_;
  FakeOutbox outbox_;
  FakePublisher publisher_;
  CommandGate gate_;
  Telemetry telemetry_;
  Loop loop_;
  Relay relay_;
  bool relay_may_wait_ = false;  // it has sent all that it found
  bool relay_waits_ = false;     // for news, which it takes at once
};

}  // namespace uniqd::simulation

#pragma once
// command_topic.hpp - where commands arrive, and one daemon's failing way there.

#include <functional>
#include <vector>

#include "commands/relay.hpp"
#include "tests/simulation/fault_plan.hpp"

namespace uniqd::simulation {

using CommandTopic = std::vector<Command>;

class FakePublisher : public CommandPublisher {
 public:
  // `examine` sees each command that arrives and may throw; `is_broker_down` is the world's.
  FakePublisher(CommandTopic& topic, FaultPlan& faults, const bool& is_broker_down,
                std::function<void(const Command&)> examine)
      : topic_(topic),
        faults_(faults),
        is_broker_down_(is_broker_down),
        examine_(std::move(examine)) {}

  std::vector<DeliveryReport> publish(const std::vector<Command>& commands) override;

 private:
  DeliveryReport publish_one(const Command& command);

  CommandTopic& topic_;
  FaultPlan& faults_;
  const bool& is_broker_down_;
  std::function<void(const Command&)> examine_;
};

}  // namespace uniqd::simulation

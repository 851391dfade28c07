#include "tests/simulation/command_topic.hpp"

namespace uniqd::simulation {

std::vector<DeliveryReport> FakePublisher::publish(const std::vector<Command>& commands) {
  std::vector<DeliveryReport> reports;
  reports.reserve(commands.size());
  for (const Command& command : commands) reports.push_back(publish_one(command));
  return reports;
}

DeliveryReport FakePublisher::publish_one(const Command& command) {
  if (faults_.strikes(Fault::publish_refused, 15)) {
    return {command.id, Delivery::refused, "the broker will not have it"};
  }
  if (is_broker_down_ || faults_.strikes(Fault::publish_lost, 10)) {
    return {command.id, Delivery::uncertain, "no answer in time"};
  }
  examine_(command);
  topic_.push_back(command);
  if (faults_.strikes(Fault::publish_answer_lost, 10)) {
    return {command.id, Delivery::uncertain, "no answer in time"};
  }
  return {command.id, Delivery::delivered, {}};
}

}  // namespace uniqd::simulation

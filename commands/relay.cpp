#include "commands/relay.hpp"

#include <utility>

namespace uniqd {

Relay::Relay(Outbox& outbox, CommandPublisher& publisher, std::string source_topic,
             CommandEnvelope envelope, std::size_t batch_max, Probe probe)
    : outbox_(outbox),
      publisher_(publisher),
      source_topic_(std::move(source_topic)),
      envelope_(envelope),
      batch_max_(batch_max),
      probe_(std::move(probe)) {}

RelayStep Relay::step(const std::vector<Partition>& partitions) {
  RelayStep result;
  if (partitions.empty()) return result;
  const auto pending = outbox_.pending(partitions, batch_max_);
  if (pending.empty()) return result;
  result.may_have_more = pending.size() == batch_max_;

  std::vector<Command> commands;
  commands.reserve(pending.size());
  for (const auto& compensation : pending) {
    commands.push_back(encode_command(compensation, source_topic_, envelope_));
  }
  probe_("relay_before_publish");
  std::vector<CompensationId> delivered;
  const auto reports = publisher_.publish(commands);
  for (std::size_t index = 0; index < reports.size(); ++index) {
    const DeliveryReport& report = reports[index];
    if (report.delivery == Delivery::delivered) {
      delivered.push_back(report.id);
      result.decided_at_ms.push_back(pending[index].decided_at_ms);
    } else {
      ++result.failed;
      if (result.why.empty()) result.why = report.why;
    }
  }
  probe_("relay_before_mark");
  if (!delivered.empty()) outbox_.mark_sent(delivered);
  probe_("relay_after_mark");
  result.delivered = delivered.size();
  return result;
}

}  // namespace uniqd

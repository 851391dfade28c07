#include "commands/relay.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace uniqd {

Relay::Relay(Outbox& outbox, CommandPublisher& publisher, CommandForm form, RelayPace pace,
             Probe probe)
    : outbox_(outbox),
      publisher_(publisher),
      form_(std::move(form)),
      pace_(pace),
      probe_(std::move(probe)) {}

RelayStep Relay::step(const std::vector<Partition>& partitions, std::vector<Command> decided) {
  RelayStep result;
  if (partitions.empty()) return result;
  if (!decided.empty()) {
    std::erase_if(decided, [&](const Command& command) {
      return std::ranges::count(partitions, command.partition) == 0;
    });
    if (!decided.empty()) publish(decided, result);
    result.may_have_more =
        !looked_at_ || std::chrono::steady_clock::now() - *looked_at_ >= pace_.looks_every;
    return result;
  }
  auto due = outbox_.due(partitions, pace_.batch_max);
  looked_at_ = std::chrono::steady_clock::now();
  result.may_have_more = !due.empty() && due.size() == pace_.batch_max;

  const auto exhausted = std::stable_partition(
      due.begin(), due.end(),
      [](const Compensation& compensation) { return !compensation.is_exhausted; });
  std::vector<CompensationId> overdue;
  std::transform(exhausted, due.end(), std::back_inserter(overdue),
                 [](const Compensation& compensation) { return compensation.id; });
  due.erase(exhausted, due.end());
  if (!overdue.empty()) outbox_.mark_overdue(overdue);
  result.overdue = overdue.size();

  if (!due.empty()) publish(encode_commands(due, form_), result);
  return result;
}

void Relay::publish(const std::vector<Command>& commands, RelayStep& result) {
  probe_("relay_before_publish");
  const auto began = std::chrono::steady_clock::now();
  const auto reports = publisher_.publish(commands);
  std::vector<CompensationId> delivered;
  for (std::size_t index = 0; index < reports.size(); ++index) {
    const DeliveryReport& report = reports[index];
    if (report.delivery == Delivery::delivered) {
      delivered.push_back(report.id);
      result.decided_at_ms.push_back(commands[index].decided_at_ms);
    } else {
      ++result.failed;
      if (result.why.empty()) result.why = report.why;
    }
  }
  probe_("relay_before_mark");
  if (!delivered.empty()) {
    outbox_.mark_sent(delivered, std::chrono::duration_cast<std::chrono::milliseconds>(
                                     std::chrono::steady_clock::now() - began));
  }
  probe_("relay_after_mark");
  result.delivered = delivered.size();
}

}  // namespace uniqd

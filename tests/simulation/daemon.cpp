#include "tests/simulation/daemon.hpp"

namespace uniqd::simulation {

Decoder make_decoder(const ConstraintSet& constraints) {
  DecoderOptions options;
  options.source_topic = source_topic;
  options.value_key = "a key for simulations";
  std::vector<SlotPointer> slots;
  for (const Constraint& constraint : constraints) {
    for (std::size_t field = 0; field < constraint.fields.size(); ++field) {
      slots.push_back({constraint.first_slot + field, "/" + constraint.fields[field]});
    }
  }
  options.events["UserAdded"] = {Effect::claim, "/userId", slots};
  options.events["UserChanged"] = {Effect::change, "/userId", slots};
  options.events["UserDeactivated"] = {Effect::release, "/userId", {}};
  return {std::move(options), constraints};
}

Loop::Reading make_reading(const ConstraintSet& constraints, std::size_t records_max) {
  return {make_decoder(constraints),
          {records_max, std::size_t{1} << 20, std::chrono::milliseconds(0)},
          OnBadEvent::park,
          Ahead::at_once};
}

namespace {

Action make_action(Deed deed) {
  switch (deed) {
    case Deed::detect:
      return {ActionKind::detect, "", "detected"};
    case Deed::review:
      return {ActionKind::review, "", "to review"};
    case Deed::alert:
      return {ActionKind::alert, alert_type, alert_reason};
    case Deed::send:
      break;
  }
  return {ActionKind::send, command_type, command_reason};
}

}  // namespace

Policy make_policy(const std::vector<Oracle::Rule>& rules, double max_violation_share) {
  Policy policy;
  policy.max_violation_share = max_violation_share;
  for (const Oracle::Rule& rule : rules) {
    policy.by_constraint.push_back({make_action(rule.on_claim), make_action(rule.on_change)});
  }
  policy.entity_field = {{"UserAdded", "userId"}, {"UserChanged", "userId"}};
  return policy;
}

Daemon::Daemon(World& world)
    : world_(world),
      source_(world.topic_, world.dice_, world.faults_, world.is_broker_down_),
      ledger_(world.database_, world.constraints_, world.dice_, world.faults_,
              [this](const auto& advances) { return source_.polled(advances); }),
      outbox_(world.database_, world.faults_, world.clock_),
      publisher_(world.commands_, world.faults_, world.is_broker_down_,
                 [this](const Command& command) { examine(command); }),
      loop_({source_, ledger_, world.clock_, gate_, telemetry_}, world.constraints_,
            make_reading(world.constraints_, 1 + world.dice_.below(40)),
            make_policy(world.rules_, world.max_violation_share_), {source_topic}, probe()),
      relay_(outbox_, publisher_, {source_topic},
             {1 + world.dice_.below(5), std::chrono::milliseconds(0)}, probe()) {}

Probe Daemon::probe() {
  return [this](std::string_view point) {
    const Fault fault = crash_at(point);
    if (world_.faults_.strikes(fault, 30)) throw Crash{fault};
    // The relay may find what was committed before it is told.
    if (point == "after_commit" && world_.dice_.once_in(8)) {
      step_relay();
      have_relay_wait();
    }
  };
}

LoopStep Daemon::step_loop() {
  if (world_.dice_.once_in(2)) have_relay_wait();
  LoopStep step = loop_.step();
  if (relay_waits_) step_relay();
  return step;
}

void Daemon::have_relay_wait() {
  if (!relay_may_wait_) return;
  gate_.listen();
  relay_waits_ = true;
}

void Daemon::step_relay() {
  std::vector<Command> decided;
  gate_.wait(std::chrono::milliseconds(0), decided);
  relay_may_wait_ = relay_waits_ = false;
  try {
    const RelayStep step = relay_.step(gate_.open(), std::move(decided));
    relay_may_wait_ = step.failed == 0 && !step.may_have_more;
  } catch (const StoreFailure&) {
    gate_.distrust();
  }
}

void Daemon::drop_connections() {
  ledger_.drop_connection();
  outbox_.drop_connection();
}

void Daemon::examine(const Command& command) {
  const DatabaseState& state = world_.database_.state();
  const auto& compensations = state.store.compensations;
  const auto found = compensations.find(command.id);
  const auto end =
      found == compensations.end() ? std::nullopt : source_.end_at_start(found->second.partition);
  world_.examiner_.examine_command(command, state, end, world_.clock_.steady().count());
}

}  // namespace uniqd::simulation

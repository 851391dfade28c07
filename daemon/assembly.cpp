#include "daemon/assembly.hpp"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "config/print_settings.hpp"
#include "readmodel/promise.hpp"

namespace uniqd {
namespace {

NormalizeStep make_step(const settings::NormalizeStep& wanted) {
  const auto kind = find_step(wanted.name);
  promise(kind.has_value(), "only known normalisation steps pass the checks");
  NormalizeStep step(*kind);
  step.on_invalid =
      wanted.on_invalid == settings::OnInvalid::reject ? OnInvalid::reject : OnInvalid::keep;
  step.default_region = wanted.default_region;
  return step;
}

Normalizer make_normalizer(const std::vector<settings::NormalizeStep>& wanted) {
  std::vector<NormalizeStep> steps;
  steps.reserve(wanted.size());
  for (const settings::NormalizeStep& one : wanted) steps.push_back(make_step(one));
  return Normalizer(std::move(steps));
}

std::vector<settings::Constraint> by_name(std::vector<settings::Constraint> constraints) {
  std::ranges::sort(constraints, {}, &settings::Constraint::name);
  return constraints;
}

Effect make_effect(settings::Effect effect) {
  switch (effect) {
    case settings::Effect::change:
      return Effect::change;
    case settings::Effect::release:
      return Effect::release;
    case settings::Effect::claim:
      break;
  }
  return Effect::claim;
}

// A field fills one slot in each constraint that has it.
EventRule make_event_rule(const settings::EventRule& rule, const ConstraintSet& constraints) {
  EventRule made{make_effect(rule.effect), rule.entity, {}};
  for (const Constraint& constraint : constraints) {
    for (std::size_t field = 0; field < constraint.fields.size(); ++field) {
      const auto carried =
          std::ranges::find(rule.fields, constraint.fields[field], &settings::EventField::name);
      if (carried == rule.fields.end()) continue;
      made.slots.push_back({constraint.first_slot + field, carried->pointer});
    }
  }
  return made;
}

ActionKind make_action_kind(settings::ActionKind kind) {
  switch (kind) {
    case settings::ActionKind::review:
      return ActionKind::review;
    case settings::ActionKind::alert:
      return ActionKind::alert;
    case settings::ActionKind::detect:
      return ActionKind::detect;
    case settings::ActionKind::send:
      break;
  }
  return ActionKind::send;
}

// In detect mode every violation is only recorded.
Action make_action(const settings::Action& action, settings::Mode mode) {
  const ActionKind kind =
      mode == settings::Mode::detect ? ActionKind::detect : make_action_kind(action.kind);
  return {kind, message_type(kind, action.command), action.reason};
}

Envelope make_envelope(settings::SourceEnvelope envelope) {
  switch (envelope) {
    case settings::SourceEnvelope::cloudevents:
      return Envelope::cloudevents;
    case settings::SourceEnvelope::kurrentdb:
      return Envelope::kurrentdb;
    case settings::SourceEnvelope::axon:
      return Envelope::axon;
    case settings::SourceEnvelope::message_type:
      return Envelope::message_type;
    case settings::SourceEnvelope::debezium:
      return Envelope::debezium;
    case settings::SourceEnvelope::plain:
      return Envelope::plain;
    case settings::SourceEnvelope::automatic:
      break;
  }
  return Envelope::automatic;
}

// What a command calls the entity: the last segment of its JSON Pointer, unescaped (RFC 6901), or
// `entity` where it has no pointer.
std::string entity_name(std::string_view pointer) {
  if (!pointer.starts_with('/')) return "entity";
  std::string name;
  for (std::size_t i = pointer.rfind('/') + 1; i < pointer.size(); ++i) {
    if (pointer[i] == '~' && i + 1 < pointer.size()) {
      name += pointer[++i] == '1' ? '/' : '~';
    } else {
      name += pointer[i];
    }
  }
  return name;
}

}  // namespace

ConstraintSet make_constraints(const Settings& settings) {
  std::vector<Constraint> made;
  for (const auto& constraint : by_name(settings.constraints)) {
    Constraint one;
    one.name = constraint.name;
    for (const auto& field : constraint.fields) {
      one.fields.push_back(field.name);
      one.normalizers.push_back(make_normalizer(field.normalize));
    }
    made.push_back(std::move(one));
  }
  return ConstraintSet(std::move(made));
}

ValueForm make_value_form(const Settings& settings) {
  switch (settings.readmodel.values) {
    case settings::ValueForm::sha256:
      return ValueForm::sha256;
    case settings::ValueForm::plain:
      return ValueForm::plain;
    case settings::ValueForm::hmac_sha256:
      break;
  }
  return ValueForm::hmac_sha256;
}

DecoderOptions make_decoder_options(const Settings& settings, const ConstraintSet& constraints,
                                    const std::string& value_key) {
  DecoderOptions options;
  options.source_topic = settings.source.topic;
  options.envelope = make_envelope(settings.source.envelope);
  const auto& plain = settings.source.plain;
  options.plain = {plain.type, plain.id, plain.time, plain.data};
  for (const auto& rule : settings.events) {
    options.events.emplace(rule.type, make_event_rule(rule, constraints));
  }
  options.reject_unknown_events = settings.unknown_events == settings::UnknownEvents::reject;
  options.value_form = make_value_form(settings);
  options.value_key = value_key;
  options.sequence = settings.source.sequence;
  return options;
}

Policy make_policy(const Settings& settings) {
  Policy policy;
  for (const auto& constraint : by_name(settings.constraints)) {
    policy.by_constraint.push_back({make_action(constraint.on_claim, settings.mode),
                                    make_action(constraint.on_change, settings.mode)});
  }
  for (const auto& rule : settings.events) {
    policy.entity_field.emplace(rule.type, entity_name(rule.entity));
  }
  // Where nothing is sent there is nothing to pause.
  const bool sends = settings.mode == settings::Mode::enforce;
  policy.max_violation_share = sends ? settings.safety.max_violation_share : 1.0;
  return policy;
}

CommandForm make_command_form(const Settings& settings) {
  const bool is_structured =
      settings.commands.envelope == settings::CommandEnvelope::cloudevents_structured;
  return {settings.source.topic, is_structured ? CommandEnvelope::cloudevents_structured
                                               : CommandEnvelope::cloudevents_binary};
}

std::string make_safety_rules(const Settings& settings) {
  Settings rules;
  rules.source.envelope = settings.source.envelope;
  rules.source.plain = settings.source.plain;
  rules.events = settings.events;
  rules.constraints = settings.constraints;
  return print_settings(rules);
}

SendPolicy make_send_policy(const Settings& settings) {
  const auto& compensation = settings.compensation;
  return {compensation.deadline, compensation.backoff, compensation.attempts,
          settings.safety.max_commands_per_minute};
}

PgTarget make_pg_target(const Settings& settings) {
  return {settings.readmodel.postgres, settings.readmodel.schema};
}

LearnPolicy make_learn_policy(const Settings& settings) {
  LearnPolicy policy;
  policy.bytes_max = static_cast<std::size_t>(settings.readmodel.memory_max_mib) << 20;
  return policy;
}

OnBadEvent make_on_bad_event(const Settings& settings) {
  return settings.on_bad_event == settings::OnBadEvent::halt ? OnBadEvent::halt : OnBadEvent::park;
}

KafkaSourceOptions make_source_options(const Settings& settings) {
  return {settings.source.brokers, settings.source.group, settings.source.topic,
          settings.source.start == settings::StartAt::latest ? KafkaStart::latest
                                                             : KafkaStart::earliest,
          settings.source.kafka};
}

KafkaPublisherOptions make_publisher_options(const Settings& settings) {
  KafkaPublisherOptions options;
  options.properties = settings.commands.kafka;
  options.brokers = options.properties.extract("bootstrap.servers").mapped();
  options.topic = settings.commands.topic;
  return options;
}

}  // namespace uniqd

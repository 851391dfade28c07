#include "config/read_rules.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "config/read_word.hpp"

namespace uniqd::settings {
namespace {

// A key that is a name of the operator's; false, and an error, when it is not one.
bool check_key(MapReader& map, const std::string& name, Check check) {
  const auto complaint = check(name, name);
  if (complaint) map.reading().fail(map.place_of(name), *complaint);
  return !complaint;
}

void need(MapReader& map, std::string_view name, std::string_view example) {
  if (map.has(name) || !map.is_sound()) return;
  map.reading().fail(map.place(), {fmt::format("has no {}", name), "",
                                   fmt::format("write e.g. {}: {}", name, example)});
}

std::vector<EventField> read_event_fields(MapReader map) {
  std::vector<EventField> fields;
  for (const std::string& name : map.names()) {
    EventField field{name, ""};
    const bool named = check_key(map, name, check_identifier);
    const bool read = read_text(map, name, field.pointer, check_pointer);
    if (named && read) fields.push_back(std::move(field));
  }
  return fields;
}

// Only a CloudEvent has a subject.
void read_entity(MapReader& map, SourceEnvelope envelope, std::string& entity) {
  need(map, "entity", "/userId");
  if (!read_text(map, "entity", entity, check_entity) || entity != "subject") return;
  if (envelope == SourceEnvelope::automatic || envelope == SourceEnvelope::cloudevents) return;
  map.reading().fail(Text{map.place_of("entity"), entity},
                     {fmt::format("has no meaning with envelope: {}", to_word(envelope)), "",
                      "write entity: key for the record's key, or a JSON Pointer, e.g. /userId"});
}

EventRule read_event(MapReader map, SourceEnvelope envelope, std::string type) {
  EventRule rule;
  rule.type = std::move(type);
  need(map, "effect", "claim");
  const bool has_effect = read_word(map, "effect", rule.effect);
  read_entity(map, envelope, rule.entity);
  const bool has_fields = map.has("fields");
  if (has_fields) rule.fields = read_event_fields(map.map("fields"));
  if (has_effect && rule.effect == Effect::release && has_fields) {
    map.reading().fail(map.place_of("fields"),
                       {"has no meaning with effect: release, which frees everything", "",
                        "remove it, or write effect: change"});
  }
  if (has_effect && rule.effect == Effect::change) need(map, "fields", "{ email: /email }");
  map.finish();
  return rule;
}

bool is_claim(const EventRule& rule) { return rule.effect == Effect::claim; }

void read_events(MapReader& root, SourceEnvelope envelope, std::vector<EventRule>& events) {
  constexpr std::string_view remedy =
      "write e.g. UserAdded: { effect: claim, entity: /userId, fields: { email: /email } }";
  Reading& reading = root.reading();
  const std::size_t errors_before = reading.error_count();
  MapReader map = root.map("events");
  for (const std::string& type : map.names()) {
    check_key(map, type, check_message_name);
    events.push_back(read_event(map.map(type), envelope, type));
  }
  const bool has_claim = std::any_of(events.begin(), events.end(), is_claim);
  if (!has_claim && reading.error_count() == errors_before) {
    reading.fail(map.place(), {"has no event with effect: claim", "", std::string{remedy}});
  }
}

bool check_step(Reading& reading, const Text& word) {
  const auto& steps = normalize_steps;
  if (std::find(steps.begin(), steps.end(), word.value) != steps.end()) return true;
  const std::string near = nearest_name(word.value, steps);
  reading.fail(word, {"is not a normalisation step", joined({steps.begin(), steps.end()}),
                      near.empty() ? "write e.g. normalize: [trim, nfkc, casefold]"
                                   : fmt::format("did you mean {}?", near)});
  return false;
}

// `default_region` is what the constraint says; empty where that was reported.
NormalizeStep read_step(Choice& choice, const std::optional<std::string>& default_region) {
  NormalizeStep step;
  step.name = choice.word.value;
  if (can_find_invalid(step.name)) read_word(choice.options, "on_invalid", step.on_invalid);
  if (needs_region(step.name)) {
    step.default_region = default_region.value_or("");
    read_text(choice.options, "default_region", step.default_region, check_region);
    const bool is_missing = !default_region && !choice.options.has("default_region");
    if (is_missing && choice.options.is_sound()) {
      choice.options.reading().fail(
          choice.word, {"has no default_region, the country of a number that does not name one", "",
                        "write e.g. default_region: DE beside normalize"});
    }
  }
  choice.options.finish();
  return step;
}

std::vector<NormalizeStep> read_steps(MapReader& map, std::string_view name,
                                      const std::optional<std::string>& default_region) {
  std::vector<NormalizeStep> steps;
  auto choices = map.choices(name);
  if (!choices) return steps;
  for (Choice& choice : *choices) {
    if (check_step(map.reading(), choice.word)) steps.push_back(read_step(choice, default_region));
  }
  return steps;
}

bool has_region(const ConstraintField& field) {
  return std::any_of(field.normalize.begin(), field.normalize.end(),
                     [](const NormalizeStep& step) { return needs_region(step.name); });
}

void read_normalize(MapReader& map, std::vector<ConstraintField>& fields) {
  const std::size_t errors_before = map.reading().error_count();
  std::optional<std::string> region;
  if (map.has("default_region")) read_text(map, "default_region", region.emplace(), check_region);
  if (map.is_map("normalize")) {
    MapReader by_field = map.map("normalize");
    for (ConstraintField& field : fields) {
      field.normalize = read_steps(by_field, field.name, region);
    }
    by_field.finish();
  } else {
    const std::vector<NormalizeStep> steps = read_steps(map, "normalize", region);
    for (ConstraintField& field : fields) field.normalize = steps;
  }
  const bool is_used = std::any_of(fields.begin(), fields.end(), has_region);
  if (region && !is_used && map.reading().error_count() == errors_before) {
    map.reading().fail(map.place_of("default_region"),
                       {"has no meaning without the step e164", "", "remove it"});
  }
}

bool is_named(const ConstraintField& field, std::string_view name) { return field.name == name; }

void read_constraint_fields(MapReader& map, std::vector<ConstraintField>& fields) {
  need(map, "fields", "[email]");
  const auto texts = map.texts("fields");
  if (!texts) return;
  if (texts->empty()) {
    map.reading().fail(map.place_of("fields"), {"is empty", "", "write e.g. fields: [email]"});
  }
  for (const Text& text : *texts) {
    const bool twice = std::any_of(fields.begin(), fields.end(),
                                   [&](const auto& field) { return is_named(field, text.value); });
    if (const auto complaint = check_identifier("fields", text.value)) {
      map.reading().fail(text, *complaint);
    } else if (twice) {
      map.reading().fail(text, {"is given twice", "", "keep one of the two"});
    } else {
      fields.push_back({text.value, {}});
    }
  }
}

// `review: true`, and nothing but true.
bool read_flag(MapReader& map, ActionKind kind) {
  const std::string_view name = to_word(kind);
  return map.has(name) && read_choice(map, name, {"true"}, "true").has_value();
}

// Exactly one of the kinds must be there.
void check_kind(MapReader& map) {
  std::vector<std::string> kinds;
  std::vector<std::string> given;
  for (const auto& word : words(ActionKind{})) {
    kinds.emplace_back(word.text);
    if (map.has(word.text)) given.emplace_back(word.text);
  }
  if (given.size() == 1 || !map.is_sound()) return;
  map.reading().fail(map.place(),
                     {given.empty() ? "does not say what to do"
                                    : fmt::format("says {} at once", fmt::join(given, " and ")),
                      joined(kinds), "write one of them, e.g. send: DeactivateUser"});
}

Action read_action(MapReader& map, std::string_view constraint) {
  Action action;
  action.reason = fmt::format("This {} is already taken.", constraint);
  check_kind(map);
  read_text(map, "send", action.command, check_message_name);
  for (const ActionKind kind : {ActionKind::review, ActionKind::alert, ActionKind::detect}) {
    if (read_flag(map, kind)) action.kind = kind;
  }
  read_text(map, "reason", action.reason, check_not_empty);
  map.finish();
  return action;
}

void read_on_violation(MapReader& map, Constraint& constraint) {
  need(map, "on_violation", "{ send: DeactivateUser }");
  if (!map.has("on_violation")) return;
  MapReader actions = map.map("on_violation");
  if (!actions.has("claim") && !actions.has("change")) {
    constraint.on_claim = read_action(actions, constraint.name);
    constraint.on_change = constraint.on_claim;
    return;
  }
  need(actions, "claim", "{ send: DeactivateUser }");
  need(actions, "change", "{ send: RevertUserEmail }");
  for (const Effect effect : {Effect::claim, Effect::change}) {
    if (!actions.has(to_word(effect))) continue;
    MapReader one = actions.map(to_word(effect));
    Action& action = effect == Effect::claim ? constraint.on_claim : constraint.on_change;
    action = read_action(one, constraint.name);
  }
  actions.finish();
}

bool carries(const EventRule& rule, std::string_view field) {
  return is_claim(rule) && std::any_of(rule.fields.begin(), rule.fields.end(),
                                       [&](const EventField& own) { return own.name == field; });
}

void check_fields_are_carried(MapReader& map, const Constraint& constraint,
                              const std::vector<EventRule>& events) {
  for (const ConstraintField& field : constraint.fields) {
    if (std::any_of(events.begin(), events.end(),
                    [&](const EventRule& rule) { return carries(rule, field.name); })) {
      continue;
    }
    map.reading().fail(Text{map.place_of("fields"), field.name},
                       {"is carried by no event with effect: claim", "",
                        fmt::format("add it to the fields of one, e.g. fields: {{ {}: /{} }}",
                                    field.name, field.name)});
  }
}

Constraint read_constraint(MapReader& map, std::string name) {
  Constraint constraint;
  constraint.name = std::move(name);
  read_constraint_fields(map, constraint.fields);
  read_normalize(map, constraint.fields);
  read_on_violation(map, constraint);
  map.finish();
  return constraint;
}

void read_constraints(MapReader& root, bool events_are_sound, Settings& settings) {
  MapReader map = root.map("constraints");
  if (map.names().empty() && map.is_sound()) {
    map.reading().fail(map.place(), {"holds no constraint", "",
                                     "write e.g. email: { fields: [email], on_violation: "
                                     "{ send: DeactivateUser } }"});
  }
  for (const std::string& name : map.names()) {
    check_key(map, name, check_identifier);
    MapReader own = map.map(name);
    settings.constraints.push_back(read_constraint(own, name));
    if (events_are_sound) {
      check_fields_are_carried(own, settings.constraints.back(), settings.events);
    }
  }
}

}  // namespace

void read_rules(MapReader& root, Settings& settings) {
  read_word(root, "mode", settings.mode);
  const std::size_t errors_before = root.reading().error_count();
  read_events(root, settings.source.envelope, settings.events);
  const bool events_are_sound = root.reading().error_count() == errors_before;
  read_word(root, "unknown_events", settings.unknown_events);
  read_constraints(root, events_are_sound, settings);
  read_word(root, "on_bad_event", settings.on_bad_event);
}

}  // namespace uniqd::settings

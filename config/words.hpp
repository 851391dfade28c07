#pragma once

#include <array>
#include <string_view>

#include "config/settings.hpp"

// How the closed sets of settings.hpp are written in YAML. words(E{}) lists all of them, the
// default first or in an order that reads well.
namespace uniqd::settings {

template <typename E>
struct Word {
  E value;
  std::string_view text;
};

constexpr std::array<Word<Mode>, 2> words(Mode) {
  return {{{Mode::enforce, "enforce"}, {Mode::detect, "detect"}}};
}

constexpr std::array<Word<StartAt>, 2> words(StartAt) {
  return {{{StartAt::earliest, "earliest"}, {StartAt::latest, "latest"}}};
}

constexpr std::array<Word<SourceEnvelope>, 7> words(SourceEnvelope) {
  return {{{SourceEnvelope::automatic, "auto"},
           {SourceEnvelope::cloudevents, "cloudevents"},
           {SourceEnvelope::kurrentdb, "kurrentdb"},
           {SourceEnvelope::debezium, "debezium"},
           {SourceEnvelope::axon, "axon"},
           {SourceEnvelope::message_type, "message-type"},
           {SourceEnvelope::plain, "plain"}}};
}

constexpr std::array<Word<CommandEnvelope>, 2> words(CommandEnvelope) {
  return {{{CommandEnvelope::cloudevents, "cloudevents"},
           {CommandEnvelope::cloudevents_structured, "cloudevents-structured"}}};
}

constexpr std::array<Word<ValueForm>, 3> words(ValueForm) {
  return {{{ValueForm::hmac_sha256, "hmac-sha256"},
           {ValueForm::sha256, "sha256"},
           {ValueForm::plain, "plain"}}};
}

constexpr std::array<Word<Effect>, 3> words(Effect) {
  return {{{Effect::claim, "claim"}, {Effect::change, "change"}, {Effect::release, "release"}}};
}

constexpr std::array<Word<UnknownEvents>, 2> words(UnknownEvents) {
  return {{{UnknownEvents::ignore, "ignore"}, {UnknownEvents::reject, "reject"}}};
}

constexpr std::array<Word<OnBadEvent>, 2> words(OnBadEvent) {
  return {{{OnBadEvent::park, "park"}, {OnBadEvent::halt, "halt"}}};
}

constexpr std::array<Word<OnInvalid>, 2> words(OnInvalid) {
  return {{{OnInvalid::keep, "keep"}, {OnInvalid::reject, "reject"}}};
}

constexpr std::array<Word<ActionKind>, 4> words(ActionKind) {
  return {{{ActionKind::send, "send"},
           {ActionKind::review, "review"},
           {ActionKind::alert, "alert"},
           {ActionKind::detect, "detect"}}};
}

constexpr std::array<Word<LogLevel>, 5> words(LogLevel) {
  return {{{LogLevel::trace, "trace"},
           {LogLevel::debug, "debug"},
           {LogLevel::info, "info"},
           {LogLevel::warn, "warn"},
           {LogLevel::error, "error"}}};
}

constexpr std::array<Word<LogFormat>, 2> words(LogFormat) {
  return {{{LogFormat::text, "text"}, {LogFormat::json, "json"}}};
}

// The word of a value, e.g. "message-type".
template <typename E>
constexpr std::string_view to_word(E value) {
  for (const auto& word : words(E{})) {
    if (word.value == value) return word.text;
  }
  return "";
}

// Every normalisation step that has a name.
inline constexpr std::array<std::string_view, 9> normalize_steps{
    "trim", "lowercase", "casefold", "nfc", "nfkc", "email", "email-gmail", "digits", "e164"};

// Whether a step can find a value invalid, and so has `on_invalid`.
constexpr bool can_find_invalid(std::string_view step) {
  return step.starts_with("email") || step == "e164";
}

// Whether a step has, and needs, a `default_region`.
constexpr bool needs_region(std::string_view step) { return step == "e164"; }

}  // namespace uniqd::settings

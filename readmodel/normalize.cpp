#include "readmodel/normalize.hpp"

#include <algorithm>
#include <array>

#include "readmodel/normalize_email.hpp"
#include "readmodel/normalize_phone.hpp"
#include "readmodel/normalize_text.hpp"

namespace uniqd {
namespace {

struct KnownStep {
  std::string_view name;
  int version;  // raised with every change of what the step does
};

// By kind.
constexpr std::array<KnownStep, 9> known_steps{{{"trim", 1},
                                                {"lowercase", 1},
                                                {"casefold", 1},
                                                {"nfc", 1},
                                                {"nfkc", 1},
                                                {"email", 1},
                                                {"email-gmail", 1},
                                                {"digits", 1},
                                                {"e164", 1}}};

bool can_find_invalid(NormalizeStep::Kind kind) {
  return kind == NormalizeStep::email || kind == NormalizeStep::email_gmail ||
         kind == NormalizeStep::e164;
}

// Nothing where the step cannot take the value.
std::optional<std::string> apply(const NormalizeStep& step, std::string_view value) {
  switch (step.kind) {
    case NormalizeStep::trim:
      return std::string(without_outer_blanks(value));
    case NormalizeStep::lowercase:
      return ascii_lowercase(value);
    case NormalizeStep::casefold:
      return fold_case(value);
    case NormalizeStep::nfc:
      return compose(value);
    case NormalizeStep::nfkc:
      return compose_compatibility(value);
    case NormalizeStep::email:
      return email_address(value, Mailboxes::as_written);
    case NormalizeStep::email_gmail:
      return email_address(value, Mailboxes::gmail);
    case NormalizeStep::digits:
      return decimal_digits(value);
    case NormalizeStep::e164:
      return phone_number(value, step.default_region);
  }
  return std::nullopt;
}

}  // namespace

std::string_view step_name(NormalizeStep::Kind kind) { return known_steps[kind].name; }

std::optional<NormalizeStep::Kind> find_step(std::string_view name) {
  const auto found = std::ranges::find(known_steps, name, &KnownStep::name);
  if (found == known_steps.end()) return std::nullopt;
  return static_cast<NormalizeStep::Kind>(found - known_steps.begin());
}

std::string describe(const NormalizeStep& step) {
  const KnownStep& known = known_steps[step.kind];
  std::string text = std::string(known.name) + "/" + std::to_string(known.version);
  if (!can_find_invalid(step.kind)) return text;
  text += '(';
  if (!step.default_region.empty()) text += "default_region=" + step.default_region + ", ";
  text += step.on_invalid == OnInvalid::reject ? "on_invalid=reject)" : "on_invalid=keep)";
  return text;
}

std::string rejection_text(std::string_view constraint, std::string_view field,
                           NormalizeStep::Kind rejected_by) {
  const std::string_view wanted = rejected_by == NormalizeStep::e164
                                      ? " is not a phone number that step "
                                      : " is not an e-mail address that step ";
  std::string text = "the value for field ";
  text.append(field).append(" of constraint ").append(constraint).append(wanted);
  return text.append(step_name(rejected_by)).append(" can take");
}

Normalized Normalizer::operator()(std::string_view value) const {
  Normalized result{std::string(value), std::nullopt};
  for (const NormalizeStep& step : steps_) {
    // No value is not an invalid one.
    if (result.text.empty()) return result;
    if (auto text = apply(step, result.text)) {
      result.text = *std::move(text);
    } else if (step.on_invalid == OnInvalid::reject) {
      return {"", step.kind};
    }
  }
  return result;
}

}  // namespace uniqd

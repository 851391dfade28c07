#pragma once
// normalize.hpp - the steps that make two spellings of a value the same value.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace uniqd {

// What becomes of a value that a step cannot take.
enum class OnInvalid : std::uint8_t {
  keep,    // it stays as it is at that point
  reject,  // the value is not accepted
};

// One step with its options. Each does nothing the second time: step(step(x)) == step(x).
struct NormalizeStep {
  enum Kind : std::uint8_t {
    trim,         // drops Unicode White_Space at both ends
    lowercase,    // A-Z to a-z, nothing else
    casefold,     // full Unicode case folding
    nfc,          // Unicode Normalization Form C
    nfkc,         // Unicode Normalization Form KC
    email,        // an e-mail address (normalize_email.hpp)
    email_gmail,  // the same, and Gmail's spellings of one mailbox are one
    digits,       // the decimal digits of any script, as 0-9; without any the value is empty
    e164,         // a phone number (normalize_phone.hpp)
  };

  // Implicit: most steps are nothing but their kind.
  NormalizeStep(Kind step) : kind(step) {}  // NOLINT(google-explicit-constructor)

  Kind kind;
  OnInvalid on_invalid = OnInvalid::keep;  // only email, email_gmail and e164 find values invalid
  std::string default_region;              // e164 needs one, no other step has one

  bool operator==(const NormalizeStep&) const = default;
};

// The name of a kind as the configuration writes it, e.g. "email-gmail".
[[nodiscard]] std::string_view step_name(NormalizeStep::Kind kind);
[[nodiscard]] std::optional<NormalizeStep::Kind> find_step(std::string_view name);

// Name, version and options, e.g. "e164/1(default_region=DE, on_invalid=keep)". Two descriptions
// are the same only if both steps do the same: whoever changes what a step does raises its version.
[[nodiscard]] std::string describe(const NormalizeStep& step);

// A value after its steps.
struct Normalized {
  std::string text;  // empty means "no value" (R6)
  // The step that did not take the value, its on_invalid being reject; `text` is then empty.
  std::optional<NormalizeStep::Kind> rejected_by;

  bool operator==(const Normalized&) const = default;
};

// Why a value was rejected, without the value.
[[nodiscard]] std::string rejection_text(std::string_view constraint, std::string_view field,
                                         NormalizeStep::Kind rejected_by);

// Applies its steps in order. Immutable, so safe to share between threads.
class Normalizer {
 public:
  Normalizer() = default;
  explicit Normalizer(std::vector<NormalizeStep> steps) : steps_(std::move(steps)) {}

  // REQUIRES: `value` is valid UTF-8.
  [[nodiscard]] Normalized operator()(std::string_view value) const;

  [[nodiscard]] const std::vector<NormalizeStep>& steps() const { return steps_; }

 private:
  std::vector<NormalizeStep> steps_;
};

}  // namespace uniqd

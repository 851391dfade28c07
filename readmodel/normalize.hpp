#pragma once
// normalize.hpp - the steps that make two spellings of a value the same value.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace uniqd {

enum class NormalizeStep : std::uint8_t {
  trim,       // drops Unicode White_Space at both ends
  lowercase,  // A-Z to a-z, nothing else
  casefold,   // full Unicode case folding
  nfc,        // Unicode Normalization Form C
  nfkc,       // Unicode Normalization Form KC
};

// Applies its steps in order. Immutable, so safe to share between threads.
class Normalizer {
 public:
  Normalizer() = default;
  explicit Normalizer(std::vector<NormalizeStep> steps) : steps_(std::move(steps)) {}

  // REQUIRES: `value` is valid UTF-8. The result may be empty, which means "no value" (R6).
  [[nodiscard]] std::string operator()(std::string_view value) const;

  [[nodiscard]] const std::vector<NormalizeStep>& steps() const { return steps_; }

 private:
  std::vector<NormalizeStep> steps_;
};

}  // namespace uniqd

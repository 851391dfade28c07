// A text normalised: the first byte chooses the steps, the rest is the text.

#include <simdjson.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "readmodel/normalize.hpp"
#include "tests/fuzz/expect.hpp"

namespace uniqd::test {
namespace {

using Step = NormalizeStep;

// One for each bit of the first byte, and one more.
const std::vector<NormalizeStep>& steps() {
  static const std::vector<NormalizeStep> all = [] {
    NormalizeStep phone(Step::e164);
    phone.default_region = "DE";
    return std::vector<NormalizeStep>{Step::trim,   Step::casefold, Step::nfc,
                                      Step::nfkc,   Step::email,    Step::email_gmail,
                                      Step::digits, phone,          Step::lowercase};
  }();
  return all;
}

bool is_utf8(std::string_view text) { return simdjson::validate_utf8(text.data(), text.size()); }

void check_each_step(std::string_view text) {
  for (const NormalizeStep& step : steps()) {
    const Normalizer normalize({step});
    const std::string once = normalize(text).text;
    expect(is_utf8(once), "what is normalised is UTF-8");
    expect(normalize(once).text == once, "a step taken twice does no more than once");
  }
}

void check_chosen_steps(unsigned chosen, std::string_view text) {
  std::vector<NormalizeStep> some;
  for (std::size_t i = 0; i < 8; ++i) {
    if (chosen >> i & 1U) some.push_back(steps()[i]);
  }
  const Normalizer normalize(some);
  expect(is_utf8(normalize(text).text), "what several steps make is UTF-8");
  expect(normalize(text) == normalize(text), "normalising is the same again");
}

}  // namespace
}  // namespace uniqd::test

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace uniqd::test;
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  if (!is_utf8(text)) return 0;
  check_each_step(text);
  check_chosen_steps(data[0], text);
  return 0;
}

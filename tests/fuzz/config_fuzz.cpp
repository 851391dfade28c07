// A configuration file: any text is either settings or a list of errors.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "config/load_settings.hpp"
#include "config/print_settings.hpp"
#include "tests/fuzz/expect.hpp"

namespace uniqd::test {
namespace {

// One variable and one file are there.
Surroundings surroundings() {
  return {[](const std::string& name) {
            return name == "BROKERS" ? std::optional<std::string>("kafka:9092") : std::nullopt;
          },
          [](const std::string& path) {
            return path == "/key" ? std::optional<std::string>("s3cr3t-0123456789") : std::nullopt;
          }};
}

void check_errors(const std::vector<SettingsError>& errors) {
  expect(!errors.empty(), "what is not loaded has an error");
  for (const SettingsError& error : errors) {
    expect(!format_error(error).empty(), "an error has a text");
  }
}

void check_settings(const Settings& settings) {
  const auto again = load_settings(print_settings(settings), "uniqd.yaml", surroundings());
  expect(std::holds_alternative<Settings>(again), "what is printed loads again");
}

}  // namespace
}  // namespace uniqd::test

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace uniqd;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto loaded = load_settings(text, "uniqd.yaml", test::surroundings());
  if (const auto* errors = std::get_if<std::vector<SettingsError>>(&loaded)) {
    test::check_errors(*errors);
  } else {
    test::check_settings(std::get<Settings>(loaded));
  }
  return 0;
}

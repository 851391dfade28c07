#include "readmodel/normalize_phone.hpp"

#include <phonenumbers/phonenumberutil.h>

#include "readmodel/normalize_text.hpp"

namespace uniqd {
namespace {

std::optional<std::string> read_number(const std::string& text, const std::string& region) {
  using i18n::phonenumbers::PhoneNumber;
  using i18n::phonenumbers::PhoneNumberUtil;
  // The one instance of the process; its methods are const and may be called by several threads.
  static const PhoneNumberUtil& util = *PhoneNumberUtil::GetInstance();
  PhoneNumber number;
  if (util.Parse(text, region, &number) != PhoneNumberUtil::NO_PARSING_ERROR ||
      util.IsPossibleNumberWithReason(number) != PhoneNumberUtil::IS_POSSIBLE) {
    return std::nullopt;
  }
  std::string result;
  util.Format(number, PhoneNumberUtil::E164, &result);
  if (!number.extension().empty()) result += ";ext=" + decimal_digits(number.extension());
  return result;
}

}  // namespace

std::optional<std::string> phone_number(std::string_view text, const std::string& default_region) {
  const std::string_view spelt = without_outer_blanks(text);
  if (spelt.empty()) return "";
  auto number = read_number(std::string(spelt), default_region);
  // A number that begins like a prefix of its own country is read as another one the second time;
  // each reading takes a digit away, so a few settle it.
  constexpr int readings_max = 8;
  for (int reading = 1; number && reading < readings_max; ++reading) {
    auto again = read_number(*number, default_region);
    if (again == number) return number;
    number = std::move(again);
  }
  return std::nullopt;
}

}  // namespace uniqd

#include "readmodel/normalize_email.hpp"

#include <unicode/bytestream.h>
#include <unicode/idna.h>
#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <memory>
#include <stdexcept>

#include "readmodel/normalize_text.hpp"

namespace uniqd {
namespace {

// A name has at most 253 bytes; how it is spelt may take some more, but not without end.
constexpr std::size_t spelt_domain_bytes_max = 1024;
constexpr std::size_t domain_bytes_max = 253;
constexpr std::size_t label_bytes_max = 63;

bool is_quoted(std::string_view local) {
  return local.size() >= 2 && local.front() == '"' && local.back() == '"';
}

// What stands between the quotes: a '"' or a '\' only behind a '\'.
bool quotes_are_escaped(std::string_view inner) {
  for (std::size_t i = 0; i < inner.size(); ++i) {
    if (inner[i] == '"') return false;
    if (inner[i] == '\\' && ++i == inner.size()) return false;
  }
  return true;
}

template <class Predicate>
bool any_code_point(std::string_view text, Predicate predicate) {
  const auto size = static_cast<std::int32_t>(text.size());
  for (std::int32_t i = 0; i < size;) {
    UChar32 c = 0;
    U8_NEXT(text.data(), i, size, c);
    if (predicate(c)) return true;
  }
  return false;
}

bool is_local_part(std::string_view local) {
  const auto is_control = [](UChar32 c) { return u_charType(c) == U_CONTROL_CHAR; };
  if (is_quoted(local)) {
    return quotes_are_escaped(local.substr(1, local.size() - 2)) &&
           !any_code_point(local, is_control);
  }
  return !local.empty() && !any_code_point(local, [&](UChar32 c) {
    return c == '@' || c == '"' || u_isUWhiteSpace(c) || is_control(c);
  });
}

bool is_plain_label(std::string_view label) {
  const auto is_plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  };
  return !label.empty() && label.size() <= label_bytes_max && label.front() != '-' &&
         label.back() != '-' && !label.starts_with("xn--") && std::ranges::all_of(label, is_plain);
}

// Whether IDNA would leave the name as it is. `name` is in lower case.
bool is_plain_domain(std::string_view name) {
  if (name.size() > domain_bytes_max) return false;
  while (true) {
    const auto dot = name.find('.');
    if (!is_plain_label(name.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    name.remove_prefix(dot + 1);
  }
}

// Made once; its methods are const and may be called by several threads.
const icu::IDNA& idna() {
  static const std::unique_ptr<const icu::IDNA> instance = [] {
    UErrorCode status = U_ZERO_ERROR;
    std::unique_ptr<const icu::IDNA> made(icu::IDNA::createUTS46Instance(
        UIDNA_USE_STD3_RULES | UIDNA_CHECK_BIDI | UIDNA_CHECK_CONTEXTJ |
            UIDNA_NONTRANSITIONAL_TO_ASCII | UIDNA_NONTRANSITIONAL_TO_UNICODE,
        status));
    if (U_FAILURE(status)) {
      throw std::runtime_error(std::string("ICU has no IDNA: ") + u_errorName(status));
    }
    return made;
  }();
  return *instance;
}

std::optional<std::string> idna_domain(std::string_view spelt) {
  if (spelt.size() > spelt_domain_bytes_max) return std::nullopt;
  std::string name;
  icu::StringByteSink<std::string> sink(&name);
  icu::IDNAInfo info;
  UErrorCode status = U_ZERO_ERROR;
  idna().nameToASCII_UTF8({spelt.data(), static_cast<std::int32_t>(spelt.size())}, sink, info,
                          status);
  // Names with "--" in this place exist, and registries let them.
  const bool is_good = (info.getErrors() & ~std::uint32_t{UIDNA_ERROR_HYPHEN_3_4}) == 0;
  if (U_FAILURE(status) || !is_good) return std::nullopt;
  return name;
}

std::optional<std::string> domain_name(std::string_view spelt) {
  std::string lower = ascii_lowercase(spelt);
  if (lower.ends_with('.')) lower.pop_back();
  if (is_plain_domain(lower)) return lower;
  auto name = idna_domain(lower);
  if (name && name->ends_with('.')) name->pop_back();
  if (name && (name->empty() || name->size() > domain_bytes_max)) return std::nullopt;
  return name;
}

std::string without_tag_and_dots(std::string_view local) {
  std::string mailbox(local.substr(0, local.find('+')));
  std::erase(mailbox, '.');
  return mailbox;
}

}  // namespace

std::optional<std::string> email_address(std::string_view text, Mailboxes mailboxes) {
  const std::string_view address = without_outer_blanks(text);
  if (address.empty()) return "";
  const auto at = address.rfind('@');
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view local = address.substr(0, at);
  if (!is_local_part(local)) return std::nullopt;
  auto domain = domain_name(address.substr(at + 1));
  if (!domain) return std::nullopt;

  const bool is_gmail = *domain == "gmail.com" || *domain == "googlemail.com";
  if (mailboxes == Mailboxes::as_written || !is_gmail || is_quoted(local)) {
    return fold_canonically(local) + '@' + *domain;
  }
  // Dropped before folding, which composes what a dot may have kept apart.
  const std::string mailbox = without_tag_and_dots(local);
  if (mailbox.empty()) return std::nullopt;
  return fold_canonically(mailbox) + "@gmail.com";
}

}  // namespace uniqd

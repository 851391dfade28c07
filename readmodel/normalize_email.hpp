#pragma once
// normalize_email.hpp - one spelling for an e-mail address.

#include <optional>
#include <string>
#include <string_view>

namespace uniqd {

enum class Mailboxes {
  as_written,  // every local part is a mailbox of its own
  gmail,       // of gmail.com and googlemail.com, dots and what follows a '+' do not count
};

// The address with its domain in lower-case ASCII (IDNA: UTS #46, non-transitional, STD3 rules) and
// its local part folded by fold_canonically; blanks around it and a dot behind the domain dropped.
// Blanks alone are no address: the result is empty. Nothing where the text is not LOCAL@DOMAIN: the
// local part has no blanks and no '@', or is a quoted string; the domain is a host name. REQUIRES:
// valid UTF-8.
[[nodiscard]] std::optional<std::string> email_address(std::string_view text, Mailboxes mailboxes);

}  // namespace uniqd

#pragma once
// operator_page.hpp - the page at `/`: one file, which needs nothing from anywhere but the API.

#include <string>

namespace uniqd {

struct OperatorPage {
  std::string html;
  // Allows what the page holds, told by its digests, and questions to where it came from.
  std::string content_security_policy;
};

[[nodiscard]] OperatorPage make_operator_page();

}  // namespace uniqd

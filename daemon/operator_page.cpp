#include "daemon/operator_page.hpp"

#include <openssl/evp.h>

#include <array>
#include <string_view>

#include "daemon/operator_page_html.hpp"
#include "readmodel/promise.hpp"

namespace uniqd {
namespace {

std::string_view between(std::string_view text, std::string_view begin, std::string_view end) {
  const auto from = text.find(begin);
  promise(from != std::string_view::npos, "the page has its style and its script");
  const auto first = from + begin.size();
  const auto last = text.find(end, first);
  promise(last != std::string_view::npos, "the page ends its style and its script");
  return text.substr(first, last - first);
}

// As a policy names what may run: 'sha256-...'.
std::string source_of(std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha256(), nullptr);
  std::array<unsigned char, std::size_t{2} * EVP_MAX_MD_SIZE> base64{};
  const int length = EVP_EncodeBlock(base64.data(), digest.data(), static_cast<int>(size));
  return "'sha256-" +
         std::string(reinterpret_cast<const char*>(base64.data()),
                     static_cast<std::size_t>(length)) +
         "'";
}

}  // namespace

OperatorPage make_operator_page() {
  const std::string_view html = operator_page_html;
  return {std::string(html),
          "default-src 'none'; connect-src 'self'; base-uri 'none'; "
          "form-action 'none'; frame-ancestors 'none'; script-src " +
              source_of(between(html, "<script>", "</script>")) + "; style-src " +
              source_of(between(html, "<style>", "</style>"))};
}

}  // namespace uniqd

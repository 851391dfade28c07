#include "readmodel/normalize.hpp"

#include <doctest/doctest.h>

#include <string>

namespace uniqd {
namespace {

std::string normal(std::vector<NormalizeStep> steps, const char* text) {
  return Normalizer(std::move(steps))(text);
}

}  // namespace

TEST_CASE("without steps a value stays as it is") {
  CHECK(Normalizer()(" A@X ") == " A@X ");
  CHECK(Normalizer()("").empty());
}

TEST_CASE("trim drops white space at both ends, of all of Unicode, and none within") {
  CHECK(normal({NormalizeStep::trim}, " \t\n a b \r\n") == "a b");
  CHECK(normal({NormalizeStep::trim}, "\u00a0\u3000a\u2003") == "a");
  CHECK(normal({NormalizeStep::trim}, "\u200ba") == "\u200ba");  // zero width, but no white space
  CHECK(normal({NormalizeStep::trim}, " \u3000 ").empty());
  CHECK(normal({NormalizeStep::trim}, "").empty());
}

TEST_CASE("lowercase knows ASCII only") {
  CHECK(normal({NormalizeStep::lowercase}, "AZaz@09[`") == "azaz@09[`");
  CHECK(normal({NormalizeStep::lowercase}, "\u00c4B") == "\u00c4b");
}

TEST_CASE("casefold folds fully") {
  CHECK(normal({NormalizeStep::casefold}, "AbC") == "abc");
  CHECK(normal({NormalizeStep::casefold}, "STRASSE") == "strasse");
  CHECK(normal({NormalizeStep::casefold}, "Stra\u00dfe") == "strasse");
  CHECK(normal({NormalizeStep::casefold}, "\u00c4\u03a3\u03c2") == "\u00e4\u03c3\u03c3");
  CHECK(normal({NormalizeStep::casefold}, "I") == "i");  // not the Turkish way
}

TEST_CASE("nfc composes, nfkc also replaces compatible characters") {
  CHECK(normal({NormalizeStep::nfc}, "e\u0301") == "\u00e9");
  CHECK(normal({NormalizeStep::nfc}, "\ufb01") == "\ufb01");
  CHECK(normal({NormalizeStep::nfkc}, "\ufb01") == "fi");
  CHECK(normal({NormalizeStep::nfkc}, "\uff21\uff20\uff38") == "A@X");
  CHECK(normal({NormalizeStep::nfkc}, "a@x") == "a@x");
}

TEST_CASE("steps are taken in their order") {
  CHECK(normal({NormalizeStep::trim, NormalizeStep::nfkc, NormalizeStep::casefold},
               "  \uff21@\uff38 \u3000") == "a@x");
  // A no-break space is white space already; a full-width letter is folded only as itself.
  CHECK(normal({NormalizeStep::lowercase, NormalizeStep::nfkc}, "\uff21") == "A");
  CHECK(normal({NormalizeStep::nfkc, NormalizeStep::lowercase}, "\uff21") == "a");
}

}  // namespace uniqd

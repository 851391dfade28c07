#include "readmodel/normalize.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <random>
#include <string>
#include <vector>

#include "readmodel/normalize_text.hpp"
#include "tests/unit/decode_world.hpp"

namespace uniqd {
namespace {

// What a case answers where a step rejects the value.
constexpr const char* rejected = "<rejected>";

struct Case {
  std::string value;
  std::string wanted;
};

NormalizeStep strict(NormalizeStep::Kind kind, const char* default_region = "") {
  NormalizeStep step(kind);
  step.on_invalid = OnInvalid::reject;
  step.default_region = default_region;
  return step;
}

NormalizeStep lenient(NormalizeStep::Kind kind, const char* default_region = "") {
  NormalizeStep step = strict(kind, default_region);
  step.on_invalid = OnInvalid::keep;
  return step;
}

std::string normal(std::vector<NormalizeStep> steps, std::string_view value) {
  const Normalized result = Normalizer(std::move(steps))(value);
  return result.rejected_by ? rejected : result.text;
}

void check(const std::vector<NormalizeStep>& steps, const std::vector<Case>& cases) {
  for (const Case& one : cases) {
    INFO(one.value);
    CHECK_EQ(normal(steps, one.value), one.wanted);
  }
}

}  // namespace

TEST_CASE("without steps a value stays as it is") { check({}, {{" A@X ", " A@X "}, {"", ""}}); }

TEST_CASE("trim drops white space at both ends, of all of Unicode, and none within") {
  check({NormalizeStep::trim}, {{" \t\n a b \r\n", "a b"},
                                {"\u00a0\u3000a\u2003", "a"},
                                {"\u200ba", "\u200ba"},  // zero width, but no white space
                                {" \u3000 ", ""},
                                {"", ""}});
}

TEST_CASE("lowercase knows ASCII only") {
  check({NormalizeStep::lowercase}, {{"AZaz@09[`", "azaz@09[`"}, {"\u00c4B", "\u00c4b"}});
}

TEST_CASE("casefold folds fully") {
  check({NormalizeStep::casefold}, {{"AbC", "abc"},
                                    {"STRASSE", "strasse"},
                                    {"Stra\u00dfe", "strasse"},
                                    {"\u00c4\u03a3\u03c2", "\u00e4\u03c3\u03c3"},
                                    {"I", "i"},  // not the Turkish way
                                    {"\u0131", "\u0131"},
                                    {"\u0130", "i\u0307"}});
}

TEST_CASE("nfc composes, nfkc also replaces compatible characters") {
  check({NormalizeStep::nfc}, {{"e\u0301", "\u00e9"}, {"\ufb01", "\ufb01"}});
  check({NormalizeStep::nfkc}, {{"\ufb01", "fi"}, {"\uff21\uff20\uff38", "A@X"}, {"a@x", "a@x"}});
}

TEST_CASE("steps are taken in their order") {
  CHECK_EQ(normal({NormalizeStep::trim, NormalizeStep::nfkc, NormalizeStep::casefold},
                  "  \uff21@\uff38 \u3000"),
           "a@x");
  CHECK_EQ(normal({NormalizeStep::lowercase, NormalizeStep::nfkc}, "\uff21"), "A");
  CHECK_EQ(normal({NormalizeStep::nfkc, NormalizeStep::lowercase}, "\uff21"), "a");
  CHECK_EQ(normal({NormalizeStep::nfkc, strict(NormalizeStep::email)}, "joe\uff20X.org"),
           "joe@x.org");
}

TEST_CASE("digits keeps the decimal digits of every script") {
  check({NormalizeStep::digits}, {{"DE-123 456.789", "123456789"},
                                  {"\u0661\u0662\u0663", "123"},   // Arabic-Indic
                                  {"\uff10\uff19", "09"},          // full width
                                  {"\U0001d7d8\U0001d7e1", "09"},  // mathematical
                                  {"007", "007"},
                                  {"m\u00b2 \u2460 \u2167", ""},  // signs, no digits
                                  {"none", ""},
                                  {"", ""}});
}

TEST_CASE("email: the domain is a name, the local part is folded") {
  const std::vector<Case> cases{
      {"joe@example.com", "joe@example.com"},
      {" \tJoe.Doe+Tag@EXAMPLE.Com\u00a0", "joe.doe+tag@example.com"},
      {"joe@localhost", "joe@localhost"},
      {"joe@example.com.", "joe@example.com"},
      {"joe@r3---sn.example.com", "joe@r3---sn.example.com"},
      {"j@1.2.3.4", "j@1.2.3.4"},
      {"", ""},
      {" \u3000", ""},
      // Local parts beyond ASCII.
      {"J\u00d6RG@x.org", "j\u00f6rg@x.org"},
      {"jo\u0308rg@x.org", "j\u00f6rg@x.org"},
      {"JO\u0308RG@x.org", "j\u00f6rg@x.org"},
      {"Stra\u00dfe@x.org", "strasse@x.org"},
      {"STRASSE@x.org", "strasse@x.org"},
      {"I@x.org", "i@x.org"},
      {"\u0131@x.org", "\u0131@x.org"},
      {"\u0130@x.org", "i\u0307@x.org"},
      {"\uff21@x.org", "\uff41@x.org"},  // full width is another letter; nfkc before makes it one
      {"\u1fb3@x.org", "\u03b1\u03b9@x.org"},
      {"\u03b1\u0345\u0301@x.org", "\u03ac\u03b9@x.org"},
      // Domains beyond ASCII.
      {"j@B\u00dcCHER.example", "j@xn--bcher-kva.example"},
      {"j@bu\u0308cher.example", "j@xn--bcher-kva.example"},
      {"j@XN--BCHER-KVA.example", "j@xn--bcher-kva.example"},
      {"j@stra\u00dfe.de", "j@xn--strae-oqa.de"},  // a name of its own, not strasse.de
      {"j@\uff45xample\u3002com", "j@example.com"},
      {"j@exam\u00adple.com", "j@example.com"},
      {"j@\u0131.tr", "j@xn--cfa.tr"},
      {"j@I.tr", "j@i.tr"},
      {"j@\u4f8b\u3048.jp", "j@xn--r8jz45g.jp"},
      // Quoted local parts.
      {"\"joe doe\"@x.org", "\"joe doe\"@x.org"},
      {"\"A@B\"@x.org", "\"a@b\"@x.org"},
      {R"("a\"b"@x.org)", R"("a\"b"@x.org)"},
      {"\"\"@x.org", "\"\"@x.org"},
  };
  check({strict(NormalizeStep::email)}, cases);
  check({lenient(NormalizeStep::email)}, cases);
}

TEST_CASE("email: what is no address is kept as it is, or rejected") {
  const std::vector<std::string> values{
      "joe",
      "Joe Doe",
      "@x.org",
      "joe@",
      "joe@ ",
      "joe@.",
      "joe@..",
      "joe@x..org",
      "joe@.x.org",
      "a@b@x.org",
      "joe doe@x.org",
      "joe\u00a0doe@x.org",
      "jo\"e@x.org",
      "\"joe@x.org",
      "\"jo\"e\"@x.org",
      R"("joe\"@x.org)",
      "\"@x.org",
      std::string("j\0e@x.org", 9),
      "j\u0085e@x.org",
      "joe@x_y.org",
      "joe@-x.org",
      "joe@x-.org",
      "joe@[127.0.0.1]",
      "joe@x y.org",
      "joe\uff20x.org",  // no '@' before nfkc
      "joe@x\uff20y.org",
      "joe@xn--\u00fc.org",  // Punycode is ASCII
      "joe@xn--a.org",
      "joe@xn--.org",
      "joe@\u0301x.org",
      "joe@\u05d0a.org",
      "joe@" + std::string(64, 'a') + ".org",
      "joe@" + fmt::format("{:\u00fc>60}", "") + ".org",
      "joe@" + std::string(2000, 'a'),
  };
  for (const std::string& value : values) {
    INFO(value);
    CHECK_EQ(normal({strict(NormalizeStep::email)}, value), rejected);
    CHECK_EQ(normal({strict(NormalizeStep::email_gmail)}, value), rejected);
    CHECK_EQ(normal({lenient(NormalizeStep::email)}, value), value);
    CHECK_EQ(normal({lenient(NormalizeStep::email_gmail)}, value), value);
  }
  // Kept means: as it is at that point; the steps behind still come.
  CHECK_EQ(normal({NormalizeStep::trim, lenient(NormalizeStep::email), NormalizeStep::casefold},
                  " Joe "),
           "joe");
}

TEST_CASE("email: a domain has at most 253 bytes") {
  std::string domain;
  for (int i = 0; i < 31; ++i) domain += "abcdefg.";
  const std::string longest = "j@" + domain + "abcde";
  CHECK_EQ(normal({strict(NormalizeStep::email)}, longest), longest);
  CHECK_EQ(normal({strict(NormalizeStep::email)}, longest + "f"), rejected);
  CHECK_EQ(normal({strict(NormalizeStep::email)}, "j@" + domain + "\u00fc.d"), rejected);
}

TEST_CASE("email-gmail: dots and tags do not count with Gmail") {
  check({strict(NormalizeStep::email_gmail)},
        {{"Joe.Doe+news@Gmail.com", "joedoe@gmail.com"},
         {"joedoe@googlemail.com", "joedoe@gmail.com"},
         {"j.o.e.@GOOGLEMAIL.COM.", "joe@gmail.com"},
         {"joe+a+b@gmail.com", "joe@gmail.com"},
         {"joe@\uff47mail.com", "joe@gmail.com"},
         {"Joe.Doe+news@example.com", "joe.doe+news@example.com"},
         {"joe.doe@mail.gmail.com", "joe.doe@mail.gmail.com"},
         {"\"j.o+e\"@googlemail.com", "\"j.o+e\"@googlemail.com"},
         {"e.\u0301@gmail.com", "\u00e9@gmail.com"},
         {"+news@gmail.com", rejected},
         {"..@gmail.com", rejected},
         {"", ""}});
  check({strict(NormalizeStep::email)}, {{"Joe.Doe+news@Gmail.com", "joe.doe+news@gmail.com"}});
}

TEST_CASE("e164: a number is of its default region unless it says another one") {
  const std::vector<Case> german{
      {"030 123456", "+4930123456"},
      {"(030) 12 34-56", "+4930123456"},
      {"+49 30 123456", "+4930123456"},
      {"+49 (0)30 123456", "+4930123456"},
      {"0049 30 123456", "+4930123456"},
      {"tel:+49-30-123456", "+4930123456"},
      {"\uff0b\uff14\uff19 \uff13\uff10 \uff11\uff12\uff13\uff14\uff15\uff16", "+4930123456"},
      {"\u0660\u0663\u0660 \u0661\u0662\u0663\u0664\u0665\u0666", "+4930123456"},
      {" 0151 23456789 ", "+4915123456789"},
      {"+1 212 555 2368", "+12125552368"},
      {"001 212 555 2368", "+12125552368"},
      {"+39 06 1234 5678", "+390612345678"},  // Italy's zero belongs to the number
      {"+1 800 FLOWERS", "+18003569377"},
      // An extension is part of who is called.
      {"030 123456 ext. 78", "+4930123456;ext=78"},
      {"+4930123456;ext=78", "+4930123456;ext=78"},
      {"tel:+49-30-123456;ext=78", "+4930123456;ext=78"},
      {"030 123456 x78", "+4930123456;ext=78"},
      {"", ""},
      {" \u3000", ""},
  };
  check({strict(NormalizeStep::e164, "DE")}, german);
  check({lenient(NormalizeStep::e164, "DE")}, german);
  check({strict(NormalizeStep::e164, "US")}, {{"(212) 555-2368", "+12125552368"},
                                              {"1-212-555-2368", "+12125552368"},
                                              {"011 49 30 123456", "+4930123456"}});
  check({strict(NormalizeStep::e164, "GB")}, {{"020 7946 0018", "+442079460018"}});
  check({strict(NormalizeStep::e164, "IT")}, {{"06 1234 5678", "+390612345678"}});
}

TEST_CASE("e164: what is no number is kept as it is, or rejected") {
  for (const std::string& value :
       {std::string("12"), std::string("none"), std::string("+999 123456789"), std::string("+"),
        std::string("+49"), std::string("+1 212 555"), std::string("+1 212 555 23681"),
        std::string("joe@example.com"), std::string(300, '1'), std::string("0049")}) {
    INFO(value);
    CHECK_EQ(normal({strict(NormalizeStep::e164, "DE")}, value), rejected);
    CHECK_EQ(normal({lenient(NormalizeStep::e164, "DE")}, value), value);
  }
  // Enough within the town, too little for the world.
  CHECK_EQ(normal({strict(NormalizeStep::e164, "US")}, "555-2368"), rejected);
}

TEST_CASE("a rejection names constraint, field and step") {
  const Normalizer normalize({NormalizeStep::trim, strict(NormalizeStep::email)});
  const Normalized result = normalize("not an address");
  REQUIRE_EQ(result.rejected_by, NormalizeStep::email);
  CHECK(result.text.empty());
  CHECK_EQ(
      rejection_text("mail", "address", *result.rejected_by),
      "the value for field address of constraint mail is not an e-mail address that step email "
      "can take");
  CHECK_EQ(
      rejection_text("phone", "mobile", NormalizeStep::e164),
      "the value for field mobile of constraint phone is not a phone number that step e164 can "
      "take");
}

TEST_CASE("an event with a rejected value is a bad event, and its reason does not tell the value") {
  const auto decode = [](NormalizeStep step, const std::string& email) {
    const ConstraintSet constraints({Constraint{"mail", {"address"}, {Normalizer({step})}, 0}});
    Decoder decoder(test::user_options(), constraints);
    return test::plain_record(R"({"userId":"u1","email":)" + email + "}").decoded_by(decoder);
  };
  const NormalizeStep step = strict(NormalizeStep::email);
  CHECK_EQ(test::reason_of(decode(step, R"("Joe Doe")")),
           rejection_text("mail", "address", NormalizeStep::email));
  CHECK_EQ(test::event_of(decode(step, R"("Joe@X.org")")).values.at(0).text, "joe@x.org");
  CHECK_FALSE(test::event_of(decode(step, "null")).values.at(0).digest.has_value());
  CHECK_FALSE(test::event_of(decode(step, R"(" ")")).values.at(0).digest.has_value());
  CHECK_EQ(test::event_of(decode(lenient(NormalizeStep::email), R"("Joe Doe")")).values.at(0).text,
           "Joe Doe");
}

namespace {

const std::vector<NormalizeStep>& all_steps() {
  static const std::vector<NormalizeStep> steps{NormalizeStep::trim,
                                                NormalizeStep::lowercase,
                                                NormalizeStep::casefold,
                                                NormalizeStep::nfc,
                                                NormalizeStep::nfkc,
                                                lenient(NormalizeStep::email),
                                                strict(NormalizeStep::email),
                                                strict(NormalizeStep::email_gmail),
                                                NormalizeStep::digits,
                                                lenient(NormalizeStep::e164, "DE"),
                                                strict(NormalizeStep::e164, "US"),
                                                strict(NormalizeStep::e164, "IT"),
                                                strict(NormalizeStep::e164, "MX"),
                                                strict(NormalizeStep::e164, "AR"),
                                                strict(NormalizeStep::e164, "BR")};
  return steps;
}

void append_utf8(std::string& text, char32_t c) {
  if (c < 0x80) {
    text += static_cast<char>(c);
  } else if (c < 0x800) {
    text += {static_cast<char>(0xC0 | c >> 6), static_cast<char>(0x80 | (c & 0x3F))};
  } else if (c < 0x10000) {
    text += {static_cast<char>(0xE0 | c >> 12), static_cast<char>(0x80 | (c >> 6 & 0x3F)),
             static_cast<char>(0x80 | (c & 0x3F))};
  } else {
    text += {static_cast<char>(0xF0 | c >> 18), static_cast<char>(0x80 | (c >> 12 & 0x3F)),
             static_cast<char>(0x80 | (c >> 6 & 0x3F)), static_cast<char>(0x80 | (c & 0x3F))};
  }
}

void check_idempotence(const std::string& value) {
  for (const NormalizeStep& step : all_steps()) {
    const Normalizer normalize({step});
    const Normalized once = normalize(value);
    if (once.rejected_by) continue;
    const Normalized twice = normalize(once.text);
    if (twice == once && is_utf8(once.text)) continue;
    FAIL_CHECK(fmt::format("{} of \"{}\" is \"{}\", of that \"{}\"", describe(step), value,
                           once.text, twice.rejected_by ? rejected : twice.text));
  }
}

// Texts put together from pieces that matter to some step.
class Texts {
 public:
  explicit Texts(unsigned seed) : random_(seed) {}

  std::string email() { return some(local_, 5) + "@" + some(domain_, 5); }
  std::string phone() { return pick(prefix_) + some(phone_, 14); }
  std::string any() {
    std::string text;
    for (std::size_t left = random_() % 8; left > 0; --left) {
      // Half of them from the planes with letters that fold, compose and decompose.
      const std::size_t c = random_() % (random_() % 2 == 0 ? 0x3000 : 0x110000);
      if (c < 0xD800 || c > 0xDFFF) append_utf8(text, static_cast<char32_t>(c));
    }
    return text;
  }

 private:
  const std::string& pick(const std::vector<std::string>& pieces) {
    return pieces[random_() % pieces.size()];
  }
  std::string some(const std::vector<std::string>& pieces, std::size_t most) {
    std::string text;
    for (std::size_t left = random_() % most + 1; left > 0; --left) text += pick(pieces);
    return text;
  }

  std::mt19937 random_;
  std::vector<std::string> local_{"a",      "B",      ".",      "+",      "\"",     " ",
                                  "@",      "\\",     "\u00df", "\u0130", "\u0131", "e\u0301",
                                  "\u0301", "\u0345", "\u1fb3", "\u212b", "\uff21", "\u3000",
                                  "\u200b", "\u03a3", "joe"};
  std::vector<std::string> domain_{"a",
                                   "B",
                                   ".",
                                   ".com",
                                   "-",
                                   "--",
                                   "xn--",
                                   "xn--bcher-kva",
                                   "x",
                                   "gmail.com",
                                   "googlemail.com",
                                   "\u00df",
                                   "\u00fc",
                                   "u\u0308",
                                   "\u3002",
                                   "\uff58",
                                   "\u200d",
                                   "\u0131",
                                   "\u05d0",
                                   "\u00ad",
                                   "_",
                                   "1",
                                   " "};
  std::vector<std::string> prefix_{"",      "",      "+",     "00",    "0",    "+49",    "+1",
                                   "+39 0", "+52 1", "+54 9", "+55 0", "tel:", "\uff0b", "011"};
  std::vector<std::string> phone_{"0", "1", "2",       "3",  "4",       "5",      "6",      "7",
                                  "8", "9", "1",       "5",  " ",       "-",      "(",      ")",
                                  "/", ".", " ext. 5", "x7", ";ext=12", "\u0661", "\uff15", "A"};
};

}  // namespace

TEST_CASE("every step does nothing the second time: generated texts") {
  Texts texts(20240607);
  for (int i = 0; i < 3000; ++i) {
    check_idempotence(texts.email());
    check_idempotence(texts.phone());
    check_idempotence(texts.any());
  }
}

TEST_CASE("every step but e164 does nothing the second time: every character there is") {
  for (char32_t c = 1; c < 0x110000; ++c) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    std::string text;
    append_utf8(text, c);
    const std::string folded = fold_canonically(text);
    if (fold_canonically(folded) != folded || fold_case(fold_case(text)) != fold_case(text)) {
      FAIL_CHECK(fmt::format("U+{:04X}", static_cast<unsigned>(c)));
    }
  }
}

TEST_CASE("the description of a step has its version and its options") {
  CHECK_EQ(describe(NormalizeStep::trim), "trim/1");
  CHECK_EQ(describe(NormalizeStep::digits), "digits/1");
  CHECK_EQ(describe(lenient(NormalizeStep::email)), "email/1(on_invalid=keep)");
  CHECK_EQ(describe(strict(NormalizeStep::email_gmail)), "email-gmail/1(on_invalid=reject)");
  CHECK_EQ(describe(strict(NormalizeStep::e164, "DE")),
           "e164/1(default_region=DE, on_invalid=reject)");
  for (const NormalizeStep& step : all_steps()) {
    CHECK_EQ(find_step(step_name(step.kind)), step.kind);
  }
  CHECK_FALSE(find_step("rot13").has_value());
}

}  // namespace uniqd

#include "daemon/failure_policy.hpp"

#include <doctest/doctest.h>

#include <string_view>

namespace uniqd {

using namespace std::chrono_literals;

TEST_CASE("what passes by itself is waited for") {
  for (const std::string_view state :
       {"",      "08000", "08003", "08006", "40001", "40P01", "40003", "55P03", "57014", "57P01",
        "57P02", "57P03", "25006", "53100", "53200", "53300", "28000", "28P01", "3D000", "23505"}) {
    CAPTURE(state);
    const Reaction reaction = react_to_store_failure(state);
    CHECK_FALSE(reaction.halts);
    CHECK(reaction.remedy.ends_with("rying again."));
  }
}

TEST_CASE("what a person must mend halts, and so does what is not known") {
  for (const std::string_view state : {"42501", "42P01", "3F000", "42703", "42601", "22021",
                                       "23502", "54000", "58030", "XX001", "99999", "nonsense"}) {
    CAPTURE(state);
    const Reaction reaction = react_to_store_failure(state);
    CHECK(reaction.halts);
    CHECK(reaction.remedy.find("start uniqd again") != std::string::npos);
  }
}

TEST_CASE("the remedy names what to look at") {
  const auto remedy = [](std::string_view state) { return react_to_store_failure(state).remedy; };
  CHECK(remedy("").find("readmodel.postgres") != std::string::npos);
  CHECK(remedy("28P01").find("password") != std::string::npos);
  CHECK(remedy("53100").find("disk") != std::string::npos);
  CHECK(remedy("25006").find("primary") != std::string::npos);
  CHECK(remedy("42P01").find("uniqd migrate") != std::string::npos);
  CHECK(remedy("42501").find("grant") != std::string::npos);
}

TEST_CASE("pauses double from 100 ms to 10 s") {
  CHECK(retry_pause(1) == 100ms);
  CHECK(retry_pause(2) == 200ms);
  CHECK(retry_pause(3) == 400ms);
  CHECK(retry_pause(7) == 6400ms);
  CHECK(retry_pause(8) == 10s);
  CHECK(retry_pause(1000) == 10s);
  CHECK(retry_pause(0xffffffff) == 10s);
  CHECK(retry_pause(0) == 100ms);
}

}  // namespace uniqd

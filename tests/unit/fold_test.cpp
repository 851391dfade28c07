// The rules of the fold, each as a table of events and what they send.
#include <doctest/doctest.h>

#include <string>

#include "tests/support/table_language.hpp"

namespace {

using uniqd::ActionKind;
using uniqd::run_table;
using uniqd::TableActions;
using uniqd::TableConstraints;

const TableConstraints email_and_name{{"e"}, {"n"}};
const TableConstraints email{{"e"}};
const TableConstraints full_name{{"f", "l"}};
const TableActions review{ActionKind::review};

}  // namespace

TEST_CASE("a table says what does not hold") {
  CHECK(run_table("UserAdded u1 e=a@x => DeactivateUser u1 (owner u2)") ==
        "line 1: UserAdded u1 e=a@x => DeactivateUser u1 (owner u2)\n"
        "    sent '-', expected 'DeactivateUser u1 (owner u2)'\n");
  CHECK(run_table("\nowns u1 a@x") == "line 2: owns u1 a@x\n    the owner is nobody\n");
  CHECK(run_table("UserAdded u1 e=a@x => -\nfree a@x\nabsent u1\npending u1\ncompensations 1") ==
        "line 2: free a@x\n    the owner is u1\n"
        "line 3: absent u1\n    it is not\n"
        "line 4: pending u1\n    its last compensation is none\n"
        "line 5: compensations 1\n    there are 0\n");
  CHECK(run_table("happy u1") == "line 1: happy u1\n    unknown look 'happy'\n");
  CHECK(run_table("UserAdded u1 (again) => -") ==
        "line 1: UserAdded u1 (again) => -\n    there is no line like it before\n");
}

TEST_CASE("the table of the rules, row by row") {
  CHECK(run_table(R"(
    UserAdded        u1 e=a@x            => -
    owns u1 a@x
    UserAdded        u2 e=a@x            => DeactivateUser u2 (owner u1)
    pending u2
    UserAdded        u2 e=a@x  (again)   => -
    compensations 1
    UserDeactivated  u2                  => -
    confirmed u2
    owns u1 a@x
    UserDeactivated  u1                  => -
    free a@x
    UserAdded        u3 e=a@x            => -
    owns u3 a@x
    UserAdded        u4 e=a@x            => DeactivateUser u4 (owner u3)
    UserDeactivated  u3                  => -
    free a@x
    pending u4
    UserAdded        u5 e=a@x            => -
    owns u5 a@x
    UserEmailChanged u5 e=b@x            => -
    free a@x
    owns u5 b@x
    UserEmailChanged u1 e=b@x            => -
    absent u1
    UserAdded        u1 e=b@x            => DeactivateUser u1 (owner u5)
    UserAdded        u6                  => -
    UserAdded        u7                  => -
    present u6
    present u7
    compensations 3
  )") == "");
}

TEST_CASE("R1: the first entity to want a free value owns it") {
  CHECK(run_table(R"(
    UserAdded        u1 e=a@x            => -
    UserAdded        u2 e=b@x            => -
    UserEmailChanged u2 e=c@x            => -
    owns u1 a@x
    free b@x
    owns u2 c@x
    UserAdded        u3 e=b@x            => -
    owns u3 b@x
    UserAdded        u4 e=A@X            => DeactivateUser u4 (owner u1)
  )") == "");
}

TEST_CASE("R2: an entity never conflicts with itself") {
  CHECK(run_table(R"(
    UserAdded        u1 e=a@x            => -
    UserAdded        u1 e=a@x            => -
    UserEmailChanged u1 e=a@x            => -
    UserEmailChanged u1 e=A@x            => -
    owns u1 a@x
    compensations 0
  )") == "");
  CHECK(run_table(R"(
    UserAdded        u1 e=a@x n=ann      => -
    UserAdded        u1 e=a@x n=ann (again) => -
    UserAdded        u1 e=b@x n=ann      => -
    owns u1 b@x
    owns u1 n=ann
    free a@x
  )",
                  email_and_name) == "");
}

TEST_CASE("R2: a redelivered violation changes nothing, before and after the correction") {
  CHECK(run_table(R"(
    UserAdded        u1 e=a@x            => -
    UserAdded        u2 e=a@x            => DeactivateUser u2 (owner u1)
    UserAdded        u2 e=a@x (again)    => -
    pending u2
    UserDeactivated  u2                  => -
    confirmed u2
    UserAdded        u2 e=a@x (again)    => -
    absent u2
    confirmed u2
    compensations 1
    UserDeactivated  u1                  => -
    UserAdded        u2 e=a@x (again)    => -
    absent u2
    free a@x
  )") == "");
}

TEST_CASE("R2: what an event asked for is judged only where it changes something") {
  // u2's later change does not touch the contested e-mail: no second violation.
  CHECK(run_table(R"(
    UserAdded        u1 e=a@x n=ann      => -
    UserAdded        u2 e=a@x n=bob      => DeactivateUser u2 (owner u1)
    UserNameChanged  u2 n=ben            => -
    owns u2 n=ben
    pending u2
    UserEmailChanged u2 e=a@x            => -
    pending u2
    compensations 1
  )",
                  email_and_name) == "");
}

TEST_CASE("R2, R8: after its owner left, only another event of its own settles a contender") {
  CHECK(run_table(R"(
    UserAdded        u1 e=a@x            => -
    UserAdded        u2 e=a@x            => DeactivateUser u2 (owner u1)
    UserDeactivated  u1                  => -
    UserAdded        u2 e=a@x (again)    => -
    pending u2
    free a@x
    UserAdded        u2 e=a@x            => -
    resolved u2
    owns u2 a@x
    compensations 1
  )") == "");
}

TEST_CASE("R3: all or none") {
  CHECK(run_table(R"(
    UserAdded        u1 e=a@x n=ann      => -
    UserAdded        u2 e=a@x n=bob      => DeactivateUser u2 (owner u1)
    free n=bob
    UserAdded        u3 e=c@x n=bob      => -
    owns u3 n=bob
    UserAdded        u4 e=a@x n=bob      => DeactivateUser u4 (owner u1, u3)
    UserAdded        u5 e=d@x n=bob      => DeactivateUser u5 (owner u3)
    free d@x
  )",
                  email_and_name) == "");
}

TEST_CASE("R3: a change that violates keeps what was owned, and what it wants is remembered") {
  CHECK(run_table(R"(
    UserAdded        u1 e=a@x n=ann      => -
    UserAdded        u2 e=b@x n=bob      => -
    UserChanged      u2 e=a@x n=ben      => DeactivateUser u2 (owner u1)
    owns u2 b@x
    owns u2 n=bob
    free n=ben
    UserAdded        u3 e=b@x            => DeactivateUser u3 (owner u2)
    UserDeactivated  u1                  => -
    owns u2 b@x
    UserNameChanged  u2 n=ben            => -
    resolved u2
    owns u2 a@x
    owns u2 n=ben
    free b@x
    free n=bob
  )",
                  email_and_name) == "");
}

TEST_CASE("R3, R7: a violating change frees nothing, not even what it carries as null") {
  CHECK(run_table(R"(
    UserAdded        u1 e=a@x n=ann      => -
    UserAdded        u2 e=b@x n=bob      => -
    UserChanged      u2 e=a@x n=null     => DeactivateUser u2 (owner u1)
    owns u2 n=bob
    owns u2 b@x
    UserEmailChanged u2 e=c@x            => -
    resolved u2
    free n=bob
    free b@x
    owns u2 c@x
  )",
                  email_and_name) == "");
}

TEST_CASE("R4: judged against the owner only, and the next to ask owns") {
  CHECK(run_table(R"(
    UserAdded        u1 e=a@x            => -
    UserAdded        u2 e=a@x            => DeactivateUser u2 (owner u1)
    UserAdded        u3 e=a@x            => DeactivateUser u3 (owner u1)
    UserDeactivated  u1                  => -
    free a@x
    UserAdded        u4 e=a@x            => -
    owns u4 a@x
    pending u2
    pending u3
    UserDeactivated  u2                  => -
    UserDeactivated  u3                  => -
    owns u4 a@x
    confirmed u2
    confirmed u3
  )") == "");
}

TEST_CASE("R4: a contender that asks again may be the next") {
  CHECK(run_table(R"(
    UserAdded        u1 e=a@x            => -
    UserAdded        u2 e=a@x            => DeactivateUser u2 (owner u1)
    UserEmailChanged u1 e=b@x            => -
    UserAdded        u2 e=a@x            => -
    owns u2 a@x
    resolved u2
    UserEmailChanged u1 e=a@x            => DeactivateUser u1 (owner u2)
    owns u1 b@x
  )") == "");
}

TEST_CASE("R5: a release frees all, forgets all, confirms") {
  CHECK(run_table(R"(
    UserAdded        u1 e=a@x n=ann      => -
    UserDeactivated  u1                  => -
    free a@x
    free n=ann
    absent u1
    UserDeactivated  u1                  => -
    UserDeactivated  u9                  => -
    absent u9
    UserAdded        u2 e=a@x            => -
    UserAdded        u1 n=ann            => -
    owns u2 a@x
    owns u1 n=ann
    UserChanged      u3 e=z@x            => -
    compensations 0
  )",
                  email_and_name) == "");
}

TEST_CASE("R5: what a contender still owned is freed too") {
  CHECK(run_table(R"(
    UserAdded        u1 e=a@x            => -
    UserAdded        u2 e=b@x            => -
    UserEmailChanged u2 e=a@x            => DeactivateUser u2 (owner u1)
    UserDeactivated  u2                  => -
    confirmed u2
    free b@x
    owns u1 a@x
  )") == "");
}

TEST_CASE("R6: missing, null and empty are not indexed") {
  CHECK(run_table(R"(
    UserAdded        u1                  => -
    UserAdded        u2                  => -
    UserAdded        u3 e=null           => -
    UserAdded        u4 e=null           => -
    UserAdded        u5 e=               => -
    present u3
    present u5
    UserEmailChanged u1 e=a@x            => -
    owns u1 a@x
    compensations 0
  )") == "");
}

TEST_CASE("R6: a compound constraint needs all its fields") {
  CHECK(run_table(R"(
    UserAdded        u1 f=Ann l=Lee      => -
    owns u1 f=Ann l=Lee
    UserAdded        u2 f=Ann            => -
    UserAdded        u3 f=Ann            => -
    UserAdded        u4 f=Ann l=Low      => -
    UserNameChanged  u2 l=Lee            => DeactivateUser u2 (owner u1)
    UserNameChanged  u1 l=null           => -
    free f=Ann l=Lee
    UserNameChanged  u3 l=Lee            => -
    owns u3 f=Ann l=Lee
    UserNameChanged  u4 f=An             => -
    free f=Ann l=Low
    owns u4 f=An l=Low
    pending u2
  )",
                  full_name) == "");
}

TEST_CASE("R7: a change touches only the fields it carries") {
  CHECK(run_table(R"(
    UserAdded        u1 e=a@x n=ann      => -
    UserEmailChanged u1 e=b@x            => -
    owns u1 n=ann
    owns u1 b@x
    free a@x
    UserNameChanged  u1 n=null           => -
    free n=ann
    owns u1 b@x
    UserEmailChanged u1 e=null           => -
    free b@x
    present u1
    UserChanged      u2 e=b@x n=bob      => -
    absent u2
    free b@x
  )",
                  email_and_name) == "");
}

TEST_CASE("R8: one compensation at a time, further violations are added") {
  CHECK(run_table(R"(
    UserAdded        u1 e=a@x n=ann      => -
    UserAdded        u2 e=a@x n=bob      => DeactivateUser u2 (owner u1)
    UserNameChanged  u2 n=ann            => added u2 (owner u1)
    UserNameChanged  u2 n=ann (again)    => -
    compensations 1
    UserDeactivated  u2                  => -
    confirmed u2
  )",
                  email_and_name) == "");
}

TEST_CASE("R8: what ends a contest by itself resolves") {
  CHECK(run_table(R"(
    UserAdded        u1 e=a@x n=ann      => -
    UserAdded        u2 e=a@x n=bob      => DeactivateUser u2 (owner u1)
    UserEmailChanged u2 e=b@x            => -
    resolved u2
    owns u2 b@x
    owns u2 n=bob
    UserAdded        u3 e=a@x n=cat      => DeactivateUser u3 (owner u1)
    UserEmailChanged u3 e=null           => -
    resolved u3
    owns u3 n=cat
    UserDeactivated  u3                  => -
    resolved u3
    compensations 2
  )",
                  email_and_name) == "");
}

TEST_CASE("R8: going back to what it owns resolves a change") {
  CHECK(run_table(R"(
    UserAdded        u1 e=a@x            => -
    UserAdded        u2 e=b@x            => -
    UserEmailChanged u2 e=a@x            => DeactivateUser u2 (owner u1)
    UserEmailChanged u2 e=b@x            => -
    resolved u2
    owns u2 b@x
    UserEmailChanged u2 e=a@x            => DeactivateUser u2 (owner u1)
    pending u2
    compensations 2
  )") == "");
}

TEST_CASE("R8: while anything is contested, only what is newly wanted is taken") {
  CHECK(run_table(R"(
    UserAdded        u1 e=a@x n=ann      => -
    UserAdded        u2 e=a@x n=bob      => DeactivateUser u2 (owner u1)
    UserAdded        u3 e=c@x n=bob      => -
    UserEmailChanged u2 e=d@x            => -
    owns u2 d@x
    pending u2
    UserDeactivated  u3                  => -
    pending u2
    UserEmailChanged u2 e=d@x            => -
    resolved u2
    owns u2 n=bob
  )",
                  email_and_name) == "");
}

TEST_CASE("R8: the strongest action wins, the id stays") {
  CHECK(run_table(R"(
    UserAdded        u1 e=a@x n=ann      => -
    UserAdded        u2 e=a@x            => review u2 (owner u1)
    open u2
    UserAdded        u2 n=ann            => added u2 (owner u1)
    pending u2
    compensations 1
    UserAdded        u3 n=ann            => DeactivateUser u3 (owner u1)
    UserAdded        u3 e=a@x            => added u3 (owner u1)
    pending u3
    UserAdded        u4 e=a@x n=ann      => DeactivateUser u4 (owner u1, u1)
    compensations 3
  )",
                  email_and_name, {ActionKind::review, ActionKind::send}) == "");
}

TEST_CASE("each action has its state, and each is settled by an event of its own") {
  const auto table = [](const std::string& action, const std::string& state) {
    return "UserAdded u1 e=a@x => -\n"
           "UserAdded u2 e=a@x => " +
           action + " u2 (owner u1)\n" + state +
           " u2\n"
           "UserEmailChanged u2 e=b@x => -\n"
           "resolved u2\n"
           "UserEmailChanged u2 e=a@x => " +
           action +
           " u2 (owner u1)\n"
           "UserDeactivated u2 => -\n"
           "confirmed u2\n";
  };
  CHECK(run_table(table("detect", "detected"), email, {ActionKind::detect}) == "");
  CHECK(run_table(table("review", "open"), email, {ActionKind::review}) == "");
  CHECK(run_table(table("alert", "open"), email, {ActionKind::alert}) == "");
  CHECK(run_table(table("DeactivateUser", "pending"), email, {ActionKind::send}) == "");
}

TEST_CASE("R9: a freed value goes to the first who came to want it") {
  CHECK(run_table(R"(
    UserAdded        u1 e=a@x            => -
    UserAdded        u3 e=a@x            => review u3 (owner u1)
    UserAdded        u2 e=a@x            => review u2 (owner u1)
    UserAdded        u4 e=a@x            => review u4 (owner u1)
    UserDeactivated  u1                  => -
    owns u3 a@x
    resolved u3
    open u2
    UserEmailChanged u3 e=b@x            => -
    owns u2 a@x
    resolved u2
    UserEmailChanged u2 e=null           => -
    owns u4 a@x
    UserAdded        u5 e=a@x            => review u5 (owner u4)
    UserDeactivated  u5                  => -
    UserDeactivated  u4                  => -
    free a@x
  )",
                  email, review) == "");
}

TEST_CASE("R9: who came back to want it came last") {
  CHECK(run_table(R"(
    UserAdded        u1 e=a@x            => -
    UserAdded        u4 e=b@x            => -
    UserAdded        u2 e=a@x            => review u2 (owner u1)
    UserAdded        u3 e=a@x            => review u3 (owner u1)
    UserEmailChanged u2 e=b@x            => added u2 (owner u4)
    UserEmailChanged u2 e=a@x            => added u2 (owner u1)
    UserDeactivated  u1                  => -
    owns u3 a@x
    open u2
  )",
                  email, review) == "");
}

TEST_CASE("R9: an entity whose correction is under way is passed over") {
  CHECK(run_table(R"(
    UserAdded        u1 e=a@x n=ann      => -
    UserAdded        u2 e=a@x n=ann      => DeactivateUser u2 (owner u1, u1)
    UserAdded        u3 n=ann            => DeactivateUser u3 (owner u1)
    UserAdded        u4 e=a@x            => review u4 (owner u1)
    UserDeactivated  u1                  => -
    owns u4 a@x
    free n=ann
    pending u2
    pending u3
  )",
                  email_and_name, {ActionKind::review, ActionKind::send}) == "");
}

TEST_CASE("R9: all that it wants, or the next") {
  CHECK(run_table(R"(
    UserAdded        u1 e=a@x            => -
    UserAdded        u2 e=b@x n=bob      => -
    UserAdded        u3 e=a@x n=bob      => review u3 (owner u1, u2)
    UserAdded        u4 e=a@x            => review u4 (owner u1)
    UserDeactivated  u1                  => -
    open u3
    owns u4 a@x
    UserDeactivated  u4                  => -
    free a@x
    UserDeactivated  u2                  => -
    owns u3 a@x
    owns u3 n=bob
    resolved u3
  )",
                  email_and_name, {ActionKind::review, ActionKind::review}) == "");
}

TEST_CASE("R9: what a promotion frees is handled in turn") {
  CHECK(run_table(R"(
    UserAdded        u1 e=a@x            => -
    UserAdded        u2 e=b@x            => -
    UserAdded        u3 e=c@x            => -
    UserEmailChanged u2 e=a@x            => review u2 (owner u1)
    UserEmailChanged u3 e=b@x            => review u3 (owner u2)
    UserAdded        u4 e=c@x            => review u4 (owner u3)
    UserDeactivated  u1                  => -
    owns u2 a@x
    owns u3 b@x
    owns u4 c@x
    resolved u2
    resolved u3
    resolved u4
  )",
                  email, review) == "");
}

TEST_CASE("R8, R9: who was promoted may leave to the event's own entity what it lacked") {
  CHECK(run_table(R"(
    UserAdded u1 e=a              => -
    UserAdded u2 e=a              => DeactivateUser u2 (owner u1)
    UserAdded u2 n=x              => -
    UserAdded u1 e=b              => -
    UserAdded u1 e=a n=x          => detect u1 (owner u2)
    UserAdded u2 e=b n=null       => added u2 (owner u1)
    # It frees a with x, so u1 can have all it wants, and that frees b.
    UserAdded u2 n=x              => -
    resolved  u1
    owns      u1 e=a n=x
    resolved  u2
    owns      u2 e=b n=x
    UserAdded u2 n=x (again)      => -
    owns      u2 e=b
    compensations 2
  )",
                  {{"e"}, {"e", "n"}}, {ActionKind::send, ActionKind::detect}) == "");
}

TEST_CASE("R9: who was dismissed may be promoted, and a further violation begins anew") {
  CHECK(run_table(R"(
    UserAdded        u1 e=a@x            => -
    UserAdded        u2 e=a@x            => DeactivateUser u2 (owner u1)
    dismiss u2
    UserDeactivated  u1                  => -
    owns u2 a@x
    resolved u2
    UserAdded        u3 e=b@x            => -
    UserAdded        u4 e=a@x            => DeactivateUser u4 (owner u2)
    dismiss u4
    UserEmailChanged u4 e=b@x            => added u4 (owner u3)
    pending u4
    compensations 2
  )") == "");
}

TEST_CASE("R10: a claim of a present entity is a change of what it carries") {
  CHECK(run_table(R"(
    UserAdded        u1 e=a@x n=ann      => -
    UserAdded        u1 e=b@x            => -
    owns u1 b@x
    owns u1 n=ann
    free a@x
    UserAdded        u1 e=null           => -
    free b@x
    owns u1 n=ann
  )",
                  email_and_name) == "");
}

TEST_CASE("R10: a claim after a release is an ordinary one, with its own id") {
  CHECK(run_table(R"(
    UserAdded        u1 e=a@x            => -
    UserAdded        u2 e=a@x            => DeactivateUser u2 (owner u1)
    UserDeactivated  u2                  => -
    UserAdded        u2 e=a@x            => DeactivateUser u2 (owner u1)
    compensations 2
    UserDeactivated  u2                  => -
    UserDeactivated  u1                  => -
    UserAdded        u2 e=a@x            => -
    owns u2 a@x
    # u1's first event once more, after its release: an ordinary claim, at its new position
    UserAdded        u1 e=a@x (again)    => DeactivateUser u1 (owner u2)
  )") == "");
}

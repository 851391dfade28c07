#include "daemon/command_gate.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <thread>
#include <vector>

namespace uniqd {

using namespace std::chrono_literals;

namespace {

using Partitions = std::vector<Partition>;

// Long enough never to be reached where the gate wakes its waiter.
constexpr auto for_ever = 60s;

// Whether the wait ended open, and what it was told.
struct Wait {
  std::vector<Command> decided;
  bool is_open;
  Wait(CommandGate& gate, std::chrono::milliseconds wait) : is_open(gate.wait(wait, decided)) {}
};

std::vector<Command> of(const std::string& entity) {
  Command command;
  command.key = entity;
  return {command};
}

}  // namespace

TEST_CASE("a gate is closed until it is opened") {
  CommandGate gate;
  CHECK(gate.open().empty());
  gate.set_open({Partition{0}, Partition{1}});
  CHECK(gate.open() == Partitions{Partition{0}, Partition{1}});
  gate.set_open({Partition{1}});
  CHECK(gate.open() == Partitions{Partition{1}});
  gate.set_open({});
  CHECK(gate.open().empty());
}

TEST_CASE("an announcement before the wait is not lost, and is heard once") {
  CommandGate gate;
  gate.announce();
  const auto started = std::chrono::steady_clock::now();
  CHECK(Wait(gate, for_ever).is_open);
  CHECK(std::chrono::steady_clock::now() - started < for_ever);
  CHECK(Wait(gate, 1ms).is_open);
}

TEST_CASE("an announcement wakes the waiter") {
  CommandGate gate;
  std::jthread other([&] { gate.announce(); });
  const auto started = std::chrono::steady_clock::now();
  CHECK(Wait(gate, for_ever).is_open);
  CHECK(std::chrono::steady_clock::now() - started < for_ever);
}

TEST_CASE("whoever listens is told what was decided, if that is all there is") {
  CommandGate gate;
  CHECK(gate.waiting() == 0);
  gate.listen();
  gate.announce(of("u1"), gate.waiting());
  CHECK(gate.waiting() == 0);
  CHECK(Wait(gate, for_ever).decided == of("u1"));
  CHECK(Wait(gate, 1ms).decided.empty());

  SUBCASE("not who is busy: meanwhile it may have been sent, or have ended") {
    gate.announce(of("u2"), gate.waiting());
    CHECK(Wait(gate, for_ever).decided.empty());
  }
  SUBCASE("not who looked between the commit and the announcement") {
    gate.listen();
    const auto before_commit = gate.waiting();
    CHECK(Wait(gate, 1ms).decided.empty());
    gate.listen();
    gate.announce(of("u2"), before_commit);
    CHECK(Wait(gate, for_ever).decided.empty());
  }
  SUBCASE("not the first alone, nor the second") {
    gate.listen();
    const auto waiting = gate.waiting();
    gate.announce(of("u2"), waiting);
    gate.announce(of("u3"), waiting);
    CHECK(Wait(gate, for_ever).decided.empty());
  }
  SUBCASE("not where something else has to be looked for") {
    gate.listen();
    const auto waiting = gate.waiting();
    gate.announce();
    gate.announce(of("u2"), waiting);
    CHECK(Wait(gate, for_ever).decided.empty());
  }
  SUBCASE("not where a partition opened, whose commands were held back") {
    gate.listen();
    gate.announce(of("u2"), gate.waiting());
    gate.set_open({Partition{0}});
    CHECK(Wait(gate, for_ever).decided.empty());
  }
}

TEST_CASE("opening wakes the waiter, opening the same again does not") {
  CommandGate gate;
  gate.set_open({Partition{0}});
  const auto started = std::chrono::steady_clock::now();
  CHECK(Wait(gate, for_ever).is_open);
  CHECK(std::chrono::steady_clock::now() - started < for_ever);
  gate.set_open({Partition{0}});
  const auto again = std::chrono::steady_clock::now();
  CHECK(Wait(gate, 20ms).is_open);
  CHECK(std::chrono::steady_clock::now() - again >= 20ms);
}

TEST_CASE("closing dismisses whoever waits or pauses, for good") {
  CommandGate gate;
  std::jthread other([&] { gate.close(); });
  const auto started = std::chrono::steady_clock::now();
  CHECK_FALSE(gate.pause(for_ever));
  CHECK_FALSE(Wait(gate, for_ever).is_open);
  CHECK_FALSE(Wait(gate, for_ever).is_open);
  CHECK(std::chrono::steady_clock::now() - started < for_ever);
}

TEST_CASE("a pause is not cut short by news") {
  CommandGate gate;
  gate.announce();
  const auto started = std::chrono::steady_clock::now();
  CHECK(gate.pause(20ms));
  CHECK(std::chrono::steady_clock::now() - started >= 20ms);
}

TEST_CASE("what is distrusted stays closed until the loop has heard of it") {
  CommandGate gate;
  gate.set_open({Partition{0}});
  CHECK_FALSE(gate.take_distrust());
  gate.distrust();
  CHECK(gate.open().empty());
  gate.set_open({Partition{0}});
  CHECK(gate.open().empty());
  CHECK(gate.take_distrust());
  CHECK_FALSE(gate.take_distrust());
  gate.set_open({Partition{0}});
  CHECK(gate.open() == Partitions{Partition{0}});
}

}  // namespace uniqd

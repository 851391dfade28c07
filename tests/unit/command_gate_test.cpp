#include "daemon/command_gate.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <thread>

namespace uniqd {

using namespace std::chrono_literals;

namespace {

using Partitions = std::vector<Partition>;

// Long enough never to be reached where the gate wakes its waiter.
constexpr auto for_ever = 60s;

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
  CHECK(gate.wait(for_ever));
  CHECK(std::chrono::steady_clock::now() - started < for_ever);
  CHECK(gate.wait(1ms));
}

TEST_CASE("an announcement wakes the waiter") {
  CommandGate gate;
  std::jthread other([&] { gate.announce(); });
  const auto started = std::chrono::steady_clock::now();
  CHECK(gate.wait(for_ever));
  CHECK(std::chrono::steady_clock::now() - started < for_ever);
}

TEST_CASE("opening wakes the waiter, opening the same again does not") {
  CommandGate gate;
  gate.set_open({Partition{0}});
  const auto started = std::chrono::steady_clock::now();
  CHECK(gate.wait(for_ever));
  CHECK(std::chrono::steady_clock::now() - started < for_ever);
  gate.set_open({Partition{0}});
  const auto again = std::chrono::steady_clock::now();
  CHECK(gate.wait(20ms));
  CHECK(std::chrono::steady_clock::now() - again >= 20ms);
}

TEST_CASE("closing dismisses whoever waits or pauses, for good") {
  CommandGate gate;
  std::jthread other([&] { gate.close(); });
  const auto started = std::chrono::steady_clock::now();
  CHECK_FALSE(gate.pause(for_ever));
  CHECK_FALSE(gate.wait(for_ever));
  CHECK_FALSE(gate.wait(for_ever));
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

#pragma once
// lives.hpp - a daemon under load that may die, be frozen or be cut off, and must get there.

#include <atomic>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/random_load.hpp"
#include "tests/support/test_bed.hpp"

namespace uniqd::test {

// A bed, its load, and a daemon that is started as often as one likes. Thread safety: none.
class Lives {
 public:
  explicit Lives(unsigned seed, int partitions = 1);

  TestBed& bed() { return bed_; }
  // Made with the bed's configuration when first asked for.
  UniqdProcess& daemon();
  // At random: 1 to `most`.
  int up_to(int most);

  // Every start has a group of its own: a killed member would hold up its group until its session
  // ends.
  void start(std::map<std::string, std::string> environment = {});
  // A few events at a time, until `is_over`.
  void feed_until(const std::function<bool()>& is_over);
  void feed_a_few();

  // What differs from the rules once the running daemon, or a new one where none runs, has settled;
  // then stops it. Empty when all is well.
  [[nodiscard]] std::vector<std::string> differences();

 private:
  TestBed bed_;
  std::mt19937 random_;
  RandomLoad load_;
  std::unique_ptr<UniqdProcess> daemon_;
  int starts_ = 0;
};

// Feeds on a thread of its own, also while the broker is away. Nobody else may use the lives' load,
// or produce, meanwhile.
class Feeder {
 public:
  explicit Feeder(Lives& lives);
  ~Feeder();
  Feeder(const Feeder&) = delete;
  Feeder& operator=(const Feeder&) = delete;

  // Waits for the last records to be acknowledged; throws what went wrong.
  void stop();

 private:
  std::atomic<bool> is_over_{false};
  std::exception_ptr failure_;
  std::thread thread_;
};

// Trials that share nothing, a few at a time; what a trial throws is its finding. Checks, in the
// running doctest case, that nothing was found.
struct Trial {
  std::string name;
  std::function<std::vector<std::string>()> run;
};
void run_side_by_side(const std::vector<Trial>& trials);

}  // namespace uniqd::test

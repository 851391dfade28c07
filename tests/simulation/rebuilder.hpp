#pragma once
// rebuilder.hpp - a person who has the read model rebuilt: the real rebuild on fakes.

#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "daemon/rebuild.hpp"
#include "tests/simulation/fake_rebuild_store.hpp"
#include "tests/simulation/world.hpp"

namespace uniqd::simulation {

class Rebuilder {
 public:
  explicit Rebuilder(World& world) : world_(world) {}

  // One round; or the beginning; or the end by force.
  void step();
  [[nodiscard]] bool is_at_work() const { return rebuild_ != nullptr; }
  void drop_connections();

 private:
  void begin();
  void go_on();
  void kill();
  void try_another() const;
  void examine_end() const;
  void end();
  [[nodiscard]] std::vector<Position> beginnings() const;
  [[nodiscard]] bool is_memory_full();
  void on_swap(const DatabaseState& before, const DatabaseState& after);

  World& world_;
  RebuildOptions options_;
  std::map<Partition, Offset> ends_;  // as they were at its beginning
  bool fills_memory_ = false;
  bool is_full_ = false;
  bool has_swapped_ = false;
  std::unique_ptr<FakeRebuildStore> store_;
  std::unique_ptr<Rebuild> rebuild_;
};

}  // namespace uniqd::simulation

#pragma once
// key_filter.hpp - which keys are surely not stored: a blocked Bloom filter that grows.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace uniqd {

// Answers "surely not" or "perhaps" about 64-bit hashes; never "surely not" for one that was added.
// About 1.5 bytes a key; perhaps one in a hundred answers is a needless "perhaps". Blocks of one
// cache line, so that a question costs one (Putze, Sanders, Singler 2007, "Cache-, Hash- and
// Space-Efficient Bloom Filters"). Thread safety: none.
class KeyFilter {
 public:
  void add(std::uint64_t hash);
  // Whether one more can be added without growing beyond so many bytes.
  [[nodiscard]] bool has_room_within(std::size_t bytes_max) const;
  [[nodiscard]] bool may_contain(std::uint64_t hash) const;
  // Have the CPU fetch from memory what may_contain() will ask for, and what add() will.
  void prefetch(std::uint64_t hash) const;
  void prefetch_to_add(std::uint64_t hash) const;
  [[nodiscard]] std::size_t bytes() const;

 private:
  struct alignas(64) Block {
    std::array<std::uint64_t, 8> words{};
  };
  // Each twice as large as the one before; only the last is added to.
  struct Layer {
    std::vector<Block> blocks;
    std::size_t room = 0;  // keys that may still be added

    void prefetch(std::uint64_t hash) const;
  };
  [[nodiscard]] std::size_t next_blocks() const;
  std::vector<Layer> layers_;
};

}  // namespace uniqd

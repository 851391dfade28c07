#include "readmodel/key_filter.hpp"

#include <algorithm>

namespace uniqd {
namespace {

constexpr std::size_t first_blocks = std::size_t{1} << 14;  // one mebibyte
constexpr std::size_t keys_a_block = 42;                    // 12 bits a key

// A hash's bits choose the block by their upper half and a bit in each word by the lower.
std::size_t block_of(std::uint64_t hash, std::size_t blocks) {
  return static_cast<std::size_t>((hash >> 32) * blocks >> 32);
}

std::uint64_t bit_of(std::uint64_t hash, unsigned word) {
  // Odd multipliers spread the lower half anew for each word.
  constexpr std::array<std::uint32_t, 8> multipliers{0x47b6137bU, 0x44974d91U, 0x8824ad5bU,
                                                     0xa2b7289dU, 0x705495c7U, 0x2df1424bU,
                                                     0x9efc4947U, 0x5c6bfb31U};
  const auto low = static_cast<std::uint32_t>(hash);
  return std::uint64_t{1} << (low * multipliers[word] >> 26);
}

}  // namespace

void KeyFilter::add(std::uint64_t hash) {
  if (layers_.empty() || layers_.back().room == 0) {
    const std::size_t blocks = next_blocks();
    layers_.push_back({std::vector<Block>(blocks), blocks * keys_a_block});
  }
  Layer& layer = layers_.back();
  --layer.room;
  Block& block = layer.blocks[block_of(hash, layer.blocks.size())];
  for (unsigned word = 0; word < block.words.size(); ++word) {
    block.words[word] |= bit_of(hash, word);
  }
}

std::size_t KeyFilter::next_blocks() const {
  return layers_.empty() ? first_blocks : 2 * layers_.back().blocks.size();
}

bool KeyFilter::has_room_within(std::size_t bytes_max) const {
  if (!layers_.empty() && layers_.back().room > 0) return true;
  return bytes() + next_blocks() * sizeof(Block) <= bytes_max;
}

bool KeyFilter::may_contain(std::uint64_t hash) const {
  return std::ranges::any_of(layers_, [hash](const Layer& layer) {
    const Block& block = layer.blocks[block_of(hash, layer.blocks.size())];
    for (unsigned word = 0; word < block.words.size(); ++word) {
      if ((block.words[word] & bit_of(hash, word)) == 0) return false;
    }
    return true;
  });
}

void KeyFilter::Layer::prefetch(std::uint64_t hash) const {
  __builtin_prefetch(&blocks[block_of(hash, blocks.size())]);
}

void KeyFilter::prefetch(std::uint64_t hash) const {
  for (const Layer& layer : layers_) layer.prefetch(hash);
}

void KeyFilter::prefetch_to_add(std::uint64_t hash) const {
  if (!layers_.empty()) layers_.back().prefetch(hash);
}

std::size_t KeyFilter::bytes() const {
  std::size_t bytes = 0;
  for (const Layer& layer : layers_) bytes += layer.blocks.size() * sizeof(Block);
  return bytes;
}

}  // namespace uniqd

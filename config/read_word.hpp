#pragma once

#include "config/words.hpp"
#include "config/yaml_reader.hpp"

namespace uniqd::settings {

// Reads a word of a closed set into `out`, which holds the default; answers whether it did.
template <typename E>
bool read_word(MapReader& map, std::string_view name, E& out) {
  constexpr auto all = words(E{});
  std::vector<std::string> texts;
  texts.reserve(all.size());
  for (const auto& word : all) texts.emplace_back(word.text);
  const auto index = read_choice(map, name, texts, to_word(out));
  if (index) out = all[*index].value;
  return index.has_value();
}

}  // namespace uniqd::settings

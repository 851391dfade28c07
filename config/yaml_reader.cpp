#include "config/yaml_reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "config/interpolate.hpp"

namespace uniqd::settings {
namespace {

std::string kind_of(const YAML::Node& node) {
  switch (node.Type()) {
    case YAML::NodeType::Scalar:
      return "is a single value";
    case YAML::NodeType::Sequence:
      return "is a list";
    case YAML::NodeType::Map:
      return "is a map";
    case YAML::NodeType::Null:
    case YAML::NodeType::Undefined:
      break;
  }
  return "has no value";
}

Complaint wrong_kind(const YAML::Node& node, std::string_view wanted, std::string remedy) {
  return {fmt::format("{}, {} is needed", kind_of(node), wanted), "", std::move(remedy)};
}

Place inner_place(const Place& outer, std::string_view name, int line) {
  std::string key = outer.key.empty() ? std::string{name} : fmt::format("{}.{}", outer.key, name);
  return {std::move(key), std::string{name}, line};
}

// "inf" and "nan" are in no range.
template <typename Number>
std::optional<Number> number_in(const std::string& text, Number low, Number high) {
  Number number{};
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  const bool fine = error == std::errc{} && stop == end && number >= low && number <= high;
  return fine ? std::optional{number} : std::nullopt;
}

template <typename Number>
void read_any_number(MapReader& map, std::string_view name, Number& out, Number low, Number high,
                     std::string_view kind) {
  const std::optional<Text> text = map.text(name);
  if (!text) return;
  if (const auto number = number_in(text->value, low, high)) {
    out = *number;
    return;
  }
  map.reading().fail(
      *text, {fmt::format("is not a {} in the allowed range", kind),
              fmt::format("{} to {}", low, high), fmt::format("write e.g. {}: {}", name, out)});
}

}  // namespace

Reading::Reading(std::string file_name, const Surroundings& surroundings)
    : file_name_{std::move(file_name)}, surroundings_{surroundings} {}

void Reading::fail(const Place& place, const Complaint& complaint) {
  errors_.push_back({file_name_, place.line, place.key, std::nullopt, complaint.problem,
                     complaint.allowed, complaint.remedy});
}

void Reading::fail(const Text& text, const Complaint& complaint) {
  fail(text.place, complaint);
  errors_.back().value = text.value;
}

std::vector<SettingsError> Reading::errors_by_line() && {
  std::stable_sort(errors_.begin(), errors_.end(),
                   [](const auto& a, const auto& b) { return a.line < b.line; });
  return std::move(errors_);
}

MapReader::MapReader(Reading& reading, Place place)
    : reading_{&reading}, place_{std::move(place)} {}

MapReader::MapReader(Reading& reading, const YAML::Node& node, Place place)
    : MapReader{reading, std::move(place)} {
  if (!node.IsMap()) {
    sound_ = false;
    reading.fail(place_, wrong_kind(node, "a map", "write one `name: value` to a line"));
    return;
  }
  for (const auto& pair : node) add_entry(pair.first, pair.second);
}

void MapReader::add_entry(const YAML::Node& key, const YAML::Node& value) {
  const int line = key.Mark().line + 1;
  if (!key.IsScalar()) {
    reading_->fail(Place{place_.key, place_.name, line},
                   {"holds a key that is not a text", "", "write `name: value`"});
    return;
  }
  const std::string& name = key.Scalar();
  const auto first = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const Entry& entry) { return entry.name == name; });
  if (first == entries_.end()) {
    entries_.push_back({name, line, value});
    return;
  }
  reading_->fail(
      inner_place(place_, name, line),
      {fmt::format("is given twice, first on line {}", first->line), "", "keep one of the two"});
}

const MapReader::Entry* MapReader::find(std::string_view name) {
  known_.emplace(name);
  for (const Entry& entry : entries_) {
    if (entry.name == name) return &entry;
  }
  return nullptr;
}

bool MapReader::has(std::string_view name) { return find(name) != nullptr; }

bool MapReader::is_map(std::string_view name) {
  const Entry* entry = find(name);
  return entry != nullptr && entry->node.IsMap();
}

Place MapReader::place_of(std::string_view name) const {
  for (const Entry& entry : entries_) {
    if (entry.name == name) return inner_place(place_, name, entry.line);
  }
  return inner_place(place_, name, place_.line);
}

std::optional<Text> MapReader::scalar(const YAML::Node& node, Place place) {
  if (!node.IsScalar()) {
    reading_->fail(place, wrong_kind(node, "a single value", "write one value, or remove it"));
    return std::nullopt;
  }
  if (node.Scalar().find('\0') != std::string::npos) {
    reading_->fail(place, {"holds a NUL", "", "remove the \\0 from it"});
    return std::nullopt;
  }
  auto value = interpolate(node.Scalar(), reading_->surroundings());
  if (const auto* complaint = std::get_if<Complaint>(&value)) {
    reading_->fail(place, *complaint);
    return std::nullopt;
  }
  return Text{std::move(place), std::get<std::string>(std::move(value))};
}

std::optional<Text> MapReader::text(std::string_view name) {
  const Entry* entry = find(name);
  if (entry == nullptr) return std::nullopt;
  return scalar(entry->node, place_of(name));
}

std::optional<Choice> MapReader::choice(const YAML::Node& node, Place place) {
  if (!node.IsMap()) {
    auto word = scalar(node, place);
    if (!word) return std::nullopt;
    return Choice{*std::move(word), MapReader{*reading_, std::move(place)}};
  }
  MapReader map{*reading_, node, place};
  const std::vector<std::string> names = map.names();
  if (names.size() != 1) {
    reading_->fail(place, {"holds several words in one item of the list", "",
                           "begin each with a '-', or write [one, { two: { option: value } }]"});
    return std::nullopt;
  }
  return Choice{Text{std::move(place), names.front()}, map.map(names.front())};
}

template <class Item, class Read>
std::optional<std::vector<Item>> MapReader::items(std::string_view name, Read read) {
  const Entry* entry = find(name);
  if (entry == nullptr) return std::nullopt;
  const Place place = place_of(name);
  if (!entry->node.IsSequence()) {
    reading_->fail(
        place, wrong_kind(entry->node, "a list", fmt::format("write e.g. {}: [one, two]", name)));
    return std::nullopt;
  }
  std::vector<Item> result;
  const std::size_t errors_before = reading_->error_count();
  for (std::size_t i = 0; i < entry->node.size(); ++i) {
    const YAML::Node item = entry->node[i];
    const std::string index = fmt::format("[{}]", i);
    // The mark of an empty item is that of what follows.
    const int line = item.IsNull() ? place.line : item.Mark().line + 1;
    auto read_item = read(item, Place{place.key + index, place.name + index, line});
    if (read_item) result.push_back(*std::move(read_item));
  }
  if (reading_->error_count() != errors_before) return std::nullopt;
  return result;
}

std::optional<std::vector<Text>> MapReader::texts(std::string_view name) {
  return items<Text>(
      name, [this](const YAML::Node& item, Place place) { return scalar(item, std::move(place)); });
}

std::optional<std::vector<Choice>> MapReader::choices(std::string_view name) {
  return items<Choice>(
      name, [this](const YAML::Node& item, Place place) { return choice(item, std::move(place)); });
}

MapReader MapReader::map(std::string_view name) {
  const Entry* entry = find(name);
  const Place place = place_of(name);
  return entry == nullptr ? MapReader{*reading_, place} : MapReader{*reading_, entry->node, place};
}

std::vector<std::string> MapReader::names() const {
  std::vector<std::string> result;
  for (const Entry& entry : entries_) result.push_back(entry.name);
  return result;
}

void MapReader::finish() {
  const std::vector<std::string> known{known_.begin(), known_.end()};
  for (const Entry& entry : entries_) {
    if (known_.contains(entry.name)) continue;
    const std::string near = nearest_name(entry.name, known);
    reading_->fail(inner_place(place_, entry.name, entry.line),
                   {"is not a known key", joined(known),
                    near.empty() ? "remove it" : fmt::format("did you mean {}?", near)});
  }
}

std::string joined(const std::vector<std::string>& names) {
  return fmt::format("{}", fmt::join(names, " | "));
}

bool read_text(MapReader& map, std::string_view name, std::string& out, Check check) {
  std::optional<Text> text = map.text(name);
  if (!text) return false;
  if (const auto complaint = check(name, text->value)) {
    map.reading().fail(*text, *complaint);
    return false;
  }
  out = std::move(text->value);
  return true;
}

std::optional<std::size_t> read_choice(MapReader& map, std::string_view name,
                                       const std::vector<std::string>& allowed,
                                       std::string_view usual) {
  const std::optional<Text> text = map.text(name);
  if (!text) return std::nullopt;
  const auto found = std::find(allowed.begin(), allowed.end(), text->value);
  if (found != allowed.end()) return static_cast<std::size_t>(found - allowed.begin());

  const std::string near = nearest_name(text->value, allowed);
  map.reading().fail(*text, {"is not one of the allowed values", joined(allowed),
                             fmt::format("write e.g. {}: {}", name, near.empty() ? usual : near)});
  return std::nullopt;
}

void read_number(MapReader& map, std::string_view name, int& out, int low, int high) {
  read_any_number(map, name, out, low, high, "whole number");
}

void read_number(MapReader& map, std::string_view name, double& out, double low, double high) {
  read_any_number(map, name, out, low, high, "number");
}

}  // namespace uniqd::settings

#pragma once

#include <yaml-cpp/yaml.h>

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/checks.hpp"
#include "config/settings_error.hpp"
#include "config/surroundings.hpp"

// Strict reading of a YAML tree: every error is noted with its place, and reading goes on.
namespace uniqd::settings {

// Where a value stands.
struct Place {
  std::string key;   // dotted path from the root
  std::string name;  // its last part
  int line = 0;      // from 1
};

// A scalar with its environment variables put in.
struct Text {
  Place place;
  std::string value;
};

// One loading: what it takes from outside, and the errors so far. Not thread-safe.
class Reading {
 public:
  // `surroundings` must outlive the reading.
  Reading(std::string file_name, const Surroundings& surroundings);

  void fail(const Place& place, const Complaint& complaint);
  void fail(const Text& text, const Complaint& complaint);  // also shows the value

  const Surroundings& surroundings() const { return surroundings_; }
  std::size_t error_count() const { return errors_.size(); }
  std::vector<SettingsError> errors_by_line() &&;

 private:
  std::string file_name_;
  const Surroundings& surroundings_;
  std::vector<SettingsError> errors_;
};

struct Choice;

// One YAML map. A key counts as known once it was asked for; finish() reports the others. A getter
// answers nothing both for a key that is absent and for one that it reported: has() tells them
// apart. Keys given twice are reported at once, and the first one is read.
class MapReader {
 public:
  // `place.line` is used for what is missing. A node that is not a map is reported; the reader is
  // then empty.
  MapReader(Reading& reading, const YAML::Node& node, Place place);
  // An empty one.
  MapReader(Reading& reading, Place place);

  // Whether what stands there was a map, or nothing does. Of a reader that is not sound nothing
  // more should be said.
  bool is_sound() const { return sound_; }

  bool has(std::string_view name);
  bool is_map(std::string_view name);

  // A scalar that the daemon supports.
  std::optional<Text> text(std::string_view name);

  // A list of scalars.
  std::optional<std::vector<Text>> texts(std::string_view name);

  // A list whose items are a word, or a word with options: [trim, e164: { on_invalid: reject }].
  std::optional<std::vector<Choice>> choices(std::string_view name);

  // An empty reader where the key is absent or was reported.
  MapReader map(std::string_view name);

  // In the order of the file. For maps whose keys are the operator's own.
  std::vector<std::string> names() const;

  void finish();

  Reading& reading() const { return *reading_; }
  const Place& place() const { return place_; }
  // The place of a key; of the map itself where the key is absent.
  Place place_of(std::string_view name) const;

 private:
  struct Entry {
    std::string name;
    int line;
    YAML::Node node;
  };

  const Entry* find(std::string_view name);
  void add_entry(const YAML::Node& key, const YAML::Node& value);
  std::optional<Text> scalar(const YAML::Node& node, Place place);
  std::optional<Choice> choice(const YAML::Node& node, Place place);
  // The items of a list, each through `read`; nothing where one was reported.
  template <class Item, class Read>
  std::optional<std::vector<Item>> items(std::string_view name, Read read);

  Reading* reading_;
  Place place_;
  bool sound_ = true;
  std::vector<Entry> entries_;
  std::set<std::string, std::less<>> known_;
};

// A word of a list, and its options; an empty reader where it has none.
struct Choice {
  Text word;
  MapReader options;
};

// "a | b | c"
std::string joined(const std::vector<std::string>& names);

// Puts a key's text into `out` if it is there and `check` has nothing against it. Answers whether
// it did.
bool read_text(MapReader& map, std::string_view name, std::string& out, Check check = check_any);

// Reads one of `allowed`, of which `usual` is the one to propose; answers its index.
std::optional<std::size_t> read_choice(MapReader& map, std::string_view name,
                                       const std::vector<std::string>& allowed,
                                       std::string_view usual);

// A number from `low` to `high`, both inclusive.
void read_number(MapReader& map, std::string_view name, int& out, int low, int high);
void read_number(MapReader& map, std::string_view name, double& out, double low, double high);

}  // namespace uniqd::settings

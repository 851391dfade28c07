#pragma once
// report.hpp - figures: medians, spreads, targets; as a table and as JSON.

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace uniqd::bench {

[[nodiscard]] double median(std::vector<double> values);
// The value below which `share` (0 to 1) of the values are; nearest rank.
[[nodiscard]] double percentile(std::vector<double> values, double share);

struct Target {
  enum class Side { at_least, at_most };
  Side side = Side::at_least;
  double value = 0;
  [[nodiscard]] bool is_reached(double figure) const {
    return side == Side::at_least ? figure >= value : figure <= value;
  }
};

// Collects the figures as they are made. Thread safety: none.
class Report {
 public:
  // One figure of several runs.
  void add(const std::string& name, const std::vector<double>& runs,
           std::optional<Target> target = {});
  // The ratio of the medians of two series; its spread is that of the runs' ratios, pair by pair.
  void add_ratio(const std::string& name, const std::vector<double>& runs,
                 const std::vector<double>& of, std::optional<Target> target = {});
  // Anything else that belongs beside the figures.
  void note(const std::string& name, nlohmann::ordered_json value);
  // A line of free text below the table.
  void say(std::string line);

  [[nodiscard]] double value(const std::string& name) const;
  void print() const;
  [[nodiscard]] nlohmann::ordered_json json() const;

 private:
  struct Figure {
    std::string name;
    double value = 0;
    double min = 0;
    double max = 0;
    std::size_t runs = 0;
    std::optional<Target> target{};
  };
  std::vector<Figure> figures_;
  std::vector<std::string> lines_;
  nlohmann::ordered_json notes_ = nlohmann::ordered_json::object();
};

}  // namespace uniqd::bench

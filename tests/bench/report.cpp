#include "tests/bench/report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>

namespace uniqd::bench {
namespace {

std::string number(double value) {
  if (value >= 1000) return fmt::format("{:.0f}", value);
  return value >= 10 ? fmt::format("{:.1f}", value) : fmt::format("{:.2f}", value);
}

}  // namespace

double median(std::vector<double> values) {
  if (values.empty()) throw std::logic_error("a median of nothing");
  std::ranges::sort(values);
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

double percentile(std::vector<double> values, double share) {
  if (values.empty()) throw std::logic_error("a percentile of nothing");
  std::ranges::sort(values);
  const auto rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(values.size())));
  return values[std::clamp<std::size_t>(rank, 1, values.size()) - 1];
}

void Report::add(const std::string& name, const std::vector<double>& runs,
                 std::optional<Target> target) {
  const auto [min, max] = std::ranges::minmax(runs);
  figures_.push_back({name, median(runs), min, max, runs.size(), target});
}

void Report::add_ratio(const std::string& name, const std::vector<double>& runs,
                       const std::vector<double>& of, std::optional<Target> target) {
  std::vector<double> ratios;
  for (std::size_t i = 0; i < std::min(runs.size(), of.size()); ++i) {
    ratios.push_back(runs[i] / of[i]);
  }
  add(name, ratios, target);
  figures_.back().value = median(runs) / median(of);
}

void Report::note(const std::string& name, nlohmann::ordered_json value) {
  notes_[name] = std::move(value);
}

void Report::say(std::string line) { lines_.push_back(std::move(line)); }

double Report::value(const std::string& name) const {
  const auto found = std::ranges::find(figures_, name, &Figure::name);
  if (found == figures_.end()) throw std::logic_error("no figure " + name);
  return found->value;
}

void Report::print() const {
  fmt::print("\n{:<34} {:>12} {:>12} {:>8}   {}\n", "figure", "value", "target", "reached",
             "spread (runs)");
  for (const Figure& figure : figures_) {
    std::string target;
    if (figure.target) {
      const bool is_least = figure.target->side == Target::Side::at_least;
      target = fmt::format("{} {}", is_least ? ">=" : "<=", number(figure.target->value));
    }
    fmt::print("{:<34} {:>12} {:>12} {:>8}   {} .. {} ({})\n", figure.name, number(figure.value),
               target,
               figure.target ? (figure.target->is_reached(figure.value) ? "yes" : "NO") : "",
               number(figure.min), number(figure.max), figure.runs);
  }
  fmt::print("\n");
  for (const std::string& line : lines_) fmt::print("{}\n", line);
}

nlohmann::ordered_json Report::json() const {
  auto json = nlohmann::ordered_json::object();
  for (const Figure& figure : figures_) json[figure.name] = figure.value;
  for (const auto& [name, value] : notes_.items()) json[name] = value;
  for (const Figure& figure : figures_) {
    json["spreads"][figure.name] = {
        {"min", figure.min}, {"max", figure.max}, {"runs", figure.runs}};
    if (figure.target) {
      json["targets"][figure.name] = {
          {"at", figure.target->side == Target::Side::at_least ? "least" : "most"},
          {"value", figure.target->value},
          {"reached", figure.target->is_reached(figure.value)}};
    }
  }
  return json;
}

}  // namespace uniqd::bench

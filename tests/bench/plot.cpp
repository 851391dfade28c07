#include "tests/bench/plot.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace uniqd::bench {
namespace {

constexpr double panel_width = 420;
constexpr double panel_height = 260;
constexpr double margin = 60;

struct Line {
  const char* name;
  const char* colour;
  std::vector<double> values;
};

std::string short_number(double value) {
  if (value >= 1e6) return fmt::format("{:g} M", value / 1e6);
  if (value >= 1e3) return fmt::format("{:g} k", value / 1e3);
  return fmt::format("{:g}", value);
}

// The next of 1, 2, 5, 10, 20, ... that is not smaller.
double round_up(double value) {
  const double power = std::pow(10, std::floor(std::log10(std::max(value, 1e-9))));
  for (const double step : {1.0, 2.0, 5.0}) {
    if (value <= step * power) return step * power;
  }
  return 10 * power;
}

// The sizes at equal distances, the values from 0 up.
std::string panel(double left, const char* title, const std::vector<GrowthPoint>& points,
                  const std::vector<Line>& lines) {
  double greatest = 0;
  for (const Line& line : lines) {
    greatest = std::max(greatest, *std::ranges::max_element(line.values));
  }
  const double top = round_up(greatest);
  const auto x = [&](std::size_t i) {
    return left + (static_cast<double>(i) + 0.5) * panel_width / static_cast<double>(points.size());
  };
  const auto y = [&](double value) { return margin + panel_height * (1 - value / top); };
  std::string svg =
      fmt::format("<text x=\"{}\" y=\"{}\" font-size=\"14\">{}</text>\n", left, margin - 20, title);
  for (int tick = 0; tick <= 4; ++tick) {
    const double value = top * tick / 4;
    svg += fmt::format(
        "<line x1=\"{0}\" x2=\"{1}\" y1=\"{2}\" y2=\"{2}\" stroke=\"#ddd\"/>"
        "<text x=\"{3}\" y=\"{4}\" text-anchor=\"end\">{5}</text>\n",
        left, left + panel_width, y(value), left - 6, y(value) + 4, short_number(value));
  }
  for (std::size_t i = 0; i < points.size(); ++i) {
    svg += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n", x(i),
                       margin + panel_height + 18,
                       short_number(static_cast<double>(points[i].claims)));
  }
  double legend = left;
  for (const Line& line : lines) {
    std::string path;
    for (std::size_t i = 0; i < line.values.size(); ++i) {
      path += fmt::format("{},{} ", x(i), y(line.values[i]));
      svg += fmt::format("<circle cx=\"{}\" cy=\"{}\" r=\"3\" fill=\"{}\"/>\n", x(i),
                         y(line.values[i]), line.colour);
    }
    svg += fmt::format(
        "<polyline points=\"{0}\" fill=\"none\" stroke=\"{1}\" stroke-width=\"2\"/>"
        "<text x=\"{2}\" y=\"{3}\" fill=\"{1}\">{4}</text>\n",
        path, line.colour, legend, margin + panel_height + 44, line.name);
    legend += 90;
  }
  return svg;
}

std::vector<double> values(const std::vector<GrowthPoint>& points, double GrowthPoint::*what) {
  std::vector<double> values;
  for (const GrowthPoint& point : points) values.push_back(point.*what);
  return values;
}

}  // namespace

std::string plot(const std::vector<GrowthPoint>& points) {
  const double right = 2 * margin + panel_width + margin / 2;
  return fmt::format(
             "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{}\" "
             "font-family=\"sans-serif\" font-size=\"12\">\n"
             "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
             right + panel_width + margin / 2, panel_height + 2 * margin) +
         panel(margin, "uniqd: events/s over claims in the read model", points,
               {{"events/s", "#1f5fa8", values(points, &GrowthPoint::events_per_s)}}) +
         panel(right, "duplicate to command, ms, over claims in the read model", points,
               {{"p50", "#1f5fa8", values(points, &GrowthPoint::p50_ms)},
                {"p99", "#b5502a", values(points, &GrowthPoint::p99_ms)}}) +
         "</svg>\n";
}

}  // namespace uniqd::bench

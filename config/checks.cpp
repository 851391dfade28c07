#include "config/checks.hpp"

#include <fmt/format.h>
#include <phonenumbers/phonenumberutil.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <set>
#include <string>
#include <vector>

namespace uniqd::settings {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_letter(char c) { return is_lower(c) || (c >= 'A' && c <= 'Z'); }
bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }
bool is_topic_character(char c) {
  return is_letter(c) || is_digit(c) || c == '.' || c == '_' || c == '-';
}

template <typename Predicate>
bool all(std::string_view text, Predicate predicate) {
  return std::all_of(text.begin(), text.end(), predicate);
}

template <typename Predicate>
bool any(std::string_view text, Predicate predicate) {
  return std::any_of(text.begin(), text.end(), predicate);
}

template <typename Number>
std::optional<Number> whole_number(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::string for_example(std::string_view name, std::string_view value) {
  return fmt::format("write e.g. {}: {}", name, value);
}

bool is_broker(std::string_view broker) {
  if (broker.empty() || any(broker, [](char c) { return is_control(c) || c == ' '; })) return false;
  const std::size_t colon = broker.rfind(':');
  const std::size_t bracket = broker.rfind(']');
  const bool has_port =
      colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket);
  if (!has_port) return true;
  const auto port = whole_number<std::uint16_t>(broker.substr(colon + 1));
  return colon > 0 && port && *port > 0;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

// What was probably meant by a name, by a.b or by $.a.b; else an example.
std::string pointer_for(std::string_view name, std::string_view value) {
  const bool dotted = any(value, is_letter) && all(value, [](char c) {
                        return is_letter(c) || is_digit(c) || c == '_' || c == '.' || c == '$';
                      });
  if (!dotted) return name == "entity" ? "/userId" : fmt::format("/{}", name);
  std::string path{value};
  std::erase(path, '$');
  std::replace(path.begin(), path.end(), '.', '/');
  return path.starts_with('/') ? path : '/' + path;
}

struct Unit {
  std::string_view name;
  std::int64_t milliseconds;
};

constexpr std::array<Unit, 4> units{{{"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}, {"ms", 1}}};

}  // namespace

std::optional<Complaint> check_any(std::string_view, std::string_view) { return std::nullopt; }

std::optional<Complaint> check_not_empty(std::string_view name, std::string_view value) {
  if (!value.empty()) return std::nullopt;
  return Complaint{"is empty", "", fmt::format("give {} a value, or remove the key", name)};
}

std::optional<Complaint> check_brokers(std::string_view name, std::string_view value) {
  std::size_t start = 0;
  while (start <= value.size()) {
    const std::size_t comma = std::min(value.find(',', start), value.size());
    if (!is_broker(trimmed(value.substr(start, comma - start)))) {
      return Complaint{"is not a list of brokers", "host:port, several separated by ','",
                       for_example(name, "localhost:9092")};
    }
    start = comma + 1;
  }
  return std::nullopt;
}

std::optional<Complaint> check_topic(std::string_view name, std::string_view value) {
  constexpr std::string_view allowed = "letters, digits, '.', '_' and '-', 1 to 249 characters";
  if (value.find('$') != std::string_view::npos) {
    std::string without{value};
    std::erase(without, '$');
    std::string remedy = fmt::format("write {}: {}", name, without);
    if (name == "topic" && value.rfind('$') == 0) {
      remedy += fmt::format(", the topic that carries the category stream {}", value);
    }
    return Complaint{"holds a '$', which is not legal in a Kafka topic name", std::string{allowed},
                     remedy};
  }
  const bool legal = !value.empty() && value.size() <= 249 && value != "." && value != ".." &&
                     all(value, is_topic_character);
  if (legal) return std::nullopt;
  return Complaint{"is not a Kafka topic name", std::string{allowed} + ", not '.' or '..'",
                   for_example(name, "ce-users")};
}

std::optional<Complaint> check_pointer(std::string_view name, std::string_view value) {
  bool legal = value.starts_with('/');
  for (std::size_t i = 0; i < value.size(); ++i) {
    if (value[i] != '~') continue;
    legal = legal && i + 1 < value.size() && (value[i + 1] == '0' || value[i + 1] == '1');
  }
  if (legal) return std::nullopt;
  return Complaint{"is not a JSON Pointer",
                   "/name or /name/inner (RFC 6901; ~0 for '~', ~1 for '/')",
                   for_example(name, pointer_for(name, value))};
}

std::optional<Complaint> check_entity(std::string_view name, std::string_view value) {
  if (value == "key" || value == "subject") return std::nullopt;
  if (auto complaint = check_pointer(name, value)) {
    complaint->problem = "is neither key nor subject nor a JSON Pointer";
    complaint->allowed = "key | subject | " + complaint->allowed;
    return complaint;
  }
  const std::string_view last = value.substr(value.rfind('/') + 1);
  if (last.empty()) {
    return Complaint{"ends without a name, and the name is used in commands", "",
                     for_example(name, "/userId")};
  }
  if (last == "reason" || last == "violations" || last == "decidedAt") {
    return Complaint{fmt::format("ends in {}, which a command uses for itself", last), "",
                     "have the entity's id in a field with another name"};
  }
  return std::nullopt;
}

std::optional<Complaint> check_pointer_or_header(std::string_view name, std::string_view value) {
  if (value.starts_with('/')) return check_pointer(name, value);
  const bool header =
      !value.empty() && all(value, [](char c) { return !is_control(c) && c != ' '; });
  if (header) return std::nullopt;
  return Complaint{"is neither a header's name nor a JSON Pointer", "",
                   for_example(name, fmt::format("/{}", name))};
}

// PostgreSQL cuts names off after 63 bytes, and a rebuild has a schema of this name with "_next".
std::optional<Complaint> check_schema(std::string_view name, std::string_view value) {
  const bool legal = !value.empty() && value.size() <= 58 && !is_digit(value.front()) &&
                     all(value, [](char c) { return is_lower(c) || is_digit(c) || c == '_'; });
  if (legal) return std::nullopt;
  return Complaint{"is not a plain SQL name",
                   "a-z, 0-9 and '_', not a digit first, 1 to 58 characters",
                   for_example(name, "uniqd")};
}

std::optional<Complaint> check_identifier(std::string_view, std::string_view value) {
  const bool legal =
      !value.empty() && value.size() <= 63 && (is_letter(value.front()) || value.front() == '_') &&
      all(value, [](char c) { return is_letter(c) || is_digit(c) || c == '_' || c == '-'; });
  if (legal) return std::nullopt;
  return Complaint{"is not a name",
                   "letters, digits, '_' and '-', a letter or '_' first, 1 to 63 characters",
                   "name it e.g. email"};
}

std::optional<Complaint> check_region(std::string_view name, std::string_view value) {
  const auto known = [](const std::string& region) {
    std::set<std::string> regions;
    i18n::phonenumbers::PhoneNumberUtil::GetInstance()->GetSupportedRegions(&regions);
    return regions.contains(region);
  };
  if (known(std::string{value})) return std::nullopt;
  std::string region{value == "UK" || value == "uk" ? "GB" : value};
  for (char& c : region) {
    if (is_lower(c)) c = static_cast<char>(c - 'a' + 'A');
  }
  return Complaint{"is not a region whose phone numbers are known",
                   "ISO 3166-1 alpha-2 codes in upper case",
                   for_example(name, known(region) ? region : "DE")};
}

std::optional<Complaint> check_message_name(std::string_view name, std::string_view value) {
  if (auto complaint = check_not_empty(name, value)) return complaint;
  if (!any(value, is_control)) return std::nullopt;
  return Complaint{"holds a control character", "", "write the name without it"};
}

std::optional<Complaint> check_postgres(std::string_view name, std::string_view value) {
  const bool legal = value.empty() || value.starts_with("postgresql://") ||
                     value.starts_with("postgres://") || value.find('=') != std::string_view::npos;
  if (legal) return std::nullopt;
  return Complaint{"is not a PostgreSQL connection string",
                   "postgresql://user@host:5432/database | host=... dbname=...",
                   for_example(name, "postgresql:///uniqd")};
}

std::optional<std::chrono::milliseconds> parse_duration(std::string_view value) {
  const std::size_t digits = std::min(value.find_first_not_of("0123456789"), value.size());
  const auto number = whole_number<std::int64_t>(value.substr(0, digits));
  if (!number) return std::nullopt;
  for (const Unit& unit : units) {
    if (unit.name != value.substr(digits)) continue;
    if (*number > INT64_MAX / unit.milliseconds) return std::nullopt;
    return std::chrono::milliseconds{*number * unit.milliseconds};
  }
  return std::nullopt;
}

std::string duration_text(std::chrono::milliseconds duration) {
  const std::int64_t count = duration.count();
  for (const Unit& unit : units) {
    if (count != 0 && count % unit.milliseconds == 0) {
      return fmt::format("{}{}", count / unit.milliseconds, unit.name);
    }
  }
  return "0s";
}

std::optional<HostPort> parse_host_port(std::string_view value) {
  const std::size_t colon = value.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto port = whole_number<std::uint16_t>(value.substr(colon + 1));
  std::string_view host = value.substr(0, colon);
  if (!port || host.empty()) return std::nullopt;
  if (host.front() == '[') {
    if (host.size() < 3 || host.back() != ']') return std::nullopt;
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return std::nullopt;
  }
  if (any(host,
          [](char c) { return is_control(c) || c == ' ' || c == '[' || c == ']' || c == '/'; }))
    return std::nullopt;
  return HostPort{std::string{host}, *port};
}

bool is_loopback(std::string_view host) {
  if (host == "localhost" || host == "::1") return true;
  const bool dotted = all(host, [](char c) { return is_digit(c) || c == '.'; });
  return dotted && host.starts_with("127.") && std::count(host.begin(), host.end(), '.') == 3;
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  // Names of the configuration are short; anything longer is not near one of them.
  constexpr std::size_t longest = 64;
  if (a.size() > longest || b.size() > longest) return longest;
  std::vector<std::vector<std::size_t>> cost(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) {
    for (std::size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        cost[i][j] = i + j;
        continue;
      }
      const std::size_t replaced = cost[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      cost[i][j] = std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1, replaced});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
    }
  }
  return cost[a.size()][b.size()];
}

}  // namespace uniqd::settings

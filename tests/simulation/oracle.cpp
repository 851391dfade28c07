#include "tests/simulation/oracle.hpp"

#include <algorithm>

namespace uniqd::simulation {

std::optional<std::string> Oracle::wanted(std::size_t rule, const User& user) const {
  std::string all;
  for (const std::string& field : rules[rule].fields) {
    const auto found = user.fields.find(field);
    if (found == user.fields.end() || found->second.empty()) return std::nullopt;
    all += found->second + "|";
  }
  return all;
}

std::optional<std::string> Oracle::owner(std::size_t rule, const std::string& value) const {
  const auto found = owners_.find({rule, value});
  return found == owners_.end() ? std::nullopt : std::optional(found->second);
}

bool Oracle::is_contested(const std::string& name, const User& user) const {
  for (std::size_t rule = 0; rule < rules.size(); ++rule) {
    const auto value = wanted(rule, user);
    if (value && owner(rule, *value).value_or(name) != name) return true;
  }
  return false;
}

void Oracle::leave(const std::string& name, const Value& value) {
  const auto found = wanted_by_.find(value);
  found->second.erase(name);
  if (found->second.empty()) wanted_by_.erase(found);
}

void Oracle::end(User& user, const char* state, const Told& told) {
  Compensation& compensation = compensations.at(*user.open);
  compensation.state = state;
  compensation.ended_by = told.event_id;
  user.open.reset();
}

void Oracle::fold(const Told& told) {
  if (told.kind == Told::Kind::bad) dead_letters.emplace_back(told.partition, told.offset);
  if (told.kind == Told::Kind::claim || told.kind == Told::Kind::change) fold_values(told);
  const auto leaving = users.find(told.user);
  if (told.kind != Told::Kind::release || leaving == users.end()) return;
  if (leaving->second.open) end(leaving->second, "confirmed", told);
  const Values freed(leaving->second.owns.begin(), leaving->second.owns.end());
  for (const Value& value : freed) owners_.erase(value);
  for (std::size_t rule = 0; rule < rules.size(); ++rule) {
    if (const auto value = wanted(rule, leaving->second)) leave(told.user, {rule, *value});
  }
  users.erase(leaving);
  promote(freed, told);
}

void Oracle::dismiss(const std::string& identity) {
  compensations.at(identity).state = "dismissed";
}

void Oracle::retry(const std::string& identity) {
  compensations.at(identity).state = "open";
  ++compensations.at(identity).begun;
}

void Oracle::resume() {
  claiming.clear();
  is_paused = false;
}

void Oracle::claim(bool violates) {
  if (is_paused || max_violation_share >= 1) return;
  claiming.push_back(violates);
  const std::size_t last = std::min<std::size_t>(claiming.size(), 1000);
  const auto violations =
      std::count(claiming.end() - static_cast<std::ptrdiff_t>(last), claiming.end(), true);
  const auto judged = static_cast<double>(std::max<std::size_t>(last, 100));
  is_paused = static_cast<double>(violations) > max_violation_share * judged;
}

void Oracle::fold_values(const Told& told) {
  if (found_violating_.contains(told.user + "/" + told.event_id)) return;
  const bool is_present = users.contains(told.user);
  if (!is_present && told.kind == Told::Kind::change) return;
  const User before = is_present ? users.at(told.user) : User{};
  User& user = users[told.user];
  for (const auto& [field, value] : told.fields) user.fields[field] = value;

  bool is_other = false;
  std::vector<Violation> violations;
  for (std::size_t rule = 0; rule < rules.size(); ++rule) {
    const auto value = wanted(rule, user);
    const auto value_before = wanted(rule, before);
    if (value == value_before) continue;
    if (value_before) leave(told.user, {rule, *value_before});
    if (value) wanted_by_[{rule, *value}].insert(told.user);
    user.since[rule] = ++time_;
    is_other = true;
    const auto other = value ? owner(rule, *value) : std::nullopt;
    if (other && *other != told.user) violations.push_back({rule, *value, *other, told.event_id});
  }
  if (is_other) claim(is_somebody_told(told, violations));
  if (!violations.empty()) return violate(told, user, violations);

  const bool takes_all = user.open && !is_contested(told.user, user);
  Values freed;
  for (std::size_t rule = 0; rule < rules.size(); ++rule) {
    if (takes_all || wanted(rule, user) != wanted(rule, before)) take(told.user, user, rule, freed);
  }
  if (takes_all) end(user, "resolved", told);
  promote(freed, told);
}

bool Oracle::is_somebody_told(const Told& told, const std::vector<Violation>& violations) const {
  return std::ranges::any_of(violations, [&](const Violation& violation) {
    const Rule& rule = rules[violation.rule];
    return (told.kind == Told::Kind::claim ? rule.on_claim : rule.on_change) >= Deed::alert;
  });
}

void Oracle::violate(const Told& told, User& user, const std::vector<Violation>& violations) {
  const std::string identity = told.user + "/" + told.event_id;
  found_violating_.insert(identity);
  const bool is_new = !user.open;
  if (is_new) {
    user.open = identity;
    compensations[identity] = {told, Deed::detect, "open", "", {}, compensations.size(), 1, false};
  }
  Compensation& compensation = compensations.at(*user.open);
  const Deed before = compensation.deed;
  const auto limit = limits.find(identity);
  for (const Violation& violation : violations) {
    const Rule& rule = rules[violation.rule];
    Deed deed = told.kind == Told::Kind::claim ? rule.on_claim : rule.on_change;
    if (limit != limits.end() && limit->second < deed) {
      compensation.is_limited = true;
      deed = limit->second;
    }
    compensation.deed = std::max(compensation.deed, deed);
    compensation.violations.push_back(violation);
  }
  const bool begins_anew = compensation.state == "dismissed" || compensation.deed > before;
  if (!is_new && begins_anew) ++compensation.begun;
  compensation.state = "open";
}

// Whose correction is not under way, and who can have all it wants; of those the first to come.
std::optional<std::string> Oracle::first_waiting(std::size_t rule, const std::string& value) const {
  std::optional<std::string> first;
  const auto waiting = wanted_by_.find({rule, value});
  if (waiting == wanted_by_.end()) return first;
  for (const std::string& name : waiting->second) {
    const User& user = users.at(name);
    if (!user.open) continue;
    const Compensation& open = compensations.at(*user.open);
    if (open.deed == Deed::send && open.state != "dismissed") continue;
    if (is_contested(name, user)) continue;
    if (!first || user.since.at(rule) < users.at(*first).since.at(rule)) first = name;
  }
  return first;
}

void Oracle::take(const std::string& name, User& user, std::size_t rule, Values& freed) {
  const auto value = wanted(rule, user);
  const auto owned = user.owns.find(rule);
  if (owned != user.owns.end()) {
    owners_.erase(*owned);
    if (owned->second != value) freed.emplace_back(*owned);
    user.owns.erase(owned);
  }
  if (!value) return;
  user.owns[rule] = *value;
  owners_[{rule, *value}] = name;
}

void Oracle::take_all(const std::string& name, const Told& told, Values& freed) {
  User& user = users.at(name);
  for (std::size_t rule = 0; rule < rules.size(); ++rule) take(name, user, rule, freed);
  end(user, "resolved", told);
}

void Oracle::promote(Values freed, const Told& told) {
  for (std::size_t next = 0; next < freed.size(); ++next) {
    const auto [freed_rule, freed_value] = freed[next];
    if (owner(freed_rule, freed_value)) continue;
    const auto name = first_waiting(freed_rule, freed_value);
    if (!name) continue;
    take_all(*name, told, freed);
    ++promotions;
  }
  // Whose event it was may have what it lacked now, left by somebody promoted.
  const auto own = users.find(told.user);
  if (own == users.end() || !own->second.open || is_contested(told.user, own->second)) return;
  Values left;
  take_all(told.user, told, left);
  promote(left, told);
}

}  // namespace uniqd::simulation

#include "tests/simulation/oracle.hpp"

namespace uniqd::simulation {

std::optional<std::string> Oracle::wanted(std::size_t constraint, const User& user) const {
  std::string all;
  for (const std::string& field : constraints[constraint]) {
    const auto found = user.fields.find(field);
    if (found == user.fields.end() || found->second.empty()) return std::nullopt;
    all += found->second + "|";
  }
  return all;
}

// Who, other than `name`, owns what `user` wants.
std::optional<std::string> Oracle::other_owner(std::size_t constraint, const User& user,
                                               const std::string& name) const {
  const auto value = wanted(constraint, user);
  for (const auto& [other, known] : users) {
    const auto owned = known.owns.find(constraint);
    if (value && other != name && owned != known.owns.end() && owned->second == *value) {
      return other;
    }
  }
  return std::nullopt;
}

void Oracle::fold(const Told& told) {
  if (told.kind == Told::Kind::bad) dead_letters.emplace_back(told.partition, told.offset);
  if (told.kind == Told::Kind::claim || told.kind == Told::Kind::change) fold_values(told);
  const auto leaving = users.find(told.user);
  if (told.kind != Told::Kind::release || leaving == users.end()) return;
  if (leaving->second.open) compensations.at(*leaving->second.open).state = "confirmed";
  users.erase(leaving);
}

void Oracle::fold_values(const Told& told) {
  const std::string identity = told.user + "/" + told.event_id;
  if (found_violating_.contains(identity)) return;
  const bool is_present = users.contains(told.user);
  if (!is_present && told.kind == Told::Kind::change) return;
  const User before = is_present ? users.at(told.user) : User{};
  User after = before;
  for (const auto& [field, value] : told.fields) after.fields[field] = value;

  std::vector<Violation> violations;
  bool is_any_contested = false;
  for (std::size_t index = 0; index < constraints.size(); ++index) {
    const auto owner = other_owner(index, after, told.user);
    if (owner) is_any_contested = true;
    if (!owner || wanted(index, after) == wanted(index, before)) continue;
    violations.push_back({index, *wanted(index, after), *owner, told.event_id});
  }
  if (!violations.empty()) {
    found_violating_.insert(identity);
    if (!after.open) {
      after.open = identity;
      compensations[identity] = {told, "open", {}, compensations.size()};
    }
    auto& known = compensations.at(*after.open).violations;
    known.insert(known.end(), violations.begin(), violations.end());
  } else {
    const bool takes_all = !is_any_contested && after.open;
    for (std::size_t index = 0; index < constraints.size(); ++index) {
      const auto value = wanted(index, after);
      if (!takes_all && value == wanted(index, before)) continue;
      after.owns.erase(index);
      if (value) after.owns[index] = *value;
    }
    if (takes_all) {
      compensations.at(*after.open).state = "resolved";
      after.open.reset();
    }
  }
  users[told.user] = after;
}

}  // namespace uniqd::simulation

#include "tests/simulation/examiner.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tests/simulation/complaint.hpp"

namespace uniqd::simulation {
namespace {

using Json = nlohmann::ordered_json;

std::string joined(const Oracle::Fields& fields) {
  std::string name;
  for (const auto& field : fields) name += name.empty() ? field : "+" + field;
  return name;
}

// What the store calls a compensation that has not ended.
bool is_open_state(Deed deed, const Compensation& stored) {
  switch (deed) {
    case Deed::detect:
      return stored.state == CompensationState::detected;
    case Deed::review:
    case Deed::alert:
      return stored.state == CompensationState::open;
    case Deed::send:
      break;
  }
  return stored.state == CompensationState::pending || stored.state == CompensationState::sent ||
         (stored.state == CompensationState::overdue &&
          stored.attempts >= MemoryStore::attempts_max);
}

}  // namespace

std::string header(const Command& command, std::string_view name) {
  for (const auto& [known, value] : command.headers) {
    if (known == name) return value;
  }
  return "";
}

void Examiner::examine_state(const DatabaseState& state) {
  const MemoryStore& store = state.store;
  require(store.entities.size() == state.oracle.users.size(), "the same entities are present");
  for (const auto& [name, entity] : store.entities) examine_entity(state, name, entity);
  std::size_t owned = 0;
  for (const auto& [name, user] : state.oracle.users) owned += user.owns.size();
  require(store.claims.size() == owned, "there are as many claims as the oracle has");

  examine_contenders(state);
  require(store.decided.size() == state.oracle.compensations.size(),
          "there are as many compensations as the oracle has");
  for (std::size_t place = 0; place < store.decided.size(); ++place) {
    examine_compensation(state.oracle, store.compensations.at(store.decided[place]), place);
  }
  std::vector<std::pair<std::int32_t, std::int64_t>> dead_letters;
  for (const BadEvent& bad : store.dead_letters) {
    dead_letters.emplace_back(to_number(bad.partition), bad.offset.value);
  }
  std::ranges::sort(dead_letters);
  auto expected_letters = state.oracle.dead_letters;
  std::ranges::sort(expected_letters);
  require(store.safety.is_paused == state.oracle.is_paused,
          "sending is paused where too many violate, and only there");
  require(dead_letters == expected_letters, "exactly the bad records are dead letters");
}

void Examiner::examine_entity(const DatabaseState& state, const std::string& name,
                              const Entity& entity) {
  const auto found = state.oracle.users.find(name);
  require(found != state.oracle.users.end(), "an entity that is present is so for the oracle");
  const Oracle::User& user = found->second;
  require(entity.compensation.has_value() == user.open.has_value(),
          "an entity has an open compensation where the oracle has one");
  if (user.open) require(ids_.agree(*user.open, *entity.compensation), "one id a violating event");
  for (std::size_t index = 0; index < state.oracle.rules.size(); ++index) {
    const auto owned = user.owns.find(index);
    require(entity.owned[index].has_value() == (owned != user.owns.end()),
            "an entity owns a value where the oracle says so");
    if (owned == user.owns.end()) continue;
    const ClaimKey key = *entity.owned[index];
    require(values_.agree({index, owned->second}, key), "one key a value");
    const auto claim = state.store.claims.find(key);
    require(claim != state.store.claims.end() && claim->second.owner == name &&
                claim->second.constraint == index,
            "a claim has the owner that its entity says");
  }
}

const Oracle::Compensation& Examiner::judged(const Oracle& oracle, const std::string& user,
                                             const std::string& event_id, CompensationId id) {
  const std::string identity = user + "/" + event_id;
  const auto found = oracle.compensations.find(identity);
  require(found != oracle.compensations.end(), "a compensation is one of the oracle's");
  require(ids_.agree(identity, id), "one id a violating event");
  return found->second;
}

void Examiner::examine_compensation(const Oracle& oracle, const Compensation& stored,
                                    std::size_t place) {
  const Oracle::Compensation& expected = judged(oracle, stored.entity, stored.event_id, stored.id);
  require(expected.decided == place, "compensations are in the order of decision");
  require(to_number(stored.partition) == expected.cause.partition &&
              stored.offset.value == expected.cause.offset,
          "a compensation knows where it was decided");
  const bool is_same_state = expected.state == "open" ? is_open_state(expected.deed, stored)
                                                      : to_text(stored.state) == expected.state;
  require(is_same_state, "a compensation is in the oracle's state");
  require(stored.ended_by == expected.ended_by, "a compensation was ended by the same event");
  require(stored.violations.size() == expected.violations.size(),
          "a compensation has the oracle's violations");
  for (std::size_t index = 0; index < expected.violations.size(); ++index) {
    const Violation& known = stored.violations[index];
    const Oracle::Violation& wanted = expected.violations[index];
    require(known.constraint == joined(oracle.rules[wanted.rule].fields) &&
                known.owner == wanted.owner && known.event_id == wanted.event_id,
            "a violation is the oracle's");
    require(values_.agree({wanted.rule, wanted.value}, known.value.key()), "one key a value");
  }
}

void Examiner::examine_command(const Command& command, const DatabaseState& state,
                               std::optional<Offset> end_at_start, std::int64_t now_ms) {
  const std::string event_id = header(command, "ce_causationid");
  const Oracle::Compensation& known = judged(state.oracle, command.key, event_id, command.id);
  require(!state.store.safety.is_paused, "nothing is sent while sending is paused");
  require(known.state == "open", "what has ended is not sent");
  const auto due = state.store.due.find(command.id);
  require(due != state.store.due.end() && due->second <= now_ms, "only what is due is sent");
  require(known.deed >= Deed::alert, "what is for a person or for nobody is not sent");
  const int attempt = std::stoi(header(command, "ce_attempt"));
  require(attempt >= 1 && attempt <= MemoryStore::attempts_max * known.begun,
          "attempts have an end");
  require(
      header(command, "ce_id") == to_uuid_text(command.id) &&
          header(command, "ce_subject") == command.key &&
          header(command, "ce_type") == (known.deed == Deed::send ? command_type : alert_type) &&
          header(command, "ce_correlationid") == event_id,
      "a command's headers say what it is about");
  const auto position = state.positions.find(Partition{known.cause.partition});
  require(end_at_start && position != state.positions.end() && position->second >= *end_at_start,
          "nothing is sent while catching up");
  examine_words(command, known);

  const auto last = last_first_.emplace(command.key, std::pair(known.decided, command.id)).first;
  require(last->second.first <= known.decided || sent_.contains(command.id),
          "an entity's commands begin in the order of decision");
  if (!sent_.contains(command.id)) last->second = {known.decided, command.id};
  const auto sent =
      sent_.emplace(command.id, Sent{command.key, command.body, known.violations.size()}).first;
  require(sent->second.key == command.key, "equal id, equal key");
  const bool has_more = sent->second.violations != known.violations.size();
  require(has_more || sent->second.body == command.body, "equal id, equal body");
}

void Examiner::examine_words(const Command& command, const Oracle::Compensation& judged) {
  const Json body = Json::parse(command.body);
  const Json& violations = body.at("violations");
  require(body.at("userId") == command.key, "the body names the entity");
  require(judged.is_limited ||
              body.at("reason") == (judged.deed == Deed::send ? command_reason : alert_reason),
          "the body gives the reason");
  require(body.at("decidedAt") == Json({{"topic", source_topic},
                                        {"partition", judged.cause.partition},
                                        {"offset", judged.cause.offset}}),
          "the body says where it was decided");
  require(violations.size() == judged.violations.size(), "the body has the oracle's violations");
  for (std::size_t index = 0; index < judged.violations.size(); ++index) {
    const Oracle::Violation& expected = judged.violations[index];
    require(violations[index].at("owner") == expected.owner && expected.owner != command.key,
            "nobody is told to leave for a value that it owned");
    require(shown_values_.agree({expected.rule, expected.value},
                                violations[index].at("value").get<std::string>()),
            "one digest a value");
  }
}

void Examiner::examine_contenders(const DatabaseState& state) {
  std::map<ClaimKey, std::map<std::uint64_t, std::string>> expected;
  for (const auto& [name, user] : state.oracle.users) {
    for (std::size_t rule = 0; rule < constraints_.size(); ++rule) {
      const auto value = state.oracle.wanted(rule, user);
      const auto owned = user.owns.find(rule);
      if (!value || (owned != user.owns.end() && owned->second == *value)) continue;
      const auto key = wanted_key(constraints_[rule], state.store.entities.at(name).parts);
      require(key && values_.agree({rule, *value}, *key), "one key a value");
      expected[*key][user.since.at(rule)] = name;
    }
  }
  for (const auto& [key, waiting] : state.store.contenders) {
    require(std::ranges::equal(
                expected[key], waiting, {}, [](const auto& since) { return since.second; },
                &Contender::entity),
            "who waits for a value does so in the order in which they came to want it");
    expected.erase(key);
  }
  require(expected.empty(), "who wants a value of another waits for it");
}

void Examiner::examine_swap(const DatabaseState& before, const DatabaseState& after) {
  require(after.generation != before.generation, "what was written to the generation before fails");
  require(after.positions == before.positions && after.anchors == before.anchors &&
              after.firsts == before.firsts,
          "a rebuild moves no position");
  require(after.history == before.history, "a rebuild changes nothing of what was done");
  const MemoryStore& was = before.store;
  const MemoryStore& is = after.store;
  require(is.entities == was.entities && is.claims == was.claims, "a rebuild gives the same model");
  require(is.decided == was.decided && is.causes == was.causes, "a rebuild decides the same");
  require(is.compensations == was.compensations, "a rebuild gives the same compensations");
  require(is.due == was.due && is.attempts_before == was.attempts_before,
          "a rebuild sends nothing, and keeps nothing back");
}

void Examiner::examine_swap_by_time(const DatabaseState& before, const DatabaseState& after,
                                    std::int64_t now_ms) {
  require(after.generation != before.generation, "what was written to the generation before fails");
  for (const auto& [id, due_ms] : after.store.due) {
    const auto known = before.store.compensations.find(id);
    if (known == before.store.compensations.end() || known->second.attempts == 0) continue;
    const auto was_due = before.store.due.find(id);
    require(due_ms > now_ms || (was_due != before.store.due.end() && was_due->second == due_ms),
            "what was sent is not sent again because of a rebuild");
  }
}

}  // namespace uniqd::simulation

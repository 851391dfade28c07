#include "tests/simulation/world.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>

#include "tests/simulation/complaint.hpp"
#include "tests/simulation/daemon.hpp"
#include "tests/simulation/rebuilder.hpp"

namespace uniqd::simulation {
namespace {

std::vector<Oracle::Rule> choose_rules(Dice& dice) {
  const std::vector<std::vector<Oracle::Fields>> choices{
      {{"e"}}, {{"e"}, {"n"}}, {{"e"}, {"n"}}, {{"e"}, {"f", "l"}}, {{"e"}, {"e", "n"}}};
  const bool always_sends = dice.once_in(2);
  const auto deed = [&] { return always_sends ? Deed::send : static_cast<Deed>(dice.below(4)); };
  std::vector<Oracle::Rule> rules;
  for (const auto& fields : choices[dice.below(choices.size())]) {
    rules.push_back({fields, deed(), deed()});
  }
  return rules;
}

ConstraintSet make_constraints(const std::vector<Oracle::Rule>& rules) {
  std::vector<Constraint> constraints;
  for (const Oracle::Rule& rule : rules) {
    Constraint constraint;
    constraint.name = fmt::format("{}", fmt::join(rule.fields, "+"));
    constraint.fields = rule.fields;
    constraint.normalizers.resize(rule.fields.size(),
                                  Normalizer({NormalizeStep::trim, NormalizeStep::casefold}));
    constraints.push_back(std::move(constraint));
  }
  return ConstraintSet(std::move(constraints));
}

}  // namespace

World::World(std::uint64_t seed, bool is_traced)
    : dice_(seed),
      faults_(dice_),
      rules_(choose_rules(dice_)),
      constraints_(make_constraints(rules_)),
      max_violation_share_(dice_.once_in(4) ? 0.02 : 1),
      topic_(1 + dice_.below(3), dice_, faults_),
      database_(Oracle(rules_, max_violation_share_), topic_, dice_),
      users_(2 + dice_.below(6)),
      values_(1 + dice_.below(4)),
      group_(1 + dice_.below(3)),
      is_told_(group_.size(), true),
      daemons_(group_.size()),
      rebuilder_(std::make_unique<Rebuilder>(*this)),
      is_traced_(is_traced) {
  rebalance();
  for (std::size_t number = 0; number < daemons_.size(); ++number) restart(number);
}

World::~World() = default;

void World::run() {
  const std::size_t steps = 100 + dice_.below(200);
  for (std::size_t number = 0; number < steps; ++number) {
    step();
    examine();
  }
  settle();
  for (auto count = database_.state().oracle.promotions; count > 0; --count) {
    faults_.count(Fault::value_promoted);
  }
}

void World::step() {
  clock_.advance(std::chrono::milliseconds(dice_.below(60)));
  if (was_paused_ && dice_.once_in(25)) resume();
  if (dice_.once_in(25)) intervene();
  if (rebuilder_->is_at_work() ? dice_.once_in(3) : faults_.strikes(Fault::rebuild_begun, 60)) {
    return step_rebuild();
  }
  const std::size_t number = dice_.below(daemons_.size());
  const std::size_t choice = dice_.below(100);
  if (choice < 22) {
    produce();
  } else if (choice < 60) {
    step_loop(number);
  } else if (choice < 77) {
    step_relay(number);
  } else if (choice < 87) {
    consume_commands();
    if (!faults_.strikes(Fault::service_slow, 2)) answer();
  } else if (choice < 89) {
    tell_group(number);
  } else if (choice < 92) {
    strike_database();
  } else if (faults_.strikes(Fault::rebalance, 8)) {
    rebalance();
  } else if (faults_.strikes(Fault::kill, 6)) {
    note("killed: daemon", number);
    restart(number);
  } else if (faults_.strikes(Fault::clock_jump, 5)) {
    clock_.advance(std::chrono::seconds(dice_.below(60)));
    clock_.jump(std::chrono::hours(1) - std::chrono::hours(dice_.below(3)));
  } else if (is_broker_down_ || faults_.strikes(Fault::broker_down, 8)) {
    is_broker_down_ = !is_broker_down_;
    note("the broker is", is_broker_down_ ? "down" : "up");
  }
}

void World::strike_database() {
  if (database_.is_down()) {
    database_.set_down(false);
    note("the database is up");
  } else if (faults_.strikes(Fault::database_down, 3)) {
    database_.set_down(true);
    drop_connections();
    note("the database is down");
  } else if (faults_.strikes(Fault::database_rewound, 4) && database_.rewind()) {
    drop_connections();
    if (topic_.partitions() > 1 || has_intervened_) examiner_.forget_words();
    note("the database is rewound");
  } else if (faults_.strikes(Fault::database_lost, 12)) {
    database_.lose();
    drop_connections();
    examiner_.forget_words();
    note("the database is lost");
    if (dice_.once_in(2)) step_rebuild();
  } else {
    database_.settle();
  }
}

void World::drop_connections() {
  for (const auto& daemon : daemons_) daemon->drop_connections();
  rebuilder_->drop_connections();
}

void World::step_rebuild() {
  for (std::size_t count = 1 + dice_.below(4); count > 0; --count) rebuilder_->step();
}

// A person retries or dismisses a compensation.
void World::intervene() {
  const MemoryStore& store = database_.state().store;
  if (database_.is_down() || database_.is_held() || store.decided.empty()) return;
  const CompensationId id = store.decided[dice_.below(store.decided.size())];
  const bool retries = dice_.once_in(2);
  if (!database_.intervene(id, retries ? Intervention::retry : Intervention::dismiss)) return;
  has_intervened_ = true;
  faults_.count(retries ? Fault::intervention_retry : Fault::intervention_dismiss);
  note("a person", retries ? "retries" : "dismisses", to_uuid_text(id));
}

void World::resume() {
  if (database_.is_held()) return;
  note("a person lets sending go on");
  database_.resume();
}

void World::produce() {
  for (std::size_t count = 1 + dice_.below(4); count > 0; --count) {
    const std::string user = fmt::format("u{}", dice_.below(users_));
    const std::size_t choice = dice_.below(12);
    if (choice == 0 && faults_.strikes(Fault::bad_record, 1)) {
      produce_bad(user);
    } else if (choice == 1) {
      produce_passed_over(user);
    } else if (choice == 2) {
      const auto& log = topic_.log(static_cast<std::int32_t>(dice_.below(topic_.partitions())));
      if (log.empty() || !faults_.strikes(Fault::event_redelivered, 1)) continue;
      append(log.front().told.user, LogRecord(log[dice_.below(log.size())]));
    } else {
      produce_event(user);
    }
  }
}

// All of an entity in one partition. A redelivered record has its own user's.
void World::append(const std::string& user, LogRecord record) {
  const std::string& owner = record.told.user.empty() ? user : record.told.user;
  const std::size_t hash = owner.empty() ? 0 : static_cast<std::size_t>(owner.back());
  const auto partition = static_cast<std::int32_t>(hash % topic_.partitions());
  record.timestamp_ms = clock_.now_ms();
  topic_.append(partition, std::move(record));
  if (!is_traced_) return;
  const LogRecord& last = topic_.log(partition).back();
  note("produced", partition, last.offset, last.payload.value_or("(none)"));
}

std::string World::spelled(std::string value) {
  for (char& c : value) {
    if (dice_.once_in(4)) c = static_cast<char>(std::toupper(c));
  }
  return fmt::format("{}{}{}", dice_.once_in(6) ? " " : "", value, dice_.once_in(6) ? "\\t " : "");
}

void World::produce_event(const std::string& user) {
  const std::size_t choice = dice_.below(10);
  LogRecord record;
  Told& told = record.told;
  told.kind = choice < 5   ? Told::Kind::claim
              : choice < 8 ? Told::Kind::change
                           : Told::Kind::release;
  told.user = user;
  std::string data = fmt::format(R"("userId":"{}")", user);
  for (const char* field : {"e", "n", "f", "l"}) {
    if (told.kind == Told::Kind::release || dice_.once_in(3)) continue;
    const bool is_none = dice_.once_in(8);
    std::string value = is_none ? "" : fmt::format("{}{}@x", field, dice_.below(values_));
    data += is_none && dice_.once_in(2) ? fmt::format(R"(,"{}":null)", field)
                                        : fmt::format(R"(,"{}":"{}")", field, spelled(value));
    told.fields[field] = std::move(value);
  }
  record.has_id = !faults_.strikes(Fault::event_without_id, 15);
  std::string id;
  if (record.has_id) {
    told.event_id = fmt::format("event-{}", ++events_made_);
    id = fmt::format(R"("id":"{}",)", told.event_id);
  }
  const char* type = told.kind == Told::Kind::claim    ? "UserAdded"
                     : told.kind == Told::Kind::change ? "UserChanged"
                                                       : "UserDeactivated";
  record.payload = fmt::format(R"({{{}"type":"{}","data":{{{}}}}})", id, type, data);
  if (!dice_.once_in(10)) record.key = user;
  append(user, std::move(record));
}

void World::produce_bad(const std::string& user) {
  static const std::vector<std::string> payloads{
      "",
      "{",
      "no event at all",
      "[1,2]",
      R"({"id":"x","data":{"userId":"u1"}})",
      R"({"id":"x","type":"UserAdded"})",
      R"({"id":"x","type":"UserAdded","data":{"e":"e1@x"}})",
      R"({"id":"x","type":"UserAdded","data":{"userId":"u1","e":{"is":"an object"}}})"};
  LogRecord record;
  record.payload = payloads[dice_.below(payloads.size())];
  record.key = user;
  record.told.kind = Told::Kind::bad;
  append(user, std::move(record));
}

void World::produce_passed_over(const std::string& user) {
  LogRecord record;
  record.key = user;
  if (dice_.once_in(2)) {
    faults_.count(Fault::tombstone);
  } else {
    faults_.count(Fault::unknown_event);
    record.payload = R"({"id":"x","type":"UserSmiled","data":{"userId":"u1","e":"e0@x"}})";
  }
  append(user, std::move(record));
}

void World::consume_commands() {
  if (commands_consumed_ == commands_.size()) return;
  const Command& command = commands_[commands_consumed_++];
  if (header(command, "ce_type") != command_type) return;
  if (faults_.strikes(Fault::service_loses_command, 3)) return;
  if (commands_seen_.insert(command.id).second) {
    answers_.push_back(command.key);
  } else {
    faults_.count(Fault::command_dropped_as_seen);
  }
}

void World::answer() {
  if (answers_.empty()) return;
  LogRecord record;
  record.told.kind = Told::Kind::release;
  record.told.user = answers_.front();
  record.told.event_id = fmt::format("answer-{}", ++events_made_);
  record.key = answers_.front();
  record.payload = fmt::format(R"({{"id":"{}","type":"UserDeactivated","data":{{"userId":"{}"}}}})",
                               record.told.event_id, answers_.front());
  answers_.pop_front();
  append("", std::move(record));
}

void World::rebalance() {
  for (auto& assigned : group_) assigned.clear();
  for (std::size_t number = 0; number < topic_.partitions(); ++number) {
    group_[dice_.below(group_.size())].push_back(Partition{static_cast<std::int32_t>(number)});
  }
  for (std::size_t number = 0; number < group_.size(); ++number) {
    is_told_[number] = false;
    // One that is not told goes on with what it had: a zombie.
    if (!daemons_[number] || !faults_.strikes(Fault::zombie, 3)) tell_group(number);
  }
}

void World::tell_group(std::size_t number) {
  if (!daemons_[number] || is_told_[number]) return;
  is_told_[number] = true;
  daemons_[number]->source().assign(group_[number]);
  note("daemon", number, "is assigned", group_[number].size(), "partitions");
}

void World::restart(std::size_t number) {
  daemons_[number].reset();
  daemons_[number] = std::make_unique<Daemon>(*this);
  is_told_[number] = false;
  tell_group(number);
}

void World::step_loop(std::size_t number) {
  try {
    const LoopStep result = daemons_[number]->step_loop();
    note("daemon", number, "loop", static_cast<int>(result.kind), result.text);
    require(result.kind != LoopStep::Kind::halted, "nothing here needs a person");
  } catch (const Crash& crash) {
    note("daemon", number, "crashed at", fault_name(crash.fault));
    restart(number);
  }
}

void World::step_relay(std::size_t number) {
  const std::size_t before = commands_.size();
  try {
    daemons_[number]->step_relay();
    note("daemon", number, "relay sent", commands_.size() - before);
  } catch (const Crash& crash) {
    note("daemon", number, "crashed at", fault_name(crash.fault));
    restart(number);
  }
}

void World::examine() {
  if (database_.version() == examined_version_) return;
  examined_version_ = database_.version();
  const bool is_paused = database_.state().store.safety.is_paused;
  if (is_paused && !was_paused_) faults_.count(Fault::sending_paused);
  was_paused_ = is_paused;
  examiner_.examine_state(database_.state());
}

bool World::is_caught_up() const {
  for (std::size_t number = 0; number < topic_.partitions(); ++number) {
    const auto partition = static_cast<std::int32_t>(number);
    const auto& positions = database_.state().positions;
    const auto found = positions.find(Partition{partition});
    const std::int64_t position = found == positions.end() ? 0 : found->second.value;
    if (position != topic_.end(partition)) return false;
  }
  return true;
}

bool World::is_all_sent() const {
  const MemoryStore& store = database_.state().store;
  return std::ranges::none_of(store.due, [&](const auto& due) {
    return store.compensations.at(due.first).state != CompensationState::sent;
  });
}

// One that is overdue was sent as often as allowed, and the service lost it or had it before.
bool World::is_all_answered() const {
  const auto& compensations = database_.state().store.compensations;
  return std::ranges::none_of(compensations, [](const auto& known) {
    return known.second.state == CompensationState::pending ||
           known.second.state == CompensationState::sent;
  });
}

// The faults stop. First nobody answers: all is read and sent. Then the service catches up too.
void World::settle() {
  faults_.calm_down();
  is_broker_down_ = false;
  database_.set_down(false);
  database_.settle();
  for (std::size_t number = 0; number < group_.size(); ++number) tell_group(number);
  note("the faults have stopped");
  if (dice_.once_in(4)) wait_in_vain();
  settle_all();
  const std::size_t sent = commands_.size();
  if (dice_.once_in(2)) rebuild_once_more();
  settle_all();
  require(commands_.size() == sent, "a rebuild sends nothing that was sent");
}

// Nobody answers until all is overdue; then a person retries.
void World::wait_in_vain() {
  const auto is_given_up = [&] { return is_all_answered() && !rebuilder_->is_at_work(); };
  go_on_until([&] { return is_caught_up(); }, "when the faults stop, all is read", false);
  go_on_until(is_given_up, "what nobody answers is given up", false);
  if (dice_.once_in(2)) rebuild_once_more();
  for (const CompensationId id : std::vector(database_.state().store.decided)) {
    if (database_.state().store.compensations.at(id).state != CompensationState::overdue) continue;
    require(database_.intervene(id, Intervention::retry), "what is overdue can be retried");
    faults_.count(Fault::overdue_retried);
    note("a person retries", to_uuid_text(id));
  }
}

void World::rebuild_once_more() {
  rebuilder_->step();
  for (int round = 0; rebuilder_->is_at_work(); ++round) {
    require(round < 300, "when the faults stop, a rebuild comes to its end");
    rebuilder_->step();
    examine();
  }
}

void World::go_on_until(const std::function<bool()>& is_done, const char* promise,
                        bool with_service) {
  for (std::size_t round = 0; !is_done(); ++round) {
    require(round < 300, promise);
    clock_.advance(std::chrono::seconds(1));
    if (was_paused_) resume();
    if (rebuilder_->is_at_work()) rebuilder_->step();
    for (std::size_t number = 0; number < daemons_.size(); ++number) {
      step_loop(number);
      step_relay(number);
    }
    while (with_service && commands_consumed_ < commands_.size()) consume_commands();
    while (with_service && !answers_.empty()) answer();
    examine();
  }
}

// First nobody answers: all is read and sent. Then the service catches up too.
void World::settle_all() {
  go_on_until([&] { return is_caught_up(); }, "when the faults stop, all is read", false);
  go_on_until([&] { return is_all_sent(); }, "what is outstanding is sent", false);
  for (const auto& [id, compensation] : database_.state().store.compensations) {
    const bool needs_none = has_ended(compensation.state) ||
                            compensation.state == CompensationState::dismissed ||
                            !has_message(compensation.action.kind);
    require(needs_none || std::ranges::count(commands_, id, &Command::id) > 0,
            "what is marked as sent was sent");
  }
  go_on_until(
      [&] {
        return commands_consumed_ == commands_.size() && answers_.empty() && is_caught_up() &&
               is_all_sent() && is_all_answered() && !rebuilder_->is_at_work();
      },
      "when the service answers, nothing stays open", true);
}

}  // namespace uniqd::simulation

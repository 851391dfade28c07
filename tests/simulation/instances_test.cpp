// However many instances share a topic of one partition, and however often it goes from one to
// another in the middle of their work, the outcome is the same.

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "commands/encode_command.hpp"
#include "daemon/loop.hpp"
#include "tests/simulation/complaint.hpp"
#include "tests/simulation/fake_ledger.hpp"
#include "tests/simulation/fake_source.hpp"
#include "tests/simulation/manual_clock.hpp"
#include "tests/support/table_language.hpp"

namespace uniqd::simulation {
namespace {

const std::vector<Oracle::Rule> rules{{{"e"}}, {{"e", "n"}, Deed::review, Deed::review}};

Loop::Reading make_reading(const ConstraintSet& constraints, std::size_t records_max,
                           OnBadEvent on_bad_event) {
  DecoderOptions options;
  options.source_topic = source_topic;
  options.value_key = "a key for simulations";
  const std::vector<SlotPointer> slots{{0, "/e"}, {1, "/e"}, {2, "/n"}};
  options.events["UserAdded"] = {Effect::claim, "/userId", slots};
  options.events["UserChanged"] = {Effect::change, "/userId", slots};
  options.events["UserDeactivated"] = {Effect::release, "/userId", {}};
  return {Decoder(std::move(options), constraints),
          {records_max, std::size_t{1} << 20, std::chrono::milliseconds(0)},
          on_bad_event,
          Ahead::at_once};
}

// One partition of users who want few values.
void fill(Topic& topic, Dice& dice, int count = 600) {
  const std::vector<std::pair<const char*, Told::Kind>> types{
      {"UserAdded", Told::Kind::claim},
      {"UserAdded", Told::Kind::claim},
      {"UserChanged", Told::Kind::change},
      {"UserDeactivated", Told::Kind::release}};
  for (int number = 0; number < count; ++number) {
    const auto& [type, kind] = types[dice.below(types.size())];
    LogRecord record;
    Told& told = record.told;
    told.kind = kind;
    told.user = fmt::format("u{}", dice.below(12));
    told.event_id = fmt::format("e{}", number);
    std::string data = fmt::format(R"("userId":"{}")", told.user);
    for (const char* field : {"e", "n"}) {
      if (kind == Told::Kind::release || dice.once_in(3)) continue;
      const std::string value = dice.once_in(6) ? "" : fmt::format("{}", dice.below(4));
      told.fields[field] = value;
      data += fmt::format(R"(,"{}":"{}")", field, value);
    }
    record.key = told.user;
    record.payload =
        fmt::format(R"({{"id":"{}","type":"{}","data":{{{}}}}})", told.event_id, type, data);
    topic.append(0, std::move(record));
  }
}

class Instances {
 public:
  Instances(const Topic& topic, std::size_t count, std::uint64_t seed,
            OnBadEvent on_bad_event = OnBadEvent::park)
      : on_bad_event_(on_bad_event),
        topic_(topic),
        dice_(seed),
        faults_(dice_),
        constraints_(make_constraints({rules[0].fields, rules[1].fields})),
        database_(Oracle(rules), topic, dice_) {
    faults_.calm_down();
    for (std::size_t number = 0; number < count; ++number) {
      instances_.push_back(std::make_unique<Instance>(*this));
    }
    hand_over();
  }

  // Until all is applied. Throws Complaint.
  const MemoryStore& run() {
    for (int step = 0; !is_done(); ++step) {
      require(step < 100'000, "instances that take turns come to the end");
      clock_.advance(std::chrono::seconds(1));
      clock_.jump(std::chrono::seconds(-1));
      if (dice_.once_in(6)) hand_over();
      const LoopStep::Kind kind = instances_[dice_.below(instances_.size())]->loop.step().kind;
      require(kind != LoopStep::Kind::halted, "nothing here needs a person");
      if (kind == LoopStep::Kind::applied) ++batches_;
    }
    return database_.state().store;
  }

  // A new one in the place of all, until it halts; then where it stands.
  Offset run_until_halted() {
    instances_.clear();
    instances_.push_back(std::make_unique<Instance>(*this));
    hand_over();
    for (int step = 0; instances_[0]->loop.step().kind != LoopStep::Kind::halted; ++step) {
      require(step < 10'000, "what cannot be read halts");
      clock_.advance(std::chrono::seconds(1));
    }
    const auto& positions = database_.state().positions;
    return positions.empty() ? Offset{} : positions.begin()->second;
  }
  [[nodiscard]] int batches() const { return batches_; }
  [[nodiscard]] std::uint64_t fenced() const {
    return faults_.counts()[static_cast<std::size_t>(Fault::fenced)];
  }

 private:
  struct Instance {
    explicit Instance(Instances& all)
        : source(all.topic_, all.dice_, all.faults_, all.is_broker_down_),
          ledger(all.database_, all.constraints_, all.dice_, all.faults_,
                 [this, &all](const auto& advances) { return all.in_batch(source, advances); }),
          loop({source, ledger, all.clock_, gate, telemetry}, all.constraints_,
               make_reading(all.constraints_, 1 + all.dice_.below(9), all.on_bad_event_),
               make_policy(all.constraints_, {ActionKind::send, ActionKind::review}),
               {source_topic}, [](std::string_view) {}) {}
    FakeSource source;
    FakeLedger ledger;
    CommandGate gate;
    Telemetry telemetry;
    Loop loop;
  };

  // Where a bad record halts, a batch ends before it, whatever was polled behind it.
  [[nodiscard]] PolledPlaces in_batch(const FakeSource& source,
                                      const std::vector<Advance>& advances) const {
    PolledPlaces places = source.polled(advances);
    if (on_bad_event_ == OnBadEvent::halt) {
      std::erase_if(places, [&](const auto& place) { return place.second >= advances[0].next; });
    }
    return places;
  }

  // Some that had the partition are not told that they have it no more.
  void hand_over() {
    const std::size_t chosen = dice_.below(instances_.size());
    for (std::size_t number = 0; number < instances_.size(); ++number) {
      if (number == chosen) {
        instances_[number]->source.assign({Partition{0}});
      } else if (dice_.once_in(2)) {
        instances_[number]->source.assign({});
      }
    }
  }

  [[nodiscard]] bool is_done() const {
    const auto& positions = database_.state().positions;
    return !positions.empty() && positions.begin()->second.value == topic_.end(0);
  }

  OnBadEvent on_bad_event_;
  const Topic& topic_;
  Dice dice_;
  FaultPlan faults_;
  ManualClock clock_;
  bool is_broker_down_ = false;
  ConstraintSet constraints_;
  Database database_;
  std::vector<std::unique_ptr<Instance>> instances_;
  int batches_ = 0;
};

std::vector<Command> commands_of(const MemoryStore& store) {
  std::vector<Command> commands;
  for (const auto& id : store.decided) {
    commands.push_back(encode_command(store.compensations.at(id), {source_topic}));
  }
  return commands;
}

std::map<ClaimKey, std::vector<std::string>> contenders_of(const MemoryStore& store) {
  std::map<ClaimKey, std::vector<std::string>> names;
  for (const auto& [key, contenders] : store.contenders) {
    for (const Contender& contender : contenders) names[key].push_back(contender.entity);
  }
  return names;
}

}  // namespace

TEST_CASE("one, two or three instances, the same outcome") {
  spdlog::set_level(spdlog::level::off);
  std::uint64_t fenced = 0;
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    CAPTURE(seed);
    Dice dice(seed);
    FaultPlan faults(dice);
    faults.calm_down();
    Topic topic(1, dice, faults);
    fill(topic, dice);
    Instances alone(topic, 1, seed);
    const MemoryStore& expected = alone.run();
    REQUIRE(expected.decided.size() > 50);
    for (const std::size_t count : {2U, 3U}) {
      CAPTURE(count);
      Instances together(topic, count, seed * 100 + count);
      const MemoryStore& store = together.run();
      CHECK(together.batches() > 20);
      CHECK(store.entities == expected.entities);
      CHECK(store.claims == expected.claims);
      CHECK(contenders_of(store) == contenders_of(expected));
      CHECK(store.decided == expected.decided);
      CHECK(store.compensations == expected.compensations);
      CHECK(commands_of(store) == commands_of(expected));
      fenced += together.fenced();
    }
  }
  CHECK(fenced > 20);
}

TEST_CASE("on_bad_event: halt stops at the record at every start, wherever it is in a batch") {
  spdlog::set_level(spdlog::level::off);
  for (int before = 0; before < 40; ++before) {
    CAPTURE(before);
    Dice dice(static_cast<std::uint64_t>(before));
    FaultPlan faults(dice);
    faults.calm_down();
    Topic topic(1, dice, faults);
    fill(topic, dice, before);
    const Offset end{topic.end(0)};
    LogRecord bad;
    bad.payload = "no event at all";
    bad.told.kind = Told::Kind::bad;
    topic.append(0, std::move(bad));
    fill(topic, dice, 20);
    Instances instances(topic, 1, static_cast<std::uint64_t>(before), OnBadEvent::halt);
    for (int start = 0; start < 3; ++start) CHECK(instances.run_until_halted() == end);
  }
}

}  // namespace uniqd::simulation

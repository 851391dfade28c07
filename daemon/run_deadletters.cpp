#include "daemon/run_deadletters.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "daemon/assembly.hpp"
#include "daemon/cli_support.hpp"
#include "daemon/exit_codes.hpp"
#include "daemon/open_read_model.hpp"
#include "daemon/past_reader.hpp"
#include "daemon/postgres_ledger.hpp"
#include "daemon/progress.hpp"
#include "daemon/retry.hpp"
#include "daemon/system_clock.hpp"
#include "readmodel/dead_letter_store.hpp"

namespace uniqd {
namespace {

using Json = nlohmann::ordered_json;

constexpr unsigned rounds_max = 20;

// Everything that a dead letter is looked at with.
class Desk {
 public:
  explicit Desk(const Settings& settings)
      : settings_(settings),
        constraints_(make_constraints(settings)),
        session_(make_pg_target(settings)),
        decoder_(make_decoder_options(settings, constraints_,
                                      open_read_model(session_, settings, constraints_)),
                 constraints_) {}

  [[nodiscard]] const std::string& topic() const { return settings_.source.topic; }
  [[nodiscard]] const ConstraintSet& constraints() const { return constraints_; }
  [[nodiscard]] const Settings& settings() const { return settings_; }
  PgSession& session() { return session_; }
  Decoder& decoder() { return decoder_; }

  [[nodiscard]] PastReader reader(Partition partition) const {
    return {make_source_options(settings_), partition};
  }

  // What the letter's record is by today's configuration; nothing: it is not in the topic any more.
  std::optional<Decoded> look(PastReader& reader, const DeadLetter& letter) {
    std::optional<Decoded> found;
    if (!reader.begin(letter.offset)) return found;
    reader.read_to(letter.offset.next(), [&](const Record& record) {
      if (record.offset == letter.offset) found = decode(record, letter);
    });
    return found;
  }

  // Whatever its number in the source's sequence, it is no redelivery.
  Decoded decode(const Record& record, const DeadLetter& letter) {
    decoder_.resume(letter.partition, letter.offset.next(), letter.sequence);
    return decoder_.decode(record);
  }

 private:
  const Settings& settings_;
  ConstraintSet constraints_;
  PgSession session_;
  Decoder decoder_;
};

Json letter_json(const std::string& topic, const DeadLetter& letter) {
  Json json{{"id", letter.id},
            {"state", to_text(letter.state)},
            {"topic", topic},
            {"partition", to_number(letter.partition)},
            {"offset", letter.offset.value},
            {"reason", letter.reason},
            {"seen_at", letter.seen_at}};
  json["ended_at"] = letter.ended_at.empty() ? Json() : Json(letter.ended_at);
  return json;
}

// No value, only what it is called and its digest.
Json event_json(const Event& event, const ConstraintSet& constraints) {
  Json fields = Json::object();
  for (const CarriedValue& value : event.values) {
    for (const Constraint& constraint : constraints) {
      const auto field = value.slot - constraint.first_slot;
      if (value.slot < constraint.first_slot || field >= constraint.fields.size()) continue;
      fields[constraint.name + "." + constraint.fields[field]] =
          value.digest ? Json(to_hex(*value.digest)) : Json();
    }
  }
  return {{"type", event.type}, {"id", event.id}, {"entity", event.entity}, {"fields", fields}};
}

void add_look(Json& json, const std::optional<Decoded>& found, const ConstraintSet& constraints) {
  json["record"] = found ? "there" : "gone";
  if (!found) return;
  if (const auto* event = std::get_if<Event>(&*found)) {
    json["today"] = "event";
    json["event"] = event_json(*event, constraints);
  } else if (const auto* bad = std::get_if<BadEvent>(&*found)) {
    json["today"] = "bad";
    json["today_reason"] = bad->reason;
  } else {
    json["today"] = outcome_name(std::get<Skipped>(*found));
  }
}

std::string show_text(const Json& json) {
  std::string text = fmt::format(
      "dead letter {}: {}\n  {} partition {} offset {}, seen {}\n  {}\n", json["id"].dump(),
      json["state"].get<std::string>(), json["topic"].get<std::string>(),
      json["partition"].get<int>(), json["offset"].get<std::int64_t>(),
      json["seen_at"].get<std::string>(), json["reason"].get<std::string>());
  if (!json["ended_at"].is_null()) {
    text += fmt::format("  ended {}\n", json["ended_at"].get<std::string>());
  }
  const auto record = json["record"].get<std::string>();
  if (record == "gone") return text + "  the record is not in the topic any more\n";
  if (record == "unknown") {
    return text + "  the topic cannot be read now: " + json["why"].get<std::string>() + "\n";
  }
  const auto today = json["today"].get<std::string>();
  if (today == "bad") {
    return text + "  today it would still be none: " + json["today_reason"].get<std::string>() +
           "\n";
  }
  if (today != "event") return text + "  today it would be passed over (" + today + ")\n";
  const Json& event = json["event"];
  text += fmt::format("  today it would be {} {} of {}\n", event["type"].get<std::string>(),
                      event["id"].get<std::string>(), event["entity"].get<std::string>());
  for (const auto& [name, digest] : event["fields"].items()) {
    text +=
        fmt::format("    {:<24} {}\n", name, digest.is_null() ? "none" : digest.get<std::string>());
  }
  return text;
}

int complain_of_missing(std::int64_t id) {
  return complain(fmt::format("there is no dead letter {}; 'uniqd deadletters list' has them", id),
                  exit_failed);
}

int complain_of_end(const DeadLetter& letter) {
  return complain(fmt::format("dead letter {} was {} at {}; only an open one can be", letter.id,
                              to_text(letter.state), letter.ended_at),
                  exit_failed);
}

int answer(std::int64_t id, const std::string& text, bool as_json) {
  if (as_json) {
    fmt::print("{}\n", Json{{"id", id}, {"result", text}}.dump());
  } else {
    fmt::print("dead letter {}: {}\n", id, text);
  }
  return exit_done;
}

// The retry of one letter.
class Retrial {
 public:
  Retrial(Desk& desk, DeadLetter letter)
      : desk_(desk), letter_(std::move(letter)), reader_(desk.reader(letter_.partition)) {}

  int run(bool as_json) {
    const auto found = desk_.look(reader_, letter_);
    if (!found) {
      return complain(
          fmt::format("the record at partition {} offset {} is not in the topic any more, so it "
                      "cannot be judged; 'uniqd deadletters drop {}' is what is left",
                      to_number(letter_.partition), letter_.offset.value, letter_.id),
          exit_failed);
    }
    if (const auto* bad = std::get_if<BadEvent>(&*found)) {
      return complain(
          "the record is still no event: " + bad->reason +
              "; mend the configuration first (uniqd need not be stopped for a try), or "
              "drop it",
          exit_failed);
    }
    if (const auto* event = std::get_if<Event>(&*found)) entity_ = event->entity;
    if (!entity_.empty()) begin();
    ended_.push_back(letter_.id);
    return judge(as_json);
  }

 private:
  // At the first letter from which something may have to be judged again.
  void begin() {
    std::vector<Offset> starts;
    for (DeadLetter& letter : dead_letters_of(desk_.session(), desk_.topic(), letter_.partition)) {
      if (letter.state == DeadLetterState::open && letter.offset <= letter_.offset) {
        starts.push_back(letter.offset);
      }
      letters_.emplace(letter.offset, std::move(letter));
    }
    for (const Offset start : starts) {
      if (!reader_.begin(start)) continue;
      desk_.decoder().resume(letter_.partition, start, letters_.at(start).sequence);
      return;
    }
    throw NoAnswer("the record was removed from the topic just now");
  }

  int judge(bool as_json) {
    const Settings& settings = desk_.settings();
    PostgresLedger ledger(make_pg_target(settings), desk_.topic(), desk_.constraints(),
                          make_value_form(settings) == ValueForm::plain, [](std::string_view) {});
    Progress progress("records");
    for (unsigned round = 0; round < rounds_max; ++round) {
      const auto stored = ledger.positions({letter_.partition}).front().next_offset;
      if (!stored || *stored <= letter_.offset) {
        return complain("the read model does not stand behind the record any more; run uniqd first",
                        exit_failed);
      }
      if (!entity_.empty()) {
        reader_.read_to(*stored, [&](const Record& record) {
          take(record);
          progress.show(++records_, 0, "");
        });
      }
      const RetryOutcome outcome = retry(ledger, desk_.constraints(), make_policy(settings),
                                         SystemClock(), past_, letter_.partition, *stored, ended_);
      if (outcome.kind == RetryOutcome::Kind::refused) return complain(outcome.text, exit_failed);
      if (outcome.kind == RetryOutcome::Kind::done) return tell(outcome, as_json);
    }
    return complain(
        "uniqd applies more of the partition faster than it can be read; retry when it is at rest",
        exit_failed);
  }

  void take(const Record& record) {
    const auto known = letters_.find(record.offset);
    const DeadLetter* letter = known == letters_.end() ? nullptr : &known->second;
    Decoded decoded = letter ? desk_.decode(record, *letter) : desk_.decoder().decode(record);
    auto* event = std::get_if<Event>(&decoded);
    if (event == nullptr || event->entity != entity_) return;
    PastEvent past{std::move(*event), false};
    if (letter != nullptr && letter->state != DeadLetterState::retried) {
      if (letter->state == DeadLetterState::dropped || letter->offset > letter_.offset) return;
      past.is_parked = true;
      if (letter->id != letter_.id) ended_.push_back(letter->id);
    }
    past_.push_back(std::move(past));
  }

  int tell(const RetryOutcome& outcome, bool as_json) const {
    if (entity_.empty()) {
      return answer(letter_.id, "retried: the event is passed over, nothing was judged", as_json);
    }
    if (outcome.judged == 0) {
      return answer(letter_.id,
                    fmt::format("retried: {} was released later, nothing was judged", entity_),
                    as_json);
    }
    std::string text =
        fmt::format("retried: {} event{} of {} judged", outcome.judged,
                    outcome.judged == 1 ? "" : "s, this one and those after it,", entity_);
    if (ended_.size() > 1) text += fmt::format("; {} dead letters are over", ended_.size());
    if (outcome.opened > 0) text += fmt::format("; {} compensation opened", outcome.opened);
    if (outcome.resolved > 0) text += fmt::format("; {} resolved", outcome.resolved);
    return answer(letter_.id, text, as_json);
  }

  Desk& desk_;
  DeadLetter letter_;
  PastReader reader_;
  std::string entity_;  // empty: the record is passed over
  std::map<Offset, DeadLetter> letters_;
  std::vector<std::int64_t> ended_;
  std::vector<PastEvent> past_;
  std::uint64_t records_ = 0;
};

}  // namespace

int run_deadletters_list(const Settings& settings, const std::string& state, std::size_t limit,
                         bool as_json) {
  const auto wanted = dead_letter_state(state);
  if (!state.empty() && !wanted) {
    return complain("--state is one of open, retried, dropped", exit_usage);
  }
  return with_read_model([&]() -> int {
    Desk desk(settings);
    auto letters = read_dead_letters(desk.session(), desk.topic(), wanted, limit + 1);
    cut_list(letters, limit);
    if (as_json) {
      auto list = Json::array();
      for (const DeadLetter& letter : letters) list.push_back(letter_json(desk.topic(), letter));
      fmt::print("{}\n", list.dump(2));
      return exit_done;
    }
    fmt::print("{:>8}  {:<8} {:>9} {:>12}  {:<24} {}\n", "id", "state", "partition", "offset",
               "seen", "reason");
    for (const DeadLetter& letter : letters) {
      fmt::print("{:>8}  {:<8} {:>9} {:>12}  {:<24} {}\n", letter.id, to_text(letter.state),
                 to_number(letter.partition), letter.offset.value, letter.seen_at, letter.reason);
    }
    return exit_done;
  });
}

int run_deadletters_show(const Settings& settings, std::int64_t id, bool as_json) {
  return with_read_model([&]() -> int {
    Desk desk(settings);
    const auto letter = find_dead_letter(desk.session(), desk.topic(), id);
    if (!letter) return complain_of_missing(id);
    Json json = letter_json(desk.topic(), *letter);
    try {
      PastReader reader = desk.reader(letter->partition);
      add_look(json, desk.look(reader, *letter), desk.constraints());
    } catch (const NoAnswer& failure) {
      json["record"] = "unknown";
      json["why"] = failure.what();
    }
    fmt::print("{}", as_json ? json.dump(2) + "\n" : show_text(json));
    return exit_done;
  });
}

int run_deadletters_retry(const Settings& settings, std::int64_t id, bool as_json) {
  return with_read_model([&]() -> int {
    Desk desk(settings);
    const auto letter = find_dead_letter(desk.session(), desk.topic(), id);
    if (!letter) return complain_of_missing(id);
    if (letter->state != DeadLetterState::open) return complain_of_end(*letter);
    try {
      return Retrial(desk, *letter).run(as_json);
    } catch (const NoAnswer& failure) {
      return complain(failure.what(), exit_unreachable);
    }
  });
}

int run_deadletters_drop(const Settings& settings, std::int64_t id, bool as_json) {
  return with_read_model([&]() -> int {
    Desk desk(settings);
    if (drop_dead_letter(desk.session(), settings.readmodel.schema, desk.topic(), id)) {
      return answer(id, "dropped: nothing is done about the record", as_json);
    }
    const auto letter = find_dead_letter(desk.session(), desk.topic(), id);
    return letter ? complain_of_end(*letter) : complain_of_missing(id);
  });
}

}  // namespace uniqd

#include "tests/support/table_language.hpp"

#include <algorithm>
#include <optional>
#include <sstream>
#include <stdexcept>

#include "daemon/process_batch.hpp"

namespace uniqd {

ConstraintSet make_constraints(const TableConstraints& fields) {
  std::vector<Constraint> constraints;
  for (const auto& names : fields) {
    Constraint constraint;
    for (const std::string& name : names) {
      constraint.name += constraint.name.empty() ? name : "+" + name;
    }
    constraint.fields = names;
    constraint.normalizers.resize(names.size(), Normalizer({NormalizeStep::casefold}));
    constraints.push_back(std::move(constraint));
  }
  return ConstraintSet(std::move(constraints));
}

Policy make_policy(const ConstraintSet& constraints, const TableActions& actions) {
  Policy policy;
  for (std::size_t index = 0; index < constraints.size(); ++index) {
    const ActionKind kind = index < actions.size() ? actions[index] : ActionKind::send;
    const Action action{kind, kind == ActionKind::send ? "DeactivateUser" : "", "taken"};
    policy.by_constraint.push_back({action, action});
  }
  return policy;
}

Event EventMaker::make(const std::string& type, const std::string& entity, const Fields& fields,
                       const std::string& id, std::int64_t offset) {
  Event event;
  event.effect = type == "UserAdded"         ? Effect::claim
                 : type == "UserDeactivated" ? Effect::release
                                             : Effect::change;
  event.type = type;
  event.entity = entity;
  event.offset = Offset{offset};
  event.id = id;
  event.cause = compensation_id("users", entity, "id:" + id);
  for (const Constraint& constraint : *constraints_) {
    for (std::size_t field = 0; field < constraint.fields.size(); ++field) {
      for (const auto& [name, value] : fields) {
        if (name != constraint.fields[field]) continue;
        CarriedValue carried;
        carried.slot = constraint.first_slot + field;
        if (value != "null" && !value.empty()) {
          carried.digest =
              hasher_.digest(constraint, field, constraint.normalizers[field](value).text);
        }
        event.values.push_back(carried);
      }
    }
  }
  return event;
}

ClaimKey EventMaker::key(std::size_t constraint, const Fields& fields) {
  const Event event = make("UserAdded", "", fields, "", 0);
  PerSlot<std::optional<ClaimKey>> parts(constraints_->slot_count());
  for (const auto& value : event.values) parts[value.slot] = value.digest->key();
  return wanted_key((*constraints_)[constraint], parts).value();
}

namespace {

using Words = std::vector<std::string>;

Words split(const std::string& text) {
  std::istringstream stream(text);
  Words words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

std::string join(const Words& words, const std::string& between) {
  std::string text;
  for (const auto& word : words) text += (text.empty() ? "" : between) + word;
  return text;
}

EventMaker::Fields fields_in(const Words& words, std::size_t first) {
  EventMaker::Fields fields;
  for (std::size_t index = first; index < words.size(); ++index) {
    const auto equals = words[index].find('=');
    if (equals == std::string::npos) {
      throw std::invalid_argument("'" + words[index] + "' is no field=value");
    }
    fields.emplace_back(words[index].substr(0, equals), words[index].substr(equals + 1));
  }
  return fields;
}

std::string name_of(const Action& action) {
  switch (action.kind) {
    case ActionKind::detect:
      return "detect";
    case ActionKind::review:
      return "review";
    case ActionKind::alert:
      return "alert";
    case ActionKind::send:
      break;
  }
  return action.command;
}

std::string owners_of(const std::vector<Violation>& violations) {
  Words owners;
  for (const auto& violation : violations) owners.push_back(violation.owner);
  return " (owner " + join(owners, ", ") + ")";
}

class Table {
 public:
  Table(const TableConstraints& constraints, const TableActions& actions)
      : constraints_(make_constraints(constraints)),
        policy_(make_policy(constraints_, actions)),
        maker_(constraints_) {}

  // What does not hold in the line; empty where all does.
  std::string run(const std::string& line) {
    const auto arrow = line.find("=>");
    if (arrow == std::string::npos) return look(split(line));
    const std::string expected = join(split(line.substr(arrow + 2)), " ");
    const std::string sent = tell(split(line.substr(0, arrow)));
    return sent == expected ? "" : "sent '" + sent + "', expected '" + expected + "'";
  }

 private:
  std::string tell(Words words) {
    if (words.size() < 2) throw std::invalid_argument("an event needs a type and an entity");
    const bool is_again = words.back() == "(again)";
    if (is_again) words.pop_back();
    std::string& id = ids_[join(words, " ")];
    if (is_again && id.empty()) throw std::invalid_argument("there is no line like it before");
    if (!is_again) id = "event-" + std::to_string(offset_);
    const std::vector<Event> batch{
        maker_.make(words[0], words[1], fields_in(words, 2), id, offset_++)};

    Loaded loaded(constraints_);
    store_.load(batch, loaded);
    EventCounts counts;
    process_batch(
        batch, policy_, 0, [this](Loaded& partial) { store_.load_missing(partial); }, loaded,
        counts);
    const Outcome outcome{loaded.model.changes(), loaded.compensations.changes(), {}};
    store_.apply(outcome);
    return sent_by(outcome.compensations, batch.front());
  }

  std::string sent_by(const Compensations::Changes& changes, const Event& event) const {
    Words sent;
    for (const auto& opened : changes.opened) {
      if (opened.id != event.cause) throw std::logic_error("the id is not that of its event");
      sent.push_back(name_of(opened.action) + " " + opened.entity + owners_of(opened.violations));
    }
    for (const auto& change : changes.changed) {
      if (change.now.violations.empty()) continue;
      sent.push_back("added " + change.now.entity + owners_of(change.now.violations));
    }
    return sent.empty() ? "-" : join(sent, "; ");
  }

  std::string look(const Words& words) {
    if (words.size() < 2) throw std::invalid_argument("a look needs to know at what");
    const std::string& what = words[0];
    if (what == "owns") {
      const auto owner = owner_of({words.begin() + 2, words.end()});
      return owner == words[1] ? "" : "the owner is " + owner.value_or("nobody");
    }
    if (what == "free") {
      const auto owner = owner_of({words.begin() + 1, words.end()});
      return owner ? "the owner is " + *owner : "";
    }
    if (what == "compensations") {
      const auto count = std::to_string(store_.decided.size());
      return count == words[1] ? "" : "there are " + count;
    }
    if (what == "present" || what == "absent") {
      return store_.entities.contains(words[1]) == (what == "present") ? "" : "it is not";
    }
    if (what == "dismiss") {
      Compensation* last = last_compensation(words[1]);
      if (last) last->state = CompensationState::dismissed;
      return last ? "" : "it has none";
    }
    if (!compensation_state(what)) throw std::invalid_argument("unknown look '" + what + "'");
    const Compensation* last = last_compensation(words[1]);
    const std::string state(last ? to_text(last->state) : "none");
    return state == what ? "" : "its last compensation is " + state;
  }

  std::optional<std::string> owner_of(const Words& value) {
    std::size_t constraint = 0;
    EventMaker::Fields fields;
    if (value.size() == 1 && value[0].find('=') == std::string::npos) {
      fields.emplace_back(constraints_[0].fields.at(0), value[0]);
    } else {
      fields = fields_in(value, 0);
      const auto found = std::ranges::find_if(constraints_, [&](const Constraint& candidate) {
        return std::ranges::equal(candidate.fields, fields, {}, {},
                                  [](const auto& field) { return field.first; });
      });
      if (found == constraints_.end()) throw std::invalid_argument("no constraint like that");
      constraint = static_cast<std::size_t>(found - constraints_.begin());
    }
    const auto found = store_.claims.find(maker_.key(constraint, fields));
    return found == store_.claims.end() ? std::nullopt : std::optional(found->second.owner);
  }

  Compensation* last_compensation(const std::string& entity) {
    Compensation* last = nullptr;
    for (const auto& id : store_.decided) {
      Compensation& compensation = store_.compensations.at(id);
      if (compensation.entity == entity) last = &compensation;
    }
    return last;
  }

  ConstraintSet constraints_;
  Policy policy_;
  EventMaker maker_;
  MemoryStore store_;
  std::map<std::string, std::string> ids_;  // by line: its last event id
  std::int64_t offset_ = 0;
};

}  // namespace

std::string run_table(std::string_view text, const TableConstraints& constraints,
                      const TableActions& actions) {
  Table table(constraints, actions);
  std::istringstream lines{std::string(text)};
  std::string complaints;
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    const Words words = split(line);
    if (words.empty() || words[0].starts_with('#')) continue;
    std::string complaint;
    try {
      complaint = table.run(line);
    } catch (const std::exception& error) {
      complaint = error.what();
    }
    if (complaint.empty()) continue;
    complaints +=
        "line " + std::to_string(number) + ": " + join(words, " ") + "\n    " + complaint + "\n";
  }
  return complaints;
}

}  // namespace uniqd

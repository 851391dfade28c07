#include "tests/support/oracle_check.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <sstream>

#include "readmodel/digest.hpp"
#include "readmodel/entity_codec.hpp"
#include "tests/simulation/oracle.hpp"
#include "tests/support/user_events.hpp"

namespace uniqd::test {
namespace {

using simulation::Oracle;
using Lines = std::vector<std::string>;

// In the order of bed_constraints().
std::vector<Oracle::Rule> oracle_rules() {
  using simulation::Deed;
  return {{{"email"}}, {{"first", "last"}, Deed::review, Deed::review}, {{"username"}}};
}

}  // namespace

// What both topics have said so far.
class BothTopics {
 public:
  struct Command {
    std::string key;
    std::string subject;
    std::string decision;  // what must be the same every time
  };

  void read_on(TestBed& bed) {
    bed.kafka().read_on(bed.topic, next_, [this](const TestRecord& record) {
      ends_[record.partition] = record.offset + 1;
      oracle_.fold(told_by(record));
    });
    bed.kafka().read_on(bed.commands_topic, next_command_,
                        [this](const TestRecord& record) { add(record); });
  }

  [[nodiscard]] const Oracle& oracle() const { return oracle_; }
  // One past the last record, by partition; none where there is no record.
  [[nodiscard]] const std::map<std::int32_t, std::int64_t>& ends() const { return ends_; }
  // By id; of those that are alike one.
  [[nodiscard]] const std::map<std::string, std::vector<Command>>& commands() const {
    return commands_;
  }

 private:
  void add(const TestRecord& record) {
    Command command{record.key.value_or("?"), record.header("ce_subject"), ""};
    command.decision =
        fmt::format("{} {} {} {} {}", command.key, record.header("ce_type"), command.subject,
                    record.header("ce_causationid"), record.header("ce_time"));
    auto& known = commands_[record.header("ce_id")];
    const bool is_known = std::ranges::count(known, command.decision, &Command::decision) > 0;
    if (!is_known) known.push_back(std::move(command));
  }

  Oracle oracle_{oracle_rules()};
  std::vector<std::int64_t> next_;
  std::vector<std::int64_t> next_command_;
  std::map<std::int32_t, std::int64_t> ends_;
  std::map<std::string, std::vector<Command>> commands_;
};

namespace {

// Both sides, and what is said of each aspect in the same words.
class Comparison {
 public:
  Comparison(TestBed& bed, const BothTopics& said)
      : bed_(bed),
        said_(said),
        oracle_(said.oracle()),
        hasher_(bed.sql_text("SELECT value FROM meta WHERE name = 'value_key'")) {
    for (const auto& row : bed_.sql("SELECT id, entity, event_id FROM compensations")) {
      identities_[row[0].c_str()] = std::string(row[1].c_str()) + "/" + row[2].c_str();
    }
  }

  std::vector<std::string> run() {
    compare("position", expected_positions(),
            stored("SELECT partition || ':' || next_offset FROM "
                   "positions WHERE next_offset >= 0"));
    compare("claim", expected_claims(),
            stored("SELECT c.name || ' ' || key || ' ' || owner FROM claims JOIN constraints c ON "
                   "c.id = constraint_id"));
    compare("claim count", expected_counts(),
            stored("SELECT name || ' ' || claim_count FROM constraints"));
    compare("entity", expected_entities(), stored_entities());
    compare("compensation", expected_compensations(),
            stored("SELECT entity || '/' || event_id || ' ' || CASE WHEN state IN "
                   "('confirmed', 'resolved') THEN state ELSE 'open' END || ' at ' || partition || "
                   "':' || \"offset\""
                   " FROM compensations"));
    compare("violation", expected_violations(),
            stored("SELECT c.entity || '/' || c.event_id || ' ' || v.constraint_name || ' ' || "
                   "encode(v.value, 'hex') || ' of ' || v.owner || ' by ' || v.event_id FROM "
                   "violations v JOIN compensations c ON c.id = v.compensation"));
    compare("dead letter", expected_dead_letters(),
            stored("SELECT partition || ':' || \"offset\" FROM dead_letters"));
    check_commands();
    return differences_;
  }

 private:
  Lines stored(const std::string& query) {
    Lines lines;
    for (const auto& row : bed_.sql(query)) lines.emplace_back(row[0].c_str());
    return lines;
  }

  void compare(const std::string& what, Lines expected, Lines actual) {
    std::ranges::sort(expected);
    std::ranges::sort(actual);
    for (auto twice = actual.begin();
         (twice = std::ranges::adjacent_find(twice, actual.end())) != actual.end(); ++twice) {
      differences_.push_back(fmt::format("twice in PostgreSQL: {}", *twice));
    }
    const auto report = [&](const Lines& here, const Lines& there, const char* verdict) {
      std::vector<std::string> only;
      std::ranges::set_difference(here, there, std::back_inserter(only));
      constexpr std::size_t shown_max = 5;
      if (only.size() > shown_max) {
        differences_.push_back(fmt::format("{} {}: {} in all", verdict, what, only.size()));
        only.resize(shown_max);
      }
      for (const auto& line : only) {
        differences_.push_back(fmt::format("{} {}: {}", verdict, what, line));
      }
    };
    report(expected, actual, "missing");
    report(actual, expected, "extra");
  }

  static const std::string& name_of(std::size_t constraint) {
    return bed_constraints()[constraint].name;
  }

  // The oracle ends each field of a value with a bar.
  ValueDigest digest(std::size_t constraint, const std::string& value) {
    std::vector<ValueDigest> parts;
    std::istringstream fields(value);
    for (std::string field; std::getline(fields, field, '|');) {
      parts.push_back(hasher_.digest(bed_constraints()[constraint], parts.size(), field));
    }
    if (parts.size() == 1) return parts[0];
    std::vector<ClaimKey> keys;
    keys.reserve(parts.size());
    for (const ValueDigest& part : parts) keys.push_back(part.key());
    return combine(keys);
  }
  std::string key(std::size_t constraint, const std::string& value) {
    return to_uuid_text(digest(constraint, value).key());
  }

  Lines expected_positions() const {
    Lines lines;
    for (const auto& [partition, end] : said_.ends()) {
      lines.push_back(fmt::format("{}:{}", partition, end));
    }
    return lines;
  }

  Lines expected_claims() {
    Lines lines;
    for (const auto& [name, user] : oracle_.users) {
      for (const auto& [constraint, value] : user.owns) {
        lines.push_back(fmt::format("{} {} {}", name_of(constraint), key(constraint, value), name));
      }
    }
    return lines;
  }

  Lines expected_counts() const {
    std::vector<int> counts(bed_constraints().size());
    for (const auto& [name, user] : oracle_.users) {
      for (const auto& [constraint, value] : user.owns) ++counts[constraint];
    }
    Lines lines;
    for (std::size_t i = 0; i < counts.size(); ++i) {
      lines.push_back(fmt::format("{} {}", name_of(i), counts[i]));
    }
    return lines;
  }

  Lines expected_entities() {
    Lines lines;
    for (const auto& [name, user] : oracle_.users) {
      std::string line = fmt::format("{} open {} wants", name, user.open.value_or("-"));
      for (const Constraint& constraint : bed_constraints()) {
        for (std::size_t field = 0; field < constraint.fields.size(); ++field) {
          const auto known = user.fields.find(constraint.fields[field]);
          const bool is_there = known != user.fields.end() && !known->second.empty();
          line +=
              " " + (is_there ? to_uuid_text(hasher_.digest(constraint, field, known->second).key())
                              : "-");
        }
      }
      line += " owns";
      for (std::size_t i = 0; i < bed_constraints().size(); ++i) {
        const auto owned = user.owns.find(i);
        line += " " + (owned == user.owns.end() ? "-" : key(i, owned->second));
      }
      lines.push_back(line);
    }
    return lines;
  }

  Lines stored_entities() {
    Lines lines;
    const auto spell = [](const PerSlot<std::optional<ClaimKey>>& known) {
      std::string text;
      for (const auto& one : known) text += " " + (one ? to_uuid_text(*one) : "-");
      return text;
    };
    for (const auto& row : bed_.sql("SELECT entity, state, compensation FROM entities")) {
      const auto entity = decode_entity(bytes_of(row[1]), bed_constraints());
      const std::string open = row[2].is_null() ? "-" : identities_[row[2].c_str()];
      lines.push_back(fmt::format("{} open {} wants{} owns{}", row[0].c_str(), open,
                                  entity ? spell(entity->parts) : "?",
                                  entity ? spell(entity->owned) : "?"));
    }
    return lines;
  }

  Lines expected_compensations() const {
    Lines lines;
    for (const auto& [identity, known] : oracle_.compensations) {
      lines.push_back(fmt::format("{} {} at {}:{}", identity, known.state, known.cause.partition,
                                  known.cause.offset));
    }
    return lines;
  }

  Lines expected_violations() {
    Lines lines;
    for (const auto& [identity, known] : oracle_.compensations) {
      for (const auto& violation : known.violations) {
        lines.push_back(fmt::format("{} {} {} of {} by {}", identity, name_of(violation.rule),
                                    to_hex(digest(violation.rule, violation.value)),
                                    violation.owner, violation.event_id));
      }
    }
    return lines;
  }

  Lines expected_dead_letters() const {
    Lines lines;
    for (const auto& [partition, offset] : oracle_.dead_letters) {
      lines.push_back(fmt::format("{}:{}", partition, offset));
    }
    return lines;
  }

  void check_commands() {
    std::set<std::string> commanded;  // identities
    for (const auto& [id, commands] : said_.commands()) {
      const auto identity = identities_.find(id);
      if (identity == identities_.end() || !oracle_.compensations.contains(identity->second)) {
        differences_.push_back(
            fmt::format("a command without a violation: {} {}", id, commands[0].decision));
        continue;
      }
      const auto& known = oracle_.compensations.at(identity->second);
      const std::string& user = known.cause.user;
      for (const BothTopics::Command& command : commands) {
        const auto object = [&](const char* what) {
          differences_.push_back(fmt::format("{}: {} {}", what, id, command.decision));
        };
        if (known.deed != simulation::Deed::send) object("a command for what is not to be sent");
        if (command.subject != user || command.key != user) {
          object("a command against the wrong user");
        }
        if (&command != commands.data()) object("decided twice");
      }
      commanded.insert(identity->second);
    }
    for (const auto& [identity, known] : oracle_.compensations) {
      const bool sends = known.deed == simulation::Deed::send;
      if (sends && known.state == "open" && !commanded.contains(identity)) {
        differences_.push_back("no command for the open violation of " + identity);
      }
    }
  }

  TestBed& bed_;
  const BothTopics& said_;
  const Oracle& oracle_;
  ValueHasher hasher_;
  std::map<std::string, std::string> identities_;  // by compensation id: user/event id
  std::vector<std::string> differences_;
};

}  // namespace

OracleCheck::OracleCheck(TestBed& bed) : bed_(bed), said_(std::make_unique<BothTopics>()) {}
OracleCheck::~OracleCheck() = default;

std::vector<std::string> OracleCheck::differences() {
  said_->read_on(bed_);
  return Comparison(bed_, *said_).run();
}

std::vector<std::string> differences_from_oracle(TestBed& bed) {
  return OracleCheck(bed).differences();
}

void expect_equal_to_oracle(TestBed& bed) {
  for (const auto& difference : differences_from_oracle(bed)) FAIL_CHECK(difference);
}

}  // namespace uniqd::test

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
using Lines = std::set<std::string>;

// In the order of bed_constraints().
std::vector<Oracle::Rule> oracle_rules() {
  using simulation::Deed;
  return {{{"email"}}, {{"first", "last"}, Deed::review, Deed::review}, {{"username"}}};
}

// Both sides, and what is said of each aspect in the same words.
class Comparison {
 public:
  explicit Comparison(TestBed& bed)
      : bed_(bed),
        records_(bed.kafka().read_all(bed.topic)),
        oracle_(oracle_rules()),
        hasher_(bed.sql_text("SELECT value FROM meta WHERE name = 'value_key'")) {
    for (const TestRecord& record : records_) oracle_.fold(told_by(record));
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
    for (const auto& row : bed_.sql(query)) {
      if (!lines.insert(row[0].c_str()).second) {
        differences_.push_back(fmt::format("twice in PostgreSQL: {}", row[0].c_str()));
      }
    }
    return lines;
  }

  void compare(const std::string& what, const Lines& expected, const Lines& actual) {
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
    std::map<std::int32_t, std::int64_t> ends;
    for (const TestRecord& record : records_) ends[record.partition] = record.offset + 1;
    for (const auto& [partition, end] : ends) lines.insert(fmt::format("{}:{}", partition, end));
    return lines;
  }

  Lines expected_claims() {
    Lines lines;
    for (const auto& [name, user] : oracle_.users) {
      for (const auto& [constraint, value] : user.owns) {
        lines.insert(fmt::format("{} {} {}", name_of(constraint), key(constraint, value), name));
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
      lines.insert(fmt::format("{} {}", name_of(i), counts[i]));
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
      lines.insert(line);
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
      lines.insert(fmt::format("{} open {} wants{} owns{}", row[0].c_str(), open,
                               entity ? spell(entity->parts) : "?",
                               entity ? spell(entity->owned) : "?"));
    }
    return lines;
  }

  Lines expected_compensations() const {
    Lines lines;
    for (const auto& [identity, known] : oracle_.compensations) {
      lines.insert(fmt::format("{} {} at {}:{}", identity, known.state, known.cause.partition,
                               known.cause.offset));
    }
    return lines;
  }

  Lines expected_violations() {
    Lines lines;
    for (const auto& [identity, known] : oracle_.compensations) {
      for (const auto& violation : known.violations) {
        lines.insert(fmt::format("{} {} {} of {} by {}", identity, name_of(violation.rule),
                                 to_hex(digest(violation.rule, violation.value)), violation.owner,
                                 violation.event_id));
      }
    }
    return lines;
  }

  Lines expected_dead_letters() const {
    Lines lines;
    for (const auto& [partition, offset] : oracle_.dead_letters) {
      lines.insert(fmt::format("{}:{}", partition, offset));
    }
    return lines;
  }

  void check_commands() {
    std::map<std::string, std::string> decided;  // by command id: what must be the same every time
    std::set<std::string> commanded;             // identities
    for (const TestRecord& command : bed_.commands_sent()) {
      const std::string id = command.header("ce_id");
      const std::string decision =
          fmt::format("{} {} {} {} {}", command.key.value_or("?"), command.header("ce_type"),
                      command.header("ce_subject"), command.header("ce_causationid"),
                      command.header("ce_time"));
      const auto identity = identities_.find(id);
      if (identity == identities_.end() || !oracle_.compensations.contains(identity->second)) {
        differences_.push_back(fmt::format("a command without a violation: {} {}", id, decision));
        continue;
      }
      const auto& known = oracle_.compensations.at(identity->second);
      const auto& cause = known.cause;
      if (known.deed != simulation::Deed::send) {
        differences_.push_back(fmt::format("a command for what is not to be sent: {}", decision));
      }
      if (command.header("ce_subject") != cause.user || command.key != cause.user) {
        differences_.push_back(fmt::format("a command against the wrong user: {}", decision));
      }
      if (decided.emplace(id, decision).first->second != decision) {
        differences_.push_back(fmt::format("decided twice: {} as {}", id, decision));
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
  std::vector<TestRecord> records_;
  Oracle oracle_;
  ValueHasher hasher_;
  std::map<std::string, std::string> identities_;  // by compensation id: user/event id
  std::vector<std::string> differences_;
};

}  // namespace

std::vector<std::string> differences_from_oracle(TestBed& bed) { return Comparison(bed).run(); }

void expect_equal_to_oracle(TestBed& bed) {
  for (const auto& difference : differences_from_oracle(bed)) FAIL_CHECK(difference);
}

}  // namespace uniqd::test

// Several partitions, one daemon or two: the same read model.

#include <doctest/doctest.h>

#include <map>
#include <set>
#include <string>

#include "tests/support/oracle_check.hpp"
#include "tests/support/random_load.hpp"
#include "tests/support/services.hpp"
#include "tests/support/test_bed.hpp"
#include "tests/support/user_events.hpp"

namespace uniqd::test {
namespace {

TEST_CASE("three partitions, one daemon, values that stay in their partition") {
  TestBed bed(3);
  const auto daemon = bed.daemon();
  daemon->start_and_wait();
  RandomLoad load(11, 3);
  for (int round = 0; round < 20; ++round) bed.produce(load.next(50));
  bed.wait_settled();
  expect_equal_to_oracle(bed);
  CHECK(daemon->stop() == 0);
}

TEST_CASE("two daemons share three partitions, two start at once on no schema at all") {
  TestBed bed(3);
  const auto first = bed.daemon("first");
  const auto second = bed.daemon("second");
  first->start();
  second->start();
  RandomLoad load(12, 3);
  for (int round = 0; round < 20; ++round) bed.produce(load.next(50));
  first->wait_until_ready();
  second->wait_until_ready();
  bed.wait_settled();
  expect_equal_to_oracle(bed);
  CHECK(first->stop() == 0);
  CHECK(second->stop() == 0);
}

// The order between partitions is that of the commits: whoever wins, one does, and keeps it.
TEST_CASE("users of all partitions want the same values: one owner each, everyone else corrected") {
  TestBed bed(3);
  const auto first = bed.daemon("first");
  const auto second = bed.daemon("second");
  first->start_and_wait();
  second->start_and_wait();
  constexpr int values = 100;
  constexpr int partitions = 3;
  std::vector<TestRecord> records;
  for (int value = 0; value < values; ++value) {
    for (int partition = 0; partition < partitions; ++partition) {
      const std::string user = "u" + std::to_string(value) + "-" + std::to_string(partition);
      records.push_back(cloud_event(
          {"UserAdded", user, "e-" + user, {{"email", std::to_string(value) + "@x"}}, partition}));
    }
  }
  bed.produce(records);
  bed.wait_settled();
  std::set<std::string> owners;
  for (const auto& row : bed.sql("SELECT owner FROM claims")) owners.insert(row[0].c_str());
  CHECK(owners.size() == values);
  CHECK(bed.sql_text("SELECT claim_count FROM constraints WHERE name = 'email'") == "100");
  std::set<std::string> corrected;
  for (const TestRecord& command : bed.commands_sent()) {
    corrected.insert(command.header("ce_subject"));
    CHECK_FALSE(owners.contains(command.header("ce_subject")));
  }
  CHECK(corrected.size() == values * (partitions - 1));
  CHECK(bed.sql_text("SELECT count(*) FROM violations v JOIN compensations c ON c.id = "
                     "v.compensation WHERE split_part(v.owner, '-', 1) <> "
                     "split_part(c.entity, '-', 1)") == "0");
}

}  // namespace
}  // namespace uniqd::test

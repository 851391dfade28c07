#pragma once
// fake_source.hpp - one member of the consumer group, reading the topic in random portions.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "daemon/record_source.hpp"
#include "tests/simulation/database.hpp"
#include "tests/simulation/topic.hpp"

namespace uniqd::simulation {

class FakeSource : public RecordSource {
 public:
  // `is_broker_down` belongs to the world.
  FakeSource(const Topic& topic, Dice& dice, FaultPlan& faults, const bool& is_broker_down)
      : topic_(topic), dice_(dice), faults_(faults), is_broker_down_(is_broker_down) {}

  void poll(const PollLimits& limits, Poll& poll) override;
  std::vector<PartitionEnd> fetch_from(const std::vector<Position>& positions) override;
  void stop_fetching() override { fetches_.clear(); }
  void report_progress(const std::vector<Position>& /*positions*/) override {}

  // The group's decision, which the member learns from its next poll.
  void assign(std::vector<Partition> partitions) { news_ = std::move(partitions); }

  // The one partition, whatever the group does; what was applied of it is no matter.
  void read_alone(Partition partition) {
    assign({partition});
    is_alone_ = true;
  }

  // The places of the records of the poll that brought what these advances begin with, in its
  // order; of the last two polls, since one may be ahead. None where it brought ends only.
  [[nodiscard]] PolledPlaces polled(const std::vector<Advance>& advances) const;
  // The true end of the partition when fetching it last began; nothing where it never did.
  [[nodiscard]] std::optional<Offset> end_at_start(Partition partition) const;

 private:
  struct Fetch {
    Partition partition{};
    Offset next;
    std::optional<Offset> told_end;  // an end is told once
  };
  void take_from(Fetch& fetch, std::size_t records_max, Poll& poll);
  void hand_out(const LogRecord& record, Partition partition, Poll& poll);
  void forget_bytes();
  void check_anchor(const Position& position) const;

  const Topic& topic_;
  Dice& dice_;
  FaultPlan& faults_;
  const bool& is_broker_down_;
  bool is_alone_ = false;
  std::vector<Partition> assigned_;
  std::optional<std::vector<Partition>> news_;
  std::vector<Fetch> fetches_;
  std::map<Partition, Offset> ends_at_start_;
  // Of the assignment that the last poll ended, of which the member may not have heard yet.
  std::map<Partition, Offset> ends_before_;
  PolledPlaces polled_;
  PolledPlaces polled_before_;      // by the poll before
  std::vector<std::string> bytes_;  // what the last poll's views look at
};

}  // namespace uniqd::simulation

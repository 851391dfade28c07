#include "tests/simulation/fake_source.hpp"

#include <algorithm>
#include <utility>

#include "readmodel/digest.hpp"
#include "tests/simulation/complaint.hpp"

namespace uniqd::simulation {

// Whoever still looks at them sees that they are gone.
void FakeSource::forget_bytes() {
  for (std::string& bytes : bytes_) std::ranges::fill(bytes, 'X');
  bytes_.clear();
  polled_before_ = std::exchange(polled_, {});
}

PolledPlaces FakeSource::polled(const std::vector<Advance>& advances) const {
  const auto brought = [&](const PolledPlaces& places) {
    return std::ranges::any_of(advances, [&](const Advance& advance) {
      return std::ranges::find(places, std::pair(advance.partition, advance.first)) != places.end();
    });
  };
  if (brought(polled_before_)) return polled_before_;
  return brought(polled_) ? polled_ : PolledPlaces{};
}

void FakeSource::poll(const PollLimits& limits, Poll& poll) {
  poll = {};
  forget_bytes();
  ends_before_.clear();
  if (news_) {
    assigned_ = *std::exchange(news_, std::nullopt);
    fetches_.clear();
    ends_before_ = std::exchange(ends_at_start_, {});
    poll.assigned = assigned_;
    return;
  }
  if (is_broker_down_ || faults_.strikes(Fault::poll_failed, 30)) {
    poll.failure = SourceFailure{SourceTrouble::passing, "the broker is away"};
    return;
  }
  bytes_.reserve(2 * limits.records_max);  // a view must not move
  const std::size_t first = fetches_.empty() ? 0 : dice_.below(fetches_.size());
  for (std::size_t index = 0; index < fetches_.size(); ++index) {
    take_from(fetches_[(first + index) % fetches_.size()], limits.records_max, poll);
  }
  // The order in which a batch is to be applied.
  std::ranges::stable_sort(polled_, {}, [](const auto& place) { return place.first; });
}

void FakeSource::take_from(Fetch& fetch, std::size_t records_max, Poll& poll) {
  const std::int32_t number = to_number(fetch.partition);
  const auto rest = topic_.between(number, fetch.next.value, topic_.end(number));
  std::size_t count = std::min(rest.size(), records_max - poll.records.size());
  if (!faults_.is_calm()) count = std::min(count, dice_.below(8));
  for (std::size_t index = 0; index < count; ++index) {
    hand_out(*rest[index], fetch.partition, poll);
    fetch.next = Offset{rest[index]->offset}.next();
  }
  if (count < rest.size() || (!faults_.is_calm() && dice_.once_in(3))) return;
  fetch.next = Offset{topic_.end(number)};
  if (fetch.told_end == fetch.next) return;
  fetch.told_end = fetch.next;
  poll.ends.push_back({fetch.partition, fetch.next});
}

void FakeSource::hand_out(const LogRecord& log, Partition partition, Poll& poll) {
  Record record;
  record.partition = partition;
  record.offset = Offset{log.offset};
  record.timestamp_ms = log.timestamp_ms;
  if (log.key) record.key = bytes_.emplace_back(*log.key);
  if (log.payload) record.payload = bytes_.emplace_back(*log.payload);
  poll.records.push_back(record);
  polled_.emplace_back(partition, record.offset);
}

std::vector<PartitionEnd> FakeSource::fetch_from(const std::vector<Position>& positions) {
  require(std::ranges::equal(positions, assigned_, {}, &Position::partition),
          "what is fetched is what was assigned");
  forget_bytes();
  fetches_.clear();
  ends_before_.clear();
  const bool ends_known = !is_broker_down_ && !faults_.strikes(Fault::ends_unknown, 6);
  std::vector<PartitionEnd> ends;
  for (const Position& position : positions) {
    const Offset end{topic_.end(to_number(position.partition))};
    const Offset next = position.next_offset.value_or(Offset{0});
    require(next <= end, "a position is not beyond the end");
    if (!is_alone_) check_anchor(position);
    fetches_.push_back({position.partition, next, std::nullopt});
    ends_at_start_[position.partition] = end;
    if (ends_known) ends.push_back({position.partition, end});
  }
  return ends;
}

// The topic is never another one here, so what was kept of its last record must fit.
void FakeSource::check_anchor(const Position& position) const {
  const auto applied = topic_.between(to_number(position.partition), 0,
                                      position.next_offset.value_or(Offset{0}).value);
  require(position.anchor.has_value() == !applied.empty(),
          "there is an anchor where a record was applied");
  if (applied.empty()) return;
  const LogRecord& last = *applied.back();
  Record record;
  record.timestamp_ms = last.timestamp_ms;
  record.key = last.key;
  record.payload = last.payload;
  require(position.anchor == Anchor{Offset{last.offset}, record_digest(record)},
          "the anchor is the last record applied");
}

std::optional<Offset> FakeSource::end_at_start(Partition partition) const {
  for (const auto* ends : {&ends_at_start_, &ends_before_}) {
    if (const auto found = ends->find(partition); found != ends->end()) return found->second;
  }
  return std::nullopt;
}

}  // namespace uniqd::simulation

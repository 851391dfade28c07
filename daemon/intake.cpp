#include "daemon/intake.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "daemon/scheduling.hpp"
#include "readmodel/digest.hpp"

namespace uniqd {
namespace {

constexpr std::size_t records_at_first = 5'000;
constexpr std::size_t records_min = 500;
constexpr std::chrono::milliseconds long_batch{500};

}  // namespace

Intake::Intake(RecordSource& source, Decoder decoder, OnBadEvent on_bad_event, PollLimits limits,
               Ahead ahead, Probe probe)
    : source_(source),
      decoder_(std::move(decoder)),
      on_bad_event_(on_bad_event),
      limits_(limits),
      records_max_(limits.records_max),
      probe_(std::move(probe)),
      worker_(ahead, give_way) {
  limits_.records_max = std::min(records_at_first, records_max_);
}

Batch& Intake::next() {
  if (!ahead_ready_.valid()) {
    fill(batch_ahead(0), filling());
    return batch_ahead(0);
  }
  ahead_ready_.get();
  current_ = (current_ + 1) % batches_.size();
  Batch& batch = batch_ahead(0);
  if (behind_ready_.valid()) {
    if (batch.is_one_of_many) {
      ahead_ready_ = std::move(behind_ready_);
    } else {
      behind_ready_.get();
    }
  }
  return batch;
}

void Intake::adapt(const Batch& batch, std::chrono::nanoseconds took) {
  if (took > long_batch) {
    limits_.records_max = std::max(limits_.records_max / 2, std::min(records_min, records_max_));
  } else if (took < long_batch / 4 && batch.record_count >= limits_.records_max) {
    limits_.records_max = std::min(limits_.records_max * 2, records_max_);
  }
}

void Intake::fetch_ahead(const Batch& batch) {
  if (!batch.is_one_of_many || ahead_ready_.valid()) return;
  ahead_ready_ =
      worker_.post([this, &ahead = batch_ahead(1), filling = filling()] { fill(ahead, filling); });
}

void Intake::go_on_ahead(std::function<void(Batch&)> work) {
  Batch& ahead = batch_ahead(1);
  ahead_ready_ =
      worker_.post([&ahead, work = std::move(work), filled = std::move(ahead_ready_)]() mutable {
        filled.get();
        work(ahead);
      });
  behind_ready_ = worker_.post([this, &ahead, &behind = batch_ahead(2), filling = filling()] {
    if (ahead.is_one_of_many) fill(behind, filling);
  });
}

std::optional<std::vector<Partition>> Intake::drop_ahead() {
  if (!ahead_ready_.valid()) return std::nullopt;
  ahead_ready_.get();
  Batch& ahead = batch_ahead(1);
  if (!behind_ready_.valid()) return std::move(ahead.assigned);
  behind_ready_.get();
  return std::move(ahead.is_one_of_many ? batch_ahead(2).assigned : ahead.assigned);
}

void Intake::resume(const Position& position) {
  decoder_.resume(position.partition, position.next_offset.value_or(Offset{}), position.sequence);
}

void Intake::fill(Batch& batch, const Filling& filling) {
  const PollLimits& limits = filling.limits;
  if (filling.to_report) source_.report_progress(*filling.to_report);
  batch.judged.reset();
  batch.events.clear();
  batch.bad_events.clear();
  batch.counts = {};
  batch.halted.clear();
  source_.poll(limits, poll_);
  probe_("after_poll");
  // A batch has one order that can be written down shortly.
  std::ranges::stable_sort(poll_.records, {}, &Record::partition);
  batch.events.reserve(poll_.records.size());
  for (std::size_t index = 0; index < poll_.records.size(); ++index) {
    const Record& record = poll_.records[index];
    const auto met_before = decoder_.sequence(record.partition);
    if (!take(decoder_.decode(record), batch)) {
      // It has not been met yet: the next start begins with it.
      decoder_.resume(record.partition, record.offset, met_before);
      keep_until(index);
      break;
    }
  }
  batch.record_count = poll_.records.size();
  find_reaches(batch);
  batch.ends = std::move(poll_.ends);
  batch.assigned = std::move(poll_.assigned);
  batch.failure = std::move(poll_.failure);
  batch.is_one_of_many = 2 * batch.record_count >= std::min(records_at_first, limits.records_max) &&
                         batch.halted.empty() && !batch.assigned && !batch.failure;
}

// False: the batch has to end before this record.
bool Intake::take(Decoded decoded, Batch& batch) const {
  if (auto* event = std::get_if<Event>(&decoded)) {
    batch.events.push_back(std::move(*event));
  } else if (auto* bad = std::get_if<BadEvent>(&decoded)) {
    if (on_bad_event_ == OnBadEvent::halt) {
      batch.halted = fmt::format(
          "partition {} offset {} is no event: {}. on_bad_event is halt, so nothing behind it is "
          "read. Mend the cause in the configuration and start uniqd again, which goes on with "
          "this record; or set on_bad_event: park, which makes it a dead letter and goes on",
          to_number(bad->partition), bad->offset.value, bad->reason);
      return false;
    }
    spdlog::warn("dead letter at partition {} offset {}: {}", to_number(bad->partition),
                 bad->offset.value, bad->reason);
    batch.counts.count("", "bad");
    batch.bad_events.push_back(std::move(*bad));
  } else {
    batch.counts.count("", outcome_name(std::get<Skipped>(decoded)));
  }
  return true;
}

// Without the records from there on, and what was met behind them.
void Intake::keep_until(std::size_t count) {
  const Partition partition = poll_.records[count].partition;
  poll_.records.resize(count);
  std::erase_if(poll_.ends, [&](const PartitionEnd& end) { return end.partition >= partition; });
}

// The records are in the order of their partitions; of one partition, each is beyond the one
// before.
void Intake::find_reaches(Batch& batch) const {
  batch.reaches.clear();
  for (std::size_t index = 0; index < poll_.records.size(); ++index) {
    const Record& record = poll_.records[index];
    if (batch.reaches.empty() || batch.reaches.back().partition != record.partition) {
      batch.reaches.push_back({record.partition, record.offset, record.offset.next()});
    }
    const bool is_last =
        index + 1 == poll_.records.size() || poll_.records[index + 1].partition != record.partition;
    if (!is_last) continue;
    Batch::Reach& reach = batch.reaches.back();
    reach.next = record.offset.next();
    reach.anchor = Anchor{record.offset, record_digest(record)};
    reach.last_timestamp_ms = record.timestamp_ms;
  }
  for (const PartitionEnd& end : poll_.ends) {
    const auto found = std::ranges::find(batch.reaches, end.partition, &Batch::Reach::partition);
    if (found == batch.reaches.end()) {
      batch.reaches.push_back({end.partition, end.offset, end.offset});
    } else {
      found->next = std::max(found->next, end.offset);
    }
  }
  std::ranges::sort(batch.reaches, {}, &Batch::Reach::partition);
  for (Batch::Reach& reach : batch.reaches) reach.sequence = decoder_.sequence(reach.partition);
}

}  // namespace uniqd

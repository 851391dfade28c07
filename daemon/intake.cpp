#include "daemon/intake.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "readmodel/digest.hpp"

namespace uniqd {
namespace {

constexpr int niceness = 10;

// The loop's thread mostly waits for short answers, and is not to wait for this one as well. On
// Linux niceness is a thread's own (sched(7)).
void give_way() { (void)setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), niceness); }

}  // namespace

Intake::Intake(RecordSource& source, Decoder decoder, OnBadEvent on_bad_event, PollLimits limits,
               Ahead ahead, Probe probe)
    : source_(source),
      decoder_(std::move(decoder)),
      on_bad_event_(on_bad_event),
      limits_(limits),
      ahead_(ahead),
      probe_(std::move(probe)) {}

Intake::~Intake() {
  if (ahead_ready_.valid()) ahead_ready_.wait();
}

Batch& Intake::next() {
  if (ahead_ready_.valid()) {
    ahead_ready_.get();
    current_ = 1 - current_;
  } else {
    fill(batches_[current_]);
  }
  return batches_[current_];
}

void Intake::fetch_ahead(const Batch& batch) {
  const bool is_one_of_many = 2 * batch.record_count >= limits_.records_max;
  if (!is_one_of_many || !batch.halted.empty() || ahead_ready_.valid()) return;
  Batch& ahead = batches_[1 - current_];
  if (ahead_ == Ahead::beside) {
    ahead_ready_ = std::async(std::launch::async, [this, &ahead] {
      give_way();
      fill(ahead);
    });
  } else {
    fill(ahead);
    std::promise<void> done;
    done.set_value();
    ahead_ready_ = done.get_future();
  }
}

void Intake::look_ahead(std::function<void(const std::vector<Event>&)> look) {
  const Batch& ahead = batches_[1 - current_];
  if (ahead_ == Ahead::at_once) return look(ahead.events);
  ahead_ready_ = std::async(std::launch::async, [&ahead, look = std::move(look),
                                                 filled = std::move(ahead_ready_)]() mutable {
    filled.get();
    give_way();
    look(ahead.events);
  });
}

std::optional<std::vector<Partition>> Intake::drop_ahead() {
  if (!ahead_ready_.valid()) return std::nullopt;
  ahead_ready_.get();
  return std::move(batches_[1 - current_].assigned);
}

void Intake::resume(const Position& position) {
  decoder_.resume(position.partition, position.next_offset.value_or(Offset{}), position.sequence);
}

void Intake::fill(Batch& batch) {
  batch.spent.reset();
  batch.events.clear();
  batch.bad_events.clear();
  batch.counts = {};
  batch.halted.clear();
  source_.poll(limits_, poll_);
  probe_("after_poll");
  // A batch has one order that can be written down shortly.
  std::ranges::stable_sort(poll_.records, {}, &Record::partition);
  batch.events.reserve(poll_.records.size());
  for (std::size_t index = 0; index < poll_.records.size(); ++index) {
    if (!take(decoder_.decode(poll_.records[index]), batch)) {
      keep_until(index);
      break;
    }
  }
  batch.record_count = poll_.records.size();
  find_reaches(batch);
  batch.ends = std::move(poll_.ends);
  batch.assigned = std::move(poll_.assigned);
  batch.failure = std::move(poll_.failure);
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

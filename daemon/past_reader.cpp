#include "daemon/past_reader.hpp"

#include <algorithm>
#include <utility>

namespace uniqd {
namespace {

constexpr std::chrono::seconds answers_within{30};
constexpr PollLimits poll_limits{5000, std::size_t{16} << 20, std::chrono::milliseconds{100}};

KafkaSourceOptions alone(KafkaSourceOptions options, Partition partition) {
  options.reads_alone = true;
  options.only_partition = partition;
  return options;
}

}  // namespace

PastReader::PastReader(KafkaSourceOptions options, Partition partition)
    : source_(alone(std::move(options), partition), {}),
      partition_(partition),
      waiting_since_(std::chrono::steady_clock::now()) {
  while (!poll_.assigned) poll();
}

// REQUIRES: all that the last poll brought has been used.
void PastReader::poll() {
  source_.poll(poll_limits, poll_);
  used_ = 0;
  const auto now = std::chrono::steady_clock::now();
  if (!poll_.failure) waiting_since_ = now;
  if (now - waiting_since_ > answers_within) throw NoAnswer(poll_.failure->text);
}

bool PastReader::is_lost() const {
  return poll_.failure && poll_.failure->trouble == SourceTrouble::halted;
}

bool PastReader::begin(Offset from) {
  poll_ = {};
  used_ = 0;
  reached_ = from;
  (void)source_.fetch_from({{partition_, from}});
  // Either its range is known by now, or the first answer says what is the matter.
  while (!is_lost() && poll_.records.empty() && poll_.ends.empty()) poll();
  return !is_lost();
}

void PastReader::read_to(Offset next, const std::function<void(const Record&)>& take) {
  while (reached_ < next) {
    for (; used_ < poll_.records.size(); ++used_) {
      const Record& record = poll_.records[used_];
      if (record.offset >= next) return;
      reached_ = record.offset.next();
      take(record);
    }
    for (const PartitionEnd& end : poll_.ends) reached_ = std::max(reached_, end.offset);
    if (reached_ >= next) return;
    poll();
    if (is_lost()) throw NoAnswer(poll_.failure->text);
  }
}

}  // namespace uniqd

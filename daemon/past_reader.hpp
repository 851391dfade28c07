#pragma once
// past_reader.hpp - one partition of the topic read alone, from an offset on, for a person's
// question.

#include <chrono>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>

#include "daemon/kafka_source.hpp"

namespace uniqd {

// The broker or the topic does not answer; the text says which and why.
class NoAnswer : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Joins no group and stores nothing. Thread safety: none.
class PastReader {
 public:
  // Throws NoAnswer where nothing answers in time.
  PastReader(KafkaSourceOptions options, Partition partition);

  // Begins at `from`; false: that is not there any more (retention), or not yet.
  [[nodiscard]] bool begin(Offset from);
  // Hands over the records up to `next`, exclusive, that have not been handed over yet; what lies
  // behind is kept. Throws NoAnswer.
  void read_to(Offset next, const std::function<void(const Record&)>& take);

 private:
  void poll();
  [[nodiscard]] bool is_lost() const;

  KafkaSource source_;
  Partition partition_;
  Poll poll_;
  std::size_t used_ = 0;  // of poll_.records
  Offset reached_;        // exclusive
  std::chrono::steady_clock::time_point waiting_since_;
};

}  // namespace uniqd

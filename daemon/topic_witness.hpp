#pragma once
// topic_witness.hpp - is what was read still where it was? Asked beside the reading.

#include <chrono>
#include <cstdint>
#include <map>
#include <string>

#include "commands/kafka_handles.hpp"
#include "readmodel/position.hpp"

namespace uniqd {

// Reads single records with a client of its own, which is in no group. Thread safety: none.
class TopicWitness {
 public:
  using Questions = std::map<Partition, Anchor>;
  struct Answer {
    enum class Kind : std::uint8_t {
      waiting,
      same,     // all are; or are not there any more, and then nothing can be told (compaction)
      removed,  // the offset of one is out of the partition's range
      other,    // another record is in its place
    };
    Kind kind = Kind::waiting;
    Partition partition{};  // of `removed` and `other`
  };

  // `conf` is that of a consumer. Throws std::runtime_error.
  TopicWitness(KafkaConf conf, std::string topic);
  ~TopicWitness();
  TopicWitness(const TopicWitness&) = delete;
  TopicWitness& operator=(const TopicWitness&) = delete;

  // Waits at most so long. The questions stay the same, or grow, until they are answered by
  // something else than `waiting`, or forgotten.
  [[nodiscard]] Answer ask(const Questions& questions, std::chrono::milliseconds wait);
  void forget();

 private:
  void fetch(const Questions& questions);
  [[nodiscard]] Answer::Kind judge(const rd_kafka_message_t& message);

  std::string topic_;
  KafkaClient client_;
  Questions asked_;  // what is being fetched
  Questions open_;   // and what of it is not answered yet
};

}  // namespace uniqd

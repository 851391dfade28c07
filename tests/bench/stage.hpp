#pragma once
// stage.hpp - a topic, a schema and a daemon for a measurement; and the daemon working off a
// backlog.

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "tests/bench/pg_link.hpp"
#include "tests/bench/processes.hpp"
#include "tests/support/kafka_admin.hpp"
#include "tests/support/uniqd_process.hpp"

namespace uniqd::bench {

// A schema and a topic for commands of one's own, for one daemon. The schema goes away at the end.
// Thread safety: none.
class Stage {
 public:
  // Reads `topic`, which exists.
  explicit Stage(std::string topic);
  ~Stage();
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;

  [[nodiscard]] const std::string& topic() const { return topic_; }
  [[nodiscard]] const std::string& commands_topic() const { return commands_topic_; }
  [[nodiscard]] const std::string& schema() const { return schema_; }
  [[nodiscard]] test::UniqdProcess& daemon() { return *daemon_; }
  // As a superuser, in the schema.
  [[nodiscard]] PgLink& link() { return *link_; }

  // Makes the read model's tables, without the daemon.
  void migrate();
  // Has the daemon make its read model, empty, and returns the key that it digests values with.
  std::string open_read_model();
  // How far the topic has been applied, exclusive; 0: nothing, or no read model yet.
  [[nodiscard]] std::int64_t applied();

 private:
  std::string topic_;
  std::string commands_topic_;
  std::string schema_;
  test::KafkaAdmin kafka_;
  std::unique_ptr<PgLink> link_;
  std::unique_ptr<test::UniqdProcess> daemon_;
};

// A topic with a name of its own; `config` as the broker has it.
[[nodiscard]] std::string make_topic(int partitions = 1,
                                     const std::map<std::string, std::string>& config = {});

// What the daemon did between its first commit and the last event.
struct BacklogRun {
  std::int64_t events = 0;
  double seconds = 0;
  double later_rate = 0;  // of its second half, when what there is has been learned
  CpuUse cpu{};
  double batch_seconds = 0;   // of its own metrics, begin to commit, whole run
  double commit_seconds = 0;  // of those, writing and committing
  [[nodiscard]] double rate() const { return static_cast<double>(events) / seconds; }
};

// Starts the daemon, waits until all up to `end` (exclusive) is applied, and stops it. With
// `has_checkpoint` the database makes a checkpoint when a third is done.
[[nodiscard]] BacklogRun run_backlog(Stage& stage, std::int64_t end, bool has_checkpoint = false);

}  // namespace uniqd::bench

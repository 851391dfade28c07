#pragma once
// postgres_ledger.hpp - the ledger on PostgreSQL: the one transaction of a batch.

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "commands/relay.hpp"
#include "daemon/ledger.hpp"
#include "readmodel/known_keys.hpp"
#include "readmodel/pg_session.hpp"
#include "readmodel/pg_writes.hpp"
#include "readmodel/position_store.hpp"
#include "readmodel/schema.hpp"

namespace uniqd {

// When learning what the tables hold pays: after so many batches of so many events in a row; and
// how much memory it may take. Larger batches, which only a backlog makes, wait for it for a while:
// beside them it takes thrice as long, and so do they until it is done.
struct LearnPolicy {
  std::size_t events_min = 500;
  unsigned batches_min = 5;
  std::size_t waits_from = 2'500;  // events
  std::chrono::milliseconds wait_max{5'000};
  std::size_t bytes_max = std::size_t{256} << 20;
};

// Connects at need. Batches of all instances that share the schema take turns by an advisory lock,
// so the order between partitions is that of the commits. A transaction that opens or ends a
// compensation commits synchronously; one that does not may be lost by a crash of the server,
// position and all, and is then applied again.
class PostgresLedger : public Ledger {
 public:
  // `constraints` must outlive the ledger. `keeps_texts`: ValueForm::plain. `rules`: what the read
  // model must have been made under, checked with every positions(); empty: not checked.
  PostgresLedger(PgTarget target, std::string topic, const ConstraintSet& constraints,
                 bool keeps_texts, Probe probe, Fingerprint rules = {}, LearnPolicy learn = {});

  std::vector<Position> positions(const std::vector<Partition>& partitions) override;
  [[nodiscard]] bool begin(const std::vector<Advance>& advances, const std::vector<Event>& events,
                           Loaded& loaded) override;
  void load_missing(Loaded& loaded) override;
  [[nodiscard]] std::optional<LookAhead> look_ahead(const Loaded& before,
                                                    const Outcome& outcome) override;
  void commit_transaction(const Outcome& outcome) override;
  void abandon() noexcept override;

 private:
  // What a batch writes of its outcome.
  struct Writes {
    PgWrites model;
    PgWrites compensations;
  };
  [[nodiscard]] Writes writes_of(const Outcome& outcome) const;
  template <class Work>
  auto with_session(std::unique_ptr<PgSession>& session, Work work);
  // Who wrote before, and how much comes now, say whether what is known can be relied on, and
  // whether it is worth learning.
  void consider_knowledge(PgSession& session, Writer before, std::size_t events);

  PgTarget target_;
  std::string topic_;
  const ConstraintSet& constraints_;
  bool keeps_texts_;
  Probe probe_;
  Fingerprint rules_;
  std::unique_ptr<PgSession> session_;
  int generation_ = 1;  // as of the last positions()
  Writer writer_;       // ourselves
  // What looks ahead has these for its own while it runs.
  std::unique_ptr<PgSession> session_ahead_;
  std::optional<Writes> writes_ahead_;
  LearnPolicy learn_;
  KnownKeys known_;
  bool is_looking_ahead_ = false;  // which remembers what is committed
  std::optional<Writes> writes_;   // of the batch at hand, where they are ready
  unsigned full_batches_ = 0;      // in a row
};

}  // namespace uniqd

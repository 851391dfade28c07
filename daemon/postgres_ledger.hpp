#pragma once
// postgres_ledger.hpp - the ledger on PostgreSQL: the one transaction of a batch.

#include <memory>
#include <string>
#include <vector>

#include "commands/relay.hpp"
#include "daemon/ledger.hpp"
#include "readmodel/pg_session.hpp"
#include "readmodel/schema.hpp"

namespace uniqd {

// Connects at need. Batches of all instances that share the schema take turns by an advisory lock,
// so the order between partitions is that of the commits. A transaction that opens or ends a
// compensation commits synchronously; one that does not may be lost by a crash of the server,
// position and all, and is then applied again.
class PostgresLedger : public Ledger {
 public:
  // `constraints` must outlive the ledger. `keeps_texts`: ValueForm::plain. `rules`: what the read
  // model must have been made under, checked with every positions(); empty: not checked.
  PostgresLedger(PgTarget target, std::string topic, const ConstraintSet& constraints,
                 bool keeps_texts, Probe probe, Fingerprint rules = {});

  std::vector<Position> positions(const std::vector<Partition>& partitions) override;
  [[nodiscard]] bool begin(const std::vector<Advance>& advances, const std::vector<Event>& events,
                           Loaded& loaded) override;
  void load_missing(Loaded& loaded) override;
  void commit_transaction(const Outcome& outcome) override;
  void abandon() noexcept override;

 private:
  template <class Work>
  auto with_session(Work work);

  PgTarget target_;
  std::string topic_;
  const ConstraintSet& constraints_;
  bool keeps_texts_;
  Probe probe_;
  Fingerprint rules_;
  std::unique_ptr<PgSession> session_;
  int generation_ = 1;  // as of the last positions()
};

}  // namespace uniqd

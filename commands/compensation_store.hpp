#pragma once
// compensation_store.hpp - compensations in PostgreSQL: in a batch's transaction, and as outbox.

#include <memory>
#include <string>
#include <vector>

#include "commands/compensation.hpp"
#include "commands/relay.hpp"
#include "readmodel/claims.hpp"
#include "readmodel/pg_session.hpp"

namespace uniqd {

// The open compensations of the entities of `events`, locked until the transaction ends.
// REQUIRES: a transaction is open, the entities are loaded. Throws StoreFailure.
void load_compensations(PgSession& session, const std::vector<Event>& events, const Model& model,
                        Compensations& compensations);

// REQUIRES: a transaction is open. Throws StoreFailure.
void save_compensations(PgSession& session, const std::string& topic,
                        const Compensations::Changes& changes);

// The outbox on a connection of its own, opened at need and anew after a failure.
class PostgresOutbox : public Outbox {
 public:
  PostgresOutbox(PgTarget target, std::string topic);

  std::vector<Compensation> pending(const std::vector<Partition>& partitions,
                                    std::size_t limit) override;
  void mark_sent(const std::vector<CompensationId>& ids) override;

 private:
  // Runs `work` on a connection; throws the connection away if that fails.
  template <class Work>
  auto with_session(Work work);

  PgTarget target_;
  std::string topic_;
  std::unique_ptr<PgSession> session_;
};

}  // namespace uniqd

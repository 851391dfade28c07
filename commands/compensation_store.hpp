#pragma once
// compensation_store.hpp - compensations in PostgreSQL: in a batch's transaction, and as outbox.

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "commands/compensation.hpp"
#include "commands/relay.hpp"
#include "readmodel/claims.hpp"
#include "readmodel/pg_session.hpp"

namespace uniqd {

// The open compensations of these entities, locked until the transaction ends.
// REQUIRES: a transaction is open, the entities are loaded. Throws StoreFailure.
void load_compensations(PgSession& session, const std::vector<std::string>& entities,
                        const Model& model, Compensations& compensations);

// REQUIRES: a transaction is open. Throws StoreFailure.
void save_compensations(PgSession& session, const std::string& topic,
                        const Compensations::Changes& changes);

// How long a correction may take, and how often its command is sent.
struct SendPolicy {
  std::chrono::milliseconds deadline{30'000};  // of the first attempt
  double backoff = 2.0;                        // factor on the deadline from attempt to attempt
  int attempts_max = 5;                        // sends in all
};

// The outbox on a connection of its own, opened at need and anew after a failure.
class PostgresOutbox : public Outbox {
 public:
  PostgresOutbox(PgTarget target, std::string topic, SendPolicy policy);

  std::vector<Compensation> due(const std::vector<Partition>& partitions,
                                std::size_t limit) override;
  void mark_sent(const std::vector<CompensationId>& ids,
                 std::chrono::milliseconds publish_took) override;
  void mark_overdue(const std::vector<CompensationId>& ids) override;

 private:
  // Runs `work` on a connection; throws the connection away if that fails.
  template <class Work>
  auto with_session(Work work);

  PgTarget target_;
  std::string topic_;
  SendPolicy policy_;
  std::unique_ptr<PgSession> session_;
};

}  // namespace uniqd

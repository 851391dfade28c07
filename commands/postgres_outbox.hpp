#pragma once
// postgres_outbox.hpp - the compensations in PostgreSQL whose message is due.

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "commands/relay.hpp"
#include "readmodel/pg_session.hpp"

namespace uniqd {

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

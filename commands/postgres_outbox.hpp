#pragma once
// postgres_outbox.hpp - the compensations in PostgreSQL whose message is due.

#include <chrono>
#include <memory>
#include <optional>
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
  int first_sends_max = 0;  // of all instances, in a minute; more pause sending. 0: no limit
};

// The outbox on a connection of its own, opened at need and anew after a failure. While sending is
// paused nothing is due.
class PostgresOutbox : public Outbox {
 public:
  PostgresOutbox(PgTarget target, std::string topic, SendPolicy policy);

  std::vector<Compensation> due(const std::vector<Partition>& partitions,
                                std::size_t limit) override;
  void mark_sent(const std::vector<CompensationId>& ids,
                 std::chrono::milliseconds publish_took) override;
  void mark_overdue(const std::vector<CompensationId>& ids) override;

  // Why due() has paused sending since the last time this was asked; nothing where it has not.
  [[nodiscard]] std::optional<std::string> take_pause();

 private:
  // Runs `work` on a connection; throws the connection away if that fails.
  template <class Work>
  auto with_session(Work work);

  void keep_to_limit(PgSession& session, std::vector<Compensation>& due);

  PgTarget target_;
  std::string topic_;
  SendPolicy policy_;
  std::optional<std::string> pause_;
  std::unique_ptr<PgSession> session_;
};

}  // namespace uniqd

#pragma once
// postgres_rebuild_store.hpp - two generations of the read model in PostgreSQL: the next one is
// made in a schema of its own and its tables take the others' place in one transaction.

#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "commands/decide.hpp"
#include "daemon/postgres_ledger.hpp"
#include "daemon/rebuild_store.hpp"
#include "readmodel/schema.hpp"

namespace uniqd {

// Another rebuild of the same read model is at work.
class RebuildRuns : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct GenerationRules {
  std::string topic;
  Fingerprint fingerprint;
  bool keeps_texts = false;
  // Commands for what is newly found under changed rules are sent, not only reported.
  bool sends_all = false;
  bool is_anew = false;                      // see RebuildOptions
  std::vector<Policy::OnViolation> actions;  // of all constraints, as they are now
  LearnPolicy learn{};
};

// The schema in which the next generation of `schema` is made; dropped and made again by each
// rebuild.
[[nodiscard]] std::string next_schema(const std::string& schema);

class PostgresRebuildStore final : public RebuildStore {
 public:
  // Makes an empty next generation without indexes. Holds a lock until destroyed, or the process
  // dies. REQUIRES: the schema in use is migrated. Throws StoreFailure, RebuildRuns.
  PostgresRebuildStore(PgTarget in_use, GenerationRules rules, const ConstraintSet& constraints);
  ~PostgresRebuildStore() override;

  // In what the rules differ from those of the generation in use.
  [[nodiscard]] const std::vector<std::string>& differences() const { return differences_; }
  // Where reading of each partition began; as far as the generation in use knows.
  [[nodiscard]] const std::vector<Position>& beginnings() const { return beginnings_; }

  [[nodiscard]] std::optional<ActionKind> strongest_allowed(CompensationId cause) const override;
  [[nodiscard]] bool is_passed_over(Place place) const override;
  InUse look(std::int64_t from_ordinal) override;
  void load(Loaded& loaded, const std::vector<BadEvent>& bad_events,
            const std::vector<Advance>& advances, const std::vector<HistoryStep>& order) override;
  Ledger& ledger() override { return ledger_; }
  void intervene(CompensationId id, Intervention intervention) override;
  InUse pin(std::int64_t from_ordinal) override;
  Comparison compare() override;
  InUse hold(std::int64_t from_ordinal) override;
  void release() noexcept override;
  Prospect prospect() override;
  std::optional<Prospect> swap() override;
  void tell(const std::string& phase, std::uint64_t done, std::uint64_t total) noexcept override;

 private:
  struct Index {
    std::string table;
    std::string take_off;  // SQL
    std::string put_on;    // SQL
  };
  void make_next_schema();
  void take_indexes_off();
  void put_indexes_on();
  void read_what_was_decided();
  void keep_words_of_the_rules();
  [[nodiscard]] InUse read_in_use(PgSession& session, std::int64_t from_ordinal) const;
  [[nodiscard]] std::string filled_in(std::string sql) const;

  PgTarget target_;
  PgTarget next_target_;
  GenerationRules rules_;
  const ConstraintSet& constraints_;
  std::string keep_words_;  // SQL
  PgSession in_use_;        // holds the lock, and the swap's transaction
  PgSession next_;
  std::unique_ptr<PgSession> pinned_;
  PostgresLedger ledger_;
  std::vector<std::string> differences_;
  std::vector<Position> beginnings_;
  std::vector<Index> indexes_;
  absl::flat_hash_map<CompensationId, ActionKind, std::hash<CompensationId>> decided_;
  absl::flat_hash_set<std::pair<std::int32_t, std::int64_t>> passed_over_;
};

}  // namespace uniqd

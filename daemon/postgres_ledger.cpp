#include "daemon/postgres_ledger.hpp"

#include <utility>

#include "commands/compensation_store.hpp"
#include "commands/safety_store.hpp"
#include "readmodel/claim_store.hpp"
#include "readmodel/dead_letter_store.hpp"
#include "readmodel/position_store.hpp"

namespace uniqd {
namespace {

std::vector<std::string> names_of(const std::vector<Event>& events) {
  std::vector<std::string> names;
  names.reserve(events.size());
  for (const Event& event : events) names.push_back(event.entity);
  return names;
}

void load_entities_with_compensations(PgSession& session, const std::vector<std::string>& names,
                                      Loaded& loaded) {
  load_entities(session, names, loaded.model);
  load_compensations(session, names, loaded.model, loaded.compensations);
}

}  // namespace

PostgresLedger::PostgresLedger(PgTarget target, std::string topic, const ConstraintSet& constraints,
                               bool keeps_texts, Probe probe, Fingerprint rules)
    : target_(std::move(target)),
      topic_(std::move(topic)),
      constraints_(constraints),
      keeps_texts_(keeps_texts),
      probe_(std::move(probe)),
      rules_(std::move(rules)) {}

template <class Work>
auto PostgresLedger::with_session(Work work) {
  try {
    if (!session_) session_ = std::make_unique<PgSession>(target_);
    return work(*session_);
  } catch (const StoreFailure&) {
    session_.reset();
    throw;
  }
}

std::vector<Position> PostgresLedger::positions(const std::vector<Partition>& partitions) {
  abandon();
  return with_session([&](PgSession& session) {
    auto locked = lock_positions(session, topic_, partitions);
    // A rebuild under other rules is noticed here, since it fences everyone.
    if (!rules_.empty() &&
        !agree_on_fingerprint(session, target_.schema, rules_, constraints_).empty()) {
      throw StoreFailure(std::string(rules_changed_sqlstate),
                         "the read model has been rebuilt under other rules than these");
    }
    generation_ = locked.generation;
    return std::move(locked.positions);
  });
}

bool PostgresLedger::begin(const std::vector<Advance>& advances, const std::vector<Event>& events,
                           Loaded& loaded) {
  return with_session([&](PgSession& session) {
    session.begin();
    take_lock(session, PgLock::batch, target_.schema);
    if (!advance_positions(session, topic_, advances, generation_)) {
      session.roll_back();
      return false;
    }
    probe_("after_compare_and_set");
    loaded.model.set_partial();
    if (events.empty()) return true;
    loaded.safety = load_safety(session);
    load_causes(session, events, loaded.model);
    load_entities_with_compensations(session, names_of(events), loaded);
    load_claims(session, keys_to_load(events, loaded.model), loaded.model);
    load_contenders(session, keys_that_may_become_free(events, loaded.model), loaded.model);
    return true;
  });
}

void PostgresLedger::load_missing(Loaded& loaded) {
  with_session([&](PgSession& session) {
    const Missing missing = loaded.model.missing();
    load_entities_with_compensations(session, {missing.entities.begin(), missing.entities.end()},
                                     loaded);
    load_claims(session, {missing.claims.begin(), missing.claims.end()}, loaded.model);
    load_contenders(session, {missing.contended.begin(), missing.contended.end()}, loaded.model);
    loaded.reset();
  });
}

void PostgresLedger::commit_transaction(const Outcome& outcome) {
  with_session([&](PgSession& session) {
    save_model(session, outcome.model, constraints_, keeps_texts_);
    probe_("after_model_written");
    save_compensations(session, topic_, outcome.compensations);
    save_dead_letters(session, topic_, outcome.bad_events);
    if (outcome.safety) save_safety(session, *outcome.safety);
    if (outcome.retried) save_retried(session, topic_, *outcome.retried);
    probe_("after_outbox_written");
    // Also fails where the transaction has been aborted, whose COMMIT would not. No time limit
    // during COMMIT: a COMMIT that was cancelled reports success (PostgreSQL, syncrep.c).
    session.run(outcome.compensations.empty() && !outcome.retried
                    ? "SET LOCAL statement_timeout = 0; SET LOCAL synchronous_commit = off"
                    : "SET LOCAL statement_timeout = 0");
    session.commit_transaction();
  });
}

void PostgresLedger::abandon() noexcept {
  if (session_) session_->roll_back();
}

}  // namespace uniqd

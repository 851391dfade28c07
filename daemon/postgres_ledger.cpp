#include "daemon/postgres_ledger.hpp"

#include <random>
#include <utility>

#include "commands/compensation_store.hpp"
#include "commands/safety_store.hpp"
#include "readmodel/claim_store.hpp"
#include "readmodel/dead_letter_store.hpp"
#include "readmodel/needs.hpp"
#include "readmodel/position_store.hpp"

namespace uniqd {
namespace {

constexpr PgStatement find_any_key{
    "find_any_key",
    "SELECT EXISTS (SELECT FROM entities) OR EXISTS (SELECT FROM claims)"
    " OR EXISTS (SELECT FROM violations)"};

// No time limit during COMMIT: a COMMIT that was cancelled reports success (PostgreSQL, syncrep.c).
constexpr PgStatement commit_durably{"commit_durably",
                                     "SELECT set_config('statement_timeout', '0', true)"};
constexpr PgStatement commit_soon{"commit_soon",
                                  "SELECT set_config('statement_timeout', '0', true),"
                                  " set_config('synchronous_commit', 'off', true)"};

bool is_empty(PgSession& session) { return !session.run(find_any_key)[0][0].as<bool>(); }

std::vector<std::string_view> names_of(const std::vector<Event>& events) {
  std::vector<std::string_view> names;
  names.reserve(events.size());
  for (const Event& event : events) names.push_back(event.entity);
  return names;
}

void load_entities_with_compensations(PgSession& session,
                                      const std::vector<std::string_view>& names,
                                      const KnownKeys& known, Loaded& loaded) {
  load_entities(session, names, known, loaded.model);
  load_compensations(session, names, loaded.model, loaded.compensations);
}

// Who wants these keys, and all that promoting them takes to know.
void load_contended(PgSession& session, std::vector<ClaimKey> keys, const KnownKeys& known,
                    Loaded& loaded) {
  const auto contenders = load_contenders(session, std::move(keys), loaded.model);
  const std::vector<std::string_view> names(contenders.begin(), contenders.end());
  load_entities_with_compensations(session, names, known, loaded);
  load_claims(session, keys_wanted_by(names, loaded.model), known, loaded.model);
}

Writer random_writer() {
  std::random_device random;
  return Writer{static_cast<std::int64_t>(std::uint64_t{random()} << 32 | random())};
}

void remember(const Outcome& outcome, KnownKeys& known) {
  known.remember(outcome.model);
  for (const Compensation& opened : outcome.compensations.opened) {
    for (const Violation& violation : opened.violations) known.remember_cause(violation.cause);
  }
  for (const auto& change : outcome.compensations.changed) {
    for (const Violation& violation : change.now.violations) {
      known.remember_cause(violation.cause);
    }
  }
}

}  // namespace

PostgresLedger::PostgresLedger(PgTarget target, std::string topic, const ConstraintSet& constraints,
                               bool keeps_texts, Probe probe, Fingerprint rules)
    : target_(std::move(target)),
      topic_(std::move(topic)),
      constraints_(constraints),
      keeps_texts_(keeps_texts),
      probe_(std::move(probe)),
      rules_(std::move(rules)),
      writer_(random_writer()) {}

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
  known_.forget();
  ahead_.reset();
  full_batches_ = 0;
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
    const auto before = advance_positions(session, topic_, advances, generation_, writer_);
    if (!before) {
      session.roll_back();
      return false;
    }
    probe_("after_compare_and_set");
    consider_knowledge(session, *before, events.size());
    is_prepared_ = false;
    auto ahead = std::exchange(ahead_, std::nullopt);
    if (events.empty()) {
      loaded.model.set_partial();
      return true;
    }
    // The last who wrote were ourselves, so all that was written since is in it.
    const bool is_good = ahead && ahead->events == &events && *before == writer_;
    if (!is_good) ahead = look_up(session, events, nullptr);
    loaded.model = std::move(ahead->model);
    loaded.safety = load_safety(session);
    load_causes(session, events, known_, loaded.model);
    load_compensations(session, names_of(events), loaded.model, loaded.compensations);
    load_contended(session, std::move(ahead->contended), known_, loaded);
    return true;
  });
}

PostgresLedger::LookedUp PostgresLedger::look_up(PgSession& session,
                                                 const std::vector<Event>& events,
                                                 const Outcome* pending) const {
  LookedUp found{&events, Model(constraints_), {}};
  Model& model = found.model;
  model.set_partial();
  model.reserve(events.size());
  load_entities(session, names_of(events), known_, model);
  if (pending) model.catch_up(pending->model);
  Needs needs = needs_of(events, model);
  load_claims(session, std::move(needs.claims), known_, model);
  if (pending) model.catch_up(pending->model);
  found.contended = std::move(needs.contended);
  return found;
}

void PostgresLedger::prepare(const Outcome& pending) {
  remember(pending, known_);
  is_prepared_ = true;
}

void PostgresLedger::look_ahead(const std::vector<Event>& next, const Outcome& pending) {
  if (next.empty()) return;
  try {
    if (!session_ahead_) session_ahead_ = std::make_unique<PgSession>(target_);
    ahead_ = look_up(*session_ahead_, next, &pending);
  } catch (const StoreFailure&) {
    session_ahead_.reset();  // begin() will look, and say what is wrong
  }
}

// Learning takes reading all of the tables once, so it is left until there is a backlog.
void PostgresLedger::consider_knowledge(PgSession& session, Writer before, std::size_t events) {
  full_batches_ = events >= learn_policy_.events_min ? full_batches_ + 1 : 0;
  if (known_.is_active()) {
    if (before != writer_) {
      known_.forget();
    } else {
      (void)known_.is_ready();
    }
    return;
  }
  if (before != writer_ && full_batches_ > 1) {
    full_batches_ = 1;  // somebody else writes too
  }
  if (full_batches_ == 0) return;
  if (is_empty(session)) {
    known_.begin_empty();
  } else if (full_batches_ >= learn_policy_.batches_min) {
    known_.begin_reading(target_);
  }
}

void PostgresLedger::load_missing(Loaded& loaded) {
  with_session([&](PgSession& session) {
    const Missing missing = loaded.model.missing();
    load_entities_with_compensations(session, {missing.entities.begin(), missing.entities.end()},
                                     known_, loaded);
    load_claims(session, {missing.claims.begin(), missing.claims.end()}, known_, loaded.model);
    load_contended(session, {missing.contended.begin(), missing.contended.end()}, known_, loaded);
    loaded.reset();
  });
}

void PostgresLedger::commit_transaction(const Outcome& outcome) {
  if (!is_prepared_) remember(outcome, known_);
  with_session([&](PgSession& session) {
    save_model(session, outcome.model, constraints_, keeps_texts_);
    probe_("after_model_written");
    save_compensations(session, topic_, outcome.compensations);
    save_dead_letters(session, topic_, outcome.bad_events);
    if (outcome.safety) save_safety(session, *outcome.safety);
    if (outcome.retried) save_retried(session, topic_, *outcome.retried);
    probe_("after_outbox_written");
    // Also fails where the transaction has been aborted, whose COMMIT would not.
    session.post(outcome.compensations.empty() && !outcome.retried ? commit_soon : commit_durably);
    session.commit_transaction();
  });
}

void PostgresLedger::abandon() noexcept {
  if (session_) session_->roll_back();
}

}  // namespace uniqd

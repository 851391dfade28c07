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
  ask_entities(session, names, known, loaded.model);
  session.flush();
  load_compensations(session, names, loaded.model, loaded.compensations);
}

// Who wants these keys, and all that promoting them takes to know.
void load_contended(PgSession& session, std::vector<ClaimKey> keys, const KnownKeys& known,
                    Loaded& loaded) {
  const auto contenders = load_contenders(session, std::move(keys), loaded.model);
  const std::vector<std::string_view> names(contenders.begin(), contenders.end());
  load_entities_with_compensations(session, names, known, loaded);
  ask_claims(session, keys_wanted_by(names, loaded.model), known, loaded.model);
  session.flush();
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

PgSession& PostgresLedger::connected(std::unique_ptr<PgSession>& session) const {
  if (!session) {
    session = std::make_unique<PgSession>(target_);
    session->plan_once();
  }
  return *session;
}

template <class Work>
auto PostgresLedger::with_session(Work work) {
  try {
    return work(connected(session_));
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
    std::optional<Writer> before;
    ask_to_advance(session, topic_, advances, generation_, writer_, before);
    ask_safety(session, loaded.safety);
    auto found = std::exchange(ahead_, std::nullopt);
    const bool is_ahead = found && found->events == &events;
    const auto ask_anew = [&] { ask_about(session, events, found.emplace(events, constraints_)); };
    if (!is_ahead) ask_anew();
    ask_causes(session, events, known_, found->model);
    session.flush();
    if (!before) {
      session.roll_back();
      return false;
    }
    probe_("after_compare_and_set");
    const bool relied_on_us = is_ahead || known_.is_active();
    consider_knowledge(session, *before, events.size());
    const bool is_stale = relied_on_us && *before != writer_;
    if (is_stale) {
      ask_anew();
      ask_causes(session, events, known_, found->model);
      session.flush();
    }
    if (is_stale || !is_ahead) find_rest(session, *found, nullptr);
    loaded.model = std::move(found->model);
    load_compensations(session, names_of(events), loaded.model, loaded.compensations);
    load_contended(session, std::move(found->contended), known_, loaded);
    return true;
  });
}

// What can be asked for at once.
void PostgresLedger::ask_about(PgSession& session, const std::vector<Event>& events,
                               LookedUp& found) const {
  found.model.set_partial();
  found.model.reserve(events.size());
  ask_entities(session, names_of(events), known_, found.model);
  ask_claims(session, keys_carried_by(events), known_, found.model);
}

// What the entities' state asks for. With `pending`: as it will be when that is committed, whether
// it has been or not.
void PostgresLedger::find_rest(PgSession& session, LookedUp& found, const Outcome* pending) const {
  if (pending) found.model.catch_up(pending->model);
  Needs needs = needs_of(*found.events, found.model);
  ask_claims(session, std::move(needs.claims), known_, found.model);
  session.flush();
  if (pending) found.model.catch_up(pending->model);
  found.contended = std::move(needs.contended);
}

Ledger::LookAhead PostgresLedger::look_ahead(const Outcome& pending) {
  is_looking_ahead_ = true;
  return [this, &pending](const std::vector<Event>& events) {
    remember(pending, known_);
    if (events.empty()) return;
    try {
      PgSession& session = connected(session_ahead_);
      ask_about(session, events, ahead_.emplace(events, constraints_));
      session.flush();
      find_rest(session, *ahead_, &pending);
    } catch (const StoreFailure&) {
      ahead_.reset();
      session_ahead_.reset();  // begin() will look, and say what is wrong
    }
  };
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
    ask_claims(session, {missing.claims.begin(), missing.claims.end()}, known_, loaded.model);
    session.flush();
    load_contended(session, {missing.contended.begin(), missing.contended.end()}, known_, loaded);
    loaded.reset();
  });
}

void PostgresLedger::commit_transaction(const Outcome& outcome) {
  if (!std::exchange(is_looking_ahead_, false)) remember(outcome, known_);
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

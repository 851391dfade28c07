#pragma once
// assembly.hpp - settings as the rooms want them. Pure.

#include <optional>
#include <string>

#include "commands/decide.hpp"
#include "commands/encode_command.hpp"
#include "commands/kafka_publisher.hpp"
#include "commands/postgres_outbox.hpp"
#include "config/settings.hpp"
#include "daemon/kafka_source.hpp"
#include "daemon/postgres_ledger.hpp"
#include "daemon/process_batch.hpp"
#include "readmodel/decode_event.hpp"
#include "readmodel/pg_session.hpp"
#include "readmodel/rules.hpp"

namespace uniqd {

// Numbered in the order of their names, so that the order of the file does not matter.
[[nodiscard]] ConstraintSet make_constraints(const Settings& settings);
// `value_key` is the HMAC's key; ignored for other forms.
[[nodiscard]] DecoderOptions make_decoder_options(const Settings& settings,
                                                  const ConstraintSet& constraints,
                                                  const std::string& value_key);
[[nodiscard]] Policy make_policy(const Settings& settings);
[[nodiscard]] ValueForm make_value_form(const Settings& settings);
[[nodiscard]] CommandForm make_command_form(const Settings& settings);
// What claiming events are judged by, as text; for begin_safety_rules().
[[nodiscard]] std::string make_safety_rules(const Settings& settings);
[[nodiscard]] SendPolicy make_send_policy(const Settings& settings);
[[nodiscard]] LearnPolicy make_learn_policy(const Settings& settings);
[[nodiscard]] PgTarget make_pg_target(const Settings& settings);
[[nodiscard]] OnBadEvent make_on_bad_event(const Settings& settings);
[[nodiscard]] KafkaSourceOptions make_source_options(const Settings& settings);
[[nodiscard]] KafkaPublisherOptions make_publisher_options(const Settings& settings);

}  // namespace uniqd

# Who watches the watchmen: each mutant is the simulation with one deliberate bug, and the simulation
# must object to it. A mutant replaces one exact text in one source file; a text that is not found
# exactly once fails the build of the mutants, and with it their test.
#
#   cmake --build build --target mutants     build and run them all; stops at one that survives
#   build/mutant_NAME --seeds 1:3000         one of them

set(mutant_seeds 1:10000)
add_custom_target(mutants)

# add_mutant(NAME what-is-wrong FILE path-from-the-root FROM text TO text)
function(add_mutant name)
  cmake_parse_arguments(PARSE_ARGV 1 mutant "" "FILE;FROM;TO" "")
  set(folder ${CMAKE_CURRENT_BINARY_DIR}/mutants/${name})
  set(source ${folder}/mutated.cpp)
  file(CONFIGURE OUTPUT ${folder}/from.txt CONTENT "@mutant_FROM@" @ONLY)
  file(CONFIGURE OUTPUT ${folder}/to.txt CONTENT "@mutant_TO@" @ONLY)
  add_custom_command(OUTPUT ${source}
    COMMAND ${CMAKE_COMMAND} -DFILE=${CMAKE_SOURCE_DIR}/${mutant_FILE} -DFOLDER=${folder}
      -P ${CMAKE_CURRENT_SOURCE_DIR}/mutate.cmake
    DEPENDS ${CMAKE_SOURCE_DIR}/${mutant_FILE} ${CMAKE_CURRENT_SOURCE_DIR}/mutate.cmake
      ${folder}/from.txt ${folder}/to.txt
    VERBATIM)
  # What is defined here is not taken from the libraries.
  add_executable(mutant_${name} EXCLUDE_FROM_ALL main.cpp ${source})
  target_compile_options(mutant_${name} PRIVATE -O1 -w)
  target_link_libraries(mutant_${name} PRIVATE simulation_core simdjson::simdjson OpenSSL::Crypto
    nlohmann_json::nlohmann_json spdlog::spdlog fmt::fmt Threads::Threads)
  add_custom_command(OUTPUT ${folder}/killed.txt
    COMMAND ${CMAKE_COMMAND} -DPROGRAM=$<TARGET_FILE:mutant_${name}> -DNAME=${name}
      -DSEEDS=${mutant_seeds} -DREPORT=${folder}/killed.txt
      -P ${CMAKE_CURRENT_SOURCE_DIR}/expect_objection.cmake
    DEPENDS mutant_${name} ${CMAKE_CURRENT_SOURCE_DIR}/expect_objection.cmake
    COMMENT "Running mutant ${name}" VERBATIM)
  add_custom_target(run_mutant_${name} DEPENDS ${folder}/killed.txt)
  add_dependencies(mutants run_mutant_${name})
endfunction()

add_test(NAME mutants
  COMMAND ${CMAKE_COMMAND} --build ${CMAKE_BINARY_DIR} --target mutants --parallel 2)
set_tests_properties(mutants PROPERTIES LABELS "simulation;mutation" RUN_SERIAL TRUE TIMEOUT 900)

# The rules of the fold.
add_mutant(redelivery_is_judged_again FILE readmodel/claims.cpp
  FROM [[if (model.was_found_violating(event.cause)) {]]
  TO [[if (false) {]])
add_mutant(entity_conflicts_with_itself FILE readmodel/claims.cpp
  FROM [[return owner && *owner != entity;]]
  TO [[return owner.has_value();]])
add_mutant(some_may_take_over FILE readmodel/claims.cpp
  FROM [[return owner && *owner != entity;]]
  TO [[return owner && *owner < entity;]])
add_mutant(violation_takes_all_the_same FILE readmodel/claims.cpp
  FROM [[if (verdict.kind == Verdict::Kind::violating) break;]]
  TO [[]])
add_mutant(release_keeps_claims FILE readmodel/claims.cpp
  FROM [[for (const ClaimKey key : freed) model.remove_claim(key);]]
  TO [[]])
add_mutant(release_does_not_confirm FILE commands/decide.cpp
  FROM [[compensations.end(*open, CompensationState::confirmed, event.id);]]
  TO [[]])
add_mutant(null_does_not_free FILE readmodel/claims.cpp
  FROM [[value.digest ? std::optional(value.digest->key()) : std::nullopt;]]
  TO [[value.digest ? std::optional(value.digest->key()) : verdict.parts[value.slot];]])
add_mutant(change_of_the_absent_counts FILE readmodel/claims.cpp
  FROM [[if (!entity && event.effect == Effect::change) return verdict;]]
  TO [[]])
add_mutant(violating_change_frees FILE readmodel/claims.cpp
  FROM [[after.parts = verdict.parts;]]
  TO [[after.parts = verdict.parts;
  for (auto& owned : after.owned) {
    if (owned && verdict.kind == Verdict::Kind::violating) {
      model.remove_claim(*owned);
      owned.reset();
    }
  }]])
add_mutant(violation_forgets_what_it_wants FILE readmodel/claims.cpp
  FROM [[after.parts = verdict.parts;]]
  TO [[if (verdict.kind != Verdict::Kind::violating) after.parts = verdict.parts;]])
add_mutant(nothing_settles FILE readmodel/claims.cpp
  FROM [[verdict.settles = entity && entity->compensation &&]]
  TO [[verdict.settles = false && entity &&]])
add_mutant(settles_though_contested FILE readmodel/claims.cpp
  FROM [[return !wanted || !is_owned_by_another(model, *wanted, entity);]]
  TO [[return true;]])
add_mutant(two_compensations_at_a_time FILE commands/decide.cpp
  FROM [[if (open) {
    compensations.add(]]
  TO [[if (false) {
    compensations.add(]])
add_mutant(id_forgets_its_event FILE readmodel/digest.cpp
  FROM [[append(message, identity);]]
  TO [[]])

add_mutant(weaker_action_stays FILE commands/compensation.cpp
  FROM [[if (is_stronger) known.action = action;]]
  TO [[]])
add_mutant(nobody_is_promoted FILE daemon/process_batch.cpp
  FROM [[if (!freed.empty()) promote(]]
  TO [[if (false) promote(]])
add_mutant(promoted_while_corrected FILE commands/decide.cpp
  FROM [[if (open && may_be_promoted(open->state) &&]]
  TO [[if (open &&]])
add_mutant(promoted_though_contested FILE commands/decide.cpp
  FROM [[ && nothing_is_contested(model, contender.entity)) {]]
  TO [[) {]])
add_mutant(last_comer_is_promoted FILE commands/decide.cpp
  FROM [[for (const Contender& contender : model.contenders(key)) {]]
  TO [[for (const Contender& contender : std::vector<Contender>(model.contenders(key).rbegin(),
                                                               model.contenders(key).rend())) {]])
add_mutant(promotion_frees_nothing FILE commands/decide.cpp
  FROM [[std::ranges::copy(take_all(model, name), std::back_inserter(queue));]]
  TO [[take_all(model, name);]])

# The way of a batch.
add_mutant(what_is_missing_is_absent FILE daemon/process_batch.cpp
  FROM [[while (!loaded.model.missing().empty()) {]]
  TO [[while (false) {]])
add_mutant(second_fold_remembers_the_first FILE commands/compensation.cpp
  FROM [[known_.at(id) = Tracked{stored->second, false, false};]]
  TO [[]])
add_mutant(compare_and_set_is_off FILE tests/simulation/fake_ledger.cpp
  FROM [[if (stored != advance.expected) {]]
  TO [[if (false) {]])
add_mutant(last_record_is_read_again FILE daemon/intake.cpp
  FROM [[reach.next = record.offset.next();]]
  TO [[reach.next = record.offset;]])
add_mutant(end_skips_records FILE daemon/intake.cpp
  FROM [[found->next = std::max(found->next, end.offset);]]
  TO [[found->next = Offset{end.offset.value + 1};]])
add_mutant(anchor_is_the_first_record FILE daemon/intake.cpp
  FROM [[reach.anchor = Anchor{record.offset, record_digest(record)};]]
  TO [[reach.anchor = Anchor{poll_.records[0].offset, record_digest(poll_.records[0])};]])
add_mutant(no_anchor FILE daemon/intake.cpp
  FROM [[reach.anchor = Anchor{record.offset, record_digest(record)};]]
  TO [[]])
add_mutant(entity_ahead_is_as_it_was FILE readmodel/claims.cpp
  FROM [[const auto found = before.entities_.find(name);
  if (found == before.entities_.end()) return false;]]
  TO [[const auto found = before.entities_.find(name);
  if (true) return false;]])
add_mutant(claim_ahead_is_as_it_was FILE readmodel/claims.cpp
  FROM [[const auto found = before.claims_.find(key);
  if (found == before.claims_.end()) return false;]]
  TO [[const auto found = before.claims_.find(key);
  if (true) return false;]])
add_mutant(contenders_ahead_are_as_they_were FILE readmodel/claims.cpp
  FROM [[found->stored.push_back({name, std::nullopt});]]
  TO [[]])
add_mutant(withdrawn_contender_is_still_there_ahead FILE readmodel/claims.cpp
  FROM [[std::erase_if(found->stored, [&](const auto& one) { return one.entity == mover.second; });]]
  TO [[]])
add_mutant(violating_event_ahead_is_forgotten FILE tests/support/memory_store.cpp
  FROM [[if (was_just_found || causes.contains(event.cause))]]
  TO [[if (causes.contains(event.cause))]])
add_mutant(judged_ahead_though_overtaken FILE tests/simulation/fake_ledger.cpp
  FROM [[if (database_.state().last_writer != this) {]]
  TO [[if (false) {]])
add_mutant(judged_ahead_though_outdated FILE tests/simulation/fake_ledger.cpp
  FROM [[return is_unchanged;]]
  TO [[return true;]])
add_mutant(dismissed_meanwhile_is_as_it_was FILE commands/compensation.cpp
  FROM [[if (is_under_way(same.state) && is_under_way(compensation.state)) same.state = compensation.state;]]
  TO [[same.state = compensation.state;]])
add_mutant(judged_again_and_written_as_before FILE tests/simulation/fake_ledger.cpp
  FROM [[prepared_.reset();]]
  TO [[]])
add_mutant(ahead_is_applied_after_trouble FILE daemon/loop.cpp
  FROM [[if (const auto assigned = intake_.drop_ahead()) on_assigned(*assigned);]]
  TO [[]])
add_mutant(news_of_the_batch_ahead_are_lost FILE daemon/loop.cpp
  FROM [[if (const auto assigned = intake_.drop_ahead()) on_assigned(*assigned);]]
  TO [[(void)intake_.drop_ahead();]])
add_mutant(news_of_the_batch_behind_are_lost FILE daemon/intake.cpp
  FROM [[ahead.is_one_of_many ? batch_ahead(2).assigned : ahead.assigned]]
  TO [[ahead.assigned]])
add_mutant(batch_behind_is_fetched_and_lost FILE daemon/intake.cpp
  FROM [[ahead_ready_ = std::move(behind_ready_);]]
  TO [[behind_ready_.get();]])
add_mutant(fenced_and_goes_on FILE daemon/loop.cpp
  FROM [[if (!moved.empty() && !commit_batch(batch, moved)) {]]
  TO [[if (!moved.empty() && !commit_batch(batch, moved) && false) {]])
add_mutant(failure_without_reading_positions FILE daemon/loop.cpp
  FROM [[seams_.ledger.abandon();
    return on_store_failure(failure);]]
  TO [[seams_.ledger.abandon();
    return {LoopStep::Kind::waiting, {}};]])
add_mutant(commit_in_doubt_is_done FILE daemon/loop.cpp
  FROM [[seams_.ledger.abandon();
    return on_store_failure(failure);]]
  TO [[seams_.ledger.abandon();]])
add_mutant(dead_letter_is_dropped FILE daemon/intake.cpp
  FROM [[batch.bad_events.push_back(std::move(*bad));]]
  TO [[]])
add_mutant(rebalance_without_reading_positions FILE daemon/loop.cpp
  FROM [[is_synchronised_ = false;
  failures_in_row_ = 0;]]
  TO [[failures_in_row_ = 0;]])
add_mutant(rewind_goes_unnoticed FILE daemon/loop.cpp
  FROM [[if (seams_.gate.take_distrust() && is_synchronised_) lose_footing();]]
  TO [[(void)seams_.gate.take_distrust();]])

# The breaker.
add_mutant(never_pauses FILE commands/breaker.cpp
  FROM [[if (!change.window.exceeds(max_violation_share)) continue;]]
  TO [[continue;]])
add_mutant(pauses_are_not_kept FILE daemon/loop.cpp
  FROM [[outcome.safety = judge_safety(]]
  TO [[(void)judge_safety(]])

# The way of a command.
add_mutant(sends_while_catching_up FILE daemon/loop.cpp
  FROM [[if (known.caught_up) open.push_back(partition);]]
  TO [[open.push_back(partition);]])
add_mutant(caught_up_at_once FILE daemon/loop.cpp
  FROM [[known.caught_up = known.next_offset && *known.next_offset >= end.offset;]]
  TO [[known.caught_up = true;]])
add_mutant(hands_over_to_who_is_busy FILE daemon/command_gate.cpp
  FROM [[if (news_ || !is_listening_ || waiting != wait_count_) decided.clear();]]
  TO [[]])
add_mutant(hands_over_what_was_found_already FILE daemon/command_gate.cpp
  FROM [[if (news_ || !is_listening_ || waiting != wait_count_) decided.clear();]]
  TO [[if (news_ || !is_listening_) decided.clear();]])
add_mutant(hands_over_while_paused FILE daemon/loop.cpp
  FROM [[waiting != 0 && !loaded.safety.is_paused && !pauses;]]
  TO [[waiting != 0;]])
add_mutant(sends_what_it_got_for_others FILE commands/relay.cpp
  FROM [[return std::ranges::count(partitions, command.partition) == 0;]]
  TO [[return false;]])
add_mutant(marks_what_is_uncertain FILE commands/relay.cpp
  FROM [[if (report.delivery == Delivery::delivered) {]]
  TO [[if (true) {]])
add_mutant(never_gives_up FILE commands/relay.cpp
  FROM [[return !compensation.is_exhausted;]]
  TO [[return true;]])
add_mutant(never_marks FILE commands/relay.cpp
  FROM [[if (!delivered.empty()) {]]
  TO [[if (false) {]])

# What people do, and the rebuild.
add_mutant(dismissed_is_still_sent FILE tests/support/memory_store.cpp
  FROM [[known.state = CompensationState::dismissed;
    due.erase(id);]]
  TO [[known.state = CompensationState::dismissed;]])
add_mutant(generation_does_not_fence FILE tests/simulation/fake_ledger.cpp
  FROM [[if (generation_ != database_.state().generation) {]]
  TO [[if (false) {]])
add_mutant(violators_are_content FILE readmodel/holdings.cpp
  FROM [[holder.standing = Holder::Standing::wanting;]]
  TO [[holder.standing = Holder::Standing::content;]])
add_mutant(violators_stay_as_they_were FILE readmodel/holdings.cpp
  FROM [[if (holder.standing == Holder::Standing::wanting) wanting_.erase(&holder);]]
  TO [[]])
add_mutant(history_is_ignored FILE daemon/rebuild.cpp
  FROM [[has_history_ ? in_use.history : std::vector<HistoryStep>{}]]
  TO [[std::vector<HistoryStep>{}]])
add_mutant(interventions_are_not_folded FILE daemon/rebuild.cpp
  FROM [[known_.compensations.intervene(round.then->compensation,]]
  TO [[if (false) known_.compensations.intervene(round.then->compensation,]])
add_mutant(interventions_are_not_followed FILE daemon/rebuild.cpp
  FROM [[seams_.store.intervene(round.then->compensation,]]
  TO [[if (false) seams_.store.intervene(round.then->compensation,]])
add_mutant(last_moves_are_left_out FILE daemon/rebuild.cpp
  FROM [[aim(seams_.store.hold(from));]]
  TO [[(void)seams_.store.hold(from);]])
add_mutant(swaps_without_holding FILE daemon/rebuild.cpp
  FROM [[return aim_at(Goal::held);]]
  TO [[progress_.phase = Phase::swapping;
      return;]])
add_mutant(swaps_though_somebody_is_in_the_way FILE daemon/rebuild.cpp
  FROM [[goal_ = Goal::near;
  progress_.phase = Phase::following;
  aim_at(Goal::near);]]
  TO [[progress_.phase = Phase::done;]])
add_mutant(anew_sets_daemons_back FILE daemon/rebuild.cpp
  FROM [[if (now && *now >= *position.next_offset) end->next_offset = position.next_offset;]]
  TO [[]])
add_mutant(anew_writes_another_order FILE daemon/rebuild.cpp
  FROM [[if (!has_history_) reader_.keep_to_numbers();]]
  TO [[]])
add_mutant(anew_writes_no_order FILE daemon/rebuild.cpp
  FROM [[if (has_history_) return;]]
  TO [[return;]])
add_mutant(rebuild_has_no_anchor FILE daemon/rebuild.cpp
  FROM [[if (!batch_.is_again) note_anchors();]]
  TO [[]])
add_mutant(rebuild_of_what_was_empty FILE daemon/rebuild.cpp
  FROM [[if (!has_history_ && !in_use.history.empty()) {]]
  TO [[if (false) {]])
add_mutant(rebuild_drops_dead_letters FILE daemon/rebuild.cpp
  FROM [[std::ranges::move(round.bad_events, std::back_inserter(known_bad_));]]
  TO [[]])
add_mutant(grown_step_is_ignored FILE daemon/ordered_reader.cpp
  FROM [[steps_.back() = step;]]
  TO [[]])
add_mutant(step_is_left_too_early FILE daemon/ordered_reader.cpp
  FROM [[if (!take_up_to(track(step.partition), step.offset, records_max, batch)) return false;]]
  TO [[(void)take_up_to(track(step.partition), step.offset, records_max, batch);]])
add_mutant(records_are_lost_at_the_end FILE daemon/ordered_reader.cpp
  FROM [[end.reset();  // it counts once all before it was handed out]]
  TO [[]])
add_mutant(latest_comes_first FILE daemon/ordered_reader.cpp
  FROM [[track.head()->timestamp_ms < earliest->head()->timestamp_ms]]
  TO [[track.head()->timestamp_ms > earliest->head()->timestamp_ms]])
add_mutant(commands_are_sent_again FILE tests/simulation/fake_rebuild_store.cpp
  FROM [[known.state = old.state;]]
  TO [[]])

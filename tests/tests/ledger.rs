//! What holds of the ledger, as one list of stories run over SQLite and over PostgreSQL; then what only one can show.
#![allow(clippy::unwrap_used, clippy::expect_used)]
// Stories read better with values written out than with borrowed slices.
#![allow(clippy::cloned_ref_to_slice_refs, clippy::assigning_clones)]

#[path = "ledger/claims.rs"]
mod claims;
#[path = "ledger/file.rs"]
mod file;
#[path = "ledger/history.rs"]
mod history;
#[path = "ledger/kept.rs"]
mod kept;
#[path = "ledger/letters.rs"]
mod letters;
#[path = "ledger/opening.rs"]
mod opening;
#[path = "ledger/place.rs"]
mod place;
#[path = "ledger/samples.rs"]
mod samples;
#[path = "ledger/server.rs"]
mod server;
#[path = "ledger/sweeps.rs"]
mod sweeps;

macro_rules! over_both {
    ($($topic:ident: { $($story:ident),+ $(,)? })+) => {
        mod sqlite {
            $(mod $topic {
                $(#[tokio::test(flavor = "multi_thread")]
                async fn $story() {
                    crate::$topic::$story(crate::place::Place::sqlite()).await;
                })+
            })+
        }
        mod postgres {
            $(mod $topic {
                $(#[tokio::test(flavor = "multi_thread")]
                async fn $story() {
                    crate::$topic::$story(crate::place::Place::postgres().await).await;
                })+
            })+
        }
    };
}

over_both! {
    claims: {
        of_many_claimers_one_is_granted,
        an_owner_cannot_claim_twice_what_it_runs,
        a_lease_that_ran_out_is_taken_over_and_its_owner_shut_out,
        of_many_who_take_over_one_is_granted,
        an_owner_past_its_lease_may_finish_while_nobody_took_over,
        a_heartbeat_holds_the_claim,
        a_claim_that_was_let_go_is_granted_at_once,
        outcomes_come_back_byte_for_byte,
        done_stays_done,
        completing_again_with_the_same_outcomes_is_no_loss,
        a_long_error_is_cut_between_characters,
        claims_of_other_workers_events_and_replays_are_others,
        runs_are_listed_by_worker_and_replay,
    }
    history: {
        an_event_comes_back_as_it_travelled,
        what_is_there_already_is_left_as_it_is,
        five_thousand_events_are_recorded_and_listed,
        filters_choose_and_the_newest_comes_first,
        ids_are_found_by_their_beginning,
        times_are_bounds_to_the_millisecond,
        the_highest_replay_is_the_event,
        the_newest_of_a_subject_is_found,
        unreadable_messages_are_kept_and_listed,
        large_and_odd_messages_are_kept,
        lists_read_no_more_than_they_show,
        many_recorders_at_once_lose_and_double_nothing,
        what_proved_a_source_is_known,
    }
    letters: {
        a_letter_comes_back_as_it_was_buried,
        the_same_letter_twice_is_one,
        letters_of_other_workers_and_replays_are_others,
        a_letter_that_died_again_after_its_replay_is_open_again,
        filters_choose_and_the_newest_comes_first,
        text_is_found_whatever_its_case_and_never_as_a_pattern,
        lists_read_no_more_than_they_show,
        open_letters_are_counted_by_worker,
    }
    kept: {
        what_a_run_leaves_is_there_with_its_outcomes,
        of_two_runs_from_the_same_state_one_ends,
        many_at_once_leave_one_version_after_the_other,
    }
    sweeps: {
        of_many_sweepers_one_is_let_in,
        a_place_is_swept_again_only_after_a_while,
        a_sweep_that_vanished_is_taken_over_and_keeps_its_watermark,
        what_a_sweep_leaves_and_could_not_do_is_known,
        what_was_asked_is_counted_settled_and_forgotten,
        a_tag_s_changes_are_counted_once,
    }
    opening: {
        eight_at_once_open_a_new_database,
        what_was_written_is_there_when_opened_again,
        a_newer_database_is_refused,
        an_edited_migration_is_refused,
        it_answers_and_tells_the_time,
    }
}

//! Pull requests instead of pushes, over a real repository and each kind of host that has its pull requests, checks and
//! merges.

mod apps;
mod branches;
mod broken;
mod errors;
mod hosted;
mod others;
mod repository;
mod stories;

use hosted::Kind;

/// Every story over one host.
macro_rules! over {
    ($kind:ident as $host:ident) => {
        mod $host {
            use super::{Kind, stories};
            over!(
                $kind:
                a_release_waits_for_the_merge_of_its_pull_request_and_goes_on_however_it_is_merged,
                a_newer_release_takes_the_place_of_the_older_in_the_same_pull_request,
                what_died_after_the_push_of_the_branch_or_after_the_pull_request_is_gone_on_with,
                a_release_whose_pull_request_is_closed_ends_and_the_next_has_another,
                the_branch_is_kept_upon_what_people_write_and_pushed_to_only_then,
                it_is_merged_when_every_check_has_passed_and_not_before,
                what_the_branchs_rules_want_is_waited_for_and_said,
                what_is_kept_out_has_its_pull_request_closed_with_the_reason,
                what_is_bad_is_taken_back_by_a_pull_request_of_its_own,
                what_others_add_to_the_branch_is_not_merged_with_it,
                what_others_add_to_the_branch_is_theirs_to_merge_and_what_is_newer_waits_for_that,
                a_branch_whose_pull_request_is_over_is_begun_anew_unless_somebody_has_pushed_to_it_since,
                a_pull_request_of_a_fork_with_the_same_branch_is_left_alone,
                a_strangers_pull_request_with_the_number_of_ours_is_left_alone,
                people_are_told_once_of_each_pull_request_that_waits_for_them,
                a_limit_is_waited_for_elsewhere_and_credentials_that_are_refused_are_for_people_to_mend,
            );
        }
    };
    ($kind:ident: $($story:ident),* $(,)?) => {
        $(
            #[tokio::test]
            async fn $story() {
                stories::$story(Kind::$kind).await;
            }
        )*
    };
}

over!(Github as github);
over!(Gitlab as gitlab);
over!(Gitea as gitea);

//! The bus's contract: one list, run over RabbitMQ and over the embedded bus; then what only one of them can meet.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bus {
    pub(crate) mod broker;
    pub(crate) mod faults;
    pub(crate) mod file;
    pub(crate) mod flow;
    pub(crate) mod line;
    pub(crate) mod place;
    pub(crate) mod settling;
}

/// Runs each story over both.
macro_rules! contract {
    ($($module:ident: $($story:ident),+;)+) => {
        mod amqp {
            use crate::bus::{$($module,)+ place::Place};
            $($(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $story() {
                    $module::$story(&Place::amqp().await).await;
                }
            )+)+
        }
        mod sqlite {
            use crate::bus::{$($module,)+ place::Place};
            $($(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $story() {
                    $module::$story(&Place::sqlite()).await;
                }
            )+)+
        }
    };
}

contract! {
    flow:
        an_event_goes_to_those_who_hear_its_type,
        what_no_queue_takes_is_told,
        what_is_published_to_a_worker_reaches_only_it,
        a_worker_that_never_ran_cannot_be_published_to,
        a_message_comes_as_it_was_published,
        a_body_of_twenty_megabytes_comes_as_it_was_published,
        a_body_over_the_limit_is_refused,
        a_queue_keeps_the_order_of_publishing,
        a_large_message_keeps_its_place,
        many_publish_at_once,
        publishing_nothing_is_done_at_once,
        depths_count_what_waits;
    settling:
        what_is_acknowledged_does_not_come_again,
        what_was_not_settled_comes_again_in_order,
        a_dropped_delivery_comes_again,
        deliveries_of_a_consumer_that_went_go_to_the_next,
        a_retry_waits_its_time_and_counts_failures,
        a_message_survives_many_trips_over_one_step,
        a_parked_delivery_becomes_a_dead_letter,
        a_dead_letter_comes_again_until_it_is_acknowledged,
        two_consumers_share_a_queue,
        no_more_is_out_than_the_prefetch,
        a_single_writer_has_one_active_consumer,
        closing_ends_every_consumer;
}

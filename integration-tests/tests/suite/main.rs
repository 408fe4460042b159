//! The behaviour suite: what every backend must do, through the pool, on real servers.
//!
//! One binary, so that servers are shared. A test's name is its subject and its behaviour:
//! `cargo test -p integration-tests --test suite redis::comes_back_after_restart`.

mod behaviour;
mod pool;

/// Makes a module for each subject with a test for each behaviour.
macro_rules! suite {
    ($($module:ident: $subject:ident),*) => {
        $(mod $module {
            use integration_tests::$subject as Subject;
            behaviours!(
                // On a server that is shared.
                connects_and_answers
                a_wrong_password_fails_at_once_and_is_not_retried
                a_refused_port_is_given_up_after_its_attempts
                an_unknown_host_is_given_up_after_its_attempts
                a_silent_listener_is_a_timeout_within_its_limit
                close_waits_for_a_lease_and_refuses_new_ones
                a_hundred_tasks_share_one_client
                // On the shared one, with a fault proxy on the way.
                comes_back_after_a_cut
                comes_back_after_a_reset
                comes_back_after_twenty_cuts
                half_open_idle_is_noticed_once_and_heals
                half_open_busy_hangs_no_operation
                accept_then_silent_ends_every_wait_and_heals
                close_during_connect_leaves_nothing
                close_during_reconnect_leaves_nothing
                close_during_a_ping_is_clean
                cancelled_operations_misdeliver_nothing
                // On the one that they break.
                comes_back_after_restart
                comes_back_after_kill
                a_password_rotated_while_down_and_restored_heals
                a_frozen_server_is_noticed_and_comes_back
                a_frozen_server_hangs_no_operation
                close_is_bounded_with_a_frozen_server
                dropped_while_the_server_is_down_it_never_comes_back
            );
        })*
    };
}

macro_rules! behaviours {
    ($($behaviour:ident)*) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $behaviour() {
            crate::behaviour::$behaviour::<Subject>().await;
        })*
    };
}

suite!(redis: Redis, mongodb: MongoDb, clickhouse: ClickHouse, rabbitmq: RabbitMq);

//! The behaviours, each generic over the subject. They assert on states, transitions and counts;
//! times are limits that the library promises.

/// Makes a module for each subject with a test for each behaviour.
macro_rules! suite {
    ($($module:ident: $subject:ty),*) => {
        $(mod $module {
            type Subject = $subject;
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

mod broken;
mod cancelled;
mod closed;
mod cut;
mod half_open;
mod load;
mod refused;
mod restarted;
mod rotated;
mod silent;
mod sound;
mod unknown_host;

pub(crate) use broken::{
    a_frozen_server_hangs_no_operation, a_frozen_server_is_noticed_and_comes_back,
    close_is_bounded_with_a_frozen_server, dropped_while_the_server_is_down_it_never_comes_back,
};
pub(crate) use cancelled::cancelled_operations_misdeliver_nothing;
pub(crate) use closed::{
    close_during_a_ping_is_clean, close_during_connect_leaves_nothing,
    close_during_reconnect_leaves_nothing,
};
pub(crate) use cut::{
    comes_back_after_a_cut, comes_back_after_a_reset, comes_back_after_twenty_cuts,
};
pub(crate) use half_open::{
    half_open_busy_hangs_no_operation, half_open_idle_is_noticed_once_and_heals,
};
pub(crate) use refused::{
    a_refused_port_is_given_up_after_its_attempts, a_silent_listener_is_a_timeout_within_its_limit,
    a_wrong_password_fails_at_once_and_is_not_retried,
};
pub(crate) use restarted::{comes_back_after_kill, comes_back_after_restart};
pub(crate) use rotated::a_password_rotated_while_down_and_restored_heals;
pub(crate) use silent::accept_then_silent_ends_every_wait_and_heals;
pub(crate) use sound::{
    a_hundred_tasks_share_one_client, close_waits_for_a_lease_and_refuses_new_ones,
    connects_and_answers,
};
pub(crate) use unknown_host::an_unknown_host_is_given_up_after_its_attempts;

use integration_tests::servers::{self, Kind};
use integration_tests::{Rig, Subject};
use qa_servers::Server;
use std::time::Duration;
use tokio::sync::MutexGuard;

/// Generous, for what has no promised limit: two cores may be busy with a start of a server.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Within this a server that is gone, frozen or silent is noticed, with default settings.
pub(crate) const NOTICED: Duration = Duration::from_secs(5);

/// Beyond its limit a close may take this.
pub(crate) const CLOSE_SLACK: Duration = Duration::from_millis(250);

/// Within this it is back once the server is.
pub(crate) fn back<S: Subject>(rig: &Rig<S>) -> Duration {
    rig.group.settings().backoff_cap + Duration::from_secs(1)
}

/// The subject's server that nobody breaks.
pub(crate) async fn shared<S: Subject>() -> &'static Server {
    servers::shared(Kind::of::<S>()).await
}

/// The subject's server that is broken by one test at a time.
pub(crate) async fn to_break<S: Subject>() -> MutexGuard<'static, Server> {
    servers::to_break(Kind::of::<S>()).await
}

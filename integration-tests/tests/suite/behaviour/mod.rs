//! The behaviours, each generic over the subject. They assert on states, transitions and counts;
//! times are limits that the library promises.

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

use integration_tests::{Rig, Subject};
use std::time::Duration;

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

//! Random event sequences through the one function that changes the state, against a model.

use crate::shared::Shared;
use crate::snapshot::{Change, Phase};
use crate::{Backend, Class, Error, ErrorKind, Event, Lease, Settings, State};
use async_trait::async_trait;
use proptest::prelude::*;
use std::panic::Location;
use std::sync::Arc;

struct Still;

#[async_trait]
impl Backend for Still {
    const SYSTEM: &'static str = "still";
    type Client = u64;
    type Error = std::fmt::Error;

    fn address(&self) -> &'static str {
        "nowhere"
    }
    async fn connect(&self) -> Result<u64, std::fmt::Error> {
        Ok(0)
    }
    async fn ping(&self, _: &u64) -> Result<(), std::fmt::Error> {
        Ok(())
    }
    async fn close(&self, _: u64) -> Result<(), std::fmt::Error> {
        Ok(())
    }
    fn classify(_: &std::fmt::Error) -> Class {
        Class::not_applied(ErrorKind::Operation)
    }
}

/// The model knows nothing of states: it is four facts and how events change them.
#[derive(Clone, Copy, Default)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "a state machine is what it is to be compared with"
)]
struct Model {
    wanted: bool,
    was_ready: bool,
    connected: bool,
    closing: bool,
    closed: bool,
    generation: u64,
}

impl Model {
    /// Whether the event means anything now; changes the facts if so.
    fn take(&mut self, event: Event) -> bool {
        let facts = |model: &Self| {
            let Self { wanted, connected, closing, closed, generation, .. } = *model;
            (wanted, connected, closing, closed, generation)
        };
        let before = facts(self);
        match event {
            Event::Connect if !self.closing => self.wanted = true,
            // Also beside one that is there: then the fresh one follows it.
            Event::Connected if self.wanted && !self.closing => {
                (self.connected, self.was_ready) = (true, true);
                self.generation += 1;
            }
            Event::GaveUp if !self.was_ready && !self.closing => self.wanted = false,
            Event::Lost if !self.closing => self.connected = false,
            Event::Close => (self.closing, self.connected) = (true, false),
            Event::Drained if self.closing => self.closed = true,
            _ => {}
        }
        before != facts(self)
    }

    fn state(self) -> State {
        match self {
            Self { closed: true, .. } => State::Closed,
            Self { closing: true, .. } => State::Draining,
            Self { connected: true, .. } => State::Ready,
            Self { was_ready: true, .. } => State::Reconnecting,
            Self { wanted: true, .. } => State::Connecting,
            _ => State::Idle,
        }
    }
}

fn change(event: Event, nth: u64) -> Change<Still> {
    let error = || Error::new(ErrorKind::Connect, "r", format!("error {nth}"));
    match event {
        Event::Connect => Change::Connect,
        Event::Connected => Change::Connected(nth),
        Event::GaveUp => Change::GaveUp(error()),
        Event::Lost => Change::Lost(error()),
        Event::Close => Change::Close,
        Event::Drained => Change::Drained,
    }
}

fn check(events: &[Event]) -> Result<(), TestCaseError> {
    let shared = Arc::new(Shared::new("r".into(), Still, Settings::default()));
    let mut changes = shared.changes();
    let mut model = Model::default();
    let mut seen = State::Idle;
    for (event, nth) in events.iter().zip(0..) {
        let meant = model.take(*event);
        let before = shared.snapshot.load_full();
        let change = change(*event, nth);
        let cause = change.error().map(|error| error.message().to_owned());
        prop_assert_eq!(shared.apply(change).is_ok(), meant, "{:?} on {:?}", event, before.state());
        prop_assert_eq!(shared.state(), model.state());
        let snapshot = shared.snapshot.load_full();
        prop_assert_eq!(snapshot.generation, model.generation);
        // The live connection that was left is told so; one that stays is not.
        if let Phase::Ready(live) = &before.phase {
            prop_assert_eq!(live.own().gone.is_fired(), meant);
        }
        // A lease is to be had exactly where the state is ready.
        let lease = Lease::take(&shared, Location::caller());
        prop_assert_eq!(lease.is_ok(), model.state() == State::Ready);
        prop_assert_eq!(shared.gate.inside(), usize::from(lease.is_ok()));
        drop(lease);
        // The watcher sees this change, whole and in order, and no other.
        if meant {
            let told = changes.try_recv().unwrap();
            prop_assert_eq!(
                (told.from, told.to, told.generation),
                (seen, model.state(), model.generation)
            );
            prop_assert_eq!(told.cause.map(|error| error.message().to_owned()), cause);
            seen = told.to;
        }
        prop_assert!(changes.try_recv().is_err());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100_000))]

    #[test]
    fn any_sequence_of_events_follows_the_model(
        events in prop::collection::vec(prop::sample::select(&Event::ALL[..]), 0..16),
    ) {
        check(&events)?;
    }
}

/// Each thread has its own count of the connection: it ends with the last of all.
#[test]
fn a_connection_ends_with_the_last_lease_of_any_thread() {
    let shared = Arc::new(Shared::new("r".into(), Still, Settings::default()));
    assert!(shared.apply(change(Event::Connect, 0)).is_ok());
    assert!(shared.apply(change(Event::Connected, 7)).is_ok());
    let ended = shared.live().ok().unwrap().ended.token();
    let take = |_| {
        let shared = Arc::clone(&shared);
        let taken = std::thread::spawn(move || Lease::take(&shared, Location::caller()).ok());
        taken.join().unwrap().unwrap()
    };
    let leases: Vec<_> = (0..40).map(take).collect();
    assert!(shared.apply(change(Event::Lost, 0)).is_ok());
    for lease in leases {
        assert!(!ended.is_cancelled());
        assert_eq!(*lease, 7);
        drop(lease);
    }
    assert!(ended.is_cancelled());
}

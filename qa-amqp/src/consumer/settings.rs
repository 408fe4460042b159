//! The knobs of a consumer.

use lapin::types::FieldTable;
use std::time::Duration;

/// How a [`Consumer`](crate::Consumer) works. Set what you want and take the rest from
/// [`ConsumerSettings::new`].
#[derive(Clone, Debug, PartialEq)]
pub struct ConsumerSettings {
    /// The queue to consume. It must be there: declare it in the [`Topology`](crate::Topology).
    pub queue: String,
    /// Messages that the broker sends ahead of their acknowledgement; 0, which AMQP takes for no
    /// bound at all, counts as 1. Default: 64.
    pub prefetch: u16,
    /// Handlers that run at once; 0 counts as 1, and more than `prefetch` can't be. With 1, messages
    /// are handled in the queue's order. Default: 16.
    pub concurrency: usize,
    /// Messages that one acknowledgement may be for, at most half of `prefetch`; 0 counts as 1. It is for
    /// those that are there already and whose handlers don't wait for anything: as soon as there is
    /// nothing to handle, or a handler waits, what was handled is acknowledged. It spares the broker most
    /// of its work with acknowledgements; where the connection is lost, so many messages that were handled
    /// may be delivered again. Only where one handler runs at a time. Default: 1.
    pub acknowledge_together: u16,
    /// Of which messages the order is kept although several handlers run at once. Default:
    /// [`Order::Any`].
    pub order: Order,
    /// What happens to a message whose handler fails or panics. Default: [`OnError::Requeue`].
    pub on_error: OnError,
    /// How long a failed message is held before it goes back to the queue, so that one that always
    /// fails does not spin. Default: 100 ms.
    pub requeue_delay: Duration,
    /// What else the broker is told of the consumer: `x-priority`, say, or `x-stream-offset`, where to
    /// begin in a stream, which it does with every restart. Default: nothing.
    pub arguments: FieldTable,
    /// Limit for a graceful stop; handlers that still run then are dropped, and the broker delivers
    /// their messages again. Default: 30 s.
    pub drain_limit: Duration,
}

impl ConsumerSettings {
    /// The defaults, for `queue`.
    pub fn new(queue: impl Into<String>) -> Self {
        Self {
            queue: queue.into(),
            prefetch: 64,
            concurrency: 16,
            acknowledge_together: 1,
            order: Order::default(),
            on_error: OnError::default(),
            requeue_delay: Duration::from_millis(100),
            arguments: FieldTable::default(),
            drain_limit: Duration::from_secs(30),
        }
    }

    pub(super) fn bounded_prefetch(&self) -> u16 {
        self.prefetch.max(1)
    }

    pub(super) fn bounded_concurrency(&self) -> usize {
        self.concurrency.clamp(1, usize::from(self.bounded_prefetch()))
    }

    /// The broker sends on while it waits for an acknowledgement of half of what it may send ahead.
    pub(super) fn bounded_acknowledge_together(&self) -> u16 {
        self.acknowledge_together.clamp(1, self.bounded_prefetch().div_ceil(2))
    }
}

/// What happens to a message whose handler fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnError {
    /// It goes back to the queue, and is delivered again, for ever if need be; from a quorum queue as
    /// often as its [`delivery_limit`](crate::Queue::delivery_limit) allows, which is 20 times where
    /// none is set (RabbitMQ 4): then it is dead-lettered, or dropped.
    #[default]
    Requeue,
    /// It goes back once; if it fails again it is rejected.
    RequeueOnce,
    /// It is rejected: to the queue's dead-letter exchange, or away where there is none.
    Reject,
    /// It is rejected so often, and comes back each time after the pause of a queue that was declared
    /// with [`Topology::retried`](crate::Topology::retried); once its handler has failed `times`
    /// times, it goes to the queue for the dead of the same declaration. There it goes at once where
    /// the handler says [`Failed::reject`](crate::Failed::reject).
    Retry {
        /// Attempts in all, the first included; 0 counts as 1.
        times: u32,
    },
}

/// Of which messages the order is kept. It is that of the first delivery: a message that has to be
/// delivered again comes after those that it was before of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Of none, unless [`concurrency`](ConsumerSettings::concurrency) is 1.
    #[default]
    Any,
    /// Of those with the same routing key: the next is handled when the one before it is answered.
    RoutingKey,
    /// Of those with the same value in this header. Those without it count as having the same.
    Header(String),
}

/// What is done with a message whose handler has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    Requeue,
    Reject,
    /// To the queue for the dead.
    Park,
}

impl OnError {
    /// What is done with a message whose handler said `own`, or nothing, and which has been rejected
    /// so often before.
    pub(super) fn then(self, own: Option<Self>, redelivered: bool, rejected: u64) -> Then {
        match (self, own) {
            // What is rejected from such a queue comes back, and this is never to.
            (Self::Retry { .. }, Some(Self::Reject)) => Then::Park,
            (of_all, own) => own.unwrap_or(of_all).by_itself(redelivered, rejected),
        }
    }

    const fn by_itself(self, redelivered: bool, rejected: u64) -> Then {
        match self {
            Self::RequeueOnce if redelivered => Then::Reject,
            Self::Requeue | Self::RequeueOnce => Then::Requeue,
            Self::Retry { times } if rejected + 1 >= times as u64 => Then::Park,
            Self::Reject | Self::Retry { .. } => Then::Reject,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_ever_unbounded() {
        let settings =
            ConsumerSettings { prefetch: 0, concurrency: 0, ..ConsumerSettings::new("q") };
        assert_eq!((settings.bounded_prefetch(), settings.bounded_concurrency()), (1, 1));
        let settings = ConsumerSettings { concurrency: 1000, ..ConsumerSettings::new("q") };
        assert_eq!(settings.bounded_concurrency(), 64);
    }

    #[test]
    fn the_broker_always_has_something_to_send_before_it_is_acknowledged() {
        let together = |acknowledge_together, prefetch| {
            let settings =
                ConsumerSettings { prefetch, acknowledge_together, ..ConsumerSettings::new("q") };
            settings.bounded_acknowledge_together()
        };
        assert_eq!([together(0, 64), together(16, 64), together(64, 64)], [1, 16, 32]);
        assert_eq!(
            [together(16, 0), together(16, 1), together(16, 2), together(16, 3)],
            [1, 1, 1, 2]
        );
    }

    #[test]
    fn what_goes_back_to_the_queue() {
        let table = [
            (OnError::Requeue, Then::Requeue, Then::Requeue),
            (OnError::RequeueOnce, Then::Requeue, Then::Reject),
            (OnError::Reject, Then::Reject, Then::Reject),
            (OnError::Retry { times: 3 }, Then::Reject, Then::Reject),
            (OnError::Retry { times: 1 }, Then::Park, Then::Park),
            (OnError::Retry { times: 0 }, Then::Park, Then::Park),
        ];
        for (policy, first, again) in table {
            assert_eq!(policy.then(None, false, 0), first, "{policy:?}");
            assert_eq!(policy.then(None, true, 0), again, "{policy:?}");
        }
        let rejected = |times| OnError::Retry { times: 3 }.then(None, false, times);
        assert_eq!(
            [0, 1, 2, 3].map(rejected),
            [Then::Reject, Then::Reject, Then::Park, Then::Park]
        );
    }

    #[test]
    fn an_error_of_its_own_goes_before_and_what_is_rejected_never_comes_back() {
        let retry = OnError::Retry { times: 3 };
        for policy in [OnError::Requeue, OnError::RequeueOnce, OnError::Reject] {
            assert_eq!(policy.then(Some(OnError::Reject), false, 0), Then::Reject);
            assert_eq!(policy.then(Some(OnError::Requeue), true, 0), Then::Requeue);
        }
        assert_eq!(retry.then(Some(OnError::Reject), false, 0), Then::Park);
        assert_eq!(retry.then(Some(OnError::Requeue), true, 9), Then::Requeue);
    }
}

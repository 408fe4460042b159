//! The knobs of a consumer.

use std::time::Duration;

/// How a [`Consumer`](crate::Consumer) works. Set what you want and take the rest from
/// [`ConsumerSettings::new`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerSettings {
    /// The queue to consume. It must be there: declare it in the [`Topology`](crate::Topology).
    pub queue: String,
    /// Messages that the broker sends ahead of their acknowledgement; 0, which AMQP takes for no
    /// bound at all, counts as 1. Default: 64.
    pub prefetch: u16,
    /// Handlers that run at once; 0 counts as 1, and more than `prefetch` can't be. With 1, messages
    /// are handled in the queue's order. Default: 16.
    pub concurrency: usize,
    /// What happens to a message whose handler fails or panics. Default: [`OnError::Requeue`].
    pub on_error: OnError,
    /// How long a failed message is held before it goes back to the queue, so that one that always
    /// fails does not spin. Default: 100 ms.
    pub requeue_delay: Duration,
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
            on_error: OnError::default(),
            requeue_delay: Duration::from_millis(100),
            drain_limit: Duration::from_secs(30),
        }
    }

    pub(super) fn bounded_prefetch(&self) -> u16 {
        self.prefetch.max(1)
    }

    pub(super) fn bounded_concurrency(&self) -> usize {
        self.concurrency.clamp(1, usize::from(self.bounded_prefetch()))
    }
}

/// What happens to a message whose handler fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnError {
    /// It goes back to the queue, and is delivered again, for ever if need be.
    #[default]
    Requeue,
    /// It goes back once; if it fails again it is rejected.
    RequeueOnce,
    /// It is rejected: to the queue's dead-letter exchange, or away where there is none.
    Reject,
}

impl OnError {
    pub(super) const fn requeues(self, redelivered: bool) -> bool {
        match self {
            Self::Requeue => true,
            Self::RequeueOnce => !redelivered,
            Self::Reject => false,
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
    fn what_goes_back_to_the_queue() {
        let table = [
            (OnError::Requeue, true, true),
            (OnError::RequeueOnce, true, false),
            (OnError::Reject, false, false),
        ];
        for (policy, first, again) in table {
            assert_eq!(policy.requeues(false), first, "{policy:?}");
            assert_eq!(policy.requeues(true), again, "{policy:?}");
        }
    }
}

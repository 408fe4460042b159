//! What is remembered over connections.

use super::{Binding, Exchange, Queue, Topology};
use indexmap::{IndexMap, IndexSet};

/// Each thing once, in the order in which it was first said, and found at once among the tens of thousands
/// of bindings that a service may have which listens to whole markets.
#[derive(Debug, Default)]
pub(crate) struct Known {
    exchanges: IndexMap<String, Exchange>,
    queues: IndexMap<String, Queue>,
    bindings: IndexSet<Binding>,
}

impl Known {
    /// Adds all of `topology`: what was said before counts no more.
    pub(crate) fn add(&mut self, topology: Topology) {
        let Topology { exchanges, queues, bindings } = topology;
        let named = exchanges.into_iter().map(|exchange| (exchange.name.clone(), exchange));
        self.exchanges.extend(named);
        self.queues.extend(queues.into_iter().map(|queue| (queue.name.clone(), queue)));
        self.bindings.extend(bindings);
    }

    /// All of it, to be declared.
    pub(crate) fn all(&self) -> Topology {
        Topology {
            exchanges: self.exchanges.values().cloned().collect(),
            queues: self.queues.values().cloned().collect(),
            bindings: self.bindings.iter().cloned().collect(),
        }
    }

    /// Takes a queue and the bindings that lead to it out.
    pub(crate) fn forget_queue(&mut self, name: &str) {
        self.queues.shift_remove(name);
        self.bindings.retain(|binding| !binding.leads_to_queue(name));
    }

    /// Takes an exchange and the bindings from it and to it out.
    pub(crate) fn forget_exchange(&mut self, name: &str) {
        self.exchanges.shift_remove(name);
        self.bindings.retain(|binding| !binding.touches_exchange(name));
    }

    /// Takes a binding out. Their order is of no consequence.
    pub(crate) fn forget_binding(&mut self, binding: &Binding) {
        self.bindings.swap_remove(binding);
    }
}

impl From<Topology> for Known {
    fn from(topology: Topology) -> Self {
        let mut known = Self::default();
        known.add(topology);
        known
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lapin::types::AMQPValue;

    #[test]
    fn what_is_said_again_is_there_once_and_the_later_one_counts() {
        let mut known =
            Known::from(Topology::new().queue(Queue::new("q")).bind(Binding::queue("q", "x", "k")));
        let later = Queue { durable: false, ..Queue::new("q") };
        let headers = || Binding::queue("q", "x", "k").argument("kind", AMQPValue::Boolean(true));
        known.add(
            Topology::new()
                .exchange(Exchange::fanout("x"))
                .queue(later.clone())
                .bind(Binding::queue("q", "x", "k"))
                .bind(headers()),
        );
        known.add(Topology::new().bind(headers()));
        let all = known.all();
        assert_eq!((all.exchanges, all.queues), (vec![Exchange::fanout("x")], vec![later]));
        assert_eq!(all.bindings, [Binding::queue("q", "x", "k"), headers()]);
    }

    #[test]
    fn what_is_forgotten_takes_its_bindings_along() {
        let mut known = Known::from(
            Topology::new()
                .exchange(Exchange::topic("x"))
                .exchange(Exchange::fanout("y"))
                .queue(Queue::new("q"))
                .queue(Queue::new("x"))
                .bind(Binding::queue("q", "x", "k"))
                .bind(Binding::queue("x", "y", ""))
                .bind(Binding::exchange("y", "x", "k")),
        );
        known.forget_binding(&Binding::queue("q", "x", "other"));
        known.forget_queue("q");
        assert_eq!((known.all().queues.len(), known.all().bindings.len()), (1, 2));
        // A queue that is called as the exchange is another thing.
        known.forget_exchange("x");
        assert_eq!(known.all().bindings, [Binding::queue("x", "y", "")]);
        known.forget_binding(&Binding::queue("x", "y", ""));
        assert_eq!((known.all().exchanges.len(), known.all().bindings.len()), (1, 0));
    }
}

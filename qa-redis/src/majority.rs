//! What most of several say.

/// What was said so far, and how often.
pub(crate) struct Majority<T> {
    of: usize,
    said: Vec<(T, usize)>,
}

impl<T: PartialEq> Majority<T> {
    /// Of so many who are asked.
    pub(crate) fn of(of: usize) -> Self {
        Self { of, said: Vec::new() }
    }

    pub(crate) fn count(&mut self, said: T) {
        match self.said.iter_mut().find(|(known, _)| *known == said) {
            Some((_, votes)) => *votes += 1,
            None => self.said.push((said, 1)),
        }
    }

    /// Whether no other answer could change the result.
    pub(crate) fn is_decided(&self) -> bool {
        self.said.iter().any(|(_, votes)| *votes > self.of / 2)
    }

    /// What most of them say; of what as many say, what was said first.
    pub(crate) fn most(self) -> Option<T> {
        let most = self.said.iter().map(|(_, votes)| *votes).max()?;
        self.said.into_iter().find(|(_, votes)| *votes == most).map(|(said, _)| said)
    }
}

//! What the ratio of ours to a peer's has to be.

/// What has to hold of the ratio of ours to the peer's, its median.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Budget {
    /// Nothing: it is for information.
    None,
    /// For what is better the more it is.
    AtLeast(f64),
    /// For what is better the less it is.
    AtMost(f64),
}

impl Budget {
    pub(crate) fn holds(self, ratio: f64) -> bool {
        match self {
            Self::None => true,
            Self::AtLeast(limit) => ratio >= limit,
            Self::AtMost(limit) => ratio <= limit,
        }
    }

    /// In the table; empty where there is none.
    pub(crate) fn text(self) -> String {
        match self {
            Self::None => String::new(),
            Self::AtLeast(limit) => format!("≥ {limit}"),
            Self::AtMost(limit) => format!("≤ {limit}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_that_is_not_a_number_keeps_no_budget() {
        assert!(Budget::AtLeast(0.97).holds(0.97) && !Budget::AtLeast(0.97).holds(0.96));
        assert!(Budget::AtMost(5.0).holds(5.0) && !Budget::AtMost(5.0).holds(5.1));
        assert!(!Budget::AtLeast(0.97).holds(f64::NAN) && !Budget::AtMost(5.0).holds(f64::NAN));
        assert!(Budget::None.holds(f64::NAN) && Budget::None.text().is_empty());
    }
}

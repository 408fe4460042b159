//! Whether the pool can be worked with, and what is missing.

use crate::GroupStatus;
use qa_resource_core::{Health, State};
use serde::Serialize;

/// The body of `/readyz`.
#[derive(Debug, Serialize)]
pub(crate) struct Readiness {
    pub(crate) ready: bool,
    /// The pool is closing: nothing new is to be sent here, whatever its resources say.
    pub(crate) closing: bool,
    /// The required ones that are not ready.
    pub(crate) missing: Vec<Missing>,
    /// All of them.
    resources: Vec<Part>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Missing {
    pub(crate) name: String,
    state: &'static str,
    /// The last thing that went wrong.
    error: Option<String>,
}

#[derive(Debug, Serialize)]
struct Part {
    name: String,
    system: &'static str,
    required: bool,
    ready: bool,
    state: &'static str,
    health: &'static str,
}

impl Readiness {
    pub(crate) fn of(groups: &[GroupStatus], closing: bool) -> Self {
        let missing: Vec<_> =
            groups.iter().filter(|group| group.required && !is_ready(group)).map(missing).collect();
        Self {
            ready: missing.is_empty() && !closing,
            closing,
            missing,
            resources: groups.iter().map(part).collect(),
        }
    }
}

pub(crate) fn is_ready(group: &GroupStatus) -> bool {
    group.state == State::Ready
}

fn missing(group: &GroupStatus) -> Missing {
    let error = group.members.iter().find_map(|member| member.last_error.as_ref());
    Missing {
        name: group.name.clone(),
        state: group.state.as_str(),
        error: error.map(|error| error.message().to_owned()),
    }
}

fn part(group: &GroupStatus) -> Part {
    let healths = group.members.iter().map(|member| member.health.health);
    Part {
        name: group.name.clone(),
        system: group.system,
        required: group.required,
        ready: is_ready(group),
        state: group.state.as_str(),
        health: Health::of_several(healths).as_str(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::page::tests::status;

    fn group(name: &str, required: bool, state: State) -> GroupStatus {
        let (name, members, standing) = (name.to_owned(), vec![], vec![]);
        GroupStatus { name, system: "redis", required, state, members, standing }
    }

    #[test]
    fn a_group_is_degraded_where_one_of_its_members_is_not_up() {
        use Health::{Degraded, Down, Unknown, Up};
        for (healths, expected) in [
            (&[Up, Up][..], Up),
            (&[Down, Up], Degraded),
            (&[Up, Degraded], Degraded),
            (&[Degraded], Degraded),
            (&[], Unknown),
        ] {
            let members = healths.iter().map(|health| status(*health, None)).collect();
            let group = GroupStatus { members, ..group("quotes", true, State::Ready) };
            assert_eq!(part(&group).health, expected.as_str(), "{healths:?}");
        }
    }

    #[test]
    fn only_required_ones_count_and_a_closing_pool_is_never_ready() {
        let orders = || group("orders", true, State::Ready);
        for (groups, closing, ready, missing) in [
            (vec![], false, true, &[][..]),
            (vec![orders(), group("cache", false, State::Reconnecting)], false, true, &[]),
            (vec![orders(), group("ticks", true, State::Idle)], false, false, &["ticks"]),
            (vec![orders()], true, false, &[]),
        ] {
            let readiness = Readiness::of(&groups, closing);
            assert_eq!(readiness.ready, ready, "{readiness:?}");
            let names: Vec<_> = readiness.missing.iter().map(|missing| &*missing.name).collect();
            assert_eq!(names, missing);
            assert_eq!(readiness.resources.len(), groups.len());
        }
    }
}

//! The driver's commands, as its events tell of them.

use crate::metrics::CommandMeter;
use mongodb::event::EventHandler;
use mongodb::event::command::CommandEvent;

/// The commands that have a name of their own in the metrics: what the driver's methods send. What
/// else a caller sends is `other`, so that the number of series stays bounded.
const NAMES: [&str; 30] = [
    "abortTransaction",
    "aggregate",
    "bulkWrite",
    "collMod",
    "commitTransaction",
    "count",
    "create",
    "createIndexes",
    "createSearchIndexes",
    "delete",
    "distinct",
    "drop",
    "dropDatabase",
    "dropIndexes",
    "dropSearchIndex",
    "endSessions",
    "explain",
    "find",
    "findAndModify",
    "getMore",
    "hello",
    "insert",
    "killCursors",
    "listCollections",
    "listDatabases",
    "listIndexes",
    "ping",
    "renameCollection",
    "update",
    "updateSearchIndex",
];

/// Measures every command.
///
/// The driver makes a document of each command and each reply for this, and only then calls us: that
/// costs what parsing them costs, and is why commands are measured only where that is asked for.
pub(crate) fn handler(meter: CommandMeter) -> EventHandler<CommandEvent> {
    EventHandler::callback(move |event| match event {
        CommandEvent::Succeeded(event) => {
            meter.took(name(&event.command_name), event.duration, None);
        }
        CommandEvent::Failed(event) => {
            meter.took(name(&event.command_name), event.duration, Some(&event.failure));
        }
        _ => {}
    })
}

fn name(command: &str) -> &'static str {
    NAMES.binary_search(&command).map_or("other", |at| NAMES[at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_command_has_its_name_and_any_other_is_other() {
        assert!(NAMES.is_sorted());
        for known in NAMES {
            assert_eq!(name(known), known);
        }
        for unknown in ["", "serverStatus", "Find", "a secret"] {
            assert_eq!(name(unknown), "other");
        }
    }
}

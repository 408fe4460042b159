//! Which message was returned: told by its id, not by the confirm that carries it.

use lapin::message::BasicReturnMessage;
use lapin::types::ShortString;
use std::collections::HashMap;

/// Messages that the broker has returned and whose own confirms are still to come.
///
/// The driver hands each returned message to whichever confirm it completes next, and completes the
/// confirms of one `multiple` acknowledgement in no order: with many messages on their way, the
/// return of one message comes with the confirm of another.
#[derive(Debug, Default)]
pub(super) struct Returns(HashMap<ShortString, Vec<(u16, String)>>);

impl Returns {
    pub(super) fn note(&mut self, returned: &BasicReturnMessage) {
        let Some(id) = returned.delivery.properties.message_id().clone() else {
            return;
        };
        let reply = (returned.reply_code, returned.reply_text.to_string());
        self.0.entry(id).or_default().push(reply);
    }

    /// Takes the return of message `id`, if there was one. Messages of one id count as one another.
    pub(super) fn take(&mut self, id: &str) -> Option<(u16, String)> {
        let replies = self.0.get_mut(id)?;
        let reply = replies.pop();
        if replies.is_empty() {
            self.0.remove(id);
        }
        reply
    }
}

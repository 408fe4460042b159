//! Many commands at once: to each node its own, and the answers in order.

use super::join::whole;
use super::request::{PAUSE, Verdict, verdict, verdict_of_error};
use super::route::{Route, route};
use super::{Cluster, nobody};
use futures_util::future::join_all;
use redis::{Cmd, ErrorKind, Pipeline, RedisError, RedisResult, ServerErrorKind, Value};
use std::collections::BTreeMap;
use tokio::time::{Instant, sleep};

/// One command of a pipeline that goes to one node: which it is, and its slot if it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Item {
    nth: usize,
    slot: Option<u16>,
}

/// What of a pipeline is sent at once. What several nodes answer together is a stage of its own, so
/// that it sees what came before it and not what comes after.
#[derive(Debug, PartialEq, Eq)]
enum Stage {
    Items(Vec<Item>),
    Whole(usize),
}

fn stages(routes: &[Route]) -> Vec<Stage> {
    let mut stages = Vec::new();
    for (nth, route) in routes.iter().enumerate() {
        let slot = match route {
            Route::Slot { slot, .. } => Some(*slot),
            Route::Anybody => None,
            _ => {
                stages.push(Stage::Whole(nth));
                continue;
            }
        };
        let item = Item { nth, slot };
        match stages.last_mut() {
            Some(Stage::Items(items)) => items.push(item),
            _ => stages.push(Stage::Items(vec![item])),
        }
    }
    stages
}

/// The one slot that all of it is about, `None` where it is about none; an error where it is about
/// several.
fn only_slot(routes: &[Route]) -> RedisResult<Option<u16>> {
    let mut only = None;
    for route in routes {
        match route {
            Route::Anybody => {}
            Route::Slot { slot, .. } if only.is_none_or(|only| only == *slot) => only = Some(*slot),
            _ => return Err(many_slots()),
        }
    }
    Ok(only)
}

fn many_slots() -> RedisError {
    let kind = ErrorKind::Server(ServerErrorKind::CrossSlot);
    let text = "the keys of a transaction are in several slots, so that nothing was sent; a common \
                {tag} in their names has them in one";
    (kind, text).into()
}

impl Cluster {
    pub(crate) async fn request_all(
        &self,
        pipeline: &Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisResult<Vec<Value>> {
        let known = &self.0.shared.commands;
        let commands: Vec<_> = pipeline.cmd_iter().collect();
        let routes: Vec<_> = commands.iter().map(|command| route(command, known)).collect();
        if pipeline.is_transaction() {
            let slot = only_slot(&routes)?;
            return self.send_to_one(pipeline, slot, false, offset, count).await;
        }
        // What reads may go to a replica only where nothing before it writes.
        let reads = |route: &Route| matches!(route, Route::Slot { reads_only: true, .. });
        let reads_only = routes.iter().all(reads);
        let mut answers = vec![Value::Nil; commands.len()];
        for stage in stages(&routes) {
            match stage {
                Stage::Whole(nth) => answers[nth] = self.one_of_many(commands[nth]).await?,
                Stage::Items(items) => {
                    for (nth, answer) in self.send_items(&commands, &items, reads_only).await? {
                        answers[nth] = answer;
                    }
                }
            }
        }
        Ok(answers)
    }

    /// One command of a pipeline: that the server refuses it is its answer.
    async fn one_of_many(&self, command: &Cmd) -> RedisResult<Value> {
        or_refused(self.request(command).await)
    }

    /// To each shard its own, all at once.
    async fn send_items(
        &self,
        commands: &[&Cmd],
        items: &[Item],
        reads_only: bool,
    ) -> RedisResult<Vec<(usize, Value)>> {
        let view = self.0.shared.view();
        let first = items.iter().find_map(|item| item.slot);
        let mut by_shard: BTreeMap<Option<usize>, Vec<Item>> = BTreeMap::new();
        for item in items {
            // What anybody may have goes with what somebody has to have.
            let shard = item.slot.or(first).and_then(|slot| view.map.shard_of(slot));
            by_shard.entry(shard).or_default().push(*item);
        }
        let each = by_shard.values().map(|items| self.send_shard(commands, items, reads_only));
        let (mut answers, mut errors) = (Vec::with_capacity(items.len()), Vec::new());
        for sent in join_all(each).await {
            match sent {
                Ok(some) => answers.extend(some),
                Err(error) => errors.push(error),
            }
        }
        whole(errors, by_shard.len()).map_or(Ok(answers), Err)
    }

    async fn send_shard(
        &self,
        commands: &[&Cmd],
        items: &[Item],
        reads_only: bool,
    ) -> RedisResult<Vec<(usize, Value)>> {
        let mut pipeline = Pipeline::with_capacity(items.len());
        for item in items {
            pipeline.add_command(commands[item.nth].clone());
        }
        let slot = items.iter().find_map(|item| item.slot);
        let said = self.send_to_one(&pipeline, slot, reads_only, 0, items.len()).await?;
        let mut answers = Vec::with_capacity(items.len());
        for (item, answer) in items.iter().zip(said) {
            let answer = Ok(answer);
            let answer = match (verdict(&answer), item.slot) {
                (Verdict::Done, _) | (_, None) => answer,
                // One by one and in order: those of one key must not overtake each other.
                (_, Some(slot)) => self.to_slot(slot, reads_only, commands[item.nth]).await,
            };
            answers.push((item.nth, or_refused(answer)?));
        }
        Ok(answers)
    }

    /// To who has the slot, or anybody, as soon as that one is connected. Only as a whole is it sent on
    /// or sent again, where all of it was refused.
    async fn send_to_one(
        &self,
        pipeline: &Pipeline,
        slot: Option<u16>,
        reads_only: bool,
        offset: usize,
        count: usize,
    ) -> RedisResult<Vec<Value>> {
        let shared = &self.0.shared;
        let deadline = Instant::now() + shared.seeds.options().node_wait();
        let mut moved = None;
        loop {
            let server = match (moved.take(), slot) {
                // Who is not reached may have left the map meanwhile; the slot's owner is asked then.
                (Some(place), _) => self.reach(&shared.meet(&place), deadline).await,
                (None, Some(slot)) => Ok(self.reach_slot(slot, reads_only, deadline).await?),
                (None, None) => Ok(self.masters().pop().ok_or_else(nobody)?),
            };
            let sent = match server {
                Ok(mut server) => server.request_all(pipeline, offset, count).await,
                Err(not_reached) => Err(not_reached),
            };
            let error = match sent {
                Ok(answers) => return Ok(answers),
                Err(error) => error,
            };
            match verdict_of_error(&error) {
                Verdict::Done => return Err(error),
                Verdict::Moved(place) => moved = Some(place),
                Verdict::Later | Verdict::Ask(_) => {}
            }
            if Instant::now() + PAUSE >= deadline {
                return Err(error);
            }
            shared.look_again();
            sleep(PAUSE).await;
        }
    }
}

/// That the server refuses a command of a pipeline is that command's answer.
fn or_refused(answer: RedisResult<Value>) -> RedisResult<Value> {
    answer.or_else(|error| {
        let refusal = error.clone().into_server_errors().and_then(|errors| errors.first().cloned());
        refusal.map(|(_, refusal)| Value::ServerError(refusal)).ok_or(error)
    })
}

#[cfg(test)]
mod tests {
    use super::super::commands::Join;
    use super::*;

    fn slot(slot: u16) -> Route {
        Route::Slot { slot, reads_only: false }
    }

    fn item(nth: usize, slot: Option<u16>) -> Item {
        Item { nth, slot }
    }

    #[test]
    fn what_several_answer_is_a_stage_of_its_own() {
        let all = || Route::EachMaster(Join::Sum);
        let routes = [slot(1), Route::Anybody, slot(2), all(), all(), slot(3)];
        assert_eq!(
            stages(&routes),
            [
                Stage::Items(vec![item(0, Some(1)), item(1, None), item(2, Some(2))]),
                Stage::Whole(3),
                Stage::Whole(4),
                Stage::Items(vec![item(5, Some(3))]),
            ]
        );
        assert!(stages(&[]).is_empty());
    }

    #[test]
    fn a_transaction_is_about_one_slot() {
        assert_eq!(only_slot(&[slot(7), Route::Anybody, slot(7)]).unwrap(), Some(7));
        assert_eq!(only_slot(&[Route::Anybody]).unwrap(), None);
        for routes in [vec![slot(7), slot(8)], vec![slot(7), Route::EachMaster(Join::Sum)]] {
            let error = only_slot(&routes).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Server(ServerErrorKind::CrossSlot));
        }
    }
}

//! A sign of life from any member.

use crate::waits::timed;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use mongodb::Client;
use mongodb::bson::doc;
use mongodb::error::Result;
use mongodb::options::{ReadPreference, SelectionCriteria, ServerAddress};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// How long one member may keep us waiting before the next is asked as well.
const PATIENCE: Duration = Duration::from_millis(200);

/// One round trip to the nearest member: a replica set that has no primary at the moment is alive,
/// and only its writes have to wait. Where that one is silent the others are asked as well, because
/// the driver goes on taking a frozen member for the nearest until its monitor has noticed.
pub(crate) async fn ping(client: &Client, members: &[ServerAddress]) -> Result<()> {
    let nearest = ReadPreference::Nearest { options: None };
    let others = members.iter().map(|member| ask(client, only(member.clone())));
    // One alone is asked already.
    let others = others.take(if members.len() > 1 { members.len() } else { 0 });
    unless_silent(timed(ask(client, nearest.into())), others).await
}

async fn ask(client: &Client, whom: SelectionCriteria) -> Result<()> {
    let admin = client.database("admin");
    admin.run_command(doc! { "ping": 1 }).selection_criteria(whom).await.map(drop)
}

fn only(member: ServerAddress) -> SelectionCriteria {
    SelectionCriteria::Predicate(Arc::new(move |server| *server.address() == member))
}

/// What `first` gives, or a success of one of the `others`, of which the next is begun whenever
/// nothing was heard for [`PATIENCE`].
async fn unless_silent(
    first: impl Future<Output = Result<()>>,
    others: impl Iterator<Item = impl Future<Output = Result<()>>>,
) -> Result<()> {
    let others = async {
        let mut asked = FuturesUnordered::new();
        for other in others {
            if timeout(PATIENCE, success(&mut asked)).await.is_ok() {
                return;
            }
            asked.push(other);
        }
        success(&mut asked).await;
    };
    tokio::select! {
        biased;
        result = first => result,
        () = others => Ok(()),
    }
}

/// Waits for a success; a failure is nobody's answer.
async fn success(asked: &mut FuturesUnordered<impl Future<Output = Result<()>>>) {
    while let Some(answer) = asked.next().await {
        if answer.is_ok() {
            return;
        }
    }
    std::future::pending::<()>().await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use mongodb::error::Error;
    use std::future::{pending, ready};
    use tokio::time::{Instant, sleep};

    const MINUTE: Duration = Duration::from_secs(60);

    async fn after(pauses: u32, answer: Result<()>) -> Result<()> {
        sleep(PATIENCE * pauses + PATIENCE / 2).await;
        answer
    }

    fn refusal() -> Result<()> {
        Err(Error::custom("refused"))
    }

    #[tokio::test(start_paused = true)]
    async fn who_answers_in_time_is_the_only_one_asked() {
        for answer in [Ok(()), refusal()] {
            let failed = answer.is_err();
            let others = (0..2).map(|_| async { panic!("asked") });
            let given = unless_silent(after(0, answer), others).await;
            assert_eq!(given.is_err(), failed);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn where_one_is_silent_the_next_is_asked_and_only_a_success_counts() {
        let start = Instant::now();
        let others = [after(9, Ok(())), after(0, refusal()), after(0, Ok(()))].into_iter();
        unless_silent(pending(), others).await.unwrap();
        assert_eq!(start.elapsed(), PATIENCE * 3 + PATIENCE / 2);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_s_failure_ends_the_wait_for_the_first() {
        let others = || (0..3).map(|_| ready(refusal()));
        assert!(timeout(MINUTE, unless_silent(pending(), others())).await.is_err());
        unless_silent(after(7, Ok(())), others()).await.unwrap();
    }
}

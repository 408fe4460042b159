//! Who is the master, as the sentinels say.
//!
//! <https://redis.io/docs/latest/develop/reference/sentinel-clients/>, with two differences: all of
//! them are asked at once and the majority of those who answer is believed, so that one that is cut
//! off from the others does not send us to a master of the past; and they are asked for as long as a
//! connection lasts, because a master that was replaced while it could not be reached does not say so.

use crate::classify::classify;
use crate::dial::{dial, within};
use crate::fate::timed_out;
use crate::login::{ask, login};
use crate::majority::Majority;
use crate::options::Options;
use crate::place::Place;
use crate::tls::Tls;
use crate::way::{Socket, secured};
use futures_util::StreamExt;
use futures_util::future::select_ok;
use futures_util::stream::FuturesUnordered;
use redis::{Cmd, ErrorKind, RedisError, RedisResult, Value, from_redis_value};
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};

/// Limit for asking them.
const LIMIT: Duration = Duration::from_secs(1);

/// The sentinels that the URL names.
#[derive(Debug)]
pub(crate) struct Sentinels {
    places: Vec<Place>,
    service: String,
    /// How to log in to a sentinel, which has users of its own.
    options: Options,
}

impl Sentinels {
    pub(crate) fn new(places: Vec<Place>, service: String, options: Options) -> Self {
        Self { places, service, options }
    }

    /// The master that most of the sentinels name, of those that answer within a second.
    pub(crate) async fn master(&self, tls: Option<&Tls>) -> RedisResult<Place> {
        let deadline = Instant::now() + LIMIT;
        let mut asked: FuturesUnordered<_> =
            self.places.iter().map(|place| self.ask_new(place, tls)).collect();
        let mut tally = Tally::of(self.places.len());
        while let Ok(Some(answer)) = timeout_at(deadline, asked.next()).await {
            if tally.is_decided_by(answer) {
                break;
            }
        }
        tally.result(&self.service)
    }

    /// The master's replicas that are well, as one of the sentinels sees them: the first that answers.
    pub(crate) async fn replicas(&self, tls: Option<&Tls>) -> RedisResult<Vec<Place>> {
        let deadline = Instant::now() + LIMIT;
        let ask = |place| Box::pin(self.ask_for_replicas(place, tls));
        let asked = select_ok(self.places.iter().map(ask));
        match timeout_at(deadline, asked).await {
            Ok(answer) => answer.map(|(places, _)| places),
            Err(_) => Err(timed_out(format!("no sentinel named its replicas within {LIMIT:?}"))),
        }
    }

    async fn ask_for_replicas(&self, place: &Place, tls: Option<&Tls>) -> RedisResult<Vec<Place>> {
        let mut socket = self.connect(place, tls).await?;
        let mut question = redis::cmd("SENTINEL");
        question.arg("REPLICAS").arg(&self.service);
        let replicas = match ask(&mut socket, &question).await? {
            Value::ServerError(error) => return Err(error.into()),
            answer => from_redis_value::<Vec<HashMap<String, String>>>(answer)?,
        };
        let mut places: Vec<_> = replicas.iter().filter_map(well).collect();
        places.sort_unstable();
        Ok(places)
    }

    /// Resolves when the sentinels name another master than this one. Asks one of them each time, over a
    /// connection that it keeps, and all of them only when that one does.
    pub(crate) async fn moved_from(&self, master: &Place, tls: Option<&Tls>, every: Duration) {
        let mut kept = None;
        loop {
            sleep(every.mul_f64(0.75 + fastrand::f64() / 2.0)).await;
            let named = within(LIMIT, "the sentinel did not answer", async {
                let mut socket = match kept.take() {
                    Some(socket) => socket,
                    None => {
                        self.connect(&self.places[fastrand::usize(..self.places.len())], tls)
                            .await?
                    }
                };
                let named = self.named(&mut socket).await?;
                kept = Some(socket);
                Ok(named)
            });
            let Ok(Some(named)) = named.await else { continue };
            if named != *master && self.master(tls).await.is_ok_and(|named| named != *master) {
                return;
            }
        }
    }

    async fn ask_new(&self, place: &Place, tls: Option<&Tls>) -> Answer {
        let named = async { self.named(&mut self.connect(place, tls).await?).await };
        match named.await {
            Ok(named) => Answer::Named(named),
            Err(error) => Answer::Failed {
                why: format!("{place}: {error}"),
                refused: classify(&error).kind == qa_resource_core::ErrorKind::Auth,
            },
        }
    }

    async fn connect(&self, place: &Place, tls: Option<&Tls>) -> RedisResult<Box<dyn Socket>> {
        let stream = dial(&place.host, place.port).await?;
        let mut socket = secured(stream, tls, &place.host, LIMIT).await?;
        login(&mut socket, &self.options).await?;
        Ok(socket)
    }

    async fn named(&self, socket: &mut Box<dyn Socket>) -> RedisResult<Option<Place>> {
        let named = match ask(socket, &self.question()).await? {
            Value::ServerError(error) => return Err(error.into()),
            answer => from_redis_value::<Option<(String, u16)>>(answer)?,
        };
        Ok(named.map(|(host, port)| Place { host, port }))
    }

    fn question(&self) -> Cmd {
        let mut question = redis::cmd("SENTINEL");
        question.arg("GET-MASTER-ADDR-BY-NAME").arg(&self.service);
        question
    }
}

/// Where a replica is that the sentinel sees nothing wrong with.
fn well(replica: &HashMap<String, String>) -> Option<Place> {
    let says = |field: &str| replica.get(field).map(String::as_str);
    let well = says("flags") == Some("slave") && says("master-link-status") == Some("ok");
    let (host, port) = (says("ip")?.to_owned(), says("port")?.parse().ok()?);
    well.then_some(Place { host, port })
}

/// What one of them says.
#[derive(Debug)]
enum Answer {
    /// The master, if it knows one of that name.
    Named(Option<Place>),
    Failed {
        why: String,
        refused: bool,
    },
}

/// What they have said so far.
struct Tally {
    of: usize,
    named: Majority<Place>,
    unknown: usize,
    failed: Vec<String>,
    /// One of them did not let us in.
    refused: bool,
}

impl Tally {
    fn of(of: usize) -> Self {
        Self { of, named: Majority::of(of), unknown: 0, failed: Vec::new(), refused: false }
    }

    /// Counts an answer; whether no other could change the result.
    fn is_decided_by(&mut self, answer: Answer) -> bool {
        match answer {
            Answer::Failed { why, refused } => {
                self.failed.push(why);
                self.refused |= refused;
            }
            Answer::Named(None) => self.unknown += 1,
            Answer::Named(Some(place)) => self.named.count(place),
        }
        self.named.is_decided()
    }

    fn result(self, service: &str) -> RedisResult<Place> {
        match self.named.most() {
            Some(place) => Ok(place),
            None if self.unknown > 0 => Err(unknown(service)),
            None => Err(unheard(self.of, &self.failed, self.refused)),
        }
    }
}

fn unknown(service: &str) -> RedisError {
    let text =
        format!("the sentinels watch no master `{service}`; name it with `service` in the URL");
    (ErrorKind::MasterNameNotFoundBySentinel, "no master", text).into()
}

fn unheard(of: usize, failed: &[String], refused: bool) -> RedisError {
    let silent = of - failed.len();
    let mut why = failed.to_vec();
    if silent > 0 {
        why.push(format!("{silent} did not answer within {LIMIT:?}"));
    }
    let text = format!("none of {of} sentinels answered: {}", why.join("; "));
    if refused {
        return (ErrorKind::AuthenticationFailed, "the sentinels do not let us in", text).into();
    }
    std::io::Error::new(std::io::ErrorKind::NotConnected, text).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(port: u16) -> Answer {
        Answer::Named(Some(Place { host: "h".into(), port }))
    }

    fn failed(why: &str, refused: bool) -> Answer {
        Answer::Failed { why: why.to_owned(), refused }
    }

    fn outcome(of: usize, answers: Vec<Answer>) -> (bool, Result<u16, String>) {
        let mut tally = Tally::of(of);
        let mut decided = false;
        for answer in answers {
            decided = tally.is_decided_by(answer);
        }
        let result = tally.result("mymaster");
        (decided, result.map(|place| place.port).map_err(|error| error.to_string()))
    }

    #[test]
    fn the_majority_is_believed_and_needs_not_all() {
        assert_eq!(outcome(3, vec![named(1)]), (false, Ok(1)));
        assert_eq!(outcome(3, vec![named(1), named(2)]), (false, Ok(1)));
        assert_eq!(outcome(3, vec![named(1), named(2), named(2)]), (true, Ok(2)));
        assert_eq!(outcome(3, vec![named(2), named(2)]), (true, Ok(2)));
        assert_eq!(outcome(1, vec![named(1)]), (true, Ok(1)));
        assert_eq!(outcome(3, vec![failed("x", false), named(4)]), (false, Ok(4)));
    }

    #[test]
    fn who_is_not_found_is_named_with_the_reason() {
        let (_, error) = outcome(2, vec![Answer::Named(None), failed("h:1: no", false)]);
        assert!(error.unwrap_err().contains("no master `mymaster`"));
        let (_, error) = outcome(2, vec![failed("h:1: no", false)]);
        let error = error.unwrap_err();
        assert!(error.contains("none of 2 sentinels answered: h:1: no; 1 did not"), "{error}");
    }
}

//! Redis: RESP2.

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

use super::{Answer, Wire, broken, connect};
use crate::address::Address;

/// No answer that we ask for is longer, nor has more parts.
const LONGEST: usize = 1 << 20;

/// Logs in and pings. A server that still loads its data refuses with `LOADING`.
pub(crate) async fn login(address: &Address) -> Answer<()> {
    Connection::open(address).await?.command(&["PING"]).await.map(drop)
}

/// Gives the user another password, and the default user with it: they have one in common.
pub(crate) async fn change_password(address: &Address, new: &str) -> Answer<()> {
    let mut connection = Connection::open(address).await?;
    let rule = format!(">{new}");
    connection.command(&["ACL", "SETUSER", &address.user, "resetpass", &rule]).await?;
    connection.command(&["CONFIG", "SET", "requirepass", new]).await.map(drop)
}

/// A connection of the application's user.
pub(crate) struct Connection {
    stream: BufReader<Wire>,
}

impl Connection {
    pub(crate) async fn open(address: &Address) -> Answer<Self> {
        let mut connection = Self { stream: BufReader::new(connect(address).await?) };
        if !address.password.is_empty() {
            let mut login = vec!["AUTH", &address.user, &address.password];
            login.retain(|word| !word.is_empty());
            connection.command(&login).await?;
        }
        Ok(connection)
    }

    /// Sends one command and returns the texts and numbers of its answer, in their order. Lists
    /// are flattened: what a list holds is known to the one who asks.
    pub(crate) async fn command(&mut self, words: &[&str]) -> Answer<Vec<String>> {
        let head = format!("*{}\r\n", words.len());
        let request =
            words.iter().fold(head, |text, word| text + &format!("${}\r\n{word}\r\n", word.len()));
        self.stream.write_all(request.as_bytes()).await.map_err(broken)?;
        let mut texts = Vec::new();
        let mut open = 1; // answers, and elements of lists, that are still to come
        while open > 0 {
            open -= 1;
            let line = self.line().await?;
            let rest = line.get(1..).unwrap_or_default();
            match line.chars().next() {
                Some('+' | ':') => texts.push(rest.to_owned()),
                Some('-') => return Err(rest.to_owned()),
                Some('$') => texts.extend(self.bulk(rest).await?),
                Some('*') => open += length(rest)?.unwrap_or_default(),
                _ => return Err("the server does not speak redis".to_owned()),
            }
        }
        Ok(texts)
    }

    /// A command whose answer is one text.
    pub(crate) async fn text(&mut self, words: &[&str]) -> Answer<String> {
        let texts = self.command(words).await?;
        texts.into_iter().next().ok_or_else(|| format!("{} has no answer", words.join(" ")))
    }

    async fn line(&mut self) -> Answer<String> {
        let mut line = String::new();
        self.stream.read_line(&mut line).await.map_err(broken)?;
        if line.is_empty() {
            return Err("the connection was closed".to_owned());
        }
        Ok(line.trim_end().to_owned())
    }

    async fn bulk(&mut self, head: &str) -> Answer<Option<String>> {
        let Some(length) = length(head)? else {
            return Ok(None);
        };
        let mut bytes = vec![0; length + 2];
        self.stream.read_exact(&mut bytes).await.map_err(broken)?;
        bytes.truncate(length);
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
    }
}

/// The length of a text or a list; `None` of one that is not there.
fn length(text: &str) -> Answer<Option<usize>> {
    match text.parse::<i64>().map(usize::try_from) {
        Ok(Ok(length)) if length <= LONGEST => Ok(Some(length)),
        Ok(Err(_)) => Ok(None),
        _ => Err("the server does not speak redis".to_owned()),
    }
}

/// The value of a field in an answer of lines `field:value`, as `INFO` and `CLUSTER INFO` give.
pub(crate) fn field<'a>(lines: &'a str, name: &str) -> &'a str {
    let value = |line: &'a str| line.strip_prefix(name)?.strip_prefix(':');
    lines.lines().find_map(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `command` makes of an answer.
    async fn understood(answer: &str) -> Answer<Vec<String>> {
        let (client, mut socket) = tokio::io::duplex(LONGEST);
        let mut connection = Connection { stream: BufReader::new(Box::new(client)) };
        let server = async move {
            let mut question = [0; "*1\r\n$4\r\nPING\r\n".len()];
            socket.read_exact(&mut question).await.unwrap();
            socket.write_all(answer.as_bytes()).await.unwrap();
            drop(socket);
        };
        tokio::join!(connection.command(&["PING"]), server).0
    }

    #[tokio::test]
    async fn every_kind_of_answer_is_understood() {
        let nested = understood("*3\r\n$6\r\nmas\r\nr\r\n:7\r\n*2\r\n$-1\r\n+OK\r\n").await;
        assert_eq!(nested.unwrap(), ["mas\r\nr", "7", "OK"]);
        assert_eq!(understood("*-1\r\n").await.unwrap(), [""; 0]);
        assert_eq!(understood("-WRONGPASS no\r\n").await.unwrap_err(), "WRONGPASS no");
        assert!(understood("HTTP/1.1 400\r\n").await.unwrap_err().contains("does not speak"));
        assert!(understood("$99999999999\r\n").await.unwrap_err().contains("does not speak"));
        assert!(understood("").await.is_err());
    }

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let info = "role_of:x\r\nrole:slave\r\nmaster_port:7\r\n";
        assert_eq!((field(info, "role"), field(info, "master_port")), ("slave", "7"));
        assert_eq!(field(info, "absent"), "");
    }
}

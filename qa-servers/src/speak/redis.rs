//! Redis: RESP2.

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

use super::{Answer, Wire, broken, connect};
use crate::address::Address;

/// Logs in and pings. A server that still loads its data refuses with `LOADING`.
pub(crate) async fn login(address: &Address) -> Answer<()> {
    call(&mut open(address).await?, &["PING"]).await
}

/// Gives the user another password, and the default user with it: they have one in common.
pub(crate) async fn change_password(address: &Address, new: &str) -> Answer<()> {
    let mut stream = open(address).await?;
    let rule = format!(">{new}");
    call(&mut stream, &["ACL", "SETUSER", &address.user, "resetpass", &rule]).await?;
    call(&mut stream, &["CONFIG", "SET", "requirepass", new]).await
}

/// A connection that is logged in.
async fn open(address: &Address) -> Answer<BufReader<Wire>> {
    let mut stream = BufReader::new(connect(address).await?);
    if !address.password.is_empty() {
        let mut login = vec!["AUTH", &address.user, &address.password];
        login.retain(|word| !word.is_empty());
        call(&mut stream, &login).await?;
    }
    Ok(stream)
}

async fn call(stream: &mut BufReader<Wire>, words: &[&str]) -> Answer<()> {
    let head = format!("*{}\r\n", words.len());
    let request =
        words.iter().fold(head, |text, word| text + &format!("${}\r\n{word}\r\n", word.len()));
    stream.write_all(request.as_bytes()).await.map_err(broken)?;
    let mut line = String::new();
    stream.read_line(&mut line).await.map_err(broken)?;
    match line.trim_end() {
        "" => Err("the connection was closed".to_owned()),
        answer if answer.starts_with('-') => Err(answer.trim_start_matches('-').to_owned()),
        _ => Ok(()),
    }
}

//! The first words on a new connection: which protocol, and who we are.
//!
//! They are said on the bare socket and not left to the driver, for three reasons. The driver sends
//! all of them at once and then reports a server that refuses (too many clients) as a broken pipe;
//! it must dial again for a server without `HELLO`; and it hands on a server's "unknown command …
//! with args beginning with", which holds the password.

use crate::options::Options;
use qa_resource_core::Secret;
use redis::{
    Cmd, ErrorKind, ProtocolVersion, RedisError, RedisResult, ServerError, ServerErrorKind, Value,
};
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// More than any greeting has.
const LONGEST_ANSWER: usize = 64 * 1024;

const REFUSED: &str = "the server refused the login";

/// Agrees on the protocol and logs in.
pub(crate) async fn login<S>(stream: &mut S, options: &Options) -> RedisResult<ProtocolVersion>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    if options.protocol.supports_resp3() {
        match ask(stream, &hello(options)).await? {
            Value::ServerError(error) if does_not_know_hello(&error) => {}
            answer => return accepted(&answer, options).map(|()| ProtocolVersion::RESP3),
        }
    }
    let Some(password) = &options.password else {
        return Ok(ProtocolVersion::RESP2);
    };
    let mut answer = ask(stream, &authenticate(options.user.as_ref(), password)).await?;
    if knows_no_users(&answer) {
        answer = ask(stream, &authenticate(None, password)).await?;
    }
    accepted(&answer, options).map(|()| ProtocolVersion::RESP2)
}

/// Logs in once more on a session that was reset, in the protocol that it had.
pub(crate) fn again(options: &Options, protocol: ProtocolVersion) -> Cmd {
    match &options.password {
        _ if protocol.supports_resp3() => hello(options),
        Some(password) => authenticate(options.user.as_ref(), password),
        None => redis::cmd("PING"),
    }
}

fn hello(options: &Options) -> Cmd {
    let mut hello = redis::cmd("HELLO");
    hello.arg(3);
    if let Some(password) = &options.password {
        let user = options.user.as_ref().map_or("default", Secret::expose);
        hello.arg("AUTH").arg(user).arg(password.expose());
    }
    hello
}

fn authenticate(user: Option<&Secret>, password: &Secret) -> Cmd {
    let mut command = redis::cmd("AUTH");
    if let Some(user) = user {
        command.arg(user.expose());
    }
    command.arg(password.expose());
    command
}

/// Servers before 6.0, proxies, and those where the command was renamed. (Rights don't matter: every
/// user may say `HELLO`.)
fn does_not_know_hello(error: &ServerError) -> bool {
    let said = error.details().unwrap_or_default().to_ascii_lowercase();
    match error.code() {
        "ERR" => said.contains("unknown command") || said.contains("unsupported command"),
        code => code == "NOPROTO",
    }
}

/// Servers before 6.0 have one password and no users.
fn knows_no_users(answer: &Value) -> bool {
    let Value::ServerError(error) = answer else {
        return false;
    };
    error.details().is_some_and(|said| said.contains("wrong number of arguments"))
}

fn accepted(answer: &Value, options: &Options) -> RedisResult<()> {
    match answer {
        Value::ServerError(error) => Err(refused(error, options)),
        _ => Ok(()),
    }
}

/// What the server said, where that is known to be harmless; else only that it refused.
fn refused(error: &ServerError, options: &Options) -> RedisError {
    let said = error.details().unwrap_or_default();
    let secrets = [&options.user, &options.password];
    let holds_secret = secrets.into_iter().flatten().any(|secret| said.contains(secret.expose()));
    let harmless = error.code() != "ERR" || said.contains("max number of clients");
    if harmless && !holds_secret {
        return error.clone().into();
    }
    match error.kind() {
        Some(ServerErrorKind::ResponseError) => (ErrorKind::AuthenticationFailed, REFUSED).into(),
        Some(kind) => (ErrorKind::Server(kind), REFUSED).into(),
        None => redis::make_extension_error(error.code().to_owned(), Some(REFUSED.to_owned())),
    }
}

/// Sends one command and reads its answer, which is the only thing that can come.
pub(crate) async fn ask<S>(stream: &mut S, command: &Cmd) -> RedisResult<Value>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    // A server with too many clients says so and hangs up before it is asked: what it said is still
    // there to be read, even when writing fails.
    let sent = send(stream, &command.get_packed_command()).await;
    let answer = read_answer(stream).await;
    if answer.is_err() {
        sent?;
    }
    answer
}

async fn send<S: AsyncWrite + Unpin>(stream: &mut S, packed: &[u8]) -> io::Result<()> {
    stream.write_all(packed).await?;
    stream.flush().await
}

async fn read_answer<S: AsyncRead + Unpin>(stream: &mut S) -> RedisResult<Value> {
    let mut received = Vec::with_capacity(512);
    loop {
        if stream.read_buf(&mut received).await? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        match redis::parse_redis_value(&received) {
            Err(error) if is_incomplete(&error) && received.len() < LONGEST_ANSWER => {}
            // The parser's text shows what it read; the server's kind is what matters here.
            Err(_) => {
                return Err((ErrorKind::Parse, "the server does not speak redis' protocol").into());
            }
            answer => return answer,
        }
    }
}

fn is_incomplete(error: &RedisError) -> bool {
    error.is_io_error()
}

#[cfg(test)]
mod tests {
    use super::*;
    use qa_resource_core::{Class, ErrorKind as Kind, Target};
    use tokio::io::DuplexStream;

    const CANARY: &str = "c4n4ry";

    fn options(login: &str) -> Options {
        Options::new(&Target::parse("r", &format!("redis://{login}h")).unwrap()).unwrap()
    }

    /// Answers each command with the next text, byte by byte, and gives back what it was sent.
    async fn serve(mut stream: DuplexStream, answers: &[&str]) -> Vec<String> {
        let mut sent = Vec::new();
        for answer in answers {
            let mut command = vec![0; 1024];
            let length = stream.read(&mut command).await.unwrap();
            sent.push(String::from_utf8_lossy(&command[..length]).into_owned());
            for byte in answer.bytes() {
                stream.write_all(&[byte]).await.unwrap();
                tokio::task::yield_now().await;
            }
        }
        sent
    }

    async fn talk(
        options: &Options,
        answers: &[&str],
    ) -> (RedisResult<ProtocolVersion>, Vec<String>) {
        let (mut ours, theirs) = tokio::io::duplex(1024);
        tokio::join!(async { login(&mut ours, options).await }, serve(theirs, answers))
    }

    #[tokio::test]
    async fn logs_in_with_one_command_where_the_server_knows_it() {
        let (protocol, sent) = talk(&options("me:pw@"), &["%1\r\n+proto\r\n:3\r\n"]).await;
        assert!(protocol.unwrap().supports_resp3());
        let hello = "*5\r\n$5\r\nHELLO\r\n$1\r\n3\r\n$4\r\nAUTH\r\n$2\r\nme\r\n$2\r\npw\r\n";
        assert_eq!(sent, [hello]);
    }

    #[tokio::test]
    async fn falls_back_for_every_way_of_not_knowing_hello() {
        for answer in [
            "-ERR unknown command `HELLO`, with args beginning with: `3`, `AUTH`, `me`, `pw`\r\n",
            "-ERR unknown command 'HELLO', with args beginning with: '3' 'AUTH'\r\n",
            "-ERR unsupported command 'HELLO'\r\n",
            "-NOPROTO unsupported protocol version\r\n",
        ] {
            let (protocol, sent) = talk(&options("me:pw@"), &[answer, "+OK\r\n"]).await;
            assert!(!protocol.unwrap().supports_resp3(), "{answer}");
            assert_eq!(sent[1], "*3\r\n$4\r\nAUTH\r\n$2\r\nme\r\n$2\r\npw\r\n", "{answer}");
        }
    }

    #[tokio::test]
    async fn a_server_without_users_gets_the_password_alone() {
        let answers = [
            "-ERR unknown command `HELLO`\r\n",
            "-ERR wrong number of arguments for 'auth' command\r\n",
            "+OK\r\n",
        ];
        let (protocol, sent) = talk(&options("me:pw@"), &answers).await;
        assert!(protocol.is_ok());
        assert_eq!(sent[2], "*2\r\n$4\r\nAUTH\r\n$2\r\npw\r\n");
    }

    #[tokio::test]
    async fn a_refusal_keeps_its_meaning_and_no_secret() {
        let auth = Class::not_applied(Kind::Auth);
        let cases = [
            ("-WRONGPASS invalid username-password pair or user is disabled.\r\n", auth),
            ("-WRONGPASS no c4n4ry\r\n", auth),
            ("-NOAUTH c4n4ry\r\n", auth),
            ("-NOPERM User c4n4ry may not run 'auth'\r\n", auth),
            ("-ERR unknown command 'AUTH', with args beginning with: 'c4n4\r\n", auth),
            ("-ERR AUTH <password> called without any password configured c4n4ry\r\n", auth),
            ("-LOADING Redis is loading c4n4ry\r\n", Class::not_applied(Kind::Connect)),
            ("-ERR max number of clients reached\r\n", Class::not_applied(Kind::Overloaded)),
            ("-STRANGE c4n4ry\r\n", Class::not_applied(Kind::Operation)),
            ("c4n4ry: that is no redis\r\n", Class::unknown(Kind::Connect)),
        ];
        for (answer, class) in cases {
            let answers = ["-ERR unknown command 'HELLO'\r\n", answer];
            let (result, _) = talk(&options("c4n4ry:c4n4ry@"), &answers).await;
            let error = result.unwrap_err();
            let text = format!("{error} {error:?} {:?}", error.detail());
            assert!(!text.contains(CANARY) && !text.contains("c4n4"), "{text}");
            assert_eq!(crate::classify::classify(&error), class, "{answer}");
        }
    }

    #[tokio::test]
    async fn a_server_that_refuses_before_it_is_asked_is_heard() {
        let (mut ours, mut theirs) = tokio::io::duplex(1024);
        theirs.write_all(b"-ERR max number of clients reached\r\n").await.unwrap();
        drop(theirs);
        let error = login(&mut ours, &options("")).await.unwrap_err();
        assert_eq!(
            crate::classify::classify(&error),
            Class::not_applied(Kind::Overloaded),
            "{error}"
        );
    }

    #[tokio::test]
    async fn an_answer_without_end_is_cut() {
        let (mut ours, mut theirs) = tokio::io::duplex(1024);
        let flood =
            tokio::spawn(async move { while theirs.write_all(&[b'+'; 512]).await.is_ok() {} });
        let error = login(&mut ours, &options("")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Parse);
        drop(ours);
        flood.await.unwrap();
    }
}

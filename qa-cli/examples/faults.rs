//! Breaks real servers, one fault at a time, and shows what `qa` says of each: what docs/guide/doctor.md
//! shows was printed by this.
//!
//! `cargo build -p qa-cli && cargo run -p qa-cli --example faults`

use anyhow::{Context, Result};
use futures_util::future::join_all;
use qa_pool::{Config, ResourcePool};
use qa_servers::tls::Authority;
use qa_servers::{Server, System};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// For each line that is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is waited for: in a line of `qa watch`, and in an answer of `qa serve`, of the resource NAME.
type Seen = (&'static str, &'static str);
const WELL: Seen = ("is ready", "200 OK");
const DEGRADED: Seen = ("is degraded", "\"health\":\"degraded\"");
const DOWN: Seen = ("is idle: ", "\"name\":\"NAME\",\"state\":\"idle\",\"error\":\"");
/// One member of a group is down.
const IN_PART: Seen = ("is idle: ", "\"health\":\"degraded\"");

#[tokio::main]
async fn main() -> Result<()> {
    let desk = Desk::new()?;
    let starts = System::ALL.into_iter().map(Server::start_owned);
    let servers: Vec<_> = join_all(starts).await.into_iter().collect::<Result<_, _>>()?;
    let of = |system| servers.iter().find(|server| server.system() == system);
    let redis = of(System::Redis).context("there is no redis")?;
    let mongo = of(System::MongoDb).context("there is no mongodb")?;
    let rabbit = of(System::RabbitMq).context("there is no rabbitmq")?;
    let click = of(System::ClickHouse).context("there is no clickhouse")?;
    let all: String = servers.iter().map(|server| resource(server, &server.url(), "")).collect();

    desk.shows("Four that are well", &all, &["check", "doctor", "check --json"]).await?;
    desk.looks_on(&all, "cache", WELL).await?;
    redis.kill().await?;
    desk.shows("Killed", &all, &["check", "doctor"]).await?;
    desk.looks_on(&all, "cache", DOWN).await?;
    redis.start_again().await?;
    click.freeze().await?;
    desk.shows("Frozen", &all, &["check", "doctor"]).await?;
    desk.looks_on(&all, "ticks", DOWN).await?;
    click.thaw().await?;
    rabbit.raise_alarm().await?;
    desk.shows("An alarm", &all, &["check", "doctor"]).await?;
    desk.looks_on(&all, "orders", DEGRADED).await?;
    rabbit.clear_alarm().await?;
    let wrong = servers
        .iter()
        .map(|server| resource(server, &server.url().replace(server.password(), "wrong"), ""));
    let wrong: String = wrong.collect();
    desk.shows("A wrong password", &wrong, &["check", "doctor"]).await?;
    desk.looks_on(&wrong, "bars", DOWN).await?;
    let nowhere = resource(redis, &redis.url().replace("127.0.0.1", "cache.invalid"), "");
    desk.shows("An unknown host", &nowhere, &["check", "doctor"]).await?;
    desk.looks_on(&nowhere, "cache", DOWN).await?;
    tls(&desk, redis, &servers).await?;
    group(&desk, redis).await?;
    watch(&desk, redis, mongo, &all).await?;
    serve(&desk, redis, &all).await?;
    join_all(servers.into_iter().map(Server::remove)).await;
    Ok(())
}

async fn tls(desk: &Desk, redis: &Server, plain: &[Server]) -> Result<()> {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let trusting =
        |whom: &Authority| format!("[resource.tls]\nca_file = '{}'", whom.path("ca.pem").display());
    let at = |port: u16| {
        let url = redis.url().replacen("redis://", "rediss://", 1);
        url.replace(&format!(":{}", redis.port()), &format!(":{port}"))
    };
    let elsewhere = ours.proxy("cache.example.com", redis.port()).await;
    let name = resource(redis, &at(elsewhere.port()), &trusting(&ours));
    desk.shows("A certificate for another name", &name, &["check", "doctor"]).await?;
    desk.looks_on(&name, "cache", DOWN).await?;
    let good = ours.proxy("127.0.0.1", redis.port()).await;
    let unknown = resource(redis, &at(good.port()), &trusting(&theirs));
    desk.shows("An authority that is not trusted", &unknown, &["check", "doctor"]).await?;
    desk.looks_on(&unknown, "cache", DOWN).await?;
    let asked: String = plain
        .iter()
        .map(|server| {
            let url = match server.system() {
                System::MongoDb => format!("{}&tls=true", server.url()),
                _ => server.url().replacen("://", "s://", 1),
            };
            resource(server, &url, &trusting(&ours))
        })
        .collect();
    desk.shows("TLS where none is spoken", &asked, &["check", "doctor"]).await?;
    desk.looks_on(&asked, "orders", DOWN).await?;
    let (mut without, mut missing) = (String::new(), String::new());
    let mut servers = Vec::new();
    for system in System::ALL {
        let server = Server::start_mutual_tls(system, &ours).await?;
        let plain = server.url().replacen("s://", "://", 1).replace("&tls=true", "");
        without += &resource(&server, &plain, "");
        missing += &resource(&server, &server.url(), &trusting(&ours));
        servers.push(server);
    }
    desk.shows("No TLS where it is spoken", &without, &["check", "doctor"]).await?;
    desk.looks_on(&without, "ticks", DOWN).await?;
    desk.shows("No certificate where one is wanted", &missing, &["check", "doctor"]).await?;
    desk.looks_on(&missing, "cache", DOWN).await?;
    join_all(servers.into_iter().map(Server::remove)).await;
    Ok(())
}

/// A main server and its spare: one away, then the main one lost and back, then both lost.
async fn group(desk: &Desk, main: &Server) -> Result<()> {
    let mut spare = Server::start_owned(System::Redis).await?;
    spare.change_password(main.password()).await?;
    let both = format!(
        "[[resource]]\nname = 'quotes'\nurl = '{}'\nacquire_timeout = '1s'\n\
         [resource.group]\npolicy = 'failover'\nmembers = [{{ host = '127.0.0.1:{}' }}]\n",
        main.url(),
        spare.port()
    );
    main.kill().await?;
    desk.shows("One of a group", &both, &["check", "doctor"]).await?;
    desk.looks_on(&both, "quotes", IN_PART).await?;
    main.start_again().await?;

    println!("\n## The log of a group\n");
    let mut serving = desk.command(&both, "serve --listen 127.0.0.1:0")?;
    let mut child = serving.stderr(Stdio::piped()).stdout(Stdio::null()).spawn()?;
    let mut lines = BufReader::new(child.stderr.take().context("no log")?).lines();
    let mut until = async |part: &str| print_until(&mut lines, part).await;
    for _ in 0..2 {
        until("resource is ready").await?;
    }
    main.kill().await?;
    until("another member is active").await?;
    main.start_again().await?;
    until("failback").await?;
    let pool = ResourcePool::from_config(&Config::from_toml(&both)?)?;
    pool.connect().await?;
    main.kill().await?;
    spare.kill().await?;
    until("no member is connected any more").await?;
    if let Err(error) = pool.redis()?.acquire().await {
        println!("{error}");
    }
    child.kill().await?;
    pool.close(PATIENCE).await;
    main.start_again().await?;
    spare.remove().await;
    Ok(())
}

/// Prints what a command says until a line has this in it.
async fn print_until(lines: &mut Lines<impl AsyncBufRead + Unpin>, part: &str) -> Result<()> {
    while let Some(line) = timeout(PATIENCE, lines.next_line()).await?? {
        println!("{line}");
        if line.contains(part) {
            return Ok(());
        }
    }
    anyhow::bail!("it ended before {part}")
}

async fn watch(desk: &Desk, redis: &Server, mongo: &Server, config: &str) -> Result<()> {
    println!("\n## Watched\n");
    let (mut child, mut lines) = desk.start(config, "watch")?;
    let mut until = async |part: &str| print_until(&mut lines, part).await;
    for _ in 0..4 {
        until("is ready").await?;
    }
    redis.freeze().await?;
    until("is reconnecting").await?;
    redis.thaw().await?;
    until("is ready").await?;
    mongo.kill().await?;
    until("is reconnecting").await?;
    mongo.start_again().await?;
    until("is ready").await?;
    child.kill().await?;
    Ok(())
}

async fn serve(desk: &Desk, redis: &Server, config: &str) -> Result<()> {
    println!("\n## Served\n");
    let (mut child, mut lines) = desk.start(config, SERVE)?;
    println!("{}", timeout(PATIENCE, lines.next_line()).await??.unwrap_or_default());
    println!("{}", ask_until("200 OK").await?);
    redis.kill().await?;
    println!("{}", ask_until("503 Service").await?);
    println!("{}", ask("livez").await?);
    redis.start_again().await?;
    child.kill().await?;
    Ok(())
}

const SERVE: &str = "serve --listen 127.0.0.1:9464";

/// What `qa serve` answers.
async fn ask(path: &str) -> Result<String> {
    let url = format!("http://127.0.0.1:9464/{path}");
    let said = Command::new("curl").args(["-sS", "-i", &url]).output().await?;
    Ok(format!("$ curl -i {url}\n{}", String::from_utf8_lossy(&said.stdout)))
}

/// The first answer of `/readyz` that has this in it.
async fn ask_until(part: &str) -> Result<String> {
    let answer = async {
        loop {
            let said = ask("readyz").await?;
            if said.contains(part) {
                return Ok(said);
            }
        }
    };
    timeout(PATIENCE, answer).await.with_context(|| format!("/readyz never says {part}"))?
}

fn resource(server: &Server, url: &str, more: &str) -> String {
    let name = match server.system() {
        System::MongoDb => "bars",
        System::RabbitMq => "orders",
        System::ClickHouse => "ticks",
        System::Redis => "cache",
    };
    format!("[[resource]]\nname = '{name}'\nurl = '{url}'\n{more}\n")
}

/// Where the command is, and its configuration.
struct Desk {
    qa: PathBuf,
    folder: tempfile::TempDir,
}

impl Desk {
    fn new() -> Result<Self> {
        let here = std::env::current_exe()?;
        let target = here.parent().and_then(|examples| examples.parent());
        let qa = target.context("no target")?.join("qa");
        anyhow::ensure!(qa.exists(), "build it first: cargo build -p qa-cli");
        Ok(Self { qa, folder: tempfile::tempdir()? })
    }

    fn command(&self, config: &str, arguments: &str) -> Result<Command> {
        std::fs::write(self.folder.path().join("qa.toml"), config)?;
        let mut words = arguments.split(' ');
        let mut command = Command::new(&self.qa);
        command.args(words.next()).arg("qa.toml").args(words).current_dir(self.folder.path());
        command.kill_on_drop(true);
        Ok(command)
    }

    async fn shows(&self, title: &str, config: &str, commands: &[&str]) -> Result<()> {
        println!("\n## {title}\n");
        for arguments in commands {
            let output = self.command(config, arguments)?.output().await?;
            println!("$ qa {arguments} qa.toml");
            print!("{}", String::from_utf8_lossy(&output.stdout));
            print!("{}", String::from_utf8_lossy(&output.stderr));
            println!("(exit code {})\n", output.status.code().unwrap_or(-1));
        }
        Ok(())
    }

    /// What the two commands that look on say of one resource: a word for its state that `watch` gets to,
    /// and what `/readyz` of `serve` then has in it.
    async fn looks_on(&self, config: &str, name: &str, (word, answer): Seen) -> Result<()> {
        println!("$ qa watch qa.toml | grep {name}");
        let (mut watch, mut lines) = self.start(config, "watch")?;
        let until = async {
            while let Some(line) = lines.next_line().await? {
                if line.contains(name) {
                    println!("{line}");
                }
                if line.contains(name) && line.contains(word) {
                    return Ok(());
                }
            }
            anyhow::bail!("it ended before {name} {word}")
        };
        timeout(PATIENCE, until).await.with_context(|| format!("{name} never {word}"))??;
        watch.kill().await?;
        let (mut serve, _) = self.start(config, SERVE)?;
        println!("\n{}\n", ask_until(&answer.replace("NAME", name)).await?);
        serve.kill().await?;
        Ok(())
    }

    fn start(
        &self,
        config: &str,
        arguments: &str,
    ) -> Result<(Child, Lines<BufReader<tokio::process::ChildStdout>>)> {
        let mut command = self.command(config, arguments)?;
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let out = child.stdout.take().context("no output")?;
        Ok((child, BufReader::new(out).lines()))
    }
}

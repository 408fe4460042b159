//! The page in a real browser, with real servers behind it, one of them frozen.

use crate::client::{LIMIT, Served, config};
use futures_util::future::join_all;
use qa_pool::redis::Redis;
use qa_pool::redis::redis::cmd;
use qa_pool::{Lease, ResourcePool};
use qa_servers::testing::{eventually, within};
use qa_servers::{Server, System};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

/// Where Debian and others have it.
const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];
/// How long it may take to start and to draw a page.
const PATIENCE: Duration = Duration::from_secs(90);

/// Runs Chromium without a window; gives what it prints.
async fn chromium(folder: &Path, arguments: &[&str]) -> String {
    let profile = format!("--user-data-dir={}", folder.join("profile").display());
    let common = [
        "--headless",
        "--disable-gpu",
        "--no-first-run",
        "--hide-scrollbars",
        "--allow-file-access-from-files",
        // Tests run as root in containers, where its sandbox does not start.
        "--no-sandbox",
        "--disable-dev-shm-usage",
        &profile,
    ];
    for name in NAMES {
        let mut command = Command::new(name);
        command.args(common).args(arguments).stderr(Stdio::null()).kill_on_drop(true);
        match within("chromium ends", PATIENCE, command.output()).await {
            Ok(output) => {
                assert!(output.status.success(), "{name} {arguments:?}: {output:?}");
                return String::from_utf8(output.stdout).unwrap();
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => panic!("{name}: {error}"),
        }
    }
    panic!("there is no Chromium here; install it with scripts/install-browser.sh");
}

/// Shows `page.html` in a frame as wide as a window, and says what became of it.
const LOOK: &str = r#"<!doctype html><body><iframe src="page.html" width="WIDTH" height="2000"></iframe>
<script>onload = () => {
  const page = document.querySelector("iframe").contentDocument;
  const style = element => getComputedStyle(element);
  const said = {
    width: page.documentElement.scrollWidth,
    cards: page.querySelectorAll("article").length,
    columns: style(page.querySelector("main")).gridTemplateColumns.split(" ").length,
    paper: style(page.body).backgroundColor,
    ink: style(page.body).color,
    down: style(page.querySelector("article.down .pill")).color,
    headline: page.querySelector("h1").textContent,
    drawn: [...page.querySelectorAll("svg")].every(svg => svg.getBoundingClientRect().width > 100),
  };
  document.body.textContent = JSON.stringify(said);
}</script></body>"#;

async fn look(folder: &Path, width: u32, dark: bool) -> serde_json::Value {
    std::fs::write(folder.join("look.html"), LOOK.replace("WIDTH", &width.to_string())).unwrap();
    let scheme = format!("--blink-settings=preferredColorScheme={}", u8::from(!dark));
    let url = format!("file://{}", folder.join("look.html").display());
    let dom = chromium(folder, &["--dump-dom", &scheme, "--window-size=1600,1200", &url]).await;
    let said = dom.split("<body>").nth(1).unwrap().split("</body>").next().unwrap();
    serde_json::from_str(said).unwrap_or_else(|error| panic!("{error}: {dom}"))
}

/// A picture of the page as it is served.
async fn shoot(folder: &Path, served: &Served, file: &Path, size: &str, dark: bool) {
    let scheme = format!("--blink-settings=preferredColorScheme={}", u8::from(!dark));
    let (size, file) =
        (format!("--window-size={size}"), format!("--screenshot={}", file.display()));
    let url = format!("http://{}/status.html", served.address);
    chromium(folder, &[&scheme, &size, &file, &url]).await;
}

/// Something to be seen: a few operations on those that can be asked.
fn load(pool: &ResourcePool) -> JoinSet<()> {
    let (mongo, clickhouse) = (pool.mongo().unwrap(), pool.clickhouse().unwrap());
    let redis = pool.redis().unwrap();
    let mut load = JoinSet::new();
    load.spawn(every(Duration::from_millis(20), async move || {
        let _ = mongo.run(async |lease| lease.list_database_names().await).await;
    }));
    load.spawn(every(Duration::from_millis(50), async move || {
        let _ = clickhouse.run(async |lease| lease.query("SELECT 1").fetch_one::<u8>().await).await;
    }));
    load.spawn(every(Duration::from_millis(10), async move || {
        let get =
            async |lease: Lease<Redis>| cmd("PING").query_async::<()>(&mut lease.clone()).await;
        let _ = redis.run(get).await;
    }));
    load
}

async fn every(pause: Duration, mut work: impl AsyncFnMut()) {
    let mut ticks = interval(pause);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        work().await;
    }
}

#[tokio::test]
async fn chromium_shows_every_resource_in_light_and_dark_and_on_a_phone() {
    let starts = System::ALL.into_iter().map(Server::start_owned);
    let servers: Vec<_> = join_all(starts).await.into_iter().map(Result::unwrap).collect();
    let served = Served::new(&config(&servers)).await;
    let mut load = load(&served.pool);
    let frozen = servers.iter().find(|server| server.system() == System::Redis).unwrap();
    frozen.freeze().await.unwrap();
    eventually("the loss is noticed", LIMIT, async || {
        served.get("/status.html").await.body.contains("Not ready: redis")
    })
    .await;
    let page = served.get("/status.html").await.body;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("page.html"), &page).unwrap();

    let light = look(folder.path(), 1400, false).await;
    let dark = look(folder.path(), 1400, true).await;
    let phone = look(folder.path(), 360, false).await;
    for said in [&light, &dark, &phone] {
        assert_eq!(said["cards"], 4, "{said}");
        assert_eq!(said["headline"], "Not ready: redis", "{said}");
        assert_eq!(said["drawn"], true, "{said}");
        assert_ne!(said["down"], said["ink"], "{said}");
    }
    // What does not fit would have to be scrolled to the side.
    assert!(phone["width"].as_u64().unwrap() <= 360, "{phone}");
    assert_eq!(phone["columns"], 1, "{phone}");
    assert!(light["columns"].as_u64().unwrap() > 1, "{light}");
    assert_eq!(light["paper"], "rgb(246, 247, 249)");
    assert_eq!(dark["paper"], "rgb(13, 17, 23)");

    let shots = std::env::var_os("QA_SCREENSHOTS");
    if shots.is_some() {
        eventually("there is a history to be seen", LIMIT * 6, async || {
            let status = served.get("/status").await.json();
            let history = &status["resources"][0]["members"][0]["history"]["health"];
            history.as_array().unwrap().len() > 60
        })
        .await;
    }
    let into = shots.map_or(folder.path().to_owned(), Into::into);
    for (name, size, dark) in [
        ("light", "1200,890", false),
        ("dark", "1200,890", true),
        ("phone", "400,1450", false),
        ("phone-dark", "400,1450", true),
    ] {
        let file = into.join(format!("{name}.png"));
        shoot(folder.path(), &served, &file, size, dark).await;
        let png = std::fs::read(file).unwrap();
        assert!(png.starts_with(b"\x89PNG") && png.len() > 10_000, "{name}: {}", png.len());
    }

    load.abort_all();
    frozen.thaw().await.unwrap();
    served.pool.close(LIMIT).await;
    served.task.await.unwrap();
    join_all(servers.into_iter().map(Server::remove)).await;
}

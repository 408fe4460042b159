//! From a URL to the driver's options, with errors that name an option and never show its value.

use crate::DEFAULT_DATABASE;
use crate::backend::DEFAULT_PORT;
use mongodb::options::{ClientOptions, ConnectionString, Credential, DriverInfo};
use qa_resource_core::{Login, Result, Target};
use std::ops::RangeInclusive;
use std::time::Duration;

/// The options of a connection string that mean something to the driver as it is built here.
const KNOWN: [&str; 33] = [
    "appName",
    "authMechanism",
    "authMechanismProperties",
    "authSource",
    "connectTimeoutMS",
    "directConnection",
    "enableOverloadRetargeting",
    "heartbeatFrequencyMS",
    "journal",
    "loadBalanced",
    "localThresholdMS",
    "maxAdaptiveRetries",
    "maxConnecting",
    "maxIdleTimeMS",
    "maxPoolSize",
    "maxStalenessSeconds",
    "minPoolSize",
    "readConcernLevel",
    "readPreference",
    "readPreferenceTags",
    "replicaSet",
    "retryReads",
    "retryWrites",
    "serverMonitoringMode",
    "serverSelectionTimeoutMS",
    "srvMaxHosts",
    "srvServiceName",
    "ssl",
    "tls",
    "tlsCAFile",
    "tlsCertificateKeyFile",
    "w",
    "wTimeoutMS",
];

/// The option that is ours: the driver never sees it.
const COMMAND_METRICS: &str = "commandMetrics";

/// Options that promise a limit which the driver does not keep.
const REFUSED: [&str; 2] = ["socketTimeoutMS", "waitQueueTimeoutMS"];

const MAX_POOL_SIZE: u32 = 100;
/// One connection in so many is not for operations that are run by us.
const SPARE: u32 = 10;
/// What an outage made the pool grow by goes again: the driver's own pool never shrinks.
const MAX_IDLE_TIME: Duration = Duration::from_secs(60);
/// Less than the supervisor gives a connect: else it is a matter of luck whether the driver's cause
/// (refused, no such host) is told, or only that there was no answer.
const SERVER_SELECTION_TIMEOUT: Duration = Duration::from_secs(4);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Drawn for each client: the driver looks for a lost server at this pace, without jitter, and
/// clients that lost it together would come back together. Two tasks of each client look for it, and
/// the first counts, so that a shorter one brings more of them in the first tenth of a second.
const HEARTBEAT_MS: RangeInclusive<u64> = 2000..=2600;

/// The server refuses a longer `appName`.
const APP_NAME_BYTES: usize = 128;

/// `host:port/database`, as errors, logs and metrics show it.
pub(crate) fn address(target: &Target) -> String {
    let address = target.endpoint.address(DEFAULT_PORT);
    if target.endpoint.path().is_empty() {
        format!("{address}/{DEFAULT_DATABASE}")
    } else {
        address
    }
}

/// What a URL says to us and not to the driver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ours {
    /// Whether every command is measured.
    pub(crate) command_metrics: bool,
}

/// The target's URL, checked and parsed by the driver, and what it says to us.
pub(crate) fn parse(target: &Target) -> Result<(ConnectionString, Ours)> {
    target.expect_scheme(&["mongodb", "mongodb+srv"])?;
    let mut ours = Ours::default();
    for (option, value) in target.endpoint.query() {
        if is_ours(option) {
            ours.command_metrics = truth(value.expose()).ok_or_else(|| {
                target.config_error(format!("the URL's option `{option}` is not true or false"))
            })?;
        } else {
            check_option(target, option)?;
        }
    }
    let url = target.endpoint.url();
    let url = without_ours(url.expose());
    let theirs = target.endpoint.query().filter(|(option, _)| !is_ours(option));
    let parsed = ConnectionString::parse(&url);
    let parsed = parsed.map_err(|_| target.config_error(blame(&url, theirs)))?;
    if parsed.max_pool_size == Some(0) {
        return Err(target.config_error(
            "the URL's option `maxPoolSize` is 0, with which MongoDB's Rust driver opens no connection at all; leave it out for 100, or set the number of connections",
        ));
    }
    Ok((parsed, ours))
}

fn is_ours(option: &str) -> bool {
    option.eq_ignore_ascii_case(COMMAND_METRICS)
}

fn truth(value: &str) -> Option<bool> {
    value.parse().ok()
}

/// The URL as the driver is to see it.
fn without_ours(url: &str) -> String {
    let Some((base, options)) = url.split_once('?') else { return url.to_owned() };
    let name = |option: &&str| !is_ours(option.split('=').next().unwrap_or_default());
    let theirs: Vec<_> = options.split('&').filter(name).collect();
    if theirs.is_empty() { base.to_owned() } else { format!("{base}?{}", theirs.join("&")) }
}

fn check_option(target: &Target, option: &str) -> Result<()> {
    let is = |known: &&str| known.eq_ignore_ascii_case(option);
    if REFUSED.iter().any(&is) {
        return Err(target.config_error(format!(
            "the URL's option `{option}` has no effect in MongoDB's Rust driver; remove it, and set operation_timeout, which limits every operation"
        )));
    }
    if KNOWN.iter().any(is) {
        return Ok(());
    }
    let known = KNOWN.join(", ");
    Err(target.config_error(format!(
        "the URL's option `{option}` is not one of {known}, {COMMAND_METRICS}"
    )))
}

/// Says which part of a refused URL is to blame. The driver's own message quotes values, so it is
/// not shown; instead the URL is parsed with one option more each time, until it is refused.
fn blame<'a>(url: &str, query: impl Iterator<Item = (&'a str, impl Sized)>) -> String {
    let (mut tried, options) = url
        .split_once('?')
        .map_or((url.to_owned(), ""), |(base, options)| (base.to_owned(), options));
    if ConnectionString::parse(&tried).is_err() {
        return "the driver refuses the URL; check the hosts (mongodb+srv takes one, without a port), the user, and the database's name (no / \\ \" $ or space)".to_owned();
    }
    for (at, (encoded, (option, _))) in options.split('&').zip(query).enumerate() {
        tried.push(if at == 0 { '?' } else { '&' });
        tried.push_str(encoded);
        if ConnectionString::parse(&tried).is_err() {
            return format!(
                "the driver refuses the value of the URL's option `{option}`, or its combination with those before it"
            );
        }
    }
    "the driver refuses the combination of the URL's options".to_owned()
}

/// What the URL leaves open.
pub(crate) fn apply_defaults(options: &mut ClientOptions, name: &str) {
    options.app_name.get_or_insert_with(|| app_name(name));
    options.max_pool_size.get_or_insert(MAX_POOL_SIZE);
    options.max_idle_time.get_or_insert(MAX_IDLE_TIME);
    options.server_selection_timeout.get_or_insert(SERVER_SELECTION_TIMEOUT);
    options.connect_timeout.get_or_insert(CONNECT_TIMEOUT);
    let heartbeat = || Duration::from_millis(fastrand::u64(HEARTBEAT_MS));
    options.heartbeat_freq.get_or_insert_with(heartbeat);
    options.default_database.get_or_insert_with(|| DEFAULT_DATABASE.to_owned());
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let info = DriverInfo::builder().name(env!("CARGO_PKG_NAME")).version(version).build();
    options.driver_info = Some(info);
}

/// Has the driver log in with `login`, at the database that the URL says; a login without a user is none.
pub(crate) fn log_in(options: &mut ClientOptions, login: &Login) {
    if login.user.is_empty() {
        options.credential = None;
        return;
    }
    let credential = options.credential.get_or_insert_with(|| {
        let source = options.default_database.clone();
        Credential::builder().source(source.or_else(|| Some("admin".to_owned()))).build()
    });
    credential.username = Some(login.user.expose().to_owned());
    let password = Some(&login.password).filter(|password| !password.is_empty());
    credential.password = password.map(|password| password.expose().to_owned());
}

/// How many operations may be under way at once: fewer than the pool has connections.
pub(crate) fn in_flight(url: &ConnectionString) -> u32 {
    let pool = url.max_pool_size.unwrap_or(MAX_POOL_SIZE);
    pool.saturating_sub((pool / SPARE).max(1)).max(1)
}

fn app_name(name: &str) -> String {
    let mut end = name.len().min(APP_NAME_BYTES);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use qa_resource_core::{ErrorKind, Settings};

    fn refusal(url: &str) -> String {
        let error = parse(&Target::parse("quotes", url).unwrap()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        let text = format!("{error} {error:?}");
        assert!(!text.contains("c4n4ry"), "{text}");
        text
    }

    #[test]
    fn a_bad_url_is_refused_with_the_culprit_and_without_a_value() {
        let cases = [
            ("redis://c4n4ry:c4n4ry@h", "not one of mongodb"),
            (
                "mongodb://c4n4ry:c4n4ry@h/?sokcetTimeoutMS=c4n4ry",
                "`sokcetTimeoutMS` is not one of appName",
            ),
            ("mongodb://u:c4n4ry@h/?socketTimeoutMS=c4n4ry", "set operation_timeout"),
            ("mongodb://u:c4n4ry@h/?waitqueuetimeoutms=5", "`waitqueuetimeoutms` has no effect"),
            ("mongodb://u:c4n4ry@h/?w=1&readPreference=c4n4ry&tls=true", "option `readPreference`"),
            ("mongodb://u:c4n4ry@h/?maxPoolSize=c4n4ry", "option `maxPoolSize`"),
            ("mongodb://u:c4n4ry@h/?maxPoolSize=0", "leave it out for 100"),
            ("mongodb://u:c4n4ry@h/?commandMetrics=c4n4ry", "`commandMetrics` is not true or"),
            (
                "mongodb://u:c4n4ry@h/?commandMetrics=true&maxPoolSize=c4n4ry",
                "option `maxPoolSize`",
            ),
            ("mongodb://u:c4n4ry@h/c4n4ry%24", "the database's name"),
            ("mongodb+srv://u:c4n4ry@h:1/", "without a port"),
        ];
        for (url, expected) in cases {
            let text = refusal(url);
            assert!(text.contains(expected), "{url}: {text}");
        }
    }

    #[test]
    fn what_is_ours_never_reaches_the_driver() {
        for (url, measured, left) in [
            ("mongodb://h/db", false, "mongodb://h/db"),
            ("mongodb://h/db?commandMetrics=true", true, "mongodb://h/db"),
            (
                "mongodb://h/db?w=1&COMMANDMETRICS=true&tls=false",
                true,
                "mongodb://h/db?w=1&tls=false",
            ),
            ("mongodb://h/?commandMetrics=false&w=1", false, "mongodb://h/?w=1"),
        ] {
            assert_eq!(without_ours(url), left);
            let (_, ours) = parse(&Target::parse("quotes", url).unwrap()).unwrap();
            assert_eq!(ours.command_metrics, measured, "{url}");
        }
    }

    /// A name that the driver does not know would be refused only when somebody uses it.
    #[test]
    fn every_known_option_is_known_to_the_driver() {
        for option in KNOWN {
            let error = ConnectionString::parse(format!("mongodb+srv://h/?{option}=~"));
            let text = error.map_or_else(|error| error.to_string(), |_| String::new());
            assert!(!text.contains("is an invalid option"), "{text}");
        }
    }

    #[tokio::test]
    async fn the_url_wins_over_our_defaults() {
        let target = Target::parse("quotes", "mongodb://h/mine?maxPoolSize=7&appName=me").unwrap();
        let mut options = ClientOptions::parse(parse(&target).unwrap().0).await.unwrap();
        apply_defaults(&mut options, "quotes");
        assert_eq!(options.max_pool_size, Some(7));
        assert_eq!(options.app_name.as_deref(), Some("me"));
        assert_eq!(options.default_database.as_deref(), Some("mine"));
        assert_eq!(options.server_selection_timeout, Some(Duration::from_secs(4)));
        assert!(options.server_selection_timeout < Some(Settings::default().connect_timeout));
    }

    #[tokio::test]
    async fn the_defaults_are_those_of_the_crate_s_front_page() {
        let target = Target::parse("quotes", "mongodb://u:p@h").unwrap();
        let mut options = ClientOptions::parse(parse(&target).unwrap().0).await.unwrap();
        apply_defaults(&mut options, "quotes");
        assert_eq!(options.max_pool_size, Some(100));
        assert_eq!(options.max_idle_time, Some(Duration::from_secs(60)));
        assert_eq!(options.app_name.as_deref(), Some("quotes"));
        assert_eq!(options.connect_timeout, Some(Duration::from_secs(5)));
        let heartbeat = options.heartbeat_freq.unwrap().as_millis();
        assert!((2000..=2600).contains(&heartbeat), "{heartbeat}");
        assert_eq!(options.default_database.as_deref(), Some("quantaxis"));
        // A default database must not move the user: the driver looks for it in `admin`.
        assert_eq!(options.credential.unwrap().source.as_deref(), Some("admin"));
        assert_eq!(address(&target), "h:27017/quantaxis");
    }

    #[tokio::test]
    async fn a_login_that_is_given_replaces_the_url_s_and_is_looked_up_where_the_url_says() {
        for (url, source) in [
            ("mongodb://h", "admin"),
            ("mongodb://h/mine", "mine"),
            ("mongodb://u:p@h/mine", "mine"),
            ("mongodb://u:p@h/mine?authSource=theirs", "theirs"),
        ] {
            let target = Target::parse("quotes", url).unwrap();
            let mut options = ClientOptions::parse(parse(&target).unwrap().0).await.unwrap();
            log_in(&mut options, &Login { user: "me".into(), password: "secret".into() });
            let credential = options.credential.unwrap();
            assert_eq!(credential.username.as_deref(), Some("me"));
            assert_eq!(credential.password.as_deref(), Some("secret"));
            assert_eq!(credential.source.as_deref(), Some(source), "{url}");
        }
    }

    #[test]
    fn fewer_operations_are_under_way_than_the_pool_has_connections() {
        let cases =
            [("", 90), ("?maxPoolSize=1", 1), ("?maxPoolSize=2", 1), ("?maxPoolSize=10", 9)];
        for (options, expected) in cases {
            let target = Target::parse("quotes", &format!("mongodb://h/{options}")).unwrap();
            assert_eq!(in_flight(&parse(&target).unwrap().0), expected, "{options}");
        }
    }

    #[test]
    fn a_long_name_is_cut_at_a_character() {
        let name = app_name(&"é".repeat(100));
        assert_eq!(name.len(), 128);
        assert_eq!(app_name(&format!("x{}", "é".repeat(100))).len(), 127);
    }
}

//! A pool from a file and the environment. In a child process, whose environment is its own.

use super::four::Servers;
use super::run::Service;
use integration_tests::Refused;
use rustix::process::Signal;

#[tokio::test]
async fn a_file_with_variables_and_an_optional_member_that_is_down_serves() {
    let servers = Servers::shared().await;
    let [_, amqp, mongo, clickhouse] = servers.urls("config").await;
    let down = Refused::new();
    let config = format!(
        r#"
        shutdown_timeout = "15s"
        [[resource]]
        name = "cache"
        url = "redis://${{CACHE_HOST}}:${{CACHE_PORT}}/0"
        user = "${{CACHE_USER}}"
        password = "${{CACHE_PASSWORD}}"
        [[resource]]
        name = "quotes"
        url = "mongodb://this.one.is.overridden"
        [[resource]]
        name = "bars"
        url = "{clickhouse}"
        acquire_timeout = "2s"
        [[resource]]
        name = "orders"
        [[resource]]
        name = "spare-cache"
        url = "redis://127.0.0.1:{}"
        required = false
        connect_attempts = 2
        "#,
        down.port()
    );
    let (port, cache) = (servers.redis.port().to_string(), servers.redis);
    let variables = [
        ("CACHE_HOST", cache.host()),
        ("CACHE_PORT", port.as_str()),
        ("CACHE_USER", cache.user()),
        ("CACHE_PASSWORD", cache.password()),
        ("QA_QUOTES_URL", mongo.as_str()),
        ("QA_ORDERS_URL", amqp.as_str()),
        ("QA_SPARE_CACHE__CONNECT_ATTEMPTS", "1"),
    ];
    let mut service = Service::start(&config, "serve", &variables);
    let stood = service.until("serving").await;
    let ends = ["ready", "ready", "ready", "ready", "idle"];
    assert!(
        stood.len() == 5 && stood.iter().zip(ends).all(|(line, end)| line.ends_with(end)),
        "{stood:#?}"
    );
    let starts = ["cache (redis)", "quotes (mongodb)", "bars (clickhouse)", "orders (rabbitmq)"];
    assert!(stood.iter().zip(starts).all(|(line, start)| line.starts_with(start)), "{stood:#?}");
    service.signal(Signal::TERM);
    let (code, said) = service.end().await;
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("an optional resource is not there") && said.contains("spare-cache"));
    for secret in [servers.redis.password(), servers.mongo.password()] {
        assert!(!said.contains(secret), "{said}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_file_is_told_with_its_line_and_gives_two() {
    let resource = "[[resource]]\nname = 'cache'\n";
    let cases = [
        ("colour = 'red'".to_owned(), ".toml:1: unknown field `colour`"),
        (format!("{resource}url = 'mysql://h'"), "not one of mongodb"),
        (format!("{resource}url = 'redis://:${{NOT_SET_ANYWHERE}}@h'"), ".toml:3: "),
        (format!("{resource}url = 'redis://h:port'"), ".toml:3: "),
        (format!("{resource}url = 'redis://h?pasword=x'"), "`pasword`"),
        (format!("{resource}url = 'redis://h'\n{resource}url = 'redis://h'"), "two resources"),
    ];
    for (config, expected) in cases {
        let (code, said) = Service::start(&config, "serve", &[]).end().await;
        assert_eq!(code, 2, "{config}\n{said}");
        // Above it there may be what was logged.
        assert!(said.lines().last().unwrap().contains(expected), "{config}\n{said}");
    }
}

//! What a Redis server says about itself.

use crate::Client;
use qa_resource_core::About;
use redis::{RedisResult, cmd};
use std::time::Duration;

/// Asks the server, of a cluster one of its masters.
pub(crate) async fn ask(client: &Client) -> RedisResult<About> {
    // Without a master there is nobody to ask.
    let Some(mut master) = client.masters().into_iter().next() else {
        return Ok(About::default());
    };
    let info: String = cmd("INFO").arg("server").query_async(&mut master).await?;
    Ok(read(&info))
}

/// Takes it from the answer to `INFO server`. Valkey calls itself a Redis as well, of the version that
/// it is compatible with.
fn read(info: &str) -> About {
    let value = |key: &str| {
        info.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':')).map(str::trim)
    };
    let valkey = value("valkey_version").map(|version| format!("valkey {version}"));
    About {
        version: valkey.or_else(|| value("redis_version").map(str::to_owned)),
        clock: value("server_time_usec")
            .and_then(|time| time.parse().ok())
            .map(Duration::from_micros),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_and_clock_are_read_from_what_the_server_says() {
        let info = "# Server\r\nredis_version:7.0.15\r\nserver_time_usec:1764262800123456\r\n";
        let about = read(info);
        assert_eq!(about.version.as_deref(), Some("7.0.15"));
        assert_eq!(about.clock, Some(Duration::from_micros(1_764_262_800_123_456)));
        let valkey = read("redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.1.1\r\n");
        assert_eq!(valkey.version.as_deref(), Some("valkey 8.1.1"));
        assert_eq!(read("# Server\r\n"), About::default());
    }
}

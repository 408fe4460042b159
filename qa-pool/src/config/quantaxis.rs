//! The variables that deployments of QUANTAXIS set.

use super::draft::{Draft, Found, Given};
use super::environment::{Environment, draft, of_drafts};
use super::origin::Origin;
use super::{Config, ConfigError};
use qa_resource_core::Secret;

/// One system of the original: where its parts are, the variable that wins first, and what the
/// original has where none is set.
struct System {
    name: &'static str,
    scheme: &'static str,
    /// A whole URL, before everything else.
    url: &'static [&'static str],
    host: &'static [&'static str],
    port: (&'static [&'static str], &'static str),
    path: (&'static [&'static str], &'static str),
    user: (&'static [&'static str], Option<&'static str>),
    password: (&'static [&'static str], Option<&'static str>),
}

const HOST: &str = "localhost";

/// ClickHouse's port for its own protocol, which the original speaks and we do not.
const NATIVE_PORT: &str = "9000";

const SYSTEMS: [System; 4] = [
    System {
        name: "mongo",
        scheme: "mongodb",
        url: &["MONGOURI"],
        host: &["MONGODB", "MONGODB_HOST"],
        port: (&["MONGODB_PORT"], "27017"),
        path: (&["MONGODB_DATABASE"], "quantaxis"),
        user: (&["MONGODB_USER"], None),
        password: (&["MONGODB_PASSWORD"], None),
    },
    System {
        name: "rabbitmq",
        scheme: "amqp",
        url: &[],
        host: &["QAPUBSUB_IP", "RABBITMQ_HOST"],
        port: (&["QAPUBSUB_PORT", "RABBITMQ_PORT"], "5672"),
        path: (&["RABBITMQ_VHOST"], ""),
        user: (&["QAPUBSUB_USER", "RABBITMQ_USER"], Some("admin")),
        password: (&["QAPUBSUB_PWD", "RABBITMQ_PASSWORD"], Some("admin")),
    },
    System {
        name: "clickhouse",
        scheme: "clickhouse",
        url: &[],
        host: &["CLICKHOUSE_HOST", "CLICKHOUSE_IP"],
        port: (&["CLICKHOUSE_PORT"], "8123"),
        path: (&["CLICKHOUSE_DATABASE"], "quantaxis"),
        user: (&["CLICKHOUSE_USER"], Some("default")),
        password: (&["CLICKHOUSE_PASSWORD"], None),
    },
    System {
        name: "redis",
        scheme: "redis",
        url: &[],
        host: &["REDIS_HOST"],
        port: (&["REDIS_PORT"], "6379"),
        path: (&["REDIS_DB"], "0"),
        user: (&["REDIS_USER"], None),
        password: (&["REDIS_PASSWORD"], None),
    },
];

/// A resource for each system of which a variable is set.
pub(super) fn config(environment: &Environment) -> Result<Config, ConfigError> {
    let drafts = SYSTEMS.iter().filter_map(|system| system.draft(environment).transpose());
    of_drafts(drafts.collect::<Result<_, _>>()?)
}

impl System {
    fn draft(&self, environment: &Environment) -> Result<Option<Draft>, ConfigError> {
        let url = first(environment, self.url)?;
        let user = first(environment, self.user.0)?;
        let password = first(environment, self.password.0)?;
        let parts = [self.host, self.port.0, self.path.0];
        let named = parts.concat().iter().any(|variable| environment.value(variable).is_some());
        if url.is_none() && user.is_none() && password.is_none() && !named {
            return Ok(None);
        }
        // A URL has its own login, or none.
        let composed = url.is_none();
        let url = match url {
            Some(url) => url,
            None => self.url(environment)?,
        };
        let or = |found: Option<Found>, default: Option<&str>| {
            found.or_else(|| default.filter(|_| composed).map(by_default))
        };
        let (user, password) = (or(user, self.user.1), or(password, self.password.1));
        draft(self.name.to_owned(), url, (user, password), environment).map(Some)
    }

    /// The URL that host, port and path make.
    fn url(&self, environment: &Environment) -> Result<Found, ConfigError> {
        let set = |variables: &[&'static str]| {
            let mut variables = variables.iter();
            variables.find_map(|name| environment.value(name).map(|value| (*name, value)))
        };
        let host = set(self.host);
        let port = set(self.port.0);
        let path = set(self.path.0);
        for (variable, value) in [host, path].into_iter().flatten() {
            if value.is_empty() || value.contains(['/', '@', '?', '#', '%', ' ']) {
                let what = "it is to be a plain name, without scheme, login or path";
                return Err(wrong(variable, what));
            }
        }
        if let Some((variable, value)) = port {
            if self.scheme == "clickhouse" && value == NATIVE_PORT {
                let what = "9000 is the port of ClickHouse's own protocol, which is not spoken \
                            here; set its port for HTTP, usually 8123";
                return Err(wrong(variable, what));
            }
            if value.parse::<u16>().is_err() {
                return Err(wrong(variable, "it is to be a number from 1 to 65535"));
            }
        }
        let or = |part: Option<(&str, &str)>, default: &str| {
            part.map_or(default, |(_, value)| value).to_owned()
        };
        let address = or(host, HOST);
        // The original's host may have its port with it.
        let port = if address.contains(':') {
            String::new()
        } else {
            format!(":{}", or(port, self.port.1))
        };
        let url = format!("{}://{address}{port}/{}", self.scheme, or(path, self.path.1));
        let by = host.map_or(Origin::Default, |(name, _)| Origin::Variable(name.to_owned()));
        Ok(Found { given: Given::Text(Secret::from(url)), by })
    }
}

/// What the first of these variables that is set says, or a file for it.
fn first(environment: &Environment, names: &[&str]) -> Result<Option<Found>, ConfigError> {
    for name in names {
        if let Some(found) = environment.text_or_file(name)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

fn by_default(text: &str) -> Found {
    Found { given: Given::Text(Secret::from(text)), by: Origin::Default }
}

fn wrong(variable: &str, what: &str) -> ConfigError {
    Origin::Variable(variable.to_owned()).error(what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    type Variables<'a> = &'a [(&'a str, &'a str)];

    fn read(variables: Variables<'_>) -> Result<Config, ConfigError> {
        config(&Environment::of(variables))
    }

    /// Name, address and login of each resource.
    fn made(variables: Variables<'_>) -> Vec<String> {
        let config = read(variables).unwrap();
        let resources = config.resources.iter();
        let url = |resource: &crate::ResourceConfig| {
            format!("{} {}", resource.target.name, resource.target.endpoint.url().expose())
        };
        resources.map(url).collect()
    }

    #[test]
    fn the_variables_of_a_deployment_make_its_resources() {
        let cases: [(Variables<'_>, &[&str]); 9] = [
            (&[], &[]),
            (&[("MONGODB", "mgdb")], &["mongo mongodb://mgdb:27017/quantaxis"]),
            (&[("MONGODB_PORT", "27018")], &["mongo mongodb://localhost:27018/quantaxis"]),
            (
                &[("MONGOURI", "mongodb://u:p@a,b/x"), ("MONGODB", "ignored")],
                &["mongo mongodb://u:p@a,b/x"],
            ),
            (&[("QAPUBSUB_IP", "mq")], &["rabbitmq amqp://admin:admin@mq:5672"]),
            (
                &[("QAPUBSUB_USER", "me"), ("QAPUBSUB_PWD", "p/w"), ("RABBITMQ_HOST", "mq")],
                &["rabbitmq amqp://me:p%2Fw@mq:5672"],
            ),
            (
                &[("CLICKHOUSE_HOST", "ch"), ("CLICKHOUSE_PORT", "8124")],
                &["clickhouse clickhouse://default@ch:8124/quantaxis"],
            ),
            (&[("REDIS_HOST", "r")], &["redis redis://r:6379/0"]),
            (
                &[("MONGODB_HOST", "m"), ("REDIS_HOST", "r"), ("REDIS_PASSWORD", "p")],
                &["mongo mongodb://m:27017/quantaxis", "redis redis://:p@r:6379/0"],
            ),
        ];
        for (variables, expected) in cases {
            assert_eq!(made(variables), expected, "{variables:?}");
        }
    }

    #[test]
    fn what_is_wrong_names_the_variable_and_what_is_allowed() {
        for (variable, value, part) in [
            ("CLICKHOUSE_PORT", "9000", "usually 8123"),
            ("REDIS_PORT", "hunter2", "a number from 1 to 65535"),
            ("MONGODB", "mongodb://hunter2@h", "a plain name"),
            ("MONGOURI", "mongodb:hunter2", "no scheme"),
            ("QAPUBSUB_PWD_FILE", "/no/such/file", "there is none"),
        ] {
            let error = read(&[(variable, value)]).unwrap_err();
            let text = format!("{error} {error:?}");
            assert!(text.contains(variable) && text.contains(part), "{text}");
            assert!(!text.contains("hunter2"), "{text}");
        }
    }

    #[test]
    fn a_setting_of_ours_goes_with_them() {
        let config = read(&[("REDIS_HOST", "r"), ("QA_REDIS__RETRY_ATTEMPTS", "1")]).unwrap();
        assert_eq!(config.resources[0].settings.retry_attempts, 1);
    }

    #[test]
    fn a_password_in_a_file_is_read_at_each_connect() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pwd");
        std::fs::write(&path, "hunter2\n").unwrap();
        let path = path.to_str().unwrap();
        let config = read(&[("QAPUBSUB_IP", "mq"), ("QAPUBSUB_PWD_FILE", path)]).unwrap();
        let target = &config.resources[0].target;
        assert!(target.credentials.is_some());
        assert_eq!(target.endpoint.password(), Some(&Secret::from("hunter2")));
    }
}

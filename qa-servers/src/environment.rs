//! What the environment says about where servers come from.

use std::env;
use std::path::PathBuf;

use crate::{Error, Provider};

/// The value of a variable; an empty one counts as not set.
pub(crate) fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// The provider that `QA_TEST_PROVIDER` forces.
pub(crate) fn forced_provider() -> Result<Option<Provider>, Error> {
    variable("QA_TEST_PROVIDER").map(|name| name.parse()).transpose()
}

/// Where `scripts/install-servers.sh` puts what no package manager has:
/// `QA_SERVERS_DIR`, else `qa-resource/servers` in the user's cache directory.
pub(crate) fn servers_dir() -> PathBuf {
    if let Some(dir) = variable("QA_SERVERS_DIR") {
        return dir.into();
    }
    let cache = variable("XDG_CACHE_HOME").map_or_else(
        || PathBuf::from(variable("HOME").unwrap_or_else(|| "/".to_owned())).join(".cache"),
        PathBuf::from,
    );
    cache.join("qa-resource/servers")
}

/// The first of the programs `names` that is in a directory of `PATH` or in `also`.
pub(crate) fn program(names: &[&str], also: &[&str]) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let dirs: Vec<PathBuf> =
        env::split_paths(&path).chain(also.iter().map(PathBuf::from)).collect();
    names
        .iter()
        .flat_map(|name| dirs.iter().map(move |dir| dir.join(name)))
        .find(|file| file.is_file())
}

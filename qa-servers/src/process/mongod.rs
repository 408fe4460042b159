//! MongoDB: `mongod` as a replica set of one, or as one of a set.

use std::ffi::OsString;
use std::path::Path;

use super::recipe::{Recipe, make_home, not_installed, write};
use crate::address::Address;
use crate::ports::free_port;
use crate::{Error, Options, System, environment};

/// The name of every replica set.
pub(crate) const SET: &str = "rs0";

/// Without this, three journal files of 100 MB each are written at once.
const JOURNAL: &str = "log=(file_max=8MB,prealloc=false)";

pub(super) fn prepare(home: &Path, options: Options) -> Result<(Recipe, Address), Error> {
    recipe(home, Address::local(System::MongoDb, free_port()?, None)?.with(options))
}

/// One that is all of its set.
pub(crate) fn lone(home: &Path) -> Result<(Recipe, Address), Error> {
    prepare(home, Options::default())
}

/// One of the set whose nodes all have the login and the key of `like`.
pub(crate) fn member(home: &Path, like: &Address) -> Result<(Recipe, Address), Error> {
    recipe(home, like.member(free_port()?))
}

fn recipe(home: &Path, address: Address) -> Result<(Recipe, Address), Error> {
    let installed = environment::servers_dir().join("bin/mongod");
    let program = Some(installed)
        .filter(|file| file.is_file())
        .or_else(|| environment::program(&["mongod"], &[]))
        .ok_or_else(|| not_installed(System::MongoDb, "mongod"))?;
    let (data, key) = (home.join("data"), home.join("key"));
    make_home(&data)?;
    write(&key, &address.key)?;

    let mut arguments: Vec<OsString> = vec!["--dbpath".into(), data.into()];
    arguments.extend(["--keyFile".into(), key.into()]);
    arguments.extend(["--bind_ip".into(), "127.0.0.1".into(), "--nounixsocket".into()]);
    arguments.extend(["--wiredTigerEngineConfigString".into(), JOURNAL.into()]);
    arguments.extend(common(&address).into_iter().map(OsString::from));
    let recipe = Recipe {
        program,
        arguments,
        variables: Vec::new(),
        main: "mongod",
        log: home.join("server.log"),
    };
    Ok((recipe, address))
}

/// What a process and a container have in common: a small server that is quick to start, to log
/// in to and to stop.
pub(crate) fn common(address: &Address) -> Vec<String> {
    let words = [
        "--port",
        &address.port.to_string(),
        "--replSet",
        SET,
        "--wiredTigerCacheSizeGB",
        "0.25",
        "--setParameter",
        "diagnosticDataCollectionEnabled=false",
        "--setParameter",
        "shutdownTimeoutMillisForSignaledShutdown=200",
        "--setParameter",
        "scramSHA256IterationCount=5000",
    ];
    let most = address.most_clients.map(|most| ["--maxConns".to_owned(), most.to_string()]);
    words.map(str::to_owned).into_iter().chain(most.into_iter().flatten()).collect()
}

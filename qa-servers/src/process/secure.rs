//! The recipes of servers that speak TLS. Each is the system's own recipe, changed after the fact, so
//! that it need not know of TLS.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::recipe::{Recipe, make_home, write};
use crate::address::Address;
use crate::ports::free_port;
use crate::tls::Credentials;
use crate::{Error, Options, System};

/// A TLS end in front of ClickHouse: the engine that we have knows none. It is a process of the
/// server's own, so that it is killed, frozen and started again together with it.
const TLS_END: &str = include_str!("tls_end.py");

/// Runs the TLS end beside the server, and ends the server when the TLS end does.
const LAUNCH: &str = r#"
end=$1; shift
( "$1" -S -E "$end" || kill $$ ) &
exec "$@"
"#;

/// The files, in a directory of the server's own: the authority may be gone before the server is.
struct Files {
    authority: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
    /// Certificate and key in one.
    both: PathBuf,
}

/// Prepares a server whose port for clients speaks TLS and nothing else.
pub(crate) fn prepare(
    system: System,
    home: &Path,
    credentials: &Arc<Credentials>,
) -> Result<(Recipe, Address), Error> {
    let (mut recipe, mut address) = Recipe::prepare(system, home, Options::default())?;
    let files = Files::write(&home.join("tls"), credentials)?;
    let mutual = credentials.mutual;
    match system {
        System::MongoDb => mongodb(&mut recipe, files, mutual),
        System::RabbitMq => rabbitmq(&mut recipe, &mut address, home, &files, mutual)?,
        System::ClickHouse => clickhouse(&mut recipe, &mut address, home, files, mutual)?,
        System::Redis => redis(&mut recipe, address.port, files, mutual),
    }
    address.tls = Some(Arc::clone(credentials) as _);
    Ok((recipe, address))
}

/// Puts other files in the place of a server's; it reads them when it is told to, or starts again.
pub(crate) fn renew(home: &Path, credentials: &Credentials) -> Result<(), Error> {
    let folder = home.join("renewed");
    let Files { authority, certificate, key, both } = Files::write(&folder, credentials)?;
    let put = |from: PathBuf| {
        let name = from.file_name().unwrap_or_default();
        std::fs::rename(&from, home.join("tls").join(name))
    };
    [authority, certificate, key, both]
        .into_iter()
        .try_for_each(put)
        .and_then(|()| std::fs::remove_dir(&folder))
        .map_err(Error::io("renew the tls files".to_owned()))
}

impl Files {
    fn write(folder: &Path, credentials: &Credentials) -> Result<Self, Error> {
        make_home(folder)?;
        let file = |name, text: &str| {
            let path = folder.join(name);
            write(&path, text).map(|()| path)
        };
        let Credentials { authority, certificate, key, .. } = credentials;
        Ok(Self {
            authority: file("authority.pem", authority)?,
            certificate: file("certificate.pem", certificate)?,
            key: file("key.pem", key)?,
            both: file("both.pem", &format!("{certificate}{key}"))?,
        })
    }
}

fn mongodb(recipe: &mut Recipe, files: Files, mutual: bool) {
    let words = ["--tlsMode".into(), "requireTLS".into(), "--tlsCertificateKeyFile".into()];
    recipe.arguments.extend(words);
    recipe.arguments.extend([files.both.into(), "--tlsCAFile".into(), files.authority.into()]);
    if !mutual {
        recipe.arguments.push("--tlsAllowConnectionsWithoutCertificates".into());
    }
}

/// What stands on the command line comes after the file, and wins.
fn redis(recipe: &mut Recipe, port: u16, files: Files, mutual: bool) {
    let words = ["--port", "0", "--tls-port", &port.to_string()].map(OsString::from);
    recipe.arguments.extend(words);
    recipe.arguments.extend(["--tls-cert-file".into(), files.certificate.into()]);
    recipe.arguments.extend(["--tls-key-file".into(), files.key.into()]);
    recipe.arguments.extend(["--tls-ca-cert-file".into(), files.authority.into()]);
    let clients = if mutual { "yes" } else { "no" };
    recipe.arguments.extend(["--tls-auth-clients", clients].map(OsString::from));
}

/// A listener of its own: the plain one stays, with nobody told of its port.
fn rabbitmq(
    recipe: &mut Recipe,
    address: &mut Address,
    home: &Path,
    files: &Files,
    mutual: bool,
) -> Result<(), Error> {
    address.port = free_port()?;
    let Files { authority, certificate, key, .. } = files;
    let verify = if mutual { "verify_peer" } else { "verify_none" };
    let text = format!(
        "listeners.ssl.1 = 127.0.0.1:{}\nssl_options.cacertfile = {}\n\
         ssl_options.certfile = {}\nssl_options.keyfile = {}\n\
         ssl_options.verify = {verify}\nssl_options.fail_if_no_peer_cert = {mutual}\n",
        address.port,
        authority.display(),
        certificate.display(),
        key.display(),
    );
    let file = home.join("tls/rabbitmq.conf");
    write(&file, &text)?;
    recipe.variables.push(("RABBITMQ_CONFIG_FILES", file.into()));
    Ok(())
}

fn clickhouse(
    recipe: &mut Recipe,
    address: &mut Address,
    home: &Path,
    files: Files,
    mutual: bool,
) -> Result<(), Error> {
    let server = std::mem::replace(&mut address.port, free_port()?);
    let end = home.join("tls/end.py");
    write(&end, TLS_END)?;
    recipe.variables.extend([
        ("TLS_PORT", address.port.to_string().into()),
        ("TLS_SERVER", server.to_string().into()),
        ("TLS_CERTIFICATE", files.certificate.into()),
        ("TLS_KEY", files.key.into()),
    ]);
    if mutual {
        recipe.variables.push(("TLS_AUTHORITY", files.authority.into()));
    }
    let python = std::mem::replace(&mut recipe.program, "/bin/sh".into());
    let words = ["-c".into(), LAUNCH.into(), "clickhouse".into(), end.into(), python.into()];
    recipe.arguments.splice(0..0, words);
    Ok(())
}

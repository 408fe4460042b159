//! The connections of this process, as the kernel lists them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

/// How many connections to a local `port` this process has open.
///
/// Unlike the servers' own lists it has the idle ones and those that never logged in, it can be had
/// while the server is down, and what others connect (a `mongod` connects to itself) is not in it.
/// IPv4 only.
///
/// # Panics
/// Where the kernel's tables can't be read: this is for Linux.
#[must_use]
pub fn connections(port: u16) -> usize {
    connected(&BTreeSet::from([port])).len()
}

/// As [`connections`], to any of many ports and with one look at them all: the port of each.
///
/// # Panics
/// As [`connections`].
#[must_use]
pub fn connected(ports: &BTreeSet<u16>) -> Vec<u16> {
    let ours = sockets();
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    ours_in(&table, ports, &ours)
}

/// The kernel gives its table in pieces, and one that grows meanwhile has lines twice.
fn ours_in(table: &str, ports: &BTreeSet<u16>, ours: &BTreeSet<String>) -> Vec<u16> {
    let open = table.lines().skip(1).filter_map(established);
    let is_one = |(port, inode): &(u16, &str)| ports.contains(port) && ours.contains(*inode);
    let by_inode: BTreeMap<_, _> = open.filter(is_one).map(|(port, inode)| (inode, port)).collect();
    by_inode.into_values().collect()
}

/// The remote port and the socket's inode of a line, where it is one that is established.
fn established(line: &str) -> Option<(u16, &str)> {
    const ESTABLISHED: &str = "01";
    let mut fields = line.split_whitespace().skip(2);
    let (remote, state) = (fields.next()?, fields.next()?);
    let inode = fields.nth(5)?;
    let port = u16::from_str_radix(remote.rsplit_once(':')?.1, 16).ok()?;
    (state == ESTABLISHED).then_some((port, inode))
}

/// The inodes of this process's sockets.
fn sockets() -> BTreeSet<String> {
    let files = fs::read_dir("/proc/self/fd").unwrap();
    // One that is closed while the others are read is not there any more.
    let targets = files.filter_map(|file| fs::read_link(file.ok()?.path()).ok());
    let inode = |target: PathBuf| {
        let inode = target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?;
        Some(inode.to_owned())
    };
    targets.filter_map(inode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Silent;
    use std::net::TcpStream;

    #[test]
    fn counts_the_open_ones_to_the_port_and_no_others() {
        let (here, there) = (Silent::new(), Silent::new());
        assert_eq!(connections(here.port()), 0);
        let one = TcpStream::connect(("127.0.0.1", here.port())).unwrap();
        let other = TcpStream::connect(("127.0.0.1", there.port())).unwrap();
        assert_eq!(connections(here.port()), 1);
        assert_eq!(connected(&[here.port(), there.port()].into()).len(), 2);
        drop(one);
        assert_eq!(connections(here.port()), 0);
        drop(other);
    }

    #[test]
    fn a_line_that_comes_twice_is_one_connection() {
        let line = |inode: &str| {
            format!("0: 0100007F:C001 0100007F:1F90 01 0:0 00:0 0 0 0 {inode} 1 0 20 4 30 10 -1\n")
        };
        let table = format!("head\n{}{}{}", line("7"), line("8"), line("7"));
        let ours = ["7", "8"].map(str::to_owned).into();
        assert_eq!(ours_in(&table, &[0x1F90].into(), &ours), [0x1F90, 0x1F90]);
        assert_eq!(ours_in(&table, &[0x1F91].into(), &ours), [0; 0]);
    }
}

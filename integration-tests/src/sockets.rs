//! The connections of this machine, as the kernel lists them.

/// How many connections to a local `port` are established. Unlike the servers' own lists it has the
/// idle ones, those that never logged in, and it can be asked while the server is down.
///
/// # Panics
/// Where the kernel's table can't be read: this is for Linux.
#[must_use]
pub fn connections(port: u16) -> usize {
    const ESTABLISHED: &str = "01";
    let port = format!(":{port:04X}");
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let to_port = |line: &&str| {
        let mut fields = line.split_whitespace().skip(2);
        let remote = fields.next().is_some_and(|remote| remote.ends_with(&port));
        remote && fields.next() == Some(ESTABLISHED)
    };
    table.lines().skip(1).filter(to_port).count()
}

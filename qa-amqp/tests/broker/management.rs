//! What these tests do to the broker behind our back.

use qa_servers::Server;
use serde_json::Value;

/// The channels of a virtual host, as the broker knows them.
pub(crate) async fn channels(server: &Server, vhost: &str) -> Vec<Value> {
    let listed = server.manage("GET", &format!("/api/vhosts/{vhost}/channels"), "").await;
    serde_json::from_str(&listed.unwrap()).unwrap()
}

/// Closes every connection of a virtual host from the broker's side; says how many there were.
pub(crate) async fn close_connections(server: &Server, vhost: &str) -> usize {
    let listed = server.manage("GET", &format!("/api/vhosts/{vhost}/connections"), "").await;
    let listed: Vec<Value> = serde_json::from_str(&listed.unwrap()).unwrap();
    let names: Vec<&str> = listed.iter().filter_map(|one| one["name"].as_str()).collect();
    for name in &names {
        let name = name.replace(' ', "%20").replace('>', "%3E").replace(':', "%3A");
        // Refused where a connection that was listed has gone since.
        let _ = server.manage("DELETE", &format!("/api/connections/{name}"), "").await;
    }
    names.len()
}

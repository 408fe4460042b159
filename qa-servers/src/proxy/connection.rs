//! One connection: from the door to its end.

use super::counts::{Open, Tally};
use super::pump::{Broken, Cargo, Pump};
use super::scene::{Orders, Watched};
use super::silence::left;
use super::{Direction, Door};
use std::future::pending;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// What connecting to the server may take: it is on this machine.
const DIAL_LIMIT: Duration = Duration::from_secs(10);

/// How long the ends of a cut connection are listened to: one that is closed while something
/// unread lies in it is reset by the kernel.
const LINGER: Duration = Duration::from_secs(1);

/// Serves one client to the end.
pub(super) async fn serve(client: TcpStream, server: u16, scene: Watched, tally: Arc<Tally>) {
    // In this order: an order that is given once the connection is counted is for it.
    let orders = scene.borrow().orders;
    let open = tally.accept();
    let mut ends = Ends { client, server: None };
    let told = ended_by_order(scene.clone(), orders);
    let broken = tokio::select! {
        biased;
        broken = told => Err(broken),
        ended = ends.pass(server, scene, orders, &open) => ended,
    };
    match broken {
        Ok(()) => {}
        Err(Broken::Cut) => ends.close().await,
        Err(Broken::Reset) => ends.reset(),
    }
}

/// Resets the connection of a client.
pub(super) fn reset(client: &TcpStream) {
    // It fails for a socket that has ended, and then there is nothing to do.
    drop(client.set_zero_linger());
}

/// Waits for the order that ends this connection.
async fn ended_by_order(mut scene: Watched, before: Orders) -> Broken {
    let is_order = |now: Orders| now.cuts > before.cuts || now.resets > before.resets;
    let Ok(scene) = scene.wait_for(|scene| is_order(scene.orders)).await else {
        // The proxy has gone, and its tasks end.
        return pending().await;
    };
    if scene.orders.resets > before.resets { Broken::Reset } else { Broken::Cut }
}

/// The two sockets.
struct Ends {
    client: TcpStream,
    server: Option<TcpStream>,
}

impl Ends {
    async fn pass(
        &mut self,
        server: u16,
        scene: Watched,
        orders: Orders,
        open: &Open<'_>,
    ) -> Result<(), Broken> {
        match wait_for_door(&self.client, scene.clone()).await {
            Door::Open => {}
            Door::Silent => return Ok(()),
            Door::Reset | Door::Refuse => {
                open.turn_away();
                return Err(Broken::Reset);
            }
        }
        let Some(server) = dial(server).await else {
            open.turn_away();
            return Err(Broken::Reset);
        };
        // Nagle's algorithm would put small pieces together again. It fails where the socket has
        // ended, which the pumps see.
        drop(self.client.set_nodelay(true));
        drop(server.set_nodelay(true));
        let server = self.server.insert(server);
        let (client_says, to_client) = self.client.split();
        let (server_says, to_server) = server.split();
        let pump = |direction, from, back, to| Pump {
            direction,
            from,
            back,
            to,
            scene: scene.clone(),
            open,
            cargo: Cargo::new(),
            half_closes: orders.half_closes(direction),
        };
        let up = pump(Direction::ToServer, &client_says, &server_says, to_server);
        let down = pump(Direction::ToClient, &server_says, &client_says, to_client);
        tokio::try_join!(up.run(), down.run()).map(drop)
    }

    fn reset(&self) {
        reset(&self.client);
        self.server.iter().for_each(reset);
    }

    /// Ends both directions in order.
    async fn close(&mut self) {
        let ends = [Some(&mut self.client), self.server.as_mut()];
        let close = ends.into_iter().flatten().map(hear_out);
        drop(timeout(LINGER, futures_util::future::join_all(close)).await);
    }
}

/// Says goodbye, and takes what is said until the other end does too.
async fn hear_out(socket: &mut TcpStream) {
    if socket.shutdown().await.is_err() {
        return;
    }
    let mut buffer = [0; 4096];
    while matches!(socket.read(&mut buffer).await, Ok(1..)) {}
}

/// Waits while the door is silent. It is still silent where the client has gone meanwhile.
async fn wait_for_door(client: &TcpStream, mut scene: Watched) -> Door {
    tokio::select! {
        biased;
        scene = scene.wait_for(|scene| scene.faults.door != Door::Silent) => {
            scene.map_or(Door::Silent, |scene| scene.faults.door)
        }
        () = left(client) => Door::Silent,
    }
}

async fn dial(server: u16) -> Option<TcpStream> {
    let connect = TcpStream::connect((Ipv4Addr::LOCALHOST, server));
    timeout(DIAL_LIMIT, connect).await.ok()?.ok()
}

//! One direction of a connection.

use super::counts::Open;
use super::line::{Last, Line};
use super::pace::{Pace, piece};
use super::scene::Watched;
use super::silence::both_left;
use super::{Direction, Ending, Way};
use std::future::pending;
use std::io;
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::time::{Instant, sleep, sleep_until};

/// Why a direction took the whole connection with it.
pub(super) enum Broken {
    Cut,
    Reset,
}

/// Passes on what one end says to the other.
pub(super) struct Pump<'a> {
    pub(super) direction: Direction,
    pub(super) from: &'a ReadHalf<'a>,
    /// Where the other end is heard, for the moment at which both have gone.
    pub(super) back: &'a ReadHalf<'a>,
    pub(super) to: WriteHalf<'a>,
    pub(super) scene: Watched,
    pub(super) open: &'a Open<'a>,
    pub(super) cargo: Cargo,
    /// How often this direction had been half-closed when the connection began.
    pub(super) half_closes: u64,
}

/// What is under way.
pub(super) struct Cargo {
    line: Line,
    pace: Pace,
    /// The piece that is being written.
    piece: Vec<u8>,
    /// How many bytes have left the line.
    passed: u64,
}

impl Cargo {
    pub(super) fn new() -> Self {
        Self { line: Line::default(), pace: Pace::new(), piece: Vec::new(), passed: 0 }
    }

    /// When there is something to write, if there is anything.
    fn due(&self, way: &Way) -> Option<Instant> {
        if !self.piece.is_empty() {
            return Some(Instant::now());
        }
        let due = self.line.due(way)?;
        Some(self.pace.next(way).map_or(due, |next| due.max(next)))
    }

    /// Takes the next piece out of the line.
    fn load(&mut self, way: &Way) {
        self.piece = self.line.take(piece(way, self.passed));
        if let Some(every) = way.corrupt_every {
            corrupt(&mut self.piece, self.passed, every);
        }
        self.passed += self.piece.len() as u64;
        self.pace.sent(self.piece.len(), way, Instant::now());
    }
}

/// Flips one bit of each byte whose number is a multiple of `every`; `before` have passed already.
fn corrupt(piece: &mut [u8], before: u64, every: u64) {
    for (number, byte) in (before + 1..).zip(piece) {
        if number.checked_rem(every) == Some(0) {
            *byte ^= 1 << fastrand::u32(..8);
        }
    }
}

impl Pump<'_> {
    /// Runs until the one end has said all and the other was told so.
    pub(super) async fn run(mut self) -> Result<(), Broken> {
        loop {
            let way = self.look();
            if self.is_half_closed() {
                return self.waste().await;
            }
            let between = self.cargo.piece.is_empty();
            let passed = self.cargo.passed;
            if way.silent || between && way.is_silent_after(passed) {
                if self.keep_silent().await {
                    return Ok(());
                }
                continue;
            }
            match way.ends_after(passed).filter(|_| between) {
                Some(Ending::Close) => return Err(Broken::Cut),
                Some(Ending::Reset) => return Err(Broken::Reset),
                Some(Ending::Silence) | None => {}
            }
            if self.step(&way).await? {
                return Ok(());
            }
        }
    }

    /// The faults that hold now. Later ones are told of.
    fn look(&mut self) -> Way {
        self.scene.borrow_and_update().faults.way(self.direction).clone()
    }

    fn is_half_closed(&self) -> bool {
        self.scene.borrow().orders.half_closes(self.direction) > self.half_closes
    }

    /// Waits until there is something to do and does it; returns whether it was the last.
    async fn step(&mut self, way: &Way) -> Result<bool, Broken> {
        let due = self.cargo.due(way);
        let has_room = self.cargo.line.has_room(way);
        tokio::select! {
            biased;
            _ = self.scene.changed() => Ok(false),
            () = may_write(&self.to, due) => self.pass(way).await,
            _ = self.from.readable(), if has_room => {
                self.take();
                Ok(false)
            }
        }
    }

    /// Takes what the one end said.
    fn take(&mut self) {
        let now = Instant::now();
        let mut buffer = [0; 16 * 1024];
        match self.from.try_read(&mut buffer) {
            Ok(0) => self.cargo.line.end(Last::InOrder, now),
            Ok(length) => self.cargo.line.put(&buffer[..length], now),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => self.cargo.line.end(Last::ByReset, now),
        }
    }

    /// Passes the next piece on, or the end.
    async fn pass(&mut self, way: &Way) -> Result<bool, Broken> {
        let cargo = &mut self.cargo;
        if cargo.piece.is_empty() {
            match cargo.line.ended() {
                Some(Last::ByReset) => return Err(Broken::Reset),
                Some(Last::InOrder) => {
                    // Where it fails, that end has gone itself, and its own direction tells.
                    drop(self.to.shutdown().await);
                    return Ok(true);
                }
                None => cargo.load(way),
            }
        }
        match self.to.try_write(&cargo.piece) {
            Ok(written) => {
                cargo.piece.drain(..written);
                self.open.pass(self.direction, written);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return self.undelivered().await,
        }
        if way.slice.is_some() {
            // Lets a reader of this process take each piece by itself.
            tokio::task::yield_now().await;
        }
        Ok(false)
    }

    /// Nobody is there to take it: as the sender would hear by the way back, once that passes
    /// anything.
    async fn undelivered(&mut self) -> Result<bool, Broken> {
        let back = self.direction.back();
        let way = tokio::select! {
            biased;
            heard = self.scene.wait_for(|scene| !scene.faults.way(back).silent) => {
                heard.map(|scene| scene.faults.way(back).clone()).unwrap_or_default()
            }
            () = both_left(self.from, self.back) => return Ok(true),
        };
        sleep(way.latency.saturating_add(way.jitter)).await;
        Err(Broken::Reset)
    }

    /// Passes nothing until the faults change; returns whether both ends have gone meanwhile.
    async fn keep_silent(&mut self) -> bool {
        tokio::select! {
            biased;
            _ = self.scene.changed() => false,
            () = both_left(self.from, self.back) => true,
        }
    }

    /// Says that this direction has ended, and throws away what comes in it.
    async fn waste(&mut self) -> Result<(), Broken> {
        drop(self.to.shutdown().await);
        let mut buffer = [0; 4096];
        loop {
            let readable = self.from.readable().await;
            match readable.and_then(|()| self.from.try_read(&mut buffer)) {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return Ok(()),
            }
        }
    }
}

/// Waits until it is time, and the other end takes more.
async fn may_write(to: &WriteHalf<'_>, due: Option<Instant>) {
    let Some(due) = due else { return pending().await };
    if due > Instant::now() {
        sleep_until(due).await;
    }
    // An error is seen by the write.
    drop(to.writable().await);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_byte_whose_number_is_a_multiple_is_another_in_one_bit_wherever_the_pieces_end() {
        let mut bytes = [0_u8; 100];
        let (first, rest) = bytes.split_at_mut(33);
        corrupt(first, 0, 10);
        corrupt(rest, 33, 10);
        for (index, byte) in bytes.iter().enumerate() {
            let flipped = u32::from((index + 1) % 10 == 0);
            assert_eq!(byte.count_ones(), flipped, "{index}");
        }
        corrupt(&mut bytes[..1], 0, 0);
        assert_eq!(bytes[0], 0);
    }
}

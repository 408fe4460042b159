//! Rows that wait on the disk too, so that our own end loses none of them.

mod codec;
mod folder;
mod segment;

pub(super) use codec::{Codec, Coded};

use super::handle::DROPPED_LIMIT;
use folder::{CountRows, Folder, Found, Order};
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};

/// How long a folder that another batcher has is waited for: one that was dropped is on its last flush.
const PATIENCE: Duration = DROPPED_LIMIT.saturating_add(Duration::from_secs(1));

/// Between two looks at it.
const PAUSE: Duration = Duration::from_millis(50);

/// Where a batcher keeps its rows beside its memory; see
/// [`BatcherBuilder::spill`](crate::BatcherBuilder::spill).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpillOptions {
    /// The folder, for one batcher alone. It is made where it's missing.
    pub folder: PathBuf,
    /// Bytes that its files may have; a push waits beyond that. Default: 10 GiB.
    pub capacity: u64,
}

impl SpillOptions {
    /// This folder, with the defaults.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), capacity: 10 << 30 }
    }
}

/// A batch that was there at the start.
pub(super) struct Left {
    pub(super) batch: u64,
    pub(super) id: u128,
    pub(super) rows: usize,
}

/// What is to be written, and who waits for it.
#[derive(Default)]
struct Desk {
    orders: Vec<Order>,
    /// The number of the last row among the orders.
    last: u64,
    /// What each batch takes of the capacity.
    sizes: HashMap<u64, usize>,
    /// Whether orders are being carried out.
    busy: bool,
}

/// The disk's side of a batcher.
pub(super) struct Spill<T> {
    folder: Arc<Mutex<Folder>>,
    codec: Codec<T>,
    desk: Mutex<Desk>,
    pub(super) path: PathBuf,
    pub(super) places: Semaphore,
    capacity: usize,
    pub(super) wake: Notify,
}

/// Takes the folder; waits for a while for a batcher that has it.
async fn take(path: &Path, names: &str, rows: CountRows) -> io::Result<(Folder, Vec<Found>)> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (path, names) = (path.to_owned(), names.to_owned());
        let opened = spawn_blocking(move || Folder::open(&path, &names, rows)).await;
        match opened.map_err(io::Error::other)? {
            Err(error) if is_held(&error) && Instant::now() < deadline => sleep(PAUSE).await,
            opened => return opened,
        }
    }
}

fn is_held(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::ResourceBusy
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T: Send + 'static> Spill<T> {
    /// Takes the folder, and says what is left in it.
    pub(super) async fn open(
        options: SpillOptions,
        codec: Codec<T>,
    ) -> io::Result<(Self, Vec<Left>)> {
        let (folder, found) = take(&options.folder, &codec.names, codec.rows).await?;
        let capacity = usize::try_from(options.capacity).unwrap_or(usize::MAX);
        let capacity = capacity.clamp(1, Semaphore::MAX_PERMITS);
        let spill = Self {
            folder: Arc::new(Mutex::new(folder)),
            codec,
            desk: Mutex::default(),
            path: options.folder,
            places: Semaphore::new(capacity),
            capacity,
            wake: Notify::new(),
        };
        let mut left = Vec::new();
        for found in found {
            let size = usize::try_from(found.bytes).unwrap_or(usize::MAX);
            let size = spill.places.forget_permits(size);
            lock(&spill.desk).sizes.insert(found.batch, size);
            left.push(Left { batch: found.batch, id: found.id, rows: found.rows });
        }
        Ok((spill, left))
    }

    /// A row as it will be on the disk.
    pub(super) fn encode(&self, row: &T) -> Coded<Vec<u8>> {
        (self.codec.encode)(row)
    }

    /// How many places the row takes.
    pub(super) fn size(&self, bytes: &[u8]) -> u32 {
        u32::try_from(bytes.len().saturating_add(4).min(self.capacity)).unwrap_or(u32::MAX)
    }

    /// Has the row with this number written; there are places for it.
    pub(super) fn write(&self, number: u64, batch: u64, id: u128, bytes: Vec<u8>) {
        let size = self.size(&bytes) as usize;
        let mut desk = lock(&self.desk);
        *desk.sizes.entry(batch).or_default() += size;
        desk.orders.push(Order::Row { batch, id, bytes });
        desk.last = number;
        drop(desk);
        self.wake.notify_one();
    }

    /// Whether there is nothing left to be written.
    pub(super) fn is_idle(&self) -> bool {
        let desk = lock(&self.desk);
        desk.orders.is_empty() && !desk.busy
    }
}

impl<T> Spill<T> {
    /// Has the file of a batch removed, which is stored.
    pub(super) fn remove(&self, batch: u64) {
        let mut desk = lock(&self.desk);
        desk.orders.push(Order::Remove { batch });
        let size = desk.sizes.remove(&batch).unwrap_or_default();
        drop(desk);
        self.places.add_permits(size);
        self.wake.notify_one();
    }
}

impl<T: Send + 'static> Spill<T> {
    /// Carries out what there is to do until it succeeds, and gives the number of the last row that
    /// the disk then has. `None` where there was nothing.
    pub(super) async fn work(&self, pause: impl AsyncFn()) -> Option<u64> {
        let (orders, last) = {
            let mut desk = lock(&self.desk);
            desk.busy = !desk.orders.is_empty();
            (std::mem::take(&mut desk.orders), desk.last)
        };
        if orders.is_empty() {
            return None;
        }
        let orders = Arc::new(orders);
        loop {
            let (folder, orders) = (Arc::clone(&self.folder), Arc::clone(&orders));
            let done = spawn_blocking(move || lock(&folder).carry_out(&orders)).await;
            match done.map_err(io::Error::other).flatten() {
                Ok(()) => break,
                // Nobody is told that a row is safe until it is: pushes wait meanwhile.
                Err(error) => {
                    let folder = self.path.display();
                    tracing::warn!(%folder, %error, "rows could not be written; it is tried again");
                    pause().await;
                }
            }
        }
        lock(&self.desk).busy = false;
        Some(last)
    }

    /// The rows of a batch that is on the disk alone.
    pub(super) async fn load(&self, batch: u64) -> io::Result<Vec<T>> {
        let folder = Arc::clone(&self.folder);
        let rows = spawn_blocking(move || lock(&folder).load(batch)).await;
        let rows = rows.map_err(io::Error::other)??;
        let rows = rows.iter().map(|row| (self.codec.decode)(row));
        rows.collect::<Coded<_>>().map_err(|error| {
            let batch = format!("batch {batch:016x} is of another type of row: {error}");
            io::Error::new(io::ErrorKind::InvalidData, batch)
        })
    }
}

//! The files of a spill: one for each batch, named by its number. Everything here blocks.

use super::segment::{self, Segment};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

const SUFFIX: &str = "rows";

/// A frame is begun anew beyond this.
const FRAME: usize = 16 << 20;

/// How many rows these bytes are, which were written as one. `None` where they are none.
pub(super) type CountRows = fn(&[u8]) -> Option<usize>;

/// What is to be done with the files, in this order.
pub(super) enum Order {
    /// This row belongs to this batch, which was taken under this identity.
    Row { batch: u64, id: u128, bytes: Vec<u8> },
    /// The batch is stored elsewhere.
    Remove { batch: u64 },
}

/// A batch that was there before us.
pub(super) struct Found {
    pub(super) batch: u64,
    pub(super) id: u128,
    pub(super) rows: usize,
    pub(super) bytes: u64,
}

/// A folder that is ours alone for as long as this lives.
pub(super) struct Folder {
    path: PathBuf,
    names: String,
    /// How many bytes of each file are on the disk.
    synced: BTreeMap<u64, u64>,
    /// Holds the lock.
    _lock: File,
}

impl Folder {
    /// Takes the folder, which is made where it's missing, and says what is in it.
    pub(super) fn open(
        path: &Path,
        names: &str,
        count: CountRows,
    ) -> io::Result<(Self, Vec<Found>)> {
        fs::create_dir_all(path)?;
        let lock =
            OpenOptions::new().create(true).truncate(false).write(true).open(path.join("lock"))?;
        lock.try_lock().map_err(|_| {
            io::Error::new(io::ErrorKind::ResourceBusy, "another batcher spills into it")
        })?;
        let mut folder = Self {
            path: path.to_owned(),
            names: names.to_owned(),
            synced: BTreeMap::new(),
            _lock: lock,
        };
        let found = folder.take_stock(count)?;
        Ok((folder, found))
    }

    fn take_stock(&mut self, count: CountRows) -> io::Result<Vec<Found>> {
        let mut batches = BTreeSet::new();
        for entry in fs::read_dir(&self.path)? {
            batches.extend(number(&entry?.path()));
        }
        let mut found = Vec::new();
        for batch in batches {
            let (bytes, segment) = self.read(batch)?;
            let Some(segment) = segment.filter(|segment| !segment.rows.is_empty()) else {
                fs::remove_file(self.file(batch))?;
                continue;
            };
            if segment.torn > 0 {
                let (file, torn) = (self.file(batch), segment.torn);
                tracing::warn!(file = %file.display(), torn, "a crash left bytes of rows that were acknowledged to nobody");
            }
            self.synced.insert(batch, bytes.len() as u64);
            let rows = segment.rows.iter().map(|row| count(&bytes[row.clone()]));
            let rows = rows.sum::<Option<usize>>().ok_or_else(|| {
                let file = self.file(batch);
                let message = format!("{}: it holds no rows of this kind", file.display());
                io::Error::new(io::ErrorKind::InvalidData, message)
            })?;
            found.push(Found { batch, id: segment.id, rows, bytes: bytes.len() as u64 });
        }
        Ok(found)
    }

    /// The bytes of a batch's rows.
    pub(super) fn load(&self, batch: u64) -> io::Result<Vec<Vec<u8>>> {
        let (bytes, segment) = self.read(batch)?;
        let rows = segment.map_or_else(Vec::new, |segment| segment.rows);
        Ok(rows.into_iter().map(|row| bytes[row].to_vec()).collect())
    }

    fn read(&self, batch: u64) -> io::Result<(Vec<u8>, Option<Segment>)> {
        let (mut bytes, file) = (Vec::new(), self.file(batch));
        File::open(&file)?.read_to_end(&mut bytes)?;
        let invalid = |why: String| {
            io::Error::new(io::ErrorKind::InvalidData, format!("{}: {why}", file.display()))
        };
        let segment = segment::read(&bytes).map_err(|damage| invalid(damage.to_string()))?;
        if let Some(segment) = &segment
            && segment.names != self.names
        {
            let (theirs, ours) = (&segment.names, &self.names);
            return Err(invalid(format!("its rows have the columns {theirs} and not {ours}")));
        }
        Ok((bytes, segment))
    }

    /// Carries orders out, and returns when the disk has all of it. Where it fails, do the same
    /// orders again.
    pub(super) fn carry_out(&mut self, orders: &[Order]) -> io::Result<()> {
        let mut at = 0;
        while at < orders.len() {
            match &orders[at] {
                Order::Remove { batch } => {
                    self.remove(*batch)?;
                    at += 1;
                }
                Order::Row { batch, id, .. } => {
                    let (payload, rows) = payload(&orders[at..], *batch);
                    self.append(*batch, *id, &payload)?;
                    at += rows;
                }
            }
        }
        Ok(())
    }

    fn append(&mut self, batch: u64, id: u128, payload: &[u8]) -> io::Result<()> {
        let fresh = !self.synced.contains_key(&batch);
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true);
        let mut file = options.open(self.file(batch))?;
        let mut bytes = if fresh { segment::header(id, &self.names) } else { Vec::new() };
        bytes.extend(segment::frame(payload));
        let end = self.synced.get(&batch).copied().unwrap_or_default();
        // What an attempt that failed has left there is no part of it.
        file.set_len(end)?;
        file.seek(SeekFrom::Start(end))?;
        file.write_all(&bytes)?;
        file.sync_data()?;
        if fresh {
            File::open(&self.path)?.sync_all()?;
        }
        self.synced.insert(batch, end + bytes.len() as u64);
        Ok(())
    }

    fn remove(&mut self, batch: u64) -> io::Result<()> {
        match fs::remove_file(self.file(batch)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => self.synced.remove(&batch),
        };
        Ok(())
    }

    fn file(&self, batch: u64) -> PathBuf {
        self.path.join(format!("{batch:016x}.{SUFFIX}"))
    }
}

/// The rows of the batch that come next, as one payload, and how many they are.
fn payload(orders: &[Order], of: u64) -> (Vec<u8>, usize) {
    let (mut payload, mut rows) = (Vec::new(), 0);
    for order in orders {
        match order {
            Order::Row { batch, bytes, .. } if *batch == of && payload.len() < FRAME => {
                segment::add(&mut payload, bytes);
                rows += 1;
            }
            _ => break,
        }
    }
    (payload, rows)
}

fn number(file: &Path) -> Option<u64> {
    if file.extension()? != SUFFIX {
        return None;
    }
    u64::from_str_radix(file.file_stem()?.to_str()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(batch: u64, bytes: &[u8]) -> Order {
        Order::Row { batch, id: 7, bytes: bytes.to_vec() }
    }

    const EACH: CountRows = |_| Some(1);

    #[test]
    fn what_is_carried_out_is_there_after_a_restart_and_what_is_removed_is_not() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("deep/spill");
        let (mut folder, found) = Folder::open(&path, "a,b", EACH).unwrap();
        assert!(found.is_empty());
        folder.carry_out(&[row(1, b"x"), row(1, b""), row(2, b"z")]).unwrap();
        folder.carry_out(&[row(2, b"last"), Order::Remove { batch: 1 }]).unwrap();
        folder.carry_out(&[Order::Remove { batch: 1 }]).unwrap();
        drop(folder);
        let (folder, found) = Folder::open(&path, "a,b", EACH).unwrap();
        let found: Vec<_> = found.iter().map(|found| (found.batch, found.id, found.rows)).collect();
        assert_eq!(found, [(2, 7, 2)]);
        assert_eq!(folder.load(2).unwrap(), [b"z".to_vec(), b"last".to_vec()]);
    }

    #[test]
    fn a_failed_attempt_leaves_nothing_and_a_file_of_no_rows_is_cleared_away() {
        let home = tempfile::tempdir().unwrap();
        let (mut folder, _) = Folder::open(home.path(), "a", EACH).unwrap();
        folder.carry_out(&[row(1, b"one")]).unwrap();
        let file = folder.file(1);
        let half = [fs::read(&file).unwrap(), vec![9; 5]].concat();
        fs::write(&file, half).unwrap();
        folder.carry_out(&[row(1, b"two")]).unwrap();
        assert_eq!(folder.load(1).unwrap(), [b"one".to_vec(), b"two".to_vec()]);
        fs::write(folder.file(5), b"QA").unwrap();
        let crashed = folder.file(5);
        drop(folder);
        let (_folder, found) = Folder::open(home.path(), "a", EACH).unwrap();
        assert_eq!(found.len(), 1);
        assert!(!crashed.exists());
    }

    #[test]
    fn a_folder_has_one_owner_and_rows_of_other_columns_are_refused() {
        let home = tempfile::tempdir().unwrap();
        let (mut folder, _) = Folder::open(home.path(), "a", EACH).unwrap();
        let error = Folder::open(home.path(), "a", EACH).err().unwrap();
        assert!(error.to_string().contains("another batcher"), "{error}");
        folder.carry_out(&[row(1, b"one")]).unwrap();
        drop(folder);
        let error = Folder::open(home.path(), "a,b", EACH).err().unwrap();
        assert!(error.to_string().contains("the columns a and not a,b"), "{error}");
    }
}

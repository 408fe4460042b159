//! How a segment file is written: the rows of one batch. Pure.
//!
//! ```text
//! file    = header frame*
//! header  = "QARS" version:u32 id:u128 names:bytes crc:u32     the checksum is of what is before it
//! frame   = length:u32 crc:u32 payload                          of the payload
//! payload = bytes*                                              one for each row
//! bytes   = length:u32 content
//! ```
//!
//! Numbers are little-endian. A frame is what was written and synced together, and a frame is begun
//! only when the one before it is on the disk: so a crash can spoil the last one and no other, and
//! its rows were acknowledged to nobody.

use std::ops::Range;

const MAGIC: &[u8; 4] = b"QARS";
const VERSION: u32 = 1;

/// What a file holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Segment {
    /// The identity of the batcher that took the rows.
    pub(super) id: u128,
    /// The columns of the rows.
    pub(super) names: String,
    /// Where the rows are in the file.
    pub(super) rows: Vec<Range<usize>>,
    /// Bytes at the end that a crash left behind.
    pub(super) torn: usize,
}

/// Why a file is not what was written.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Damage {
    #[error("it is no segment of rows, or of another version")]
    Foreign,
    #[error("the bytes from {0} on are not those that were written")]
    At(usize),
}

pub(super) fn header(id: u128, names: &str) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend(id.to_le_bytes());
    add(&mut bytes, names.as_bytes());
    bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
    bytes
}

/// Adds a row to a payload.
pub(super) fn add(payload: &mut Vec<u8>, row: &[u8]) {
    let length = u32::try_from(row.len()).expect("a row is below 4 GiB");
    payload.extend(length.to_le_bytes());
    payload.extend(row);
}

/// The frame around a payload.
pub(super) fn frame(payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(payload.len() + 8);
    let length = u32::try_from(payload.len()).expect("a frame is below 4 GiB");
    bytes.extend(length.to_le_bytes());
    bytes.extend(crc32fast::hash(payload).to_le_bytes());
    bytes.extend(payload);
    bytes
}

/// Reads a file. `None` where a crash came before its header was there: it holds no row.
pub(super) fn read(bytes: &[u8]) -> Result<Option<Segment>, Damage> {
    let Some((id, names, mut at)) = read_header(bytes)? else { return Ok(None) };
    let mut rows = Vec::new();
    while at < bytes.len() {
        match read_frame(bytes, at) {
            Frame::Whole(payload) => {
                at = payload.end;
                rows.extend(split(bytes, payload).ok_or(Damage::At(at))?);
            }
            Frame::Torn => break,
            Frame::Damaged => return Err(Damage::At(at)),
        }
    }
    Ok(Some(Segment { id, names, rows, torn: bytes.len() - at }))
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(four.try_into().ok()?))
}

fn read_header(bytes: &[u8]) -> Result<Option<(u128, String, usize)>, Damage> {
    let prefix = bytes.len().min(MAGIC.len());
    if bytes[..prefix] != MAGIC[..prefix] {
        return Err(Damage::Foreign);
    }
    if number(bytes, 4).is_some_and(|version| version != VERSION) {
        return Err(Damage::Foreign);
    }
    let whole = || {
        let id = u128::from_le_bytes(bytes.get(8..24)?.try_into().ok()?);
        let end = 28usize.checked_add(number(bytes, 24)? as usize)?;
        let names = bytes.get(28..end)?;
        Some((id, names, end, number(bytes, end)?))
    };
    let Some((id, names, end, crc)) = whole() else { return Ok(None) };
    let names = std::str::from_utf8(names).map_err(|_| Damage::At(28))?;
    if crc != crc32fast::hash(&bytes[..end]) {
        return Err(Damage::At(0));
    }
    Ok(Some((id, names.to_owned(), end + 4)))
}

enum Frame {
    Whole(Range<usize>),
    /// The last one, which is not what was to be written.
    Torn,
    Damaged,
}

fn read_frame(bytes: &[u8], at: usize) -> Frame {
    let (Some(length), Some(crc)) = (number(bytes, at), number(bytes, at + 4)) else {
        return Frame::Torn;
    };
    let start = at + 8;
    let Some(end) = start.checked_add(length as usize).filter(|end| *end <= bytes.len()) else {
        return Frame::Torn;
    };
    if crc32fast::hash(&bytes[start..end]) == crc {
        Frame::Whole(start..end)
    } else if end == bytes.len() {
        Frame::Torn
    } else {
        Frame::Damaged
    }
}

/// Where the rows of a payload are.
fn split(bytes: &[u8], payload: Range<usize>) -> Option<Vec<Range<usize>>> {
    let (mut at, mut rows) = (payload.start, Vec::new());
    while at < payload.end {
        let start = at + 4;
        let end = start.checked_add(number(bytes, at)? as usize)?;
        if end > payload.end {
            return None;
        }
        rows.push(start..end);
        at = end;
    }
    Some(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Rows = Vec<Vec<u8>>;

    /// A file of these frames, and where each begins.
    fn file(names: &str, frames: &[Rows]) -> (Vec<u8>, Vec<usize>) {
        let mut bytes = header(7, names);
        let mut starts = Vec::new();
        for rows in frames {
            starts.push(bytes.len());
            let mut payload = Vec::new();
            for row in rows {
                add(&mut payload, row);
            }
            bytes.extend(frame(&payload));
        }
        (bytes, starts)
    }

    fn rows_of(bytes: &[u8], segment: &Segment) -> Rows {
        segment.rows.iter().map(|row| bytes[row.clone()].to_vec()).collect()
    }

    fn frames() -> impl Strategy<Value = Vec<Rows>> {
        let row = prop::collection::vec(any::<u8>(), 0..20);
        prop::collection::vec(prop::collection::vec(row, 1..5), 1..6)
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(names in "[a-z,]{0,30}", frames in frames()) {
            let (bytes, _) = file(&names, &frames);
            let segment = read(&bytes).unwrap().unwrap();
            prop_assert_eq!(rows_of(&bytes, &segment), frames.concat());
            prop_assert_eq!((segment.id, segment.names, segment.torn), (7, names, 0));
        }

        #[test]
        fn a_file_that_was_cut_anywhere_has_the_rows_of_its_whole_frames(frames in frames(), cut in any::<prop::sample::Index>()) {
            let (mut bytes, starts) = file("a", &frames);
            let head = header(7, "a").len();
            bytes.truncate(cut.index(bytes.len() + 1));
            match read(&bytes).unwrap() {
                None => prop_assert!(bytes.len() < head),
                Some(segment) => {
                    let ends = starts.iter().skip(1).copied().chain([usize::MAX]);
                    let whole = ends.filter(|end| *end <= bytes.len()).count();
                    let all = file("a", &frames).0.len() == bytes.len();
                    let whole = if all { frames.len() } else { whole };
                    prop_assert_eq!(rows_of(&bytes, &segment), frames[..whole].concat());
                }
            }
        }

        #[test]
        fn a_byte_that_has_changed_never_gives_other_rows(frames in frames(), at in any::<prop::sample::Index>(), by in 1u8..) {
            let (mut bytes, starts) = file("a", &frames);
            let at = at.index(bytes.len());
            bytes[at] ^= by;
            if let Ok(Some(segment)) = read(&bytes) {
                let rows = rows_of(&bytes, &segment);
                let all = frames.concat();
                prop_assert!(all.starts_with(&rows), "a prefix of what was written");
                let before = starts.iter().filter(|start| **start <= at).count().saturating_sub(1);
                prop_assert!(rows.len() >= frames[..before].concat().len(), "none of the frames before it is lost");
                prop_assert!(segment.torn > 0, "and it is told");
            }
        }
    }

    #[test]
    fn damage_before_the_last_frame_is_refused_and_in_it_is_a_crash() {
        let (bytes, starts) = file("a", &[vec![b"one".to_vec()], vec![b"two".to_vec()]]);
        let mut early = bytes.clone();
        early[starts[0] + 13] ^= 1;
        assert_eq!(read(&early), Err(Damage::At(starts[0])));
        let mut late = bytes;
        late[starts[1] + 13] ^= 1;
        assert_eq!(read(&late).unwrap().unwrap().rows.len(), 1);
        assert_eq!(read(b"something else"), Err(Damage::Foreign));
        assert_eq!(read(b""), Ok(None));
    }
}

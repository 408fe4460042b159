//! Which slot a key is in.
//!
//! <https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#key-distribution-model>

/// How many slots there are.
pub(super) const SLOTS: u16 = 16_384;

/// The slot of a key: what stands between its first `{` and the next `}` decides, where that is not
/// nothing, and else all of it.
pub(crate) fn slot_of(key: &[u8]) -> u16 {
    crc16(tag(key)) % SLOTS
}

fn tag(key: &[u8]) -> &[u8] {
    let Some(open) = key.iter().position(|byte| *byte == b'{') else { return key };
    let rest = &key[open + 1..];
    match rest.iter().position(|byte| *byte == b'}') {
        Some(close) if close > 0 => &rest[..close],
        _ => key,
    }
}

/// CRC-16 as in XMODEM: the polynomial 0x1021, nothing reflected, beginning with 0.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| (crc << 8) ^ TABLE[usize::from((crc >> 8) as u8 ^ byte)])
}

const TABLE: [u16; 256] = {
    let mut table = [0; 256];
    let (mut byte, mut number) = (0, 0_u16);
    while byte < table.len() {
        let mut crc = number << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 };
            bit += 1;
        }
        table[byte] = crc;
        (byte, number) = (byte + 1, number + 1);
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_crc_of_the_specification() {
        assert_eq!(crc16(b"123456789"), 0x31C3);
        assert_eq!((crc16(b""), slot_of(b"123456789")), (0, 12_739));
    }

    #[test]
    fn a_tag_decides_where_it_is_one() {
        let same = |one: &str, other: &str| {
            assert_eq!(slot_of(one.as_bytes()), slot_of(other.as_bytes()), "{one} {other}");
        };
        same("{user1000}.following", "user1000");
        same("foo{bar}{zap}", "bar");
        same("foo{{bar}}zap", "{bar");
        assert_eq!(tag(b"foo{}{bar}"), b"foo{}{bar}");
        assert_eq!(tag(b"foo{bar"), b"foo{bar");
        assert_eq!(tag(b"foo}bar{"), b"foo}bar{");
        assert_eq!(tag(b"{}"), b"{}");
    }
}

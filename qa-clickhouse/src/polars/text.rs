//! Types that a `DataFrame` has as texts, as the server writes them. Pure.

use std::net::{Ipv4Addr, Ipv6Addr};

pub(super) fn uuid(bytes: [u8; 16]) -> String {
    let digits = format!("{:032x}", u128::from_be_bytes(bytes));
    let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    parts.join("-")
}

pub(super) fn ipv4(number: u32) -> String {
    Ipv4Addr::from_bits(number).to_string()
}

pub(super) fn ipv6(bytes: [u8; 16]) -> String {
    Ipv6Addr::from(bytes).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_written_as_the_server_writes_them() {
        let bytes = 0x61f0_c404_5cb3_11e7_907b_a600_6ad3_dba0_u128.to_be_bytes();
        assert_eq!(uuid(bytes), "61f0c404-5cb3-11e7-907b-a6006ad3dba0");
        assert_eq!(uuid([0; 16]), "00000000-0000-0000-0000-000000000000");
        assert_eq!(ipv4(0x7f00_0001), "127.0.0.1");
        assert_eq!(ipv6(1_u128.to_be_bytes()), "::1");
    }
}

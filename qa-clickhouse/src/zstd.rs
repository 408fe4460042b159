//! ZSTD between the server and us.

use clickhouse::Compression;
use qa_resource_core::{Result, Target};

#[expect(clippy::unnecessary_wraps, reason = "the other build's signature")]
pub(crate) fn compression(_: &Target, level: i32) -> Result<Compression> {
    Ok(Compression::Zstd(level))
}

#[cfg(test)]
mod tests {
    use crate::url::Url;
    use clickhouse::Compression;
    use qa_resource_core::Target;

    #[test]
    fn it_is_taken_from_the_url_with_its_level() {
        for (value, level) in [("zstd", 3), ("zstd:1", 1), ("zstd:22", 22)] {
            let target = Target::parse("bars", &format!("clickhouse://h/?compression={value}"));
            let url = Url::parse(&target.unwrap()).unwrap();
            assert_eq!(url.compression, Compression::Zstd(level), "{value}");
        }
    }
}

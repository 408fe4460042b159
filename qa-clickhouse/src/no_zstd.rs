//! What a build without ZSTD says to a URL that asks for it.

use clickhouse::Compression;
use qa_resource_core::{Result, Target};

pub(crate) fn compression(target: &Target, _: i32) -> Result<Compression> {
    Err(target.config_error("ZSTD is asked for; build with the feature `zstd`"))
}

#[cfg(test)]
mod tests {
    use crate::ClickHouse;
    use qa_resource_core::Target;

    #[test]
    fn zstd_without_the_feature_says_what_to_build() {
        let target = Target::parse("bars", "clickhouse://h/?compression=zstd").unwrap();
        let error = ClickHouse::new(&target).unwrap_err();
        assert!(error.message().contains("build with the feature `zstd`"), "{error}");
    }
}

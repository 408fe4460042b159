//! A secret that is mounted as a file, as Docker and Kubernetes do.

use crate::Secret;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// More than any password, token or URL has.
const LONGEST: u64 = 64 * 1024;

/// A file that holds one secret and nothing else, such as `/run/secrets/password`. It is read anew
/// each time, so that a secret that is mounted anew is taken up.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use qa_resource_core::SecretFile;
/// let folder = tempfile::tempdir()?;
/// std::fs::write(folder.path().join("password"), "hunter2\n")?;
/// let password = SecretFile::new(folder.path().join("password"));
/// assert_eq!(password.read()?.expose(), "hunter2");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretFile(PathBuf);

/// Why a secret can't be had from its file. It names the file and never shows what is in it.
#[derive(Debug)]
pub struct SecretFileError {
    path: PathBuf,
    why: Why,
}

#[derive(Debug)]
enum Why {
    Io(io::Error),
    NoFile,
    TooLong,
    NotText,
    Empty,
}

impl SecretFile {
    /// The file at `path`, which is not looked at yet.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The secret that is in it at this moment, without the newline at its end. Blocks.
    ///
    /// # Errors
    /// [`SecretFileError`] where there is no such file, it may not be read, or it is empty, longer
    /// than 64 KiB or not UTF-8.
    pub fn read(&self) -> Result<Secret, SecretFileError> {
        self.text().map_err(|why| SecretFileError { path: self.0.clone(), why })
    }

    fn text(&self) -> Result<Secret, Why> {
        // Of a pipe nobody can say when it ends, and it can be read once only.
        if !fs::metadata(&self.0).map_err(Why::Io)?.is_file() {
            return Err(Why::NoFile);
        }
        let (mut bytes, file) = (Vec::new(), File::open(&self.0).map_err(Why::Io)?);
        file.take(LONGEST + 1).read_to_end(&mut bytes).map_err(Why::Io)?;
        if bytes.len() as u64 > LONGEST {
            return Err(Why::TooLong);
        }
        // A failed conversion's error holds the bytes.
        let mut text = String::from_utf8(bytes).map_err(|_| Why::NotText)?;
        if text.ends_with('\n') {
            text.pop();
            if text.ends_with('\r') {
                text.pop();
            }
        }
        if text.is_empty() { Err(Why::Empty) } else { Ok(Secret::from(text)) }
    }
}

impl fmt::Display for SecretFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "secret file {}: ", self.path.display())?;
        match &self.why {
            Why::Io(error) => match error.kind() {
                io::ErrorKind::NotFound => {
                    f.write_str("there is none; mount the secret there, or correct the path")
                }
                io::ErrorKind::PermissionDenied => f.write_str(
                    "it may not be read; give the user that this process runs as the right to \
                     read it",
                ),
                _ => write!(f, "it can't be read: {error}"),
            },
            Why::NoFile => f.write_str("it is not a regular file; name the file with the secret"),
            Why::TooLong => f.write_str("it is longer than 64 KiB, so it is no secret alone"),
            Why::NotText => f.write_str("it is not UTF-8; write the secret as plain text"),
            Why::Empty => f.write_str("it is empty; write the secret into it"),
        }
    }
}

impl std::error::Error for SecretFileError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.why {
            Why::Io(error) => Some(error),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holding(content: &[u8]) -> (tempfile::TempDir, SecretFile) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        fs::write(&path, content).unwrap();
        (folder, SecretFile::new(path))
    }

    #[test]
    fn one_newline_at_the_end_is_cut_and_nothing_else() {
        for (content, secret) in [
            ("hunter2", "hunter2"),
            ("hunter2\n", "hunter2"),
            ("hunter2\r\n", "hunter2"),
            (" hunter 2 \n\n", " hunter 2 \n"),
        ] {
            let (_folder, file) = holding(content.as_bytes());
            assert_eq!(file.read().unwrap().expose(), secret);
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_the_path_and_without_the_content() {
        let long = format!("c4n4ry{}", "x".repeat(70_000));
        for (content, part) in [
            (&b""[..], "it is empty"),
            (b"\n", "it is empty"),
            (b"c4n4ry\xff", "not UTF-8"),
            (long.as_bytes(), "longer than 64 KiB"),
        ] {
            let (folder, file) = holding(content);
            let error = file.read().unwrap_err();
            let text = format!("{error} {error:?}");
            assert!(text.contains(part) && text.contains("/password: "), "{text}");
            assert!(!text.contains("c4n4ry"), "{text}");
            let nowhere = SecretFile::new(folder.path().join("nowhere")).read().unwrap_err();
            assert!(nowhere.to_string().ends_with("or correct the path"), "{nowhere}");
            let folder = SecretFile::new(folder.path()).read().unwrap_err();
            assert!(folder.to_string().contains("not a regular file"), "{folder}");
        }
    }

    #[test]
    fn each_read_takes_what_is_there_now() {
        let (_folder, file) = holding(b"first\n");
        assert_eq!(file.read().unwrap().expose(), "first");
        fs::write(file.path(), "second\n").unwrap();
        assert_eq!(file.read().unwrap().expose(), "second");
    }
}

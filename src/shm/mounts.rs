//! What is mounted where, as this process sees it.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// The kernel's list.
pub const LIST: &str = "/proc/self/mountinfo";

/// A line of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// The kind of file system.
    pub kind: String,
    /// What of the file system is seen at the mount point.
    pub root: PathBuf,
    /// Where it is mounted.
    pub point: PathBuf,
    /// The file system's options, joined by `,`.
    pub options: String,
}

/// All mounts. `root`: where `/proc` is looked for.
pub fn mounts(root: &Path) -> std::io::Result<Vec<Mount>> {
    let lines = fs::read(root.join(LIST.trim_start_matches('/')))?;
    Ok(lines.split(|byte| *byte == b'\n').filter_map(Mount::parse).collect())
}

impl Mount {
    fn parse(line: &[u8]) -> Option<Mount> {
        let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
        // Behind the sixth word come any number of optional ones, and `-`.
        let end = 6 + words.get(6..)?.iter().position(|word| *word == b"-")?;
        let path = |at: usize| words.get(at).map(|word| PathBuf::from(OsString::from_vec(unescaped(word))));
        let text = |at: usize| words.get(at).map(|word| String::from_utf8_lossy(word).into_owned());
        Some(Mount { kind: text(end + 1)?, root: path(3)?, point: path(4)?, options: text(end + 3)? })
    }
}

/// The kernel writes blanks and backslashes in paths as `\` and three octal digits.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, behind)) = rest.split_first() {
        let octal = behind.get(..3).filter(|_| *first == b'\\').and_then(|digits| {
            let digits = std::str::from_utf8(digits).ok()?;
            u8::from_str_radix(digits, 8).ok()
        });
        bytes.push(octal.unwrap_or(*first));
        rest = if octal.is_some() { &behind[3..] } else { behind };
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_with_their_blanks() {
        let line = b"40 31 0:9 /a\\040b /mnt/c\\134d rw,nosuid shared:4 master:1 - tmpfs none rw,size=1";
        let mount = Mount::parse(line).unwrap();
        assert_eq!((&*mount.kind, &*mount.options), ("tmpfs", "rw,size=1"));
        assert_eq!((mount.root, mount.point), ("/a b".into(), "/mnt/c\\d".into()));
        assert_eq!(unescaped(b"\\9x\\04"), b"\\9x\\04");
    }

    #[test]
    fn what_is_no_line_is_passed_over() {
        for line in ["", "1 2 3", "30 23 0:26 / /x rw shared:1 tmpfs a b", "30 23 0:26 / /x rw - tmpfs none"]
        {
            assert_eq!(Mount::parse(line.as_bytes()), None, "{line}");
        }
        let own = mounts(Path::new("/")).unwrap();
        assert!(own.iter().any(|mount| mount.point == Path::new("/")), "{own:?}");
    }
}

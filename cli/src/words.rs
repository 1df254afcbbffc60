//! What the words of a command line mean: a store's path, the beginning of an ID, a time.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use sdp_dal::error::{Error, Kind, Result};
use sdp_dal::store::{Create, ObjectId, ObjectInfo, Store, StoreOptions, ID_SIZE};

/// The environment's default path.
const STORE: &str = "SDP_DAL_STORE";

/// The path that was given, or the environment's.
pub fn path_or_default(path: Option<&PathBuf>) -> Result<PathBuf> {
    if let Some(path) = path {
        return Ok(path.clone());
    }
    store_of_environment().ok_or_else(|| {
        Error::invalid(format!("no store is given: write its path after the command, or set {STORE}"))
    })
}

/// The store that the environment names.
pub fn store_of_environment() -> Option<PathBuf> {
    std::env::var_os(STORE).filter(|path| !path.is_empty()).map(PathBuf::from)
}

/// Splits words into the path of a store (the environment's if the first word can only be an ID) and IDs in lower case.
pub fn path_and_ids(words: &[OsString]) -> Result<(PathBuf, Vec<String>)> {
    let first_is_path = words.first().is_some_and(|word| digits(word).is_none());
    let (path, ids) = match words.split_first() {
        Some((path, ids)) if first_is_path => (PathBuf::from(path), ids),
        _ => {
            let path = path_or_default(None).map_err(|error| match words.first() {
                Some(word) => error.context(format!(
                    "'{0}' was read as an ID (write ./{0} for a store with this name)",
                    word.to_string_lossy()
                )),
                None => error,
            })?;
            (path, words)
        }
    };
    let ids = ids.iter().map(|word| {
        digits(word).ok_or_else(|| {
            let most = 2 * ID_SIZE;
            let word = word.to_string_lossy();
            Error::invalid(format!(
                "'{word}' is not an object ID or the start of one: expected 1 to {most} hexadecimal digits"
            ))
        })
    });
    Ok((path, ids.collect::<Result<_>>()?))
}

/// The one ID among words, if there is one.
pub fn path_and_id(words: &[OsString]) -> Result<(PathBuf, Option<String>)> {
    let (path, mut ids) = path_and_ids(words)?;
    if ids.len() > 1 {
        return Err(Error::invalid(format!("{} IDs were given, but at most one is expected", ids.len())));
    }
    Ok((path, ids.pop()))
}

fn digits(word: &OsString) -> Option<String> {
    let text = word.to_str()?;
    let good =
        !text.is_empty() && text.len() <= 2 * ID_SIZE && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    good.then(|| text.to_ascii_lowercase())
}

/// How this program opens a store.
pub fn options(create: Create, accept_owner: Option<u32>) -> StoreOptions {
    StoreOptions { create, accept_owner, name: Some("sdp-dal".to_owned()), ..StoreOptions::default() }
}

/// Opens a store that is there.
pub fn open(path: &std::path::Path, accept_owner: Option<u32>) -> Result<Store> {
    Store::open(path, &options(Create::Never, accept_owner))
}

/// The bytes of these digits, without a last half.
pub fn whole_bytes(digits: &str) -> Result<Vec<u8>> {
    let whole = digits.len() / 2 * 2;
    (0..whole)
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16))
        .collect::<std::result::Result<_, _>>()
        .map_err(|_| Error::invalid(format!("'{digits}' are not hexadecimal digits")))
}

/// The objects whose ID begins with these digits, one by one: there may be a million.
pub fn listing<'a>(
    store: &'a Store,
    digits: &'a str,
) -> Result<impl Iterator<Item = Result<ObjectInfo>> + use<'a>> {
    let half = digits.len() % 2 == 1;
    let wanted = move |info: &ObjectInfo| !half || info.id.to_string().starts_with(digits);
    Ok(store.listing(&whole_bytes(digits)?)?.filter(move |found| found.as_ref().map_or(true, wanted)))
}

/// The one object whose ID begins with these digits; of several lives of it the one that can be seen.
pub fn find(store: &Store, digits: &str) -> Result<ObjectInfo> {
    let mut found = listing(store, digits)?.collect::<Result<Vec<_>>>()?;
    // Lives of one ID lie together; the doomed ones go behind the one that can be seen.
    found.sort_by_key(|info| (info.id, info.state == "doomed"));
    found.dedup_by_key(|info| info.id);
    let missing = || Error::new(Kind::NotFound, format!("there is no object whose ID starts with {digits}"));
    if found.len() > 1 {
        let ids: Vec<ObjectId> = found.iter().map(|info| info.id).collect();
        return Err(ambiguous(digits, &ids));
    }
    found.pop().ok_or_else(missing)
}

fn ambiguous(digits: &str, ids: &[ObjectId]) -> Error {
    let some: Vec<String> = ids.iter().take(4).map(ToString::to_string).collect();
    let more = if ids.len() > some.len() { ", ..." } else { "" };
    Error::invalid(format!(
        "the IDs of {} objects start with {digits} ({}{more}): give more digits",
        ids.len(),
        some.join(", ")
    ))
}

/// A time as people write it: `10`, `0.5`.
pub fn parse_seconds(text: &str) -> std::result::Result<Duration, String> {
    let seconds = text.parse::<f64>().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.ok_or_else(|| format!("'{text}' is not a number of seconds, such as 10 or 0.5"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_paths_or_ids() {
        let words = |list: &[&str]| list.iter().map(OsString::from).collect::<Vec<_>>();
        let (path, ids) = path_and_ids(&words(&["/tmp/x", "AB", "c"])).unwrap();
        assert_eq!((path, ids), (PathBuf::from("/tmp/x"), vec!["ab".to_owned(), "c".to_owned()]));
        let (path, ids) = path_and_ids(&words(&["./cafe"])).unwrap();
        assert_eq!((path, ids.len()), (PathBuf::from("./cafe"), 0));
        assert!(path_and_ids(&words(&["/tmp/x", "zz"])).unwrap_err().message().contains("'zz'"));
        assert!(path_and_ids(&words(&["/tmp/x", &"a".repeat(41)])).is_err());
        assert!(path_and_id(&words(&["/tmp/x", "a", "b"])).is_err());
    }
}

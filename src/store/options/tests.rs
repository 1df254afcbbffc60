//! What a store is made with, and whether one that is there is as it was asked for.

use std::process::Command;

use super::super::testing::id;
use super::super::CreateSpec;
use super::*;
use crate::shm::testing::folder;

const GB: u64 = 1 << 30;

#[test]
fn a_limit_below_the_size_is_warned_of() {
    let warning = too_little(99, 100).unwrap();
    assert!(warning.contains("99 bytes of memory, less than the store's size of 100"), "{warning}");
    assert_eq!((too_little(100, 100), too_little(101, 100)), (None, None));
}

#[test]
fn a_store_takes_half_of_the_memory_and_a_megabyte_at_least() {
    assert_eq!(share(8 * GB, None), 4 * GB);
    assert_eq!((share(8 * GB, Some(2 * GB)), share(2 * GB, Some(8 * GB))), (GB, GB));
    assert_eq!((share(1 << 20, None), share(8 * GB, Some(0))), (1 << 20, 1 << 20));
}

#[test]
fn a_store_has_room_for_the_next_power_of_two_of_objects() {
    let room = |asked| max_objects(asked).map_err(|error| error.kind());
    assert_eq!((room(None), room(Some(0))), (Ok(1 << 20), Ok(1 << 20)));
    assert_eq!((room(Some(1)), room(Some(LEAST_OBJECTS + 1))), (Ok(LEAST_OBJECTS), Ok(2 * LEAST_OBJECTS)));
    assert_eq!(room(Some(MOST_OBJECTS)), Ok(MOST_OBJECTS));
    assert_eq!(room(Some(MOST_OBJECTS + 1)), Err(Kind::InvalidArgument));
}

#[test]
fn a_store_that_must_be_as_asked_for_is_or_is_refused() {
    const SIZE: u64 = 4 << 20;
    for evicts in [false, true] {
        let path = format!("/dev/shm/sdp-dal-test-unit-exact-{evicts}-{}", std::process::id());
        let open = |size, eviction, exact| {
            let options = StoreOptions { size, eviction, exact, ..StoreOptions::default() };
            Store::open(Path::new(&path), &options)
        };
        let _store = open(Some(SIZE), evicts, true).unwrap();
        for size in [None, Some(SIZE), Some(SIZE + 1)] {
            for eviction in [false, true] {
                assert!(open(size, eviction, false).is_ok());
                let agrees = size != Some(SIZE + 1) && (evicts || !eviction);
                let refused = open(size, eviction, true).err();
                assert_eq!(
                    refused.as_ref().map(Error::kind),
                    (!agrees).then_some(Kind::AlreadyExists),
                    "{size:?} and {eviction} of a store that evicts: {evicts}"
                );
            }
        }
        let text = open(Some(99), true, true).err().unwrap().message().to_owned();
        let how = if evicts { "with eviction" } else { "without eviction" };
        let is =
            format!("already exists with {SIZE} bytes, {how}, but 99 bytes, with eviction, were requested");
        assert!(text.contains(&is), "{text}");
    }
}

// ---- the environment ------------------------------------------------------------------------------------------------

const PATH: &str = "SDP_DAL_TEST_PATH";

/// Not a test of its own: opens a store in another process, and says what it is like.
#[test]
fn child() {
    let Some(path) = std::env::var_os(PATH) else { return };
    match Store::open(Path::new(&path), &StoreOptions::default()) {
        Ok(store) => println!("found {} bytes, faults: {}", store.stat().unwrap().size, faults(&store)),
        Err(error) => println!("found {error}"),
    }
}

/// Whether the creator's pointer cannot write after sealing.
fn faults(store: &Store) -> bool {
    let spec = CreateSpec { data_size: 1 << 20, keep: true, ..CreateSpec::default() };
    let mut writer = store.create(&id(1), &spec).unwrap();
    // In the middle there are whole pages.
    let at = writer.data_mut()[1 << 19..].as_ptr().addr();
    writer.seal().unwrap();
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let may = maps.lines().find_map(|line| {
        let (range, rest) = line.split_once(' ')?;
        let (from, to) = range.split_once('-')?;
        let number = |text| usize::from_str_radix(text, 16).unwrap();
        (number(from)..number(to)).contains(&at).then(|| rest.to_owned())
    });
    may.unwrap().starts_with("r--")
}

/// What a process with such an environment finds where there is no store.
fn found(environment: &[(&str, &str)]) -> String {
    let folder = folder();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store::options::tests::child", "--nocapture", "--test-threads=1"])
        .env_remove("SDP_DAL_STORE_SIZE")
        .env_remove("SDP_DAL_PROTECT")
        .env(PATH, folder.path().join("store"))
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let found = text.lines().find_map(|line| line.split_once("found ")).unwrap_or_else(|| panic!("{text}"));
    found.1.to_owned()
}

#[test]
fn the_environment_says_how_large_a_store_is_and_whether_it_is_protected() {
    let sized = ("SDP_DAL_STORE_SIZE", " 5000000\n");
    assert_eq!(found(&[sized]), "5000000 bytes, faults: false");
    assert_eq!(found(&[sized, ("SDP_DAL_PROTECT", "0")]), "5000000 bytes, faults: false");
    assert_eq!(found(&[sized, ("SDP_DAL_PROTECT", "1")]), "5000000 bytes, faults: true");
    let wrong = found(&[("SDP_DAL_STORE_SIZE", "much")]);
    assert!(wrong.contains("SDP_DAL_STORE_SIZE is 'much'; it must be a number of bytes"), "{wrong}");
    let text = found(&[]);
    let size: u64 = text.split(' ').next().and_then(|size| size.parse().ok()).unwrap();
    assert!(size >= 1 << 20, "{text}");
}

//! What is destroyed, and what is left alone.

use std::process::Command;

use super::super::testing::{fresh, id, put};
use super::*;
use crate::shm::fork::{LockFile, PASSING};
use crate::shm::testing::folder;

const PATH: &str = "SDP_DAL_TEST_PATH";

fn destroy(path: &Path) -> Option<Kind> {
    Store::destroy(path, None).err().map(|error| error.kind())
}

#[test]
fn a_store_is_destroyed_under_its_clients() {
    let store = fresh("destroyed");
    put(&store, &id(1));
    let path = store.path().to_owned();
    assert_eq!(destroy(&path), None);
    assert!(store.is_gone() && !path.exists());
    assert!(store.contains(&id(1)).unwrap());
    assert_eq!(destroy(&path), Some(Kind::NotFound));
}

#[test]
fn what_only_begins_as_a_store_is_destroyed_and_other_files_are_not() {
    let folder = folder();
    let path = folder.path().join("file");
    let magic = MAGIC.to_le_bytes();
    let other_version = [magic.to_vec(), vec![0xff; 8192]].concat();
    for bytes in [&magic[..], &other_version] {
        fs::write(&path, bytes).unwrap();
        assert_eq!(destroy(&path), None);
        assert!(!path.exists());
    }
    for bytes in [b"SDP-DAL", &[7; 8][..], &[7; 8192]] {
        fs::write(&path, bytes).unwrap();
        assert_eq!(destroy(&path), Some(Kind::Corrupt));
        assert!(path.exists());
    }
}

#[test]
fn a_store_that_somebody_else_is_removing_is_not_said_to_have_gone() {
    let folder = folder();
    let path = folder.path().join("file");
    fs::write(&path, MAGIC.to_le_bytes()).unwrap();
    let place = Place { path: path.clone(), file: path.clone() };
    let other = LockFile::open(PASSING, || Ok(place.open(true).unwrap())).unwrap();
    assert!(liveness::begin_removal(&other));
    assert_eq!(destroy(&path), Some(Kind::PermissionDenied));
    assert!(path.exists());
    drop(other);
    assert_eq!(destroy(&path), None);
    assert!(!path.exists());
}

/// Not a test of its own: has few descriptors.
#[test]
fn child() {
    let Some(path) = std::env::var_os(PATH) else { return };
    let mut all = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        all.push(file);
    }
    for _ in 0..2 {
        all.pop();
        assert_eq!(destroy(Path::new(&path)), Some(Kind::Io));
    }
}

#[test]
fn a_sound_store_that_cannot_be_opened_is_left_alone() {
    let store = fresh("not-opened");
    // It takes three descriptors to open a store, and two to remove its names.
    let status = Command::new("sh")
        .args(["-c", "ulimit -n 40; exec \"$0\" --exact store::destroy::tests::child --test-threads=1"])
        .arg(std::env::current_exe().unwrap())
        .env(PATH, store.path())
        .status();
    assert!(status.unwrap().success());
    assert!(store.path().exists() && !store.is_gone());
}

#[test]
fn what_cannot_be_opened_is_not_said_to_have_gone() {
    let folder = folder();
    let found = StoreSummary {
        path: folder.path().to_str().unwrap().to_owned(),
        file: folder.path().to_owned(),
        owner: 0,
        created: Duration::ZERO,
        size: 0,
        reserved: 0,
        clients: 0,
        max_clients: 0,
    };
    assert_eq!(Store::remove_left_over(&found, None).unwrap_err().kind(), Kind::Io);
    let gone = StoreSummary { file: folder.path().join("gone"), ..found };
    assert!(!Store::remove_left_over(&gone, None).unwrap());
}

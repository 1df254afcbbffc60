//! Memory as the store grows: beside kernels that are slow, poor or have large pages (`tests/preload/kernel.c`), and over what
//! earlier objects have left.

mod common;
mod support;

use common::TestStore;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Output;

use sdp_dal::shm::layout::{Geometry, Header};
use sdp_dal::store::{CreateSpec, DeleteMode, ObjectId};
use support::programs::{compile, kernel, program, Stores};
use support::{root, run, scratch, C11};

/// `tests/c/growing.c`, and the kernel that it is to find.
struct Growing {
    folder: PathBuf,
    program: PathBuf,
    kernel: PathBuf,
    stores: Stores,
}

impl Growing {
    fn new(name: &str) -> Growing {
        let folder = scratch(&format!("growth-{name}"));
        let kernel = kernel(&folder);
        let program = compile(&folder, &root().join("tests/c/growing.c"), C11);
        Growing { folder, program, kernel, stores: Stores::new() }
    }

    fn store(&self) -> PathBuf {
        self.stores.path("store")
    }

    fn run(&self, part: &str, kernel: &[(&str, &str)]) -> Output {
        self.run_in(&self.store(), part, kernel)
    }

    fn run_in(&self, store: &Path, part: &str, kernel: &[(&str, &str)]) -> Output {
        let mut command = program(&self.folder, &self.program);
        command.env("LD_PRELOAD", &self.kernel).env("SDP_DAL_PROTECT", "1").envs(kernel.iter().copied());
        run(command.arg(store).arg(part))
    }
}

/// Bytes of each try to get huge pages.
fn tries(output: &Output) -> Vec<u64> {
    let said = String::from_utf8_lossy(&output.stderr);
    said.lines().filter_map(|line| line.strip_prefix("collapse ")?.parse().ok()).collect()
}

#[test]
fn pages_may_be_large() {
    let growing = Growing::new("pages");
    growing.run("sizes", &[("KERNEL_PAGE", "4096")]);
    growing.run("sizes", &[("KERNEL_PAGE", "16384"), ("KERNEL_HUGE", "0")]);
    growing.run("sizes", &[("KERNEL_PAGE", "65536"), ("KERNEL_HUGE", "0")]);
}

/// As on other machines, whose processors have no way around the cache that we use.
#[cfg(feature = "failpoints")]
#[test]
fn plain_copies_are_whole() {
    Growing::new("plain").run("sizes", &[("SDP_DAL_PLAIN_COPIES", "1")]);
}

#[test]
fn huge_pages_are_tried_where_they_are_a_unit() {
    let growing = Growing::new("huge");
    let run = |bytes| growing.run("grow", &[("KERNEL_HUGE_PAGE", bytes), ("KERNEL_HUGE", "1")]);
    assert!(!tries(&run("2097152")).is_empty());
    for other in ["536870912", "33554432", "none"] {
        assert_eq!(tries(&run(other)), [0; 0], "{other}");
    }
}

#[test]
fn pages_that_cannot_be_opened_for_writing_are_an_error() {
    Growing::new("closed").run("not writable", &[("KERNEL_MPROTECT", "2")]);
}

#[test]
fn signals_do_not_keep_a_store_from_growing() {
    Growing::new("signals").run("grow", &[("KERNEL_SIGNALS", "1")]);
}

#[test]
fn huge_pages_are_not_tried_again_and_again_where_they_are_dear() {
    let growing = Growing::new("dear");
    // A second for each try, as beside a real-time thread: that costs as much as a gigabyte of plain pages, on any machine.
    let slow = growing.run("grow", &[("KERNEL_HUGE", "1000")]);
    assert!(tries(&slow).len() <= 1, "{:?}", tries(&slow));
}

#[test]
fn a_full_file_system_is_told_with_figures_and_what_to_do() {
    let growing = Growing::new("full");
    let geometry = Geometry::new(64 << 20, 1 << 20, 256).unwrap();
    for part in ["full", "reserve"] {
        let output = growing.run(part, &[("KERNEL_ROOM", "16000000"), ("KERNEL_HUGE", "0")]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        for text in [
            "the file system under the store is full",
            "more bytes",
            "bytes are free",
            "sdp-dal stores",
            "size=",
        ] {
            assert!(said.contains(text), "no '{text}' in: {said}");
        }
        let heap = geometry.file_size - geometry.small;
        assert!(part == "full" || said.contains(&format!("whole store, {heap} bytes")), "{said}");
        assert!(!growing.store().exists());
    }
}

fn id(number: u8) -> ObjectId {
    let mut bytes = [0; 20];
    bytes[19] = number;
    ObjectId::new(bytes)
}

const HUGE_CREDIT: u64 = std::mem::offset_of!(Header, huge_credit) as u64;

/// The store at `path` is to grow by so many bytes before huge pages are tried.
fn set_plain_bytes(path: &Path, bytes: i64) {
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    file.write_all_at(&(-bytes).to_le_bytes(), HUGE_CREDIT).unwrap();
}

/// What tries have saved, in bytes; negative: see [`set_plain_bytes`].
fn credit(path: &Path) -> i64 {
    let mut word = [0; 8];
    std::fs::File::open(path).unwrap().read_exact_at(&mut word, HUGE_CREDIT).unwrap();
    i64::from_le_bytes(word)
}

const MB: i64 = 1 << 20;

/// The tries of a program that grows a store of this credit, and the credit that they leave.
fn grown(name: &str, before: i64, part: &str, kernel: &[(&str, &str)]) -> (Vec<i64>, i64) {
    let name = format!("growth-{name}");
    let (growing, _store, path) =
        (Growing::new(&name), TestStore::open(&name, 64 << 20), common::path(&name));
    set_plain_bytes(&path, -before);
    let mut kernel = kernel.to_vec();
    kernel.extend([("KERNEL_HUGE_PAGE", "2097152"), ("KERNEL_COLLAPSE", "1")]);
    let output = growing.run_in(&path, part, &kernel);
    (tries(&output).iter().map(|bytes| i64::try_from(*bytes).unwrap()).collect(), credit(&path))
}

#[test]
fn tries_become_larger_while_they_pay() {
    let (tries, credit) = grown("pays", 4 * MB, "grow at once", &[]);
    // Half of the most that one may have, as there are no waits.
    let larger = [2 * MB, 4 * MB, 8 * MB, 8 * MB];
    assert!(tries.windows(larger.len()).any(|tries| tries == larger), "{tries:?}, {credit}");
    assert!(tries.iter().sum::<i64>() >= 24 * MB && credit > 8 * MB, "{tries:?}, {credit}");
}

#[test]
fn what_a_try_saves_is_no_more_than_its_memory() {
    let (tries, credit) = grown("saves", 4 * MB, "grow little", &[]);
    let all: i64 = tries.iter().sum();
    assert!(credit > 4 * MB && credit <= 4 * MB + all, "{tries:?}, {credit}");
}

#[test]
fn a_try_that_waits_long_is_dear_whatever_was_saved() {
    // As much as hundreds of megabytes of plain pages.
    let (tries, credit) = grown("waits", 16 * MB, "grow at once", &[("KERNEL_HUGE", "200")]);
    assert_eq!(tries, [2 * MB]);
    assert!(credit < -64 * MB, "{credit}");
}

#[test]
fn all_clients_learn_from_a_try_that_was_dear() {
    let store = TestStore::open("growth-learn", 64 << 20);
    let path = common::path("growth-learn");
    set_plain_bytes(&path, 64 << 20);
    let spec = CreateSpec { data_size: 20 << 20, ..CreateSpec::default() };
    store.create(&id(1), &spec).unwrap().abort();
    assert_eq!(credit(&path), -44 * MB);
}

#[test]
fn memory_is_whole_where_protection_has_cut_a_huge_page() {
    let store = TestStore::open("growth-cut", 64 << 20);
    let path = common::path("growth-cut");
    let create = |number, size| {
        store
            .create(&id(number), &CreateSpec { data_size: size, keep: true, ..CreateSpec::default() })
            .unwrap()
    };
    let kept = || std::fs::metadata(&path).unwrap().blocks() * 512;
    let tables = kept() - store.stat().unwrap().reserved;
    // The first is not sealed, and thus not protected; a border of the mapping's pieces lies where the second begins, in the
    // middle of the first huge page.
    let first = create(1, 1 << 20);
    create(2, 3 << 19).seal().unwrap();
    first.abort();
    store.delete(&id(2), DeleteMode::Now).unwrap();
    store.trim().unwrap();
    assert_eq!(kept() - tables, store.stat().unwrap().reserved);
    set_plain_bytes(&path, 0);
    let again = create(3, 20 << 20);
    assert!(store.stat().unwrap().reserved >= 20 << 20);
    assert_eq!(kept() - tables, store.stat().unwrap().reserved);
    again.abort();
}

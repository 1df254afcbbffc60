//! Who lives, as two clients of one store see each other.

use super::*;
use crate::shm::segment::Segment;
use crate::shm::testing::Fresh;

fn another(fresh: &Fresh) -> Segment {
    Segment::open(fresh.place(), None, false).unwrap()
}

#[test]
fn a_number_lives_as_long_as_who_has_it() {
    let fresh = Fresh::new("lives", 1 << 20);
    let (ours, other) = (&fresh.segment, another(&fresh));
    ours.liveness.be(1, ours.file()).unwrap();
    other.liveness.be(2, other.file()).unwrap();
    let dead = |number| (ours.liveness.is_dead(number), !lives(other.file(), number));
    assert_eq!(
        [1, 2, 3].map(dead),
        [(true, false), (false, false), (true, true)],
        "our own number is not asked about"
    );
    assert!(!other.liveness.is_dead(1));
    let twice = other.liveness.be(1, other.file()).unwrap_err();
    assert_eq!(twice.kind(), Kind::Corrupt);
    drop(other);
    assert!(ours.liveness.is_dead(2));
    assert!(ours.liveness.kept(&unkept(&fresh)).is_ok());
}

/// Another description of the store's file.
fn unkept(fresh: &Fresh) -> OwnFile {
    OwnFile::new(fresh.place().open(false).unwrap()).unwrap()
}

#[test]
fn a_client_without_a_number_notices_too_that_its_descriptor_was_closed() {
    let fresh = Fresh::new("lost-early", 1 << 20);
    let other = another(&fresh);
    let asked = unkept(&fresh);
    assert!(other.liveness.kept(&asked).is_ok());
    let number = other.liveness.file.file().as_raw_fd();
    let elsewhere = File::open("/dev/null").unwrap();
    // SAFETY: both descriptors are open, and what is closed is told from ours by its file.
    assert_eq!(unsafe { libc::dup2(elsewhere.as_raw_fd(), number) }, number);
    assert_eq!(other.liveness.kept(&asked).unwrap_err().kind(), Kind::Io);
    drop(other);
    // SAFETY: nobody else has it.
    assert_eq!(unsafe { libc::close(number) }, 0);
}

#[test]
fn one_at_a_time_reaps_a_number() {
    let fresh = Fresh::new("reaping", 1 << 20);
    let (ours, other) = (&fresh.segment, another(&fresh));
    assert!(ours.liveness.begin_reaping(5).unwrap());
    assert!(!other.liveness.begin_reaping(5).unwrap());
    assert!(other.liveness.begin_reaping(4).unwrap() && other.liveness.begin_reaping(6).unwrap());
    // It is another byte than that of the number, and of its neighbours.
    assert!([4, 5, 6, 7]
        .into_iter()
        .all(|number| ours.liveness.is_dead(number) && other.liveness.is_dead(number)));
    ours.liveness.end_reaping(5);
    assert!(other.liveness.begin_reaping(5).unwrap());
    assert!(!ours.liveness.begin_reaping(4).unwrap(), "only its own is given back");
    drop(other);
    assert!(ours.liveness.begin_reaping(4).unwrap() && ours.liveness.begin_reaping(5).unwrap());
}

#[test]
fn whoever_lost_its_descriptors_knows_for_ever() {
    let fresh = Fresh::new("lost", 1 << 20);
    let (ours, other) = (&fresh.segment, another(&fresh));
    other.liveness.be(2, other.file()).unwrap();
    let asked = unkept(&fresh);
    assert!(other.liveness.kept(&asked).is_ok() && !other.liveness.is_lost());
    // As a program that closes what it does not know: the lock goes with its description.
    let number = other.liveness.file.file().as_raw_fd();
    let elsewhere = File::open("/dev/null").unwrap();
    // SAFETY: both descriptors are open; what is closed is told from ours by its file, which is what this test is about.
    assert_eq!(unsafe { libc::dup2(elsewhere.as_raw_fd(), number) }, number);
    assert!(ours.liveness.is_dead(2));
    assert!(!other.liveness.is_dead(1), "in another file every byte is free");
    assert!(other.liveness.begin_reaping(9).is_err());
    assert_eq!(other.liveness.kept(&asked).unwrap_err().kind(), Kind::Io);
    assert!(other.liveness.is_lost());
    assert_eq!(other.liveness.kept(&asked).unwrap_err().kind(), Kind::Io);
    drop(other);
    // Not ours to close any more.
    // SAFETY: asks for the flags of a descriptor, and closes it, which nobody else has.
    assert!(unsafe { libc::fcntl(number, libc::F_GETFD) } >= 0 && unsafe { libc::close(number) } == 0);
}

/// As a program that closes what it does not know, and opens the store again.
#[test]
fn what_was_opened_in_place_of_lost_descriptors_stays_open() {
    let fresh = Fresh::new("lost-again", 1 << 20);
    let other = another(&fresh);
    other.liveness.be(2, other.file()).unwrap();
    let numbers = [other.liveness.file.file(), other.file()].map(AsRawFd::as_raw_fd);
    let again = fresh.place().open(true).unwrap();
    for number in numbers {
        // SAFETY: both descriptors are open; what is closed is the library's, which is what this test is about.
        assert_eq!(unsafe { libc::dup2(again.as_raw_fd(), number) }, number);
    }
    drop(other);
    for number in numbers {
        // SAFETY: asks for the flags of a descriptor.
        assert!(unsafe { libc::fcntl(number, libc::F_GETFD) } >= 0, "it was closed under its owner");
        // SAFETY: nobody else has it.
        unsafe { libc::close(number) };
    }
}

#[test]
fn who_makes_or_removes_a_name_holds_a_byte() {
    let fresh = Fresh::new("names", 1 << 20);
    let file = unkept(&fresh);
    let lock = || LockFile::open(ATTACHED, || Ok(fresh.place().open(true).unwrap())).unwrap();
    assert!(!being_born(file.file()));
    let (maker, remover) = (lock(), lock());
    mark_birth(&maker);
    assert!(being_born(file.file()));
    assert!(begin_removal(&maker) && !begin_removal(&remover));
    drop(maker);
    assert!(!being_born(file.file()) && begin_removal(&remover));
}

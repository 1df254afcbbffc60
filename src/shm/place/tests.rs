//! What lies at a path, and whose it is; names that are given and taken away.

use std::os::unix::fs::symlink;

use super::*;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// A file of ours that a link may name.
struct Target(PathBuf);

impl Target {
    fn absent() -> Target {
        Target(fresh_target().unwrap())
    }

    fn new() -> Target {
        let target = Target::absent();
        fs::write(&target.0, "a file").unwrap();
        target
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Whether there is something, be it a link that leads nowhere.
fn is_there(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

#[test]
fn without_proc_the_error_names_it() {
    let gone = std::io::Error::from_raw_os_error(libc::ENOENT);
    let error = unnamed(Path::new("/x/store"), Path::new("/x/proc/self/fd"), &gone);
    assert_eq!(error.kind(), Kind::Unsupported);
    assert!(error.message().ends_with("mount /proc"), "{error}");
    let error = unnamed(Path::new("/x/store"), Path::new(DESCRIPTORS), &gone);
    assert_eq!(error.kind(), Kind::NotFound);
}

#[test]
fn a_path_that_cannot_be_looked_at_is_not_free() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = find(&file.path().join("store"), None).err().unwrap();
    assert!(error.message().starts_with("looking at"), "{error}");
}

#[test]
fn files_are_fine_that_are_ours_or_roots_or_of_one_who_was_named() {
    const SOMEBODY: u32 = 12345;
    std::thread::spawn(|| {
        // SAFETY: the system call (not the C library's function) changes the user of this thread only. Only root may do that.
        unsafe { libc::syscall(libc::SYS_setresuid, -1, SOMEBODY, -1) };
        let me = tempfile::tempfile_in(SHM).unwrap().metadata().unwrap().uid();
        assert_eq!(uid(), me);
        let fine = |owner| (owner_is_fine(owner, None), owner_is_fine(owner, Some(SOMEBODY + 1)));
        assert_eq!([me, 0].map(fine), [(true, true); 2]);
        assert_eq!(fine(SOMEBODY + 1), (false, true));
        assert_eq!(fine(SOMEBODY + 2), (false, false));
    })
    .join()
    .unwrap();
}

#[test]
fn a_link_is_replaced_only_if_it_still_leads_nowhere() {
    let folder = folder();
    let path = folder.path().join("store");
    let (there, gone, other) = (Target::new(), Target::absent(), Target::absent());
    let replace = |file: &Target, now: &Target, outlived| {
        symlink(&now.0, &path).unwrap();
        let done = Dangling { path: path.clone(), file: file.0.clone(), outlived }.replace();
        let stayed = is_there(&path);
        let _ = fs::remove_file(&path);
        (done.map_err(|error| error.kind()), stayed)
    };
    assert_eq!(replace(&gone, &gone, true), (Ok(()), false));
    assert_eq!(replace(&there, &there, true), (Ok(()), true), "its store has come");
    assert_eq!(replace(&gone, &other, true), (Ok(()), true), "it is the link of another store");
    assert_eq!(replace(&gone, &gone, false), (Err(Kind::NotFound), true));
}

#[test]
fn what_is_opened_is_no_link() {
    let (folder, file) = (folder(), Target::new());
    let path = folder.path().join("store");
    symlink(&file.0, &path).unwrap();
    let open = |file: &Path| Place { path: path.clone(), file: file.to_owned() }.open(false);
    assert!(open(&file.0).is_ok());
    assert_eq!(open(&path).unwrap_err().raw_os_error(), Some(libc::ELOOP));
}

#[test]
fn a_store_that_does_not_get_its_link_leaves_no_file() {
    let folder = folder();
    let publish = |path: PathBuf| {
        let target = Target::absent();
        let place = Place { path, file: target.0.clone() };
        let file = place.make_unnamed(0o600).unwrap();
        let done = place.publish(&file).map_err(|error| error.kind());
        (done, is_there(&place.file))
    };
    let path = folder.path().join("store");
    assert_eq!(publish(path.clone()), (Ok(true), true));
    assert_eq!(publish(path), (Ok(false), false), "somebody else was faster");
    assert_eq!(publish(folder.path().join("not there/store")), (Err(Kind::NotFound), false));
}

#[test]
fn names_are_taken_away_by_one_and_only_those_of_the_store() {
    let folder = folder();
    let (file, other) = (Target::new(), Target::absent());
    let place = Place { path: folder.path().join("store"), file: file.0.clone() };
    let ours = place.open(true).unwrap();
    symlink(&file.0, &place.path).unwrap();
    let left = || (is_there(&place.path), is_there(&place.file));
    let remover = LockFile::open(PASSING, || Ok(place.open(true).unwrap())).unwrap();
    assert!(liveness::begin_removal(&remover));
    place.remove(&ours);
    assert_eq!(left(), (true, true), "somebody else is at it");
    drop(remover);
    place.remove(&tempfile::tempfile().unwrap());
    assert_eq!(left(), (true, true), "the names are another store's");
    fs::remove_file(&place.path).unwrap();
    symlink(&other.0, &place.path).unwrap();
    place.remove(&ours);
    assert_eq!(left(), (true, false), "the link is another store's");
}

#[test]
fn free_bytes_are_those_of_the_folders_file_system() {
    // This needs some itself.
    assert!(free_bytes(Path::new(SHM)).unwrap() >= 1 << 20);
    assert_eq!(free_bytes(Path::new("/proc")), Ok(0));
    assert_eq!(free_bytes(Path::new("/dev/shm/not there")).unwrap_err().kind(), Kind::NotFound);
}

#[test]
fn a_link_names_a_file_of_some_user_and_32_digits_in_the_folder_of_stores() {
    let digits = "0123456789abcdef0123456789abcdef";
    let is = |folder: &str, owner: &str, digits: &str| {
        is_target(&Path::new(folder).join(format!("sdp-dal-{owner}-{digits}")))
    };
    assert!(is_target(&fresh_target().unwrap()) && is(SHM, "0", digits) && is(SHM, "4294967295", digits));
    assert!(!is("/tmp", "0", digits) && !is("/dev/shm/deeper", "0", digits));
    assert!(!is(SHM, "", digits) && !is(SHM, "root", digits) && !is(SHM, "4294967296", digits));
    assert!(!is(SHM, "0", &digits[1..]) && !is(SHM, "0", &format!("{digits}0")));
    assert!(!is(SHM, "0", &digits.replace('f', "g")));
    assert!(!is_target(&Path::new(SHM).join(digits)) && !is_target(Path::new("/")));
}

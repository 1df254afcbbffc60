//! How much memory and how many CPUs this process's control groups allow.
//!
//! The kernel says in `/proc/self/cgroup` in which groups we are and in `/proc/self/mountinfo` where their hierarchies are
//! mounted: one of version 2, one of version 1 with the memory controller, or both, of which one has the controller. A group's
//! limit holds for all below it, so that the tightest one between us and the root counts, as far as it can be seen.
//!
//! Both paths are relative to our cgroup namespace. What lies above its root begins with `..`; a container that sees
//! `/` in both sees its own group as the root.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::mounts::{mounts, Mount};

/// A limit from here on is none: version 1 has a number of some 2^63 for "no limit", rounded to its pages.
const UNLIMITED: u64 = 1 << 62;

/// Bytes of memory that this process's control groups allow, if they have a limit: the tightest one. A store that grows beyond
/// it does not get an error: the kernel kills a process of the group.
pub fn memory_limit() -> Option<u64> {
    limit_below(Path::new("/"))
}

/// The same with another root folder.
fn limit_below(root: &Path) -> Option<u64> {
    let mut tightest = None;
    each_hierarchy(root, "memory", |version, folder, way| {
        tightest = [tightest, version.limit(folder, way)].into_iter().flatten().min();
    })?;
    tightest
}

/// Calls this for each hierarchy with the controller: its version, where it is mounted, and the way to our group.
fn each_hierarchy(root: &Path, controller: &str, mut look: impl FnMut(Version, &Path, &Way)) -> Option<()> {
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
    for mount in mounts(root).ok()? {
        let Some(version) = Version::of(&mount, controller) else { continue };
        let Some(group) = groups.lines().find_map(|line| version.group_in(line, controller)) else {
            continue;
        };
        let Some(seen) = mount.root.to_str().map(Position::of) else { continue };
        let folder = root.join(mount.point.strip_prefix("/").unwrap_or(&mount.point));
        look(version, &folder, &seen.way_down_to(&Position::of(group)));
    }
    Some(())
}

/// The CPU time that a control group has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuQuota {
    /// How many CPUs that is, at least 1.
    pub cpus: u32,
    /// The group: its number on this machine, which all its processes see.
    pub group: u64,
}

/// The tightest quota of CPU time between this process's control group and the root, if there is one.
pub fn cpu_quota() -> Option<CpuQuota> {
    cpu_quota_below(Path::new("/"))
}

/// The same with another root folder.
fn cpu_quota_below(root: &Path) -> Option<CpuQuota> {
    let mut tightest: Option<CpuQuota> = None;
    each_hierarchy(root, "cpu", |version, folder, way| {
        for group in way.folders(folder) {
            let Some(cpus) = version.cpus_of(&group) else { continue };
            if tightest.is_none_or(|other| cpus < other.cpus) {
                let group = group.metadata().map_or(0, |meta| meta.ino());
                tightest = Some(CpuQuota { cpus, group });
            }
        }
    })?;
    tightest
}

impl Way {
    /// The folders of the groups on the way, the lowest first.
    fn folders(&self, top: &Path) -> Vec<PathBuf> {
        let names: &[String] = match self {
            Way::Down(names) => names,
            Way::Hidden => &[],
            Way::Elsewhere => return Vec::new(),
        };
        let folder = |depth: usize| names[..depth].iter().fold(top.to_owned(), |path, name| path.join(name));
        (0..=names.len()).rev().map(folder).collect()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

/// A group's place in its hierarchy: so many steps up from the root of our cgroup namespace, then these down.
#[derive(Debug, PartialEq, Eq)]
struct Position {
    up: usize,
    down: Vec<String>,
}

/// What leads from a mount's root to our group.
#[derive(Debug, PartialEq, Eq)]
enum Way {
    /// These names.
    Down(Vec<String>),
    /// Our group is below, by names that our namespace does not show.
    Hidden,
    /// It is not known to be below.
    Elsewhere,
}

impl Position {
    fn of(path: &str) -> Position {
        let names = path.split('/').filter(|name| !name.is_empty());
        let up = names.clone().take_while(|name| *name == "..").count();
        Position { up, down: names.skip(up).map(str::to_owned).collect() }
    }

    fn way_down_to(&self, group: &Position) -> Way {
        if self.up > group.up && self.down.is_empty() {
            return Way::Hidden;
        }
        match group.down.strip_prefix(&*self.down) {
            Some(rest) if self.up == group.up => Way::Down(rest.to_vec()),
            _ => Way::Elsewhere,
        }
    }
}

impl Version {
    /// Of a hierarchy that may have this controller.
    fn of(mount: &Mount, controller: &str) -> Option<Version> {
        match &*mount.kind {
            "cgroup2" => Some(Version::Two),
            "cgroup" if mount.options.split(',').any(|option| option == controller) => Some(Version::One),
            _ => None,
        }
    }

    /// The group that a line of `/proc/self/cgroup` names, if the line is of this hierarchy.
    fn group_in<'a>(self, line: &'a str, controller: &str) -> Option<&'a str> {
        let (number, rest) = line.split_once(':')?;
        let (controllers, group) = rest.split_once(':')?;
        let ours = match self {
            Version::One => controllers.split(',').any(|other| other == controller),
            Version::Two => number == "0",
        };
        // A group that was removed while we are in it; those above it are still there.
        ours.then(|| group.strip_suffix(" (deleted)").unwrap_or(group))
    }

    /// The quota of one group in whole CPUs, at least 1.
    fn cpus_of(self, group: &Path) -> Option<u32> {
        let (quota, period) = match self {
            Version::Two => {
                let text = fs::read_to_string(group.join("cpu.max")).ok()?;
                let (quota, period) = text.trim().split_once(' ')?;
                (quota.parse::<u64>().ok()?, period.parse().ok()?)
            }
            // -1 is no quota.
            Version::One => {
                (number(&group.join("cpu.cfs_quota_us"))?, number(&group.join("cpu.cfs_period_us"))?)
            }
        };
        u32::try_from(quota.checked_div(period)?.max(1)).ok()
    }

    /// The tightest limit from the group at the end of the way up to the one that is mounted at `top`.
    fn limit(self, top: &Path, way: &Way) -> Option<u64> {
        let names = match way {
            Way::Down(names) => &**names,
            Way::Hidden => &[],
            Way::Elsewhere => return None,
        };
        let mut tightest = None;
        for depth in (0..=names.len()).rev() {
            let mut folder = top.to_owned();
            folder.extend(&names[..depth]);
            let below = depth < names.len() || *way == Way::Hidden;
            // In old systems of version 1 a group may leave those below it alone.
            let spares = |folder: &Path| number(&folder.join("memory.use_hierarchy")) == Some(0);
            if self == Version::One && below && spares(&folder) {
                break;
            }
            let limits = match self {
                Version::Two => [number(&folder.join("memory.max")), None],
                Version::One => [number(&folder.join("memory.limit_in_bytes")), hierarchical_limit(&folder)],
            };
            tightest =
                limits.into_iter().chain([tightest]).flatten().filter(|limit| *limit < UNLIMITED).min();
        }
        tightest
    }
}

fn number(file: &Path) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

/// What version 1 says of a group and all above it, those included that we do not see.
fn hierarchical_limit(folder: &Path) -> Option<u64> {
    let figures = fs::read_to_string(folder.join("memory.stat")).ok()?;
    figures.lines().find_map(|line| line.strip_prefix("hierarchical_memory_limit "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;
    const V2: &str = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate";
    const V1: &str = "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory";

    /// A root folder with these files.
    fn root_with(groups: &str, mounts: &[&str], files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let mounts = format!("23 1 0:22 / /proc rw - proc proc rw\n{}\n", mounts.join("\n"));
        let own = [("proc/self/cgroup", groups), ("proc/self/mountinfo", &*mounts)];
        for (name, text) in own.iter().chain(files) {
            let file = root.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        root
    }

    /// The limit in such a folder.
    fn limit(groups: &str, mounts: &[&str], files: &[(&str, &str)]) -> Option<u64> {
        limit_below(root_with(groups, mounts, files).path())
    }

    #[test]
    fn the_limit_is_that_of_the_root_that_the_process_has() {
        let root = root_with("0::/\n", &[V2], &[("sys/fs/cgroup/memory.max", "1073741824\n")]);
        let path = std::ffi::CString::new(root.path().to_str().unwrap()).unwrap();
        // Another root for one thread only, which then ends.
        let seen = std::thread::spawn(move || {
            // SAFETY: the thread shares its root with no other any more; the path is a string.
            let changed = unsafe { libc::unshare(libc::CLONE_FS) == 0 && libc::chroot(path.as_ptr()) == 0 };
            changed.then(memory_limit)
        });
        // Only root may do that.
        if let Some(limit) = seen.join().unwrap() {
            assert_eq!(limit, Some(GIB));
        }
    }

    #[test]
    fn version_2_has_the_tightest_of_all_above() {
        let files = [
            ("sys/fs/cgroup/a/b/memory.max", "max\n"),
            ("sys/fs/cgroup/a/memory.max", "1073741824\n"),
            ("sys/fs/cgroup/memory.max", "2147483648\n"),
        ];
        assert_eq!(limit("0::/a/b\n", &[V2], &files), Some(GIB));
        assert_eq!(limit("0::/\n", &[V2], &files), Some(2 * GIB));
        assert_eq!(limit("0::/a/b\n", &[V2], &files[..1]), None);
        // The group was removed; those above it are not.
        assert_eq!(limit("0::/a/gone (deleted)\n", &[V2], &files), Some(GIB));
        assert_eq!(limit("0::/a/b\n", &[], &files), None);
    }

    #[test]
    fn version_1_has_a_number_for_no_limit() {
        let groups = "9:name=systemd:/\n4:cpu,memory:/job\n0::/\n";
        let mount = "35 31 0:32 / /sys/fs/cgroup/cpu,memory rw - cgroup cgroup rw,cpu,memory";
        let file = "sys/fs/cgroup/cpu,memory/job/memory.limit_in_bytes";
        assert_eq!(limit(groups, &[mount], &[(file, "104857600\n")]), Some(100 << 20));
        for unlimited in [
            &*UNLIMITED.to_string(),
            "9223372036854771712",
            "9223372036854710272",
            "18446744073709551615",
            "-1",
        ] {
            assert_eq!(limit(groups, &[mount], &[(file, unlimited)]), None, "{unlimited}");
        }
    }

    #[test]
    fn version_1_counts_what_is_above_unless_that_spares_it() {
        let groups = "4:memory:/a/b\n";
        let own = ("sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", "3221225472");
        let above = ("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "1073741824");
        let figures = "cache 0\nhierarchical_memory_limit 2147483648\ntotal_cache 0\n";
        let hidden = ("sys/fs/cgroup/memory/a/b/memory.stat", figures);
        assert_eq!(limit(groups, &[V1], &[own, above]), Some(GIB));
        assert_eq!(limit(groups, &[V1], &[own, hidden]), Some(2 * GIB));
        let spares = ("sys/fs/cgroup/memory/a/memory.use_hierarchy", "0\n");
        assert_eq!(limit(groups, &[V1], &[own, above, spares]), Some(3 * GIB));
        // Our own group, and one that is mounted above those that we cannot see.
        let spares = ("sys/fs/cgroup/memory/a/b/memory.use_hierarchy", "0\n");
        assert_eq!(limit(groups, &[V1], &[own, spares]), Some(3 * GIB));
        let mount = "35 31 0:32 /.. /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory";
        let mounted = ("sys/fs/cgroup/memory/memory.limit_in_bytes", "1073741824");
        let spares = ("sys/fs/cgroup/memory/memory.use_hierarchy", "0\n");
        assert_eq!(limit("4:memory:/\n", &[mount], &[mounted]), Some(GIB));
        assert_eq!(limit("4:memory:/\n", &[mount], &[mounted, spares]), None);
    }

    #[test]
    fn of_both_versions_the_one_with_the_controller_counts() {
        let unified = "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw";
        let groups = "4:memory:/job\n1:cpu:/\n0::/job\n";
        let one = ("sys/fs/cgroup/memory/job/memory.limit_in_bytes", "1073741824");
        let two = ("sys/fs/cgroup/unified/job/memory.max", "2147483648");
        assert_eq!(limit(groups, &[V1, unified], &[one]), Some(GIB));
        assert_eq!(limit(groups, &[V1, unified], &[two]), Some(2 * GIB));
        // Another controller's hierarchy has nothing to say, nor has a file that happens to lie there.
        let cpu = "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu";
        assert_eq!(limit(groups, &[cpu], &[("sys/fs/cgroup/cpu/memory.limit_in_bytes", "1")]), None);
    }

    #[test]
    fn a_container_sees_its_own_group_at_the_mount_point() {
        let file = [("sys/fs/cgroup/memory/memory.limit_in_bytes", "1073741824")];
        // With a cgroup namespace, and without one but with the group mounted.
        assert_eq!(limit("4:memory:/\n", &[V1], &file), Some(GIB));
        let mount =
            "35 31 0:32 /docker/4f /sys/fs/cgroup/memory ro master:9 shared:2 - cgroup cgroup rw,memory";
        assert_eq!(limit("4:memory:/docker/4f\n", &[mount], &file), Some(GIB));
        let below = [("sys/fs/cgroup/memory/job/memory.limit_in_bytes", "2147483648"), file[0]];
        assert_eq!(limit("4:memory:/docker/4f/job\n", &[mount], &below), Some(GIB));
        // Another container's group.
        assert_eq!(limit("4:memory:/docker/4f0\n", &[mount], &file), None);
    }

    #[test]
    fn a_group_outside_of_the_namespace_is_not_that_of_the_mount() {
        let file = [("sys/fs/cgroup/memory.max", "1073741824")];
        assert_eq!(limit("0::/..\n", &[V2], &file), None);
        assert_eq!(limit("0::/../other\n", &[V2], &file), None);
        // What is mounted is above the namespace: its limit holds for us, what lies between cannot be seen.
        let above = "30 23 0:26 /../.. /sys/fs/cgroup rw - cgroup2 cgroup2 rw";
        assert_eq!(limit("0::/\n", &[above], &file), Some(GIB));
        assert_eq!(limit("0::/../../job\n", &[above], &file), Some(GIB));
        let job = [("sys/fs/cgroup/job/memory.max", "4096"), file[0]];
        assert_eq!(limit("0::/../../job\n", &[above], &job), Some(4096));
        assert_eq!(limit("0::/\n", &[above], &job), Some(GIB));
    }

    #[test]
    fn the_quota_of_cpus_is_the_tightest_of_all_above() {
        let quota = |groups, mounts: &[&str], files: &[(&str, &str)]| {
            let root = root_with(groups, mounts, files);
            let found = cpu_quota_below(root.path());
            found.map(|quota| {
                let inode = |name: &str| fs::metadata(root.path().join(name)).map_or(0, |meta| meta.ino());
                let places = ["sys/fs/cgroup", "sys/fs/cgroup/a", "sys/fs/cgroup/cpu/job"];
                (quota.cpus, places.into_iter().find(|place| inode(place) == quota.group).unwrap())
            })
        };
        let files = [
            ("sys/fs/cgroup/a/b/cpu.max", "max 100000\n"),
            ("sys/fs/cgroup/a/cpu.max", "250000 100000\n"),
            ("sys/fs/cgroup/cpu.max", "400000 100000\n"),
        ];
        assert_eq!(quota("0::/a/b\n", &[V2], &files), Some((2, "sys/fs/cgroup/a")));
        assert_eq!(quota("0::/\n", &[V2], &files), Some((4, "sys/fs/cgroup")));
        assert_eq!(quota("0::/a/b\n", &[V2], &files[..1]), None);
        let little = [("sys/fs/cgroup/cpu.max", "1000 100000\n")];
        assert_eq!(quota("0::/\n", &[V2], &little), Some((1, "sys/fs/cgroup")));
        let wrong = [("sys/fs/cgroup/cpu.max", "1000 0\n")];
        assert_eq!(quota("0::/\n", &[V2], &wrong), None);
        let v1 = "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct";
        let (one, period) =
            ("sys/fs/cgroup/cpu/job/cpu.cfs_quota_us", "sys/fs/cgroup/cpu/job/cpu.cfs_period_us");
        let groups = "4:cpu,cpuacct:/job\n0::/\n";
        let files = [(one, "300000\n"), (period, "100000\n")];
        assert_eq!(quota(groups, &[v1], &files), Some((3, "sys/fs/cgroup/cpu/job")));
        assert_eq!(quota(groups, &[v1], &[(one, "-1\n"), (period, "100000\n")]), None);
    }

    #[test]
    fn hierarchies_are_looked_for_where_they_are_mounted() {
        let mount = "30 23 0:26 / /mnt/a\\040b rw - cgroup2 cgroup2 rw";
        assert_eq!(limit("0::/\n", &[mount], &[("mnt/a b/memory.max", "4096")]), Some(4096));
    }
}

//! The CPUs that this process may use, and a word by which processes know whether they share them.
//!
//! The CPUs are those of the thread's affinity, but not more than the quota of the control group. Processes share CPUs if
//! their affinity is the same and the quota, if there is one, is that of the same group: the processes of one container, or
//! all of a machine without quotas. Processes with other words are taken to have other CPUs.
//!
//! The affinity is asked for each time. The quota is read from files at most once a second.

use super::cgroup::{cpu_quota, CpuQuota};
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::clock;

/// Words of an affinity mask: more CPUs than Linux supports.
const MASK_WORDS: usize = 128;
/// How long a quota counts as known, in microseconds.
const FRESH: u32 = 1_000_000;

/// The CPUs of this thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cpus {
    /// How many may be used, at least 1.
    pub count: u32,
    /// Which they are. Not 0.
    pub word: u32,
}

/// The CPUs of this thread.
pub fn cpus() -> Cpus {
    let (count, mask) = affinity();
    cpus_of(count, &mask, quota())
}

fn cpus_of(count: u32, mask: &[u64], quota: Option<CpuQuota>) -> Cpus {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    let mut add = |word: u64| hash = (hash ^ word).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(23);
    mask.iter().for_each(|word| add(*word));
    // A quota that is no limit for this thread changes nothing, but the others of the group share it.
    if let Some(quota) = quota {
        add(quota.group);
    }
    let word = (hash ^ (hash >> 32)).to_le_bytes();
    let word = u32::from_le_bytes([word[0], word[1], word[2], word[3]]).max(1);
    let most = quota.map_or(u32::MAX, |quota| quota.cpus);
    Cpus { count: count.min(most).max(1), word }
}

/// The CPUs on which this thread may run: how many, and which.
fn affinity() -> (u32, [u64; MASK_WORDS]) {
    let mut mask = [0u64; MASK_WORDS];
    // SAFETY: the kernel writes at most so many bytes; all bits zero is a mask.
    let read = unsafe { libc::sched_getaffinity(0, size_of_val(&mask), mask.as_mut_ptr().cast()) };
    let count = mask.iter().map(|word| word.count_ones()).sum();
    // It fails only where it does not exist.
    if read == 0 {
        (count, mask)
    } else {
        (1, [0; MASK_WORDS])
    }
}

/// The quota, as it was at most a second ago.
fn quota() -> Option<CpuQuota> {
    /// When it was read, in microseconds, and how many CPUs. Advice: each word is right by itself.
    static READ: AtomicU64 = AtomicU64::new(u64::MAX);
    static GROUP: AtomicU64 = AtomicU64::new(0);
    if cfg!(feature = "simulate") {
        // What one world has read must not be known to the next.
        return None;
    }
    let now = clock::micros();
    let read = READ.load(Ordering::Relaxed);
    let [at, cpus] = [read >> 32, read & u64::from(u32::MAX)].map(|half| u32::try_from(half).unwrap_or(0));
    let quota = if read == u64::MAX || now.wrapping_sub(at) > FRESH {
        let quota = cpu_quota();
        GROUP.store(quota.map_or(0, |quota| quota.group), Ordering::Relaxed);
        READ.store(u64::from(now) << 32 | u64::from(quota.map_or(0, |quota| quota.cpus)), Ordering::Relaxed);
        return quota;
    } else {
        CpuQuota { cpus, group: GROUP.load(Ordering::Relaxed) }
    };
    (quota.cpus != 0).then_some(quota)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_limits_the_cpus_and_tells_groups_apart() {
        let (mask, other) = ([0xff, 0], [0xff00, 0]);
        let quota = |cpus, group| Some(CpuQuota { cpus, group });
        let alone = cpus_of(8, &mask, None);
        assert_eq!((alone.count, alone), (8, cpus_of(8, &mask, None)));
        assert_ne!(alone.word, cpus_of(8, &other, None).word);
        assert_eq!(cpus_of(8, &mask, quota(3, 1)).count, 3);
        assert_eq!(cpus_of(8, &mask, quota(100, 1)).count, 8);
        assert_ne!(cpus_of(8, &mask, quota(3, 1)).word, cpus_of(8, &mask, quota(3, 2)).word);
        assert_eq!(cpus_of(0, &[0, 0], None).count, 1);
    }

    #[test]
    fn the_count_is_that_of_the_standard_library() {
        let count = std::thread::available_parallelism().unwrap().get();
        assert_eq!((cpus().count as usize, cpus()), (count, cpus()));
    }
}

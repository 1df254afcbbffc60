//! The thread pools of numerical libraries in this process: OpenMP, OpenBLAS, MKL.
//!
//! They are found by the functions that they export, in the program and in every library that it has loaded, those included
//! that other libraries keep for themselves (as Python's modules do). A pool is told how many threads to use, but never
//! more than the program had set. If the program has changed the number since it was last told, that is the program's wish
//! from then on.
//!
//! OpenMP and MKL have a number for each thread, which only affects what this thread begins. OpenBLAS has one for the
//! process.

use std::cell::RefCell;
use std::ffi::{c_char, c_int, c_void, CStr, CString};

use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::clock;

/// Least time between two times that a thread tells the pools, in microseconds: many short calls shall not pay for it.
const PAUSE: u32 = 1000;
/// What is in the names of libraries that may have such functions.
const NAMES: [&[u8]; 3] = [b"omp", b"blas", b"mkl"];

/// How a library is told and asked, and whether each thread has a number of its own.
const KINDS: [(&CStr, &CStr, bool); 6] = [
    (c"omp_set_num_threads", c"omp_get_max_threads", true),
    (c"MKL_Set_Num_Threads_Local", c"MKL_Get_Max_Threads", true),
    (c"openblas_set_num_threads", c"openblas_get_num_threads", false),
    (c"openblas_set_num_threads64_", c"openblas_get_num_threads64_", false),
    (c"scipy_openblas_set_num_threads", c"scipy_openblas_get_num_threads", false),
    (c"scipy_openblas_set_num_threads64_", c"scipy_openblas_get_num_threads64_", false),
];

/// For each kind with one number for the process: what it was told last, and what the program wishes.
static SHARED: [AtomicU64; KINDS.len()] = [const { AtomicU64::new(0) }; KINDS.len()];

/// MKL's returns the number before, the others nothing.
type Set = unsafe extern "C" fn(c_int) -> c_int;
type Get = unsafe extern "C" fn() -> c_int;

/// A pool, as one thread knows it.
struct Pool {
    kind: usize,
    set: Set,
    get: Get,
    /// If each thread has its own: what was told last, and what the program wishes.
    own: u64,
}

/// The pools that a thread has found.
struct Pools {
    found: Vec<Pool>,
    /// How many libraries had been loaded in the life of the process when it looked.
    loaded: u64,
    told: Option<u32>,
}

thread_local! {
    static POOLS: RefCell<Pools> = const { RefCell::new(Pools { found: Vec::new(), loaded: 0, told: None }) };
}

/// Tells the pools of this process how many threads they may use for what this thread begins. The number is asked for only
/// if there are pools that have not just been told.
pub fn tell(threads: impl FnOnce() -> u32) {
    // A thread that ends has no pools any more.
    let _ = POOLS.try_with(|pools| {
        if let Ok(mut pools) = pools.try_borrow_mut() {
            pools.tell(threads);
        }
    });
}

impl Pools {
    fn tell(&mut self, threads: impl FnOnce() -> u32) {
        let now = clock::micros();
        if self.told.is_some_and(|told| now.wrapping_sub(told) < PAUSE) {
            return;
        }
        self.told = Some(now);
        let loaded = libraries_loaded();
        if loaded != self.loaded {
            self.loaded = loaded;
            self.look();
        }
        if !self.found.is_empty() {
            let threads = c_int::try_from(threads()).unwrap_or(c_int::MAX);
            self.found.iter_mut().for_each(|pool| pool.tell(threads));
        }
    }

    /// Finds the pools again. Those that are known keep what is known of them.
    fn look(&mut self) {
        let mut handles = vec![libc::RTLD_DEFAULT];
        for name in names_of_libraries() {
            // SAFETY: the name ends with a NUL. It is loaded already; this only keeps it loaded, as its functions are kept.
            let handle = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_NOLOAD) };
            if !handle.is_null() {
                handles.push(handle);
            }
        }
        for handle in handles {
            for (kind, (set, get, _)) in KINDS.iter().enumerate() {
                // SAFETY: the names end with a NUL.
                let [set, get] = [set, get].map(|name| unsafe { libc::dlsym(handle, name.as_ptr()) });
                if set.is_null() || get.is_null() {
                    continue;
                }
                // SAFETY: functions of these names have these types in all versions of these libraries. One that returns
                // nothing leaves a result that is not read.
                let (set, get) = unsafe {
                    (
                        std::mem::transmute::<*mut c_void, Set>(set),
                        std::mem::transmute::<*mut c_void, Get>(get),
                    )
                };
                if !self.found.iter().any(|pool| pool.set as usize == set as usize) {
                    self.found.push(Pool { kind, set, get, own: 0 });
                }
            }
        }
    }
}

impl Pool {
    fn tell(&mut self, threads: c_int) {
        // SAFETY: it takes nothing, and changes nothing.
        let now = unsafe { (self.get)() };
        let each = KINDS[self.kind].2;
        let before = if each { self.own } else { SHARED[self.kind].load(Ordering::Relaxed) };
        let (next, known) = decide(now, before, threads);
        if next != now {
            // SAFETY: any number from 1 is allowed.
            unsafe { (self.set)(next) };
        }
        if each {
            self.own = known;
        } else {
            SHARED[self.kind].store(known, Ordering::Relaxed);
        }
    }
}

/// What a pool is to use that uses `now` threads, and what is to be known of it: what it was told, and the wish of the program.
fn decide(now: c_int, before: u64, threads: c_int) -> (c_int, u64) {
    let half = |word: u64| c_int::try_from(word & 0x7fff_ffff).unwrap_or(c_int::MAX);
    let (told, wish) = (half(before >> 32), half(before));
    let now = now.max(1);
    let wish = if before != 0 && now == told { wish } else { now };
    let next = threads.clamp(1, wish);
    let known = |number: c_int| u64::from(number.unsigned_abs());
    (next, known(next) << 32 | known(wish))
}

/// Libraries that the process has loaded in its life, those included that it has unloaded.
fn libraries_loaded() -> u64 {
    unsafe extern "C" fn first(info: *mut libc::dl_phdr_info, _: usize, out: *mut c_void) -> c_int {
        // SAFETY: the loader's record, and the number below.
        unsafe { *out.cast::<u64>() = (*info).dlpi_adds };
        1
    }
    let mut loaded = 0u64;
    // SAFETY: the callback writes to this number, and is not called later.
    unsafe { libc::dl_iterate_phdr(Some(first), (&raw mut loaded).cast()) };
    loaded
}

/// The names of the loaded libraries that may have pools.
fn names_of_libraries() -> Vec<CString> {
    unsafe extern "C" fn each(info: *mut libc::dl_phdr_info, _: usize, out: *mut c_void) -> c_int {
        // SAFETY: the loader's record, whose name is a text or NULL, and the list below.
        let (name, list) = unsafe { ((*info).dlpi_name.cast::<c_char>(), &mut *out.cast::<Vec<CString>>()) };
        if !name.is_null() {
            // SAFETY: as above.
            let name = unsafe { CStr::from_ptr(name) };
            let file = name.to_bytes().rsplit(|byte| *byte == b'/').next().unwrap_or_default();
            if NAMES.iter().any(|part| file.windows(part.len()).any(|window| window == *part)) {
                list.push(name.to_owned());
            }
        }
        0
    }
    let mut names: Vec<CString> = Vec::new();
    // SAFETY: the callback adds to this list, does not panic but for a lack of memory, and is not called later.
    unsafe { libc::dl_iterate_phdr(Some(each), (&raw mut names).cast()) };
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_programs_wish_is_never_exceeded() {
        let mut known = 0;
        let mut tell = |now, threads| {
            let (next, after) = decide(now, known, threads);
            known = after;
            next
        };
        // As it finds it: 8. Then it is told less, more than it wishes, and again what it wishes.
        assert_eq!((tell(8, 2), tell(2, 16), tell(8, 8)), (2, 8, 8));
        // The program sets 3: that is its wish from now on.
        assert_eq!((tell(3, 8), tell(3, 2), tell(2, 8)), (3, 2, 3));
        // It sets more.
        assert_eq!((tell(12, 8), tell(8, 20), tell(12, 0)), (8, 12, 1));
        assert_eq!(decide(0, 0, 5).0, 1);
    }

    #[test]
    fn libraries_are_found_by_a_part_of_their_names() {
        assert!(libraries_loaded() > 0);
        assert_eq!(libraries_loaded(), libraries_loaded());
        assert!(names_of_libraries().iter().all(|name| !name.to_bytes().is_empty()));
    }
}

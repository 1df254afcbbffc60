
/// Whether this mutant is the one that runs: SDP_DAL_MUTANT names it. Each that is asked for is noted in the file that
/// SDP_DAL_MUTANTS_SEEN names, a byte a mutant.
#[doc(hidden)]
pub fn mutant(number: usize) -> bool {
    struct Chosen(usize, *mut u8, usize);
    // SAFETY: bytes that are only set, to one value.
    unsafe impl Send for Chosen {}
    // SAFETY: as above.
    unsafe impl Sync for Chosen {}
    static CHOSEN: std::sync::OnceLock<Chosen> = std::sync::OnceLock::new();
    let Chosen(chosen, seen, size) = CHOSEN.get_or_init(|| {
        let chosen = std::env::var("SDP_DAL_MUTANT").ok().and_then(|text| text.parse().ok()).unwrap_or(usize::MAX);
        let seen = std::env::var_os("SDP_DAL_MUTANTS_SEEN").and_then(|name| {
            use std::os::fd::AsRawFd;
            let file = std::fs::OpenOptions::new().read(true).write(true).open(name).ok()?;
            let size = usize::try_from(file.metadata().ok()?.len()).ok()?;
            // SAFETY: a new mapping, of a file that stays as large.
            let map = unsafe {
                libc::mmap(std::ptr::null_mut(), size, libc::PROT_WRITE, libc::MAP_SHARED, file.as_raw_fd(), 0)
            };
            (map != libc::MAP_FAILED).then_some((map.cast::<u8>(), size))
        });
        let (map, size) = seen.unwrap_or((std::ptr::null_mut(), 0));
        Chosen(chosen, map, size)
    });
    if number < *size {
        // SAFETY: within the mapping. Another that does the same writes the same.
        unsafe { seen.add(number).write_volatile(1) };
    }
    number == *chosen
}

/// Before a test gives its thread another root folder.
#[used]
#[link_section = ".init_array"]
static ASKED: extern "C" fn() = {
    extern "C" fn ask() {
        mutant(usize::MAX);
    }
    ask
};

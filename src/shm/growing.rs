//! Growing: memory for the heap and the tables, in huge pages while they pay, otherwise in plain ones.
//!
//! A huge page (`MADV_COLLAPSE`) costs a tenth of 512 plain ones, or several times as much. Where free memory is in
//! small pieces, the kernel moves pages to join some. Memory that a virtual machine has reported to its host as free
//! must be supplied by the host again. Before it begins, the kernel waits for one of its threads on every CPU, which
//! takes a second where a real-time thread keeps a CPU busy. No figure of the system shows this in advance.
//!
//! Therefore every attempt is measured, and some plain pages just before it. What attempts have saved is credit, up to
//! a limit, and a loss is subtracted from it. When no credit is left, the next attempt comes only after plain pages
//! have cost `PATIENCE` times the missing amount. Attempts thus cost at most a few per cent, whatever the reason. The
//! credit is a word of the header, which all clients share. It is advice: a wrong value costs time, and a client that
//! crashes or stops between any two steps leaves a value that was right once.

use std::fs::File;
use std::time::Duration;

use super::layout::{LARGEST_PAGE, UNIT};
use super::memory::{collapse, page_size, populate, reserve_plain, units_are_huge_pages};
use super::segment::to_usize;
use crate::error::Result;
use crate::log::{self, Level};
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::clock;

/// Most bytes reserved by one system call: a signal or another client need not wait for more.
pub const ROUND: u64 = 16 << 20;
/// Plain pages that are measured before huge ones are tried: twice so many bytes.
const SAMPLE: u64 = LARGEST_PAGE;
/// How much longer than what tries have lost plain pages are got before the next try.
const PATIENCE: i64 = 64;
/// What a huge page of the heap is worth, in plain pages: it is written and read from one end to the other.
pub const OF_HEAP: u64 = 1;
/// And one of a table: each look-up that goes anywhere in it is shorter, as long as the store lives.
pub const OF_TABLE: u64 = 4;
/// The credit of a new store, and the most, in bytes.
const FIRST_CREDIT: i64 = 4 << 20;
const MOST_CREDIT: i64 = 16 << 20;
/// The least: more than any store has.
const LEAST_CREDIT: i64 = -(1 << 46);
/// Most units of one try.
const MOST: u64 = ROUND / UNIT;

/// A file that is to get memory.
pub struct Growing<'a> {
    /// The file.
    pub file: &'a File,
    /// Where it is mapped for writing.
    pub base: *const u8,
    /// [`Header::huge_credit`](super::layout::Header), or that of the tables.
    pub credit: &'a AtomicU64,
    /// How much more than plain pages huge ones may cost.
    pub worth: u64,
}

/// What a unit of plain pages costs here and now, in nanoseconds of processor time, as often as huge ones are worth it; at least 1.
#[derive(Clone, Copy)]
struct Price(u64);

impl Price {
    fn of(self, units: u64) -> u64 {
        self.0.saturating_mul(units)
    }
}

/// The tries of one growth.
struct Tries {
    /// Measured before the first.
    price: Option<Price>,
    /// Units of the next.
    units: u64,
    /// The most.
    most: u64,
}

impl Growing<'_> {
    /// Reserves memory for a range of the heap. The end of what was reserved (`to`, unless the memory ran out after some of
    /// it), or why there was none.
    pub fn reserve(&self, from: u64, to: u64) -> Result<u64> {
        let mut at = from;
        let mut tries = Tries { price: None, units: 1, most: ((to - from) / UNIT).clamp(1, MOST) };
        while at < to {
            let begun = at;
            let step = if self.tries_huge() {
                self.huge(at, to, &mut tries)
            } else {
                (tries.price, tries.units) = (None, 1);
                self.plain(at, to)
            };
            match step {
                Ok(end) => at = end,
                Err(error) if begun == from => return Err(error),
                Err(_) => break,
            }
        }
        Ok(at)
    }

    /// Reserves memory for a range of a table: as [`Growing::reserve`] for the units that lie in it, plain for what is before and
    /// behind them.
    pub fn reserve_within(&self, from: u64, to: u64) -> Result<()> {
        let (mut at, end) = (from.next_multiple_of(UNIT).min(to), to / UNIT * UNIT);
        reserve_plain(self.file, from, at)?;
        while at < end {
            at = self.reserve(at, end)?;
        }
        reserve_plain(self.file, at, to)
    }

    /// For a store that is being made, with the first memory of the file: whether its first writer would wait long for huge
    /// pages. The maker waits in his stead.
    pub fn look_ahead(&self) -> Result<()> {
        if units_are_huge_pages() {
            if let Some(price) = self.measure(0)? {
                // Less than a unit: the kernel makes nothing of it, but waits for its threads as it always does.
                let (_, cost) = spent(|| collapse(self.base, 0, page_size() as u64));
                self.set_credit(FIRST_CREDIT);
                if cost.waited > price.of(MOST) {
                    self.learn(0, cost.waited, price);
                }
            }
        }
        Ok(())
    }

    fn tries_huge(&self) -> bool {
        self.credit() >= 0 && units_are_huge_pages()
    }

    fn credit(&self) -> i64 {
        self.credit.load(Ordering::Relaxed).cast_signed().clamp(LEAST_CREDIT, MOST_CREDIT)
    }

    fn set_credit(&self, credit: i64) {
        // SYNC: advice, of one word; when several clients grow at once the last is right, and a try may come sooner or later.
        self.credit.store(credit.cast_unsigned(), Ordering::Relaxed);
    }

    /// A try cost so many nanoseconds where plain pages would have cost others.
    fn learn(&self, plain: u64, cost: u64, price: Price) {
        let bytes = |nanos: u64| i64::try_from(nanos.saturating_mul(UNIT) / price.0).unwrap_or(i64::MAX);
        let credit =
            self.credit().max(0).saturating_add(bytes(plain)).saturating_sub(bytes(cost)).min(MOST_CREDIT);
        if credit >= 0 {
            self.set_credit(credit);
            return;
        }
        let credit = credit.saturating_mul(PATIENCE).max(LEAST_CREDIT);
        self.set_credit(credit);
        log::write(Level::Debug, || {
            format!(
                "huge pages took {cost} ns, plain pages take {plain} ns: the next {} bytes use plain pages",
                credit.unsigned_abs()
            )
        });
    }

    /// Gets some plain pages at `at`, twice, for the lesser of two costs; `None`: they cannot be had in a way that is measured.
    fn measure(&self, at: u64) -> Result<Option<Price>> {
        let mut least = u64::MAX;
        for from in [at, at + SAMPLE] {
            let (done, cost) = spent(|| {
                reserve_plain(self.file, from, from + SAMPLE)?;
                Ok(populate(self.base, from, from + SAMPLE))
            });
            if !done? {
                return Ok(None);
            }
            least = least.min(cost.used);
        }
        Ok(Some(Price((least * (UNIT / SAMPLE)).saturating_mul(self.worth).max(1))))
    }

    /// Tries huge pages for the first units of a range; those that do not become one are plain.
    fn huge(&self, from: u64, to: u64, tries: &mut Tries) -> Result<u64> {
        let start = from / UNIT * UNIT;
        let end = (start + tries.units * UNIT).min(to.next_multiple_of(UNIT));
        let Some(price) = tries.price.map_or_else(|| self.measure(start), |price| Ok(Some(price)))? else {
            self.set_credit(-MOST_CREDIT);
            return self.plain(from, to);
        };
        for unit in (start..end).step_by(to_usize(UNIT)) {
            // One page makes a unit eligible; collapsing brings the rest as one huge page, without zeroing single pages.
            reserve_plain(self.file, unit, unit + page_size() as u64)?;
        }
        let (done, cost) = spent(|| collapse(self.base, start, end));
        // Done or not: the kernel collapses the whole units of each piece of the mapping, and says nothing of a unit that the
        // border of two pieces cuts. Write protection makes such borders, which are still there when a store grows again
        // after a trim. This finds nothing to do, or the pages that are missing.
        reserve_plain(self.file, start, end)?;
        let plain = price.of((end - start) / UNIT);
        if !done {
            populate(self.base, start, end);
            self.learn(0, cost.used.saturating_add(cost.waited).saturating_add(plain), price);
        } else if cost.waited > price.of(tries.most) {
            self.learn(plain, cost.used.saturating_add(cost.waited), price);
        } else {
            self.learn(plain, cost.used, price);
        }
        // There is one wait for each try, however many units it is for. Without waits fewer will do, as all may turn out dear.
        let most = if cost.waited > cost.used { tries.most } else { tries.most.div_ceil(2) };
        (tries.price, tries.units) = (Some(price), (2 * tries.units).min(most));
        Ok(end.min(to))
    }

    /// Gets plain pages for the first part of a range: a round, or as much as is to be plain.
    fn plain(&self, from: u64, to: u64) -> Result<u64> {
        let credit = self.credit();
        let most = if units_are_huge_pages() { credit.unsigned_abs().clamp(UNIT, ROUND) } else { ROUND };
        let end = (from / UNIT * UNIT + most.next_multiple_of(UNIT)).min(to);
        reserve_plain(self.file, from, end)?;
        // Reserved pages are cleared when they are first touched. That all at once takes half of the time that it takes
        // with a page fault for each.
        populate(self.base, from, end);
        if credit < 0 {
            self.set_credit(credit.saturating_add_unsigned(end - from).min(0));
        }
        Ok(end)
    }
}

/// What a piece of work cost this thread, in nanoseconds.
#[derive(Clone, Copy)]
struct Cost {
    /// Processor time.
    used: u64,
    /// Time without the processor, if it waited for something; 0 if only other threads had the processor.
    waited: u64,
}

fn spent<T>(work: impl FnOnce() -> T) -> (T, Cost) {
    let (begun, before, waits_before) = (clock::now(), processor_time(), waits());
    let done = work();
    let used = nanos(processor_time().saturating_sub(before));
    let all = nanos(clock::since(begun));
    let waited = if waits() == waits_before { 0 } else { all.saturating_sub(used) };
    (done, Cost { used, waited })
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Of this thread.
fn processor_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the struct is ours. It fails for no thread's own clock.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// How often this thread has waited for something.
fn waits() -> i64 {
    // SAFETY: rusage is plain data, for which zeroes are valid.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the struct is ours.
    unsafe { libc::getrusage(libc::RUSAGE_THREAD, &raw mut usage) };
    usage.ru_nvcsw
}

#[cfg(test)]
mod tests;

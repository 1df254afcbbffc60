//! The layout of a segment, and the types of its words.
//!
//! ```text
//! header | clients | buckets | heap control | events | entries … | extents … | scratch … | index … | small … | large …
//! ```
//! The regions with dots are sparse: their memory is reserved as they are used, up to watermarks in the header. All
//! words are little-endian fixed-width atomics, and offsets are from the start of the file.
//!
//! The layout is the same on every machine, and depends on no property of the machine. The machine's pages matter only
//! in the heap, because only whole pages can be protected or returned. The heap's regions begin and end at multiples of
//! [`UNIT`], thus of a page. The bookkeeping is only reserved, which works for any range of bytes.
//!
//! *Entries are the primary data, and everything else is derived*: heap control, extents, index and the linked lists of
//! entries are rebuilt from the entries after a crash inside the lock.

use std::mem::size_of;

use crate::error::{Error, Kind, Result};
use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use crate::sync::changes::Changes;
use crate::sync::doorbell::Bell;
use crate::sync::futex::FutexWord;
use crate::sync::life::StateWord;
use crate::sync::slots::Slot;

pub use crate::sync::life::{State, Word, ABANDONED, CALL, CLAIMED, ENDED, WHEN_RELEASED};

/// The first eight bytes of a segment.
pub const MAGIC: u64 = u64::from_le_bytes(*b"SDP-DAL\n");
/// The layout's version: another one is another layout.
pub const VERSION: u32 = 3;
/// Features without which a reader of this version could not use the segment. None yet.
pub const INCOMPATIBLE: u32 = 0;
/// The largest page that a 64-bit Linux has. (How large this kernel's is: [`page_size`](super::memory::page_size).)
pub const LARGEST_PAGE: u64 = 64 << 10;
/// Unit in which memory grows. A huge page, where a page has 4 KB.
pub const UNIT: u64 = 2 << 20;
/// Alignment of every object: what Arrow asks for.
pub const ALIGN: u64 = 64;
/// Objects below this size have a region of their own. So they are many in a page, however large it is.
pub const SMALL: u64 = 4096;
/// Buckets of waiting bits.
pub const BUCKETS: u64 = 1024;
/// Words with a bit for each bucket.
pub const RUNG_WORDS: usize = 16;
/// The row behind the buckets: the clients that read the event log.
pub const LOG_BUCKET: u64 = BUCKETS;
/// "No entry", "no extent".
pub const NONE: u32 = u32::MAX;
/// Slots of the event log. (The simulator has few, so that its readers are overtaken.)
pub const EVENTS: u64 = if cfg!(feature = "simulate") { 128 } else { 4096 };
/// Objects for which the bookkeeping has memory from the start.
pub const FIRST_OBJECTS: u32 = if cfg!(feature = "simulate") { 64 } else { 1024 };

/// Alignment of the bookkeeping's regions, and bytes for the header.
const BORDER: u64 = 4096;

/// The start of the segment.
#[repr(C, align(128))]
pub struct Header {
    /// [`MAGIC`]; written last.
    pub magic: AtomicU64,
    /// [`VERSION`].
    pub version: AtomicU32,
    /// Feature bits: whoever does not know one of them must not use the segment.
    pub incompatible: AtomicU32,
    /// Feature bits: whoever does not know one of them may use the segment all the same. None yet.
    pub compatible: AtomicU32,
    /// Client slots: bits in each row of pins, wants and buckets.
    pub max_clients: AtomicU32,
    /// [`LAYOUT_HASH`] of the build that made it.
    pub layout_hash: AtomicU64,
    /// What the user asked for, unrounded.
    pub size: AtomicU64,
    /// Bytes of the file, by [`Geometry`].
    pub file_size: AtomicU64,
    /// Most objects: places in the table of entries.
    pub max_objects: AtomicU32,
    /// [`OPTION_EVICTION`], or 0.
    pub options: AtomicU32,
    /// Random: tells this store from every other, and is mixed into the hash of IDs.
    pub identity: AtomicU64,
    /// Nanoseconds since the epoch.
    pub created: AtomicU64,

    // Read all the time, also without the lock, and seldom written: in no line with what each creation changes.
    /// log2 of the index's slots.
    pub index_level: AtomicU32,
    /// Objects for which entries, extents, scratch and index have memory.
    pub objects_reserved: AtomicU32,
    /// The store is going: start over with a new file.
    pub closed: AtomicU32,
    /// The last attachment number drawn.
    pub numbers: AtomicU32,
    /// How often the lock was found dirty and everything derived was rebuilt; [`NEVER_BUILT`]: the first time is still to come.
    pub recoveries: AtomicU32,
    /// How many dead clients were reaped.
    pub reaped: AtomicU32,
    /// Clients that read the event log: the bits of its row. Derived.
    pub subscribers: AtomicU32,
    /// The path under which it was made (cut; for displays and cleaning up).
    pub path: [AtomicU64; 64],

    /// The lock.
    pub lock: Line<FutexWord>,
    /// Even at rest; changed around every change of the index that can hide a present entry from a reader.
    pub index_changes: Line<Changes>,

    // Written under the lock.
    /// Entries below this have been used at some time.
    pub entries_used: AtomicU32,
    /// First of the list of free entries. Derived.
    pub entries_free: AtomicU32,
    /// Declarations, a list.
    pub declarations: AtomicU32,
    /// Objects whose prefix nobody declared, a list.
    pub orphans: AtomicU32,
    /// The last of the orphans.
    pub orphans_last: AtomicU32,
    /// Objects that are deleted and held, a list.
    pub held: AtomicU32,
    /// Somebody who could not get the lock left something to be freed: look through the entries.
    pub sweep: AtomicU32,
    /// Order of issue and of release.
    pub sequence: AtomicU64,
    /// Milliseconds of the last look for dead clients (since the epoch).
    pub reap_stamp: AtomicU64,
    /// Entries that are not free. Derived.
    pub live: AtomicU32,
    /// Events written to the log: raised when an event is complete.
    pub event_sequence: AtomicU64,
    /// Changes whenever events may have been lost.
    pub event_epoch: AtomicU64,
    /// What tries to get huge pages may lose, in bytes of plain pages that cost as much. Below zero (two's complement): bytes
    /// by which the heap grows in plain pages before the next try. Advice.
    pub huge_credit: AtomicU64,
    /// The same for entries and index.
    pub table_credit: AtomicU64,
    /// Bytes that calls copied into the store. Raised without the lock by whoever copies.
    pub copied: AtomicU64,
}

/// Something that has its cache line to itself: lines have 64 bytes, on some machines 128, and x86 fetches them in pairs.
#[repr(C, align(128))]
pub struct Line<T>(pub T);

/// Header options: unwanted objects may be evicted when the store is full.
pub const OPTION_EVICTION: u32 = 1;

/// One client's place.
#[repr(C, align(128))]
pub struct Client {
    /// The attachment number; 0: free.
    pub number: AtomicU32,
    /// The process, in its own PID namespace; for displays.
    pub pid: AtomicU32,
    /// Nanoseconds since the epoch.
    pub since: AtomicU64,
    /// Display name (cut).
    pub name: [AtomicU64; 8],
    /// Name of its host or container (cut).
    pub host: [AtomicU64; 8],
    /// Not 0: it is dead, and its reaping has begun. Written under the lock, so that nothing is promised in its name any more.
    pub dying: AtomicU32,
    /// What the process that started it is known by, if that one tells how it ends; 0: there is none.
    pub supervisor: AtomicU32,
    /// A bit for each bucket that rang since this client looked last.
    pub rung: [AtomicU64; RUNG_WORDS],
    /// How its process ended, with its number in the upper half: see `store::ended`. Of another number: nothing is known.
    pub ended: AtomicU64,
    /// How many functions of its processors run.
    pub busy: AtomicU32,
    /// What tells its CPUs from those of other processes: see `shm::cpus`. Processes with the same word share them.
    pub cpus: AtomicU32,
    /// Free entries with bytes that it uses next: see `store::spares`. Derived.
    pub spares: Spares,
    /// On which its threads sleep.
    pub bell: Line<Bell>,
}

/// How many spares a client has.
pub const SPARES: usize = 16;

/// The spares of a client, in a line of their own, as others ring while it creates.
#[repr(C, align(64))]
pub struct Spares(pub [AtomicU32; SPARES]);

/// One object. Its first line has all that getting and releasing needs; both lines are followed by the rest of the pins and by
/// the wants.
#[repr(C, align(64))]
pub struct Entry {
    /// State, flags, creator's slot and generation: see [`Word`].
    pub state: StateWord,
    /// The object's ID, in the order of its bytes.
    pub id: [AtomicU32; 5],
    /// The status of a failed object (positive); its text is the data.
    pub failure: AtomicU32,
    /// Who pins it: the first 64 clients' bits. The others' are behind the entry.
    pub pins: AtomicU64,
    /// Where the data begin; the metadata follow them.
    pub offset: AtomicU64,
    /// Bytes of data.
    pub data_size: AtomicU64,
    /// Bytes of metadata.
    pub meta_size: AtomicU32,
    /// Keep and evictable, and of an output its attempts: see `KEEP`, `EVICTABLE`, `RETRIED`, `ATTEMPT_SHIFT`.
    pub flags: AtomicU32,
    /// Attachment number of the creator (or of who promised it).
    pub creator: AtomicU32,
    /// Attachment number of who is to produce it, or [`NO_CLIENT`].
    pub producer: AtomicU32,
    /// Nanoseconds since the epoch.
    pub created: AtomicU64,
    /// Order of its birth; of issue for calls.
    pub sequence: AtomicU64,
    /// Order of its last release.
    pub released: AtomicU64,
    /// Microseconds from create to seal, at most what fits.
    pub construct: AtomicU32,
    /// The extent that holds the bytes ([`NONE`]: there is none). Derived.
    pub extent: AtomicU32,
    /// Neighbours in its namespace's list (in the list of declarations, for a declaration; in that of what is held, for what is
    /// deleted). Derived.
    pub previous: AtomicU32,
    /// The one after it; of a free entry, the next free one. Derived.
    pub next: AtomicU32,
    /// For a declaration: its namespace's objects, first and last. Derived. For the output of a call: the call's entry, and the
    /// lower half of its generation.
    pub first: AtomicU32,
    /// See `first`.
    pub last: AtomicU32,
    /// For a declaration: the sequence of the newest call in its queue. For every other object: how far whoever makes it
    /// has come.
    pub newest_call: AtomicU64,
}

/// The object stays though nobody wants it.
pub const KEEP: u32 = 1;
/// The object may be evicted.
pub const EVICTABLE: u32 = 2;
/// An output that has taken an input's memory over: if it is not made, that input is lost with it.
pub const TOOK_OVER: u32 = 4;
/// An output, or a call without outputs, whose call is issued again should its processor be lost: see `store::attempts`.
pub const RETRIED: u32 = 8;
/// The bits of an output's flags from here on: which attempt of its call this is; 0 if there is only one.
pub const ATTEMPT_SHIFT: u32 = 8;
/// In the place of an output's producer: it was lost, and the call is to be issued again. No client has this number.
pub const NO_CLIENT: u32 = u32::MAX;

/// A run of bytes of the heap, used or free. Derived.
#[repr(C)]
pub struct Extent {
    /// Where it begins, from the start of the file.
    pub offset: AtomicU64,
    /// Bytes; bit 0 set: used.
    pub size: AtomicU64,
    /// The extent before it in the region, or [`NONE`].
    pub before: AtomicU32,
    /// The extent behind it in the region, or [`NONE`].
    pub after: AtomicU32,
    /// Of a free extent: the one before it in the list of its class.
    pub previous_free: AtomicU32,
    /// Of a free extent: the next in the list of its class; of an extent not in use: the next one not in use.
    pub next_free: AtomicU32,
}

/// Classes of free extents: `FIRST` powers of two of 64-byte units, each cut into `SECOND`.
pub const FIRST: usize = 40;
/// Subdivisions of each power of two.
pub const SECOND: usize = 16;

/// What the heap knows of one of its two regions. Derived, except `reserved`.
#[repr(C, align(64))]
pub struct Pool {
    /// Where the region begins. Fixed when the segment is made.
    pub start: AtomicU64,
    /// Where it ends. Fixed when the segment is made.
    pub end: AtomicU64,
    /// Memory below this exists. Changed only under the lock: raised after the memory was reserved, lowered before it goes.
    pub reserved: AtomicU64,
    /// Bytes in used extents.
    pub used: AtomicU64,
    /// The extent that lies last, or [`NONE`].
    pub last: AtomicU32,
    /// How often memory above the watermark was given back to the system: what was reserved before may be gone.
    pub trims: AtomicU32,
    /// One bit for each power of two that has a free extent.
    pub first_map: AtomicU64,
    /// For each power of two, one bit for each subdivision that has a free extent.
    pub second_map: [AtomicU32; FIRST],
    /// First free extent of each class.
    pub heads: [[AtomicU32; SECOND]; FIRST],
}

/// The heap's control block.
#[repr(C, align(64))]
pub struct HeapControl {
    /// Objects below [`SMALL`], until it is full.
    pub small: Pool,
    /// Everything else.
    pub large: Pool,
    /// First extent that was in use and is not any more; a list through `next_free`.
    pub free_extent: AtomicU32,
    /// Extents below this have been in use since the last rebuild.
    pub extents_used: AtomicU32,
}

const _: () = assert!(UNIT.is_multiple_of(LARGEST_PAGE));
const _: () = assert!(size_of::<Header>() as u64 <= BORDER);
const _: () = assert!(size_of::<Client>() == 512);
const _: () = assert!(std::mem::offset_of!(Client, spares) == 320);
const _: () = assert!(RUNG_WORDS as u64 * 64 == BUCKETS);
const _: () = assert!(size_of::<Entry>() == 128);
const _: () = assert!(std::mem::offset_of!(Entry, creator) == 64);
const _: () = assert!(size_of::<Extent>() == 32);
const _: () = assert!(size_of::<HeapControl>().is_multiple_of(64));

/// Raised when a word gets another meaning in its old place.
const MEANINGS: u64 = 4;

/// A hash of everything that a process of another build must agree on.
pub const LAYOUT_HASH: u64 = {
    let words = [
        MEANINGS,
        size_of::<Header>() as u64,
        size_of::<Client>() as u64,
        size_of::<Entry>() as u64,
        size_of::<Extent>() as u64,
        size_of::<HeapControl>() as u64,
        BUCKETS,
        EVENTS * EVENT_SIZE,
        UNIT,
        SMALL,
        std::mem::offset_of!(Header, index_level) as u64,
        std::mem::offset_of!(Header, lock) as u64,
        std::mem::offset_of!(Header, entries_used) as u64,
        std::mem::offset_of!(Header, table_credit) as u64,
        std::mem::offset_of!(Header, copied) as u64,
        std::mem::offset_of!(Client, spares) as u64,
        std::mem::offset_of!(Entry, newest_call) as u64,
    ];
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    let mut i = 0;
    while i < words.len() {
        hash = (hash ^ words[i]).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(23);
        i += 1;
    }
    hash
};

/// One less than 0 recoveries: of a store whose extents were left to the first holder of its lock to make.
pub const NEVER_BUILT: u32 = u32::MAX;

/// Where the regions lie; follows from three numbers of the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Bytes that the user can put.
    pub size: u64,
    /// Most objects.
    pub max_objects: u32,
    /// Client slots.
    pub max_clients: u32,
    /// Offset of the clients' slots.
    pub clients: u64,
    /// Offset of the buckets of waiting bits.
    pub buckets: u64,
    /// Offset of the heap's control block.
    pub heap: u64,
    /// Offset of the event log.
    pub events: u64,
    /// Offset of the entries.
    pub entries: u64,
    /// Bytes from one entry to the next: the entry, the rest of its row of pins, its row of wants.
    pub entry_stride: u64,
    /// Offset of the extents.
    pub extents: u64,
    /// Offset of the scratch space.
    pub scratch: u64,
    /// Offset of the index's levels.
    pub index: u64,
    /// The index's highest level: log2 of its slots.
    pub top_level: u32,
    /// Offset of the heap's small region, which ends where the large one begins.
    pub small: u64,
    /// Offset of the heap's large region.
    pub large: u64,
    /// Bytes of the file.
    pub file_size: u64,
}

/// Words of an event, beside its sequence: what happened (8 bits), how many bytes of metadata follow (8) and the attachment number of
/// who did it (32, from bit 32); nanoseconds since the epoch; bytes of data; bytes of metadata; the object's ID, in the order of its
/// bytes, and 4 bytes of 0 (3 words); the first bytes of the object's metadata (7 words).
pub const EVENT_WORDS: usize = 14;

/// One slot of the event log.
pub type Event = Slot<EVENT_WORDS>;

const _: () = assert!(size_of::<Event>() as u64 == EVENT_SIZE);

/// Fewest objects that a store has room for.
pub const LEAST_OBJECTS: u32 = 1024;
/// Most objects that a store has room for.
pub const MOST_OBJECTS: u32 = 1 << 26;

/// Bytes of an event in the log.
pub const EVENT_SIZE: u64 = 128;

impl Geometry {
    /// The layout of a store of `size` bytes.
    pub fn new(size: u64, max_objects: u32, max_clients: u32) -> Result<Geometry> {
        let wrong = |text: String| Err(Error::invalid(text));
        if size == 0 || size > 1 << 43 {
            return wrong(format!("the size of a store must be between 1 byte and 8 TiB, not {size}"));
        }
        if !(LEAST_OBJECTS..=MOST_OBJECTS).contains(&max_objects) || !max_objects.is_power_of_two() {
            return wrong(format!(
                "max_objects must be a power of two between {LEAST_OBJECTS} and {MOST_OBJECTS}, not {max_objects}"
            ));
        }
        if !(64..=1024).contains(&max_clients) || !max_clients.is_multiple_of(64) {
            return wrong(format!(
                "max_clients must be a multiple of 64 between 64 and 1024, not {max_clients}"
            ));
        }
        let objects = u64::from(max_objects);
        let mut at = BORDER;
        let mut region = |bytes: u64, align: u64| {
            let start = at.next_multiple_of(align);
            at = start + bytes;
            start
        };
        let clients = region(u64::from(max_clients) * size_of::<Client>() as u64, BORDER);
        let buckets = region((BUCKETS + 1) * u64::from(max_clients / 8), BORDER);
        let heap = region(size_of::<HeapControl>() as u64, BORDER);
        let events = region(EVENTS * EVENT_SIZE, BORDER);
        // The first word of the pins is in the entry.
        let rows = u64::from(max_clients / 8) * 2 - 8;
        let entry_stride = (size_of::<Entry>() as u64 + rows).next_multiple_of(64);
        let entries = region(objects * entry_stride, UNIT);
        let extents = region((2 * objects + 64) * size_of::<Extent>() as u64, BORDER);
        let scratch = region(objects * 8, BORDER);
        let top_level = max_objects.ilog2() + 1;
        // Level L lies at 2^L words behind the start, so that the levels never overlap.
        // From level 18 on each has whole units to itself.
        let index = region(16 << top_level, UNIT);
        let small_size = (size / 8).clamp(1 << 20, 1 << 30).next_multiple_of(UNIT);
        let small = region(small_size, UNIT);
        let large = region(size.next_multiple_of(ALIGN), UNIT);
        let file_size = at.next_multiple_of(UNIT);
        Ok(Geometry {
            size,
            max_objects,
            max_clients,
            clients,
            buckets,
            heap,
            events,
            entries,
            entry_stride,
            extents,
            scratch,
            index,
            top_level,
            small,
            large,
            file_size,
        })
    }

    /// Where the bookkeeping that exists from the start ends.
    pub fn fixed_end(&self) -> u64 {
        self.events + EVENTS * EVENT_SIZE
    }

    /// End of the small pool, and of the large one.
    pub fn small_end(&self) -> u64 {
        self.large
    }

    /// End of the large pool.
    pub fn large_end(&self) -> u64 {
        self.large + self.size.next_multiple_of(ALIGN)
    }

    /// The geometry that a header claims, if its magic, versions, features and sizes add up for a file of `length` bytes.
    pub fn of_header(header: &Header, length: u64) -> Result<Geometry> {
        let bad = |kind, text: String| Err(Error::new(kind, text));
        let get32 = |word: &AtomicU32| word.load(Ordering::Relaxed);
        let get64 = |word: &AtomicU64| word.load(Ordering::Relaxed);
        let magic = get64(&header.magic);
        if magic != MAGIC {
            return bad(Kind::Corrupt, format!("not a store: its first bytes are {:?}", magic.to_le_bytes()));
        }
        let version = get32(&header.version);
        if version != VERSION {
            return bad(
                Kind::Unsupported,
                format!("a store of layout version {version}, but this library supports version {VERSION}"),
            );
        }
        let unknown = get32(&header.incompatible) & !INCOMPATIBLE;
        if unknown != 0 {
            return bad(
                Kind::Unsupported,
                format!(
                    "the store uses features that this library does not know (bits {unknown:#x}): upgrade"
                ),
            );
        }
        if get64(&header.layout_hash) != LAYOUT_HASH {
            return bad(
                Kind::Unsupported,
                "the store was created by an incompatible build of this library".to_owned(),
            );
        }
        let geometry =
            Geometry::new(get64(&header.size), get32(&header.max_objects), get32(&header.max_clients))
                .map_err(|e| Error::new(Kind::Corrupt, format!("damaged header: {e}")))?;
        if get64(&header.file_size) != geometry.file_size {
            return bad(
                Kind::Corrupt,
                format!(
                    "damaged header: its sizes need a file of {} bytes, but it says {}",
                    geometry.file_size,
                    get64(&header.file_size)
                ),
            );
        }
        if length != geometry.file_size {
            return bad(
                Kind::Corrupt,
                format!(
                    "the file has {length} bytes, but its header says {}: was it truncated?",
                    geometry.file_size
                ),
            );
        }
        let reserved = get32(&header.objects_reserved);
        let level = get32(&header.index_level);
        if reserved > geometry.max_objects || level > geometry.top_level || level < FIRST_OBJECTS.ilog2() {
            return bad(
                Kind::Corrupt,
                format!("damaged header: {reserved} objects reserved, index level {level}"),
            );
        }
        Ok(geometry)
    }
}

/// Writes text into words, cut at a character boundary, padded with zeros.
pub fn store_text(words: &[AtomicU64], text: &str) {
    let room = words.len() * 8;
    let mut end = text.len().min(room);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let mut bytes = text.as_bytes()[..end].to_vec();
    bytes.resize(room, 0);
    for (word, chunk) in words.iter().zip(bytes.chunks_exact(8)) {
        let mut eight = [0; 8];
        eight.copy_from_slice(chunk);
        word.store(u64::from_le_bytes(eight), Ordering::Relaxed);
    }
}

/// Reads text from words; what is not UTF-8 is replaced.
pub fn load_text(words: &[AtomicU64]) -> String {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.load(Ordering::Relaxed).to_le_bytes()).collect();
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

#[cfg(test)]
mod tests;

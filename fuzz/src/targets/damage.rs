//! A small store with something of everything in it, as a file of which a damaged copy can be made for every input.
//!
//! Its client is kept alive for the copy by a lock on the client's byte, as the library takes one: otherwise the copy would be
//! left over, and who opens it starts with a new store.

use std::fs::{self, File, OpenOptions};
use std::mem::offset_of;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use arbitrary::{Arbitrary, Unstructured};
use sdp_dal::arrow::array::{Int64Array, RecordBatch, StringArray};
use sdp_dal::arrow::datatypes::{DataType, Field, Schema};
use sdp_dal::dal::{
    Arg, Args, Caller, CallerOptions, Namespace, NamespaceOptions, Processor, ProcessorOptions,
};
use sdp_dal::shm::layout::{Client, Geometry, Header, EVENT_SIZE};
use sdp_dal::store::{CreateSpec, DeleteMode, ObjectId, Store, StoreOptions};
use sdp_dal::timeout::Timeout;
use sdp_dal::wire::{CallSchema, Cell, Elem, Layout, Order, TableSource, TensorSource};

/// The function that the store's processor offers.
pub const SIGNATURE: &str = "simple_fn(x: int64, ys: int64[i]) -> (zs: int64[i])";

const PAGE: usize = 4096;
/// Where the bytes lie by which clients show that they live.
const LIVES: i64 = 1 << 40;

/// The file of a store in use.
pub struct Image {
    pages: Vec<(u64, Vec<u8>)>,
    /// Where everything lies in it.
    pub geometry: Geometry,
    /// The number of its client.
    number: u32,
    /// Its objects.
    pub ids: Vec<ObjectId>,
}

/// An object of the image, or of a program on it.
pub fn id(n: u8) -> ObjectId {
    let mut bytes = [0xab; 20];
    bytes[19] = n;
    ObjectId::new(bytes)
}

/// The options of all these stores.
pub fn options() -> StoreOptions {
    StoreOptions {
        size: Some(1 << 20),
        max_objects: Some(1024),
        max_clients: Some(64),
        eviction: true,
        ..StoreOptions::default()
    }
}

impl Image {
    /// Makes the store, and keeps its bytes.
    ///
    /// # Panics
    /// If a healthy store does not work.
    pub fn new() -> Image {
        Image::make().unwrap_or_else(|error| panic!("the store to be damaged cannot be made: {error}"))
    }

    fn make() -> sdp_dal::error::Result<Image> {
        let path = super::path("image");
        let store = Store::open(&path, &options())?;
        for n in 0..12 {
            let spec = CreateSpec {
                data_size: u64::from(n) * 700,
                metadata: b"text",
                keep: true,
                evictable: n % 3 == 0,
                ..CreateSpec::default()
            };
            let mut writer = store.create(&id(n), &spec)?;
            writer.data_mut().fill(n);
            writer.seal()?;
        }
        let namespace = Namespace::new(&store, Some("fuzz"));
        let layout = Layout::contiguous(Elem::Int64, &[4], Order::C, &["i".into()])?;
        let tensor = namespace.put_tensor(&TensorSource { bytes: &[1; 32], origin: 0, layout: &layout })?;
        let table = namespace.put_table(&table())?;
        let functions = vec![CallSchema::parse("f(a: utf8?) -> (b: oid)")?];
        let declared =
            NamespaceOptions { prefix: vec![7, 7, 7, 7], functions, ..NamespaceOptions::default() };
        let other = Namespace::reserve(&store, declared)?;
        let more = other.put_bytes(b"bytes", b"")?;
        let mut processor =
            Processor::new(&store, &ProcessorOptions { prefix: vec![9], ..Default::default() })?;
        processor.register(CallSchema::parse(SIGNATURE)?, None)?;
        processor.start()?;
        let caller = Caller::new(&namespace, vec![CallSchema::parse(SIGNATURE)?], &CallerOptions::default())?;
        let call = |x| {
            let mut args = Args::new();
            args.set("x", Arg::Cell(Cell::Int(x)));
            args.set("ys", Arg::Ref(tensor.clone()));
            caller.call("simple_fn", &args)
        };
        // One that has failed, one that was taken, two that wait.
        let results = [call(1)?, call(2)?, call(3)?, call(4)?];
        processor.next(Timeout::Poll)?.fail(&sdp_dal::error::Error::invalid("it fails"))?;
        let taken = processor.next(Timeout::Poll)?;
        // One that is held though it was deleted, one that is being written.
        let held = store.get(&id(11), Timeout::Poll)?;
        store.delete(&id(11), DeleteMode::Now)?;
        let writer = store.create(&id(100), &CreateSpec { data_size: 5000, ..CreateSpec::default() })?;
        let subscription = store.subscribe(b"")?;
        let ids = store.list(b"")?.iter().map(|object| object.id).collect();
        let stat = store.stat()?;
        let geometry =
            Geometry::new(stat.size, u32::try_from(stat.max_objects).unwrap_or(0), stat.max_clients)?;
        let bytes = fs::read(store.path()).unwrap_or_default();
        let pages = bytes.chunks(PAGE).enumerate().filter(|(_, page)| page.iter().any(|byte| *byte != 0));
        let pages = pages.map(|(nth, page)| ((nth * PAGE) as u64, page.to_vec())).collect();
        let number = store.number();
        drop((results, taken, held, writer, subscription, more, table, tensor));
        Ok(Image { pages, geometry, number, ids })
    }

    /// A copy with a living client.
    pub fn copy(&self, name: &str) -> Copy {
        let path = super::path(name);
        let written = self.write(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Copy { file: written, path }
    }

    fn write(&self, path: &Path) -> std::io::Result<File> {
        let _ = fs::remove_file(path);
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
        std::os::unix::fs::PermissionsExt::set_mode(&mut file.metadata()?.permissions(), 0o600);
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
        file.set_len(self.geometry.file_size)?;
        for (at, page) in &self.pages {
            file.write_all_at(page, *at)?;
        }
        Ok(file)
    }

    /// Keeps the copy's client alive as long as the copy's file is open here.
    pub fn live(&self, copy: &Copy) {
        let lock = libc::flock {
            l_type: libc::c_short::try_from(libc::F_WRLCK).unwrap_or(1),
            l_whence: 0,
            l_start: LIVES + 2 * i64::from(self.number),
            l_len: 1,
            l_pid: 0,
        };
        // SAFETY: a lock on a file of ours, described by a struct that lives over the call.
        let locked = unsafe { libc::fcntl(copy.file.as_raw_fd(), libc::F_OFD_SETLK, &lock) };
        assert_eq!(locked, 0, "the client of the copy cannot be kept alive");
    }
}

impl Default for Image {
    fn default() -> Image {
        Image::new()
    }
}

fn table() -> TableSource {
    let fields = vec![Field::new("a", DataType::Int64, true), Field::new("t", DataType::Utf8, true)];
    let schema = std::sync::Arc::new(Schema::new(fields));
    let columns: Vec<sdp_dal::arrow::array::ArrayRef> = vec![
        std::sync::Arc::new(Int64Array::from(vec![Some(1), None, Some(3)])),
        std::sync::Arc::new(StringArray::from(vec![Some("a"), Some("text"), None])),
    ];
    let batch = RecordBatch::try_new(std::sync::Arc::clone(&schema), columns);
    batch
        .map_err(|wrong| wrong.to_string())
        .and_then(|batch| TableSource::new(schema, vec![batch]).map_err(|wrong| wrong.to_string()))
        .unwrap_or_else(|wrong| panic!("{wrong}"))
}

/// A file that is removed in the end.
pub struct Copy {
    file: File,
    /// Where it is.
    pub path: PathBuf,
}

impl Drop for Copy {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// A word to be overwritten.
#[derive(Debug, Arbitrary)]
pub struct Scribble {
    region: u8,
    at: u16,
    value: Value,
}

/// With what.
#[derive(Debug, Arbitrary)]
enum Value {
    Any(u64),
    Half(u32),
    Small(u8),
    /// So many less than 0.
    Large(u8),
    Flip(u8),
    /// What stands elsewhere in the region.
    Other(u16),
    /// A little more or less than was there.
    Near(i8),
}

impl Scribble {
    /// Reads one.
    pub fn of(bytes: &mut Unstructured<'_>) -> Option<Scribble> {
        bytes.arbitrary().ok()
    }

    /// Damages the header alone.
    pub fn header(&self, copy: &Copy) {
        self.write(copy, 0, PAGE as u64);
    }

    /// Damages any of the bookkeeping: header, clients and buckets, heap, log, entries, extents, index, objects.
    pub fn anywhere(&self, copy: &Copy, geometry: &Geometry) {
        let used = 64;
        let index = (2 << 11) * 8;
        let regions = [
            (0, PAGE as u64),
            (offset_of!(Header, index_level) as u64, 32),
            (offset_of!(Header, entries_used) as u64, 96),
            (geometry.clients, 4 * size_of::<Client>() as u64),
            (geometry.buckets, geometry.heap - geometry.buckets),
            (geometry.heap, geometry.events - geometry.heap),
            (geometry.events, 40 * EVENT_SIZE),
            (geometry.events, 2 * EVENT_SIZE),
            (geometry.entries, used * geometry.entry_stride),
            (geometry.entries, used * geometry.entry_stride),
            (geometry.entries, 4 * geometry.entry_stride),
            (geometry.extents, used * 32),
            (geometry.index, (geometry.small - geometry.index).min(index)),
            (geometry.small, 16384),
            (geometry.large, 65536),
        ];
        let (start, length) = regions[usize::from(self.region) % regions.len()];
        self.write(copy, start, length);
    }

    fn write(&self, copy: &Copy, start: u64, length: u64) {
        let place = |at: u16| start + u64::from(at) % (length / 4) * 4;
        let read = |at: u64| {
            let mut word = [0; 8];
            // What lies behind the file is not there.
            let _ = copy.file.read_at(&mut word, at);
            u64::from_le_bytes(word)
        };
        let at = place(self.at);
        let (value, width) = match self.value {
            Value::Any(value) => (value, 8),
            Value::Half(value) => (value.into(), 4),
            Value::Small(value) => (value.into(), 4),
            Value::Large(value) => (0_u64.wrapping_sub(value.into()), 4 + 4 * usize::from(value & 1)),
            Value::Flip(bit) => (read(at) ^ 1 << (bit & 63), 8),
            Value::Other(other) => (read(place(other)), 8),
            Value::Near(more) => (read(at).wrapping_add_signed(more.into()), 8),
        };
        // The word of the lock: whoever holds it must be dead, or everything waits as long as it must.
        let lock = offset_of!(Header, lock) as u64;
        if at < lock + 8 && at + width as u64 > lock {
            dirty(copy);
            return;
        }
        let _ = copy.file.write_all_at(&value.to_le_bytes()[..width], at);
    }
}

/// Leaves the lock as a holder does who died: the next one rebuilds.
pub fn dirty(copy: &Copy) {
    let _ = copy.file.write_all_at(&(1_u32 << 30).to_le_bytes(), offset_of!(Header, lock) as u64);
}

/// Inputs of random bytes: programs are read out of any.
pub fn random_seeds(count: u64, length: usize) -> Vec<(String, Vec<u8>)> {
    let bytes = |seed| {
        let mut random = crate::mutate::Random::new(seed);
        (0..length).map(|_| random.number().to_be_bytes()[0]).collect()
    };
    (1..=count).map(|seed| (format!("random-{seed}"), bytes(seed))).collect()
}

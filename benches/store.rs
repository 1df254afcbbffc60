//! What the store and a call cost, beside what the machine can do at all: `cargo bench --bench store`.
//!
//! Every figure is the median over rounds of one run. Absolute times say little on a machine that others use too, so each row
//! also has its ratio to a floor measured in the same run: a plain `memcpy`, or two processes that wake each other with a
//! futex and do nothing else. The other process is this program again, started with [`ROLE`] in its environment.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, Float64Array, RecordBatch};
use sdp_dal::dal::{
    Arg, Args, Call, Caller, CallerOptions, Function, Namespace, Processor, ProcessorOptions, Results,
};
use sdp_dal::store::{CreateSpec, DeleteMode, ObjectId, Store, StoreOptions};
use sdp_dal::sync::atomic::{AtomicU64, Ordering};
use sdp_dal::sync::futex::{FutexWord, EVERY_BIT};
use sdp_dal::timeout::Timeout;
use sdp_dal::wire::{CallSchema, Cell, Elem, Layout, Order, TableSource, TensorSource};

const HELP: &str = "\
Measures the store and calls; prints one table.

    cargo bench --bench store -- [--json] [--rounds N]

  --json      one JSON object instead of the table
  --rounds N  rounds of each measurement (default 15); a figure is their median
  --help      this text

It needs 400 MB of memory and of /dev/shm.
";

const ROLE: &str = "SDP_DAL_BENCH_ROLE";
const PLACE: &str = "SDP_DAL_BENCH_PLACE";
const EMPTY: &str = "empty(x: int64) -> (out: int64[])";
const TAGGED: &str = "tagged(x: int64, ys: int64[i]) -> (out: int64[])";
/// Rows of a call object.
const ROWS: u32 = 100;
const LONG: Timeout = Timeout::After(Duration::from_secs(60));
const SLICE: Duration = Duration::from_secs(1);
const SMALL: u64 = 100;
const LARGE: usize = 80_000_000;
/// Operations on small objects, calls and ping-pongs of a round.
const BATCH: u32 = 2000;

/// What a row is compared with.
#[derive(Clone, Copy, PartialEq)]
enum Floor {
    None,
    Memcpy,
    PingPong,
}

struct Row {
    name: &'static str,
    seconds: f64,
    /// Bytes moved, for rows that have a throughput.
    bytes: Option<usize>,
    floor: Floor,
    plasma: &'static str,
}

struct Options {
    json: bool,
    rounds: usize,
}

fn main() {
    if let Ok(role) = std::env::var(ROLE) {
        let place = PathBuf::from(std::env::var_os(PLACE).expect("the place comes with the role"));
        match role.as_str() {
            "processor" => process(&place),
            "receiver" => receive(&place),
            "reader" => read_log(&place),
            _ => answer(&place),
        }
        return;
    }
    let Some(options) = options() else { return };
    let rows = measure(options.rounds);
    if options.json {
        print_json(&rows, options.rounds);
    } else {
        print_table(&rows, options.rounds);
    }
}

/// `None`: there is nothing to measure.
fn options() -> Option<Options> {
    let mut options = Options { json: false, rounds: 15 };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            // What cargo itself adds.
            "--bench" => {}
            "--json" => options.json = true,
            "--rounds" => {
                match words.next().and_then(|count| count.parse().ok()).filter(|count| *count > 0) {
                    Some(rounds) => options.rounds = rounds,
                    None => fail("--rounds needs a number of rounds, at least 1"),
                }
            }
            "--help" | "-h" => {
                print!("{HELP}");
                return None;
            }
            other => fail(&format!("unknown argument '{other}'; see --help")),
        }
    }
    Some(options)
}

fn fail(text: &str) -> ! {
    eprintln!("{text}");
    std::process::exit(2)
}

fn measure(rounds: usize) -> Vec<Row> {
    let place = Scratch::new();
    let mut rows = vec![
        Row {
            name: "futex ping-pong of two processes",
            seconds: ping_pong(&place, rounds),
            bytes: None,
            floor: Floor::PingPong,
            plasma: "",
        },
        Row {
            name: "memcpy of 80 MB",
            seconds: memcpy(rounds),
            bytes: Some(LARGE),
            floor: Floor::Memcpy,
            plasma: "",
        },
    ];
    rows.extend(small_objects(&place, rounds, false));
    rows.extend(calls(&place, rounds));
    rows.extend(small_objects(&place, rounds, true));
    rows.push(call_that_is_read(&place, rounds));
    rows.extend(large_objects(&place, rounds));
    rows.extend(tables(&place, rounds));
    rows
}

// ---- places, processes, times ---------------------------------------------------------------------------------------

/// Paths for stores and shared pages of this run; removed at its end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Scratch {
        let folder = PathBuf::from(format!("/dev/shm/sdp-dal-bench-{}", std::process::id()));
        std::fs::create_dir(&folder).expect("a folder for the stores in /dev/shm");
        Scratch(folder)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn open(path: &Path, size: u64) -> Store {
    let options = StoreOptions { size: Some(size), ..StoreOptions::default() };
    Store::open(path, &options).expect("a store")
}

/// The other process; it ends with this.
struct Other(Child);

impl Other {
    fn start(role: &str, place: &Path) -> Other {
        let program = std::env::current_exe().expect("this program has a path");
        let child = Command::new(program).env(ROLE, role).env(PLACE, place).stdout(Stdio::null()).spawn();
        Other(child.expect("this program can start itself"))
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Seconds of one `step`, the median over rounds of many. A first round warms up.
fn per_step(rounds: usize, steps: u32, mut step: impl FnMut(u32)) -> f64 {
    let mut round = || {
        let begun = Instant::now();
        (0..steps).for_each(&mut step);
        begun.elapsed().as_secs_f64() / f64::from(steps)
    };
    round();
    median((0..rounds).map(|_| round()).collect())
}

/// Nanoseconds on a clock that all processes share.
fn now() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid timespec to write to.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// A page that both processes have mapped.
struct Page {
    map: memmap2::MmapRaw,
}

/// What lies in it, each word in a cache line of its own.
#[repr(C, align(64))]
struct Line(FutexWord);

#[repr(C)]
struct Shared {
    ping: Line,
    pong: Line,
    time: AtomicU64,
}

impl Page {
    fn open(path: &Path) -> Page {
        let file = std::fs::File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .expect("a shared file");
        file.set_len(4096).expect("room for a page");
        Page { map: memmap2::MmapRaw::map_raw(&file).expect("a mapping") }
    }

    fn shared(&self) -> &Shared {
        // SAFETY: a page is larger than `Shared` and aligned; all of it is atomic, and zeroes are a valid value.
        unsafe { &*self.map.as_mut_ptr().cast::<Shared>() }
    }
}

/// Says `value` on one word.
fn say(word: &FutexWord, value: u32) {
    word.word().store(value, Ordering::SeqCst);
    word.wake(1, EVERY_BIT);
}

/// Sleeps until the word is `value`, without spinning.
fn hear(word: &FutexWord, value: u32) {
    loop {
        let seen = word.load(Ordering::SeqCst);
        if seen == value {
            return;
        }
        word.wait(seen, EVERY_BIT, SLICE);
    }
}

// ---- the floors -----------------------------------------------------------------------------------------------------

fn ping_pong(place: &Scratch, rounds: usize) -> f64 {
    let path = place.at("page");
    let page = Page::open(&path);
    let _other = Other::start("answer", &path);
    let mut turn = 0;
    per_step(rounds, BATCH, |_| {
        turn += 1;
        say(&page.shared().ping.0, turn);
        hear(&page.shared().pong.0, turn);
    })
}

fn answer(path: &Path) {
    let page = Page::open(path);
    for turn in 1.. {
        hear(&page.shared().ping.0, turn);
        say(&page.shared().pong.0, turn);
    }
}

fn memcpy(rounds: usize) -> f64 {
    let source = vec![1_u8; LARGE];
    let mut target = vec![2_u8; LARGE];
    per_step(rounds, 1, |_| {
        target.copy_from_slice(std::hint::black_box(&source));
        std::hint::black_box(&mut target);
    })
}

// ---- small objects --------------------------------------------------------------------------------------------------

fn id(number: u32) -> ObjectId {
    let mut bytes = [0x5d; 20];
    bytes[16..].copy_from_slice(&number.to_be_bytes());
    ObjectId::new(bytes)
}

/// Another process that reads the event log, and sleeps until something happens.
fn reader_of(store: &Store) -> Other {
    let other = Other::start("reader", store.path());
    store.get(&id(u32::MAX), LONG).expect("the reader says that it reads");
    other
}

fn read_log(path: &Path) {
    let store = Store::open(path, &StoreOptions::default()).expect("the store of the bench");
    let mut log = store.subscribe(b"").expect("a reader");
    let spec = CreateSpec { keep: true, ..CreateSpec::default() };
    store.create(&id(u32::MAX), &spec).expect("a new object").seal().expect("it can be sealed");
    while log.next(Timeout::Forever).is_ok() {}
}

fn small_objects(place: &Scratch, rounds: usize, read: bool) -> Vec<Row> {
    let store = open(&place.at(if read { "read" } else { "small" }), 16 << 20);
    let _reader = read.then(|| reader_of(&store));
    let spec = CreateSpec { data_size: SMALL, keep: true, ..CreateSpec::default() };
    let data = [3; SMALL as usize];
    let mut times: [Vec<f64>; 4] = Default::default();
    for round in 0..=rounds {
        let mut timed = |nth: usize, step: &mut dyn FnMut(&ObjectId)| {
            let ids: Vec<_> = (0..BATCH).map(id).collect();
            let begun = Instant::now();
            ids.iter().for_each(&mut *step);
            if round > 0 {
                times[nth].push(begun.elapsed().as_secs_f64() / f64::from(BATCH));
            }
        };
        timed(0, &mut |id| {
            let mut writer = store.create(id, &spec).expect("a new object");
            writer.copy_from(0, &data);
            writer.seal().expect("it can be sealed");
        });
        timed(1, &mut |id| {
            let buffer = store.get(id, Timeout::Poll).expect("it is there");
            std::hint::black_box(buffer.data());
        });
        timed(2, &mut |id| assert!(store.contains(id).expect("the store is there")));
        timed(3, &mut |id| assert!(store.delete(id, DeleteMode::Now).expect("the store is there")));
    }
    let (names, plasma) = if read {
        let names = [
            "create and seal 100 B, log is read",
            "get and release, log is read",
            "contains, log is read",
            "delete, log is read",
        ];
        (names, [""; 4])
    } else {
        let names = ["create and seal 100 B", "get and release", "contains", "delete"];
        (names, ["101 µs", "50 µs", "39 µs", "39 µs"])
    };
    let rows = names.into_iter().zip(plasma).zip(times);
    rows.map(|((name, plasma), times)| Row {
        name,
        seconds: median(times),
        bytes: None,
        floor: Floor::None,
        plasma,
    })
    .collect()
}

// ---- calls ----------------------------------------------------------------------------------------------------------

fn process(path: &Path) {
    let store = Store::open(path, &StoreOptions::default()).expect("the store of the bench");
    let mut processor = Processor::new(&store, &ProcessorOptions::default()).expect("a processor");
    for (signature, output) in [(EMPTY, 1), (TAGGED, 2)] {
        let function: Function = Arc::new(move |call: &Call| {
            let mut writer = call.create_tensor(output, &[], Order::C, false)?;
            writer.bytes_mut().fill(0);
            writer.seal().map(drop)
        });
        let schema = CallSchema::parse(signature).expect("a signature");
        processor.register(schema, Some(function)).expect("the other one has another name");
    }
    processor.start().expect("it can start");
    while processor.process(Timeout::Forever).is_ok() {}
}

fn calls(place: &Scratch, rounds: usize) -> Vec<Row> {
    let path = place.at("calls");
    let store = open(&path, 64 << 20);
    let _other = Other::start("processor", &path);
    let namespace = Namespace::new(&store, Some("bench"));
    let schemas = [EMPTY, TAGGED].map(|signature| CallSchema::parse(signature).expect("a signature"));
    let found = CallerOptions { timeout: LONG, ..CallerOptions::default() };
    let caller = Caller::new(&namespace, schemas.to_vec(), &found).expect("the processor comes");
    let mut args = Args::new();
    args.push(Arg::Cell(Cell::Int(1)));
    let issue = || caller.call("empty", &args).expect("a call");
    let there_and_back = per_step(rounds, BATCH, |_| {
        issue().at(0).expect("one output").wait(LONG).expect("the output");
    });
    let (mut issuing, mut done) = (Vec::new(), Vec::new());
    for round in 0..=rounds {
        let begun = Instant::now();
        let results: Vec<_> = (0..BATCH).map(|_| issue()).collect();
        let issued = begun.elapsed().as_secs_f64() / f64::from(BATCH);
        for result in &results {
            result.at(0).expect("one output").wait(LONG).expect("the output");
        }
        if round > 0 {
            issuing.push(issued);
            done.push(begun.elapsed().as_secs_f64() / f64::from(BATCH));
        }
    }
    let (single, [batch_issuing, batch_done]) = batches(&namespace, &caller, rounds);
    let row = |name, seconds, plasma| Row { name, seconds, bytes: None, floor: Floor::PingPong, plasma };
    vec![
        row("empty call, there and back", there_and_back, "400 µs"),
        row("empty calls, pipelined: issuing one", median(issuing), ""),
        row("empty calls, pipelined: one done", median(done), ""),
        row("empty calls with an input, pipelined: one done", single, ""),
        row("the same as rows of 100: issuing one", batch_issuing, ""),
        row("the same as rows of 100: one done", batch_done, ""),
    ]
}

/// A call there and back while a third process reads the event log.
fn call_that_is_read(place: &Scratch, rounds: usize) -> Row {
    let path = place.at("calls-read");
    let store = open(&path, 64 << 20);
    let _other = Other::start("processor", &path);
    let _reader = reader_of(&store);
    let namespace = Namespace::new(&store, Some("bench"));
    let schema = CallSchema::parse(EMPTY).expect("a signature");
    let found = CallerOptions { timeout: LONG, ..CallerOptions::default() };
    let caller = Caller::new(&namespace, vec![schema], &found).expect("the processor comes");
    let mut args = Args::new();
    args.push(Arg::Cell(Cell::Int(1)));
    let seconds = per_step(rounds, BATCH, |_| {
        let results = caller.call("empty", &args).expect("a call");
        results.at(0).expect("one output").wait(LONG).expect("the output");
    });
    let name = "empty call, there and back, log is read";
    Row { name, seconds, bytes: None, floor: Floor::PingPong, plasma: "" }
}

/// A call with an input object, one done of many single ones; and as rows of call objects: issuing one, one done.
fn batches(namespace: &Namespace, caller: &Caller, rounds: usize) -> (f64, [f64; 2]) {
    let layout = Layout::contiguous(Elem::Int64, &[1], Order::C, &[String::new()]).expect("a layout");
    let source = TensorSource { bytes: &[0; 8], origin: 0, layout: &layout };
    let mut args = Args::new();
    args.push(Arg::Cell(Cell::Int(1)));
    args.push(Arg::Ref(namespace.put_tensor(&source).expect("room for a number")));
    let rows = vec![args.clone(); ROWS as usize];
    let mut times: [Vec<f64>; 3] = Default::default();
    for round in 0..=rounds {
        let mut timed = |nth: usize, issue: &dyn Fn() -> Vec<Results>| {
            let begun = Instant::now();
            let results = issue();
            let issued = begun.elapsed().as_secs_f64() / f64::from(BATCH);
            for result in &results {
                result.at(0).expect("one output").wait(LONG).expect("the output");
            }
            if round > 0 {
                times[nth].push(begun.elapsed().as_secs_f64() / f64::from(BATCH));
                if nth == 1 {
                    times[2].push(issued);
                }
            }
        };
        timed(0, &|| (0..BATCH).map(|_| caller.call("tagged", &args).expect("a call")).collect());
        let batch = |_| caller.batch("tagged", &rows, LONG).expect("a batch");
        timed(1, &|| (0..BATCH / ROWS).flat_map(batch).collect());
    }
    let [single, done, issuing] = times.map(median);
    (single, [issuing, done])
}

// ---- large objects --------------------------------------------------------------------------------------------------

fn large_objects(place: &Scratch, rounds: usize) -> Vec<Row> {
    let source = vec![4_u8; LARGE];
    let warm = {
        let store = open(&place.at("warm"), LARGE as u64 + (1 << 20));
        let mut times = Vec::new();
        for round in 0..=rounds {
            let begun = Instant::now();
            put(&store, &source);
            if round > 0 {
                times.push(begun.elapsed().as_secs_f64());
            }
            store.delete(&id(0), DeleteMode::Now).expect("the store is there");
        }
        median(times)
    };
    let cold = (0..rounds.min(7)).map(|round| {
        let store = open(&place.at(&format!("cold{round}")), LARGE as u64 + (1 << 20));
        let begun = Instant::now();
        put(&store, &source);
        begun.elapsed().as_secs_f64()
    });
    let cold = median(cold.collect());
    let (row, bytes) = (|name, seconds, plasma| (name, seconds, plasma), Some(LARGE));
    let mut rows: Vec<_> = [
        row("put 80 MB into recycled memory", warm, "11.5 GB/s"),
        row("put 80 MB into new memory", cold, "1.5 GB/s"),
    ]
    .map(|(name, seconds, plasma)| Row { name, seconds, bytes, floor: Floor::Memcpy, plasma })
    .into();
    rows.push(Row {
        name: "hand over 80 MB in place",
        seconds: hand_over(place, rounds),
        bytes: None,
        floor: Floor::PingPong,
        plasma: "",
    });
    rows
}

/// Tables and tensors of the same bytes, in one store: 16 columns of float64.
fn tables(place: &Scratch, rounds: usize) -> Vec<Row> {
    const COLUMNS: usize = 16;
    let store = open(&place.at("tables"), 2 * LARGE as u64 + (4 << 20));
    let namespace = Namespace::new(&store, None);
    let bytes = vec![4_u8; LARGE];
    let layout = Layout::contiguous(Elem::Float64, &[LARGE as i64 / 8], Order::C, &[String::new()]);
    let layout = layout.expect("a layout");
    let tensor = TensorSource { bytes: &bytes, origin: 0, layout: &layout };
    let table = |size: usize| {
        let column = || Arc::new(Float64Array::from(vec![4.0; size / 8 / COLUMNS])) as ArrayRef;
        let names = (0..COLUMNS).map(|column| format!("column {column}"));
        let batch = RecordBatch::try_from_iter(names.map(|name| (name, column()))).expect("a record batch");
        TableSource::new(batch.schema(), vec![batch]).expect("a table")
    };
    let (large, small) = (table(LARGE), table(LARGE / 1000));
    let row = |name, seconds, bytes, floor| Row { name, seconds, bytes, floor, plasma: "" };
    let put = |value: &TableSource| namespace.put_table(value).expect("room for the table");
    let tensors = per_step(rounds, 1, |_| drop(namespace.put_tensor(&tensor).expect("room for the tensor")));
    let tables = per_step(rounds, 1, |_| drop(put(&large)));
    let get = |value: &TableSource| {
        let reference = put(value);
        per_step(rounds, BATCH, |_| drop(reference.get_table(Timeout::Poll).expect("the table")))
    };
    vec![
        row("put a tensor of 80 MB", tensors, Some(LARGE), Floor::Memcpy),
        row("put a table of 80 MB, 16 columns", tables, Some(LARGE), Floor::Memcpy),
        row("get and release a table of 80 MB", get(&large), None, Floor::None),
        row("get and release a table of 80 kB", get(&small), None, Floor::None),
    ]
}

fn put(store: &Store, data: &[u8]) {
    let spec = CreateSpec { data_size: data.len() as u64, keep: true, ..CreateSpec::default() };
    let mut writer = store.create(&id(0), &spec).expect("room for the object");
    writer.copy_from(0, data);
    writer.seal().expect("it can be sealed");
}

/// From the beginning of `create` to the moment when the other process has the object, which it waits for.
fn hand_over(place: &Scratch, rounds: usize) -> f64 {
    let folder = place.at("hand");
    std::fs::create_dir(&folder).expect("a folder");
    let store = open(&folder.join("store"), LARGE as u64 + (1 << 20));
    let page = Page::open(&folder.join("page"));
    let _other = Other::start("receiver", &folder);
    let spec = CreateSpec { data_size: LARGE as u64, keep: true, ..CreateSpec::default() };
    let mut times = Vec::new();
    // The first has no recycled memory; a hundred, because there is one of them a round.
    for turn in 1..=100 * u32::try_from(rounds).expect("a small number") {
        hear(&page.shared().ping.0, turn);
        // So that it sleeps by now, as one who waits for real work does.
        std::thread::sleep(Duration::from_micros(300));
        let begun = now();
        let writer = store.create(&id(turn), &spec).expect("room for the object");
        writer.seal().expect("it can be sealed");
        hear(&page.shared().pong.0, turn);
        let taken = page.shared().time.load(Ordering::SeqCst) - begun;
        if turn > 1 {
            times.push(taken as f64 * 1e-9);
        }
        store.delete(&id(turn), DeleteMode::Now).expect("the store is there");
    }
    median(times)
}

fn receive(folder: &Path) {
    let store = Store::open(&folder.join("store"), &StoreOptions::default()).expect("the store of the bench");
    let page = Page::open(&folder.join("page"));
    for turn in 1.. {
        say(&page.shared().ping.0, turn);
        let Ok(buffer) = store.get(&id(turn), LONG) else { return };
        page.shared().time.store(now(), Ordering::SeqCst);
        drop(buffer);
        say(&page.shared().pong.0, turn);
    }
}

// ---- printing -------------------------------------------------------------------------------------------------------

fn ratio(row: &Row, rows: &[Row]) -> Option<f64> {
    let floor = match row.floor {
        Floor::None => return None,
        Floor::PingPong => &rows[0],
        Floor::Memcpy => &rows[1],
    };
    Some(row.seconds / floor.seconds)
}

fn time_text(seconds: f64) -> String {
    match seconds {
        s if s < 1e-6 => format!("{:.0} ns", s * 1e9),
        s if s < 1e-3 => format!("{:.2} µs", s * 1e6),
        s => format!("{:.2} ms", s * 1e3),
    }
}

fn print_table(rows: &[Row], rounds: usize) {
    println!("medians of {rounds} rounds; ratio: to the memcpy or the ping-pong of the same run\n");
    let title = "Apache Plasma (pyarrow 11) on a two-core machine";
    println!("{:<48}{:>12}{:>12}{:>18}   {title}", "", "time", "throughput", "ratio");
    for row in rows {
        let rate = row.bytes.map(|bytes| format!("{:.1} GB/s", bytes as f64 / row.seconds * 1e-9));
        let against = match row.floor {
            Floor::Memcpy => "memcpy",
            _ => "ping-pong",
        };
        let ratio = ratio(row, rows).map(|ratio| format!("{ratio:.2} {against}"));
        let (rate, ratio) = (rate.unwrap_or_default(), ratio.unwrap_or_default());
        let line =
            format!("{:<48}{:>12}{rate:>12}{ratio:>18}   {}", row.name, time_text(row.seconds), row.plasma);
        println!("{}", line.trim_end());
    }
}

fn print_json(rows: &[Row], rounds: usize) {
    println!("{{\n  \"rounds\": {rounds},\n  \"rows\": [");
    for (nth, row) in rows.iter().enumerate() {
        let number = |value: Option<f64>| value.map_or("null".to_owned(), |value| format!("{value:e}"));
        let rate = number(row.bytes.map(|bytes| bytes as f64 / row.seconds));
        let (ratio, comma) = (number(ratio(row, rows)), if nth + 1 < rows.len() { "," } else { "" });
        println!(
            "    {{\"name\": \"{}\", \"seconds\": {:e}, \"bytes_per_second\": {rate}, \"ratio\": {ratio}, \"plasma\": \"{}\"}}{comma}",
            row.name, row.seconds, row.plasma
        );
    }
    println!("  ]\n}}");
}

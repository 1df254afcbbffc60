//! Programs on a store whose bookkeeping is overwritten meanwhile. They must give errors, never a crash, a hang, or bytes
//! that are not there.

use std::cell::OnceCell;
use std::sync::Arc;

use arbitrary::{Arbitrary, Unstructured};
use sdp_dal::dal::{
    namespaces, Arg, Args, Call, Caller, CallerOptions, Namespace, NamespaceOptions, Processor,
    ProcessorOptions, Ref, Results,
};
use sdp_dal::store::{
    Buffer, Create, CreateSpec, DeleteMode, ObjectId, Store, StoreOptions, Subscription, Want, Writer,
};
use sdp_dal::timeout::Timeout;
use sdp_dal::wire::{CallSchema, Cell, Elem, Layout, Order, TensorSource};

use super::damage::{dirty, id, options, random_seeds, Copy, Image, Scribble, SIGNATURE};
use super::Target;

/// The target.
pub const TARGET: Target = Target {
    name: "store",
    about: "uses a store while its bookkeeping is overwritten",
    run,
    words: &[&[0xff; 8], &[0xff; 4], &[0, 0, 0, 0x40]],
    longest: 1024,
    seeds: || random_seeds(16, 200),
};

/// Most steps of a program.
const MOST: usize = 64;

thread_local! {
    static IMAGE: OnceCell<Image> = const { OnceCell::new() };
}

/// A step.
#[derive(Debug, Arbitrary)]
enum Step {
    Scribble(Scribble),
    Again(Scribble),
    Dirty,
    Get(u8),
    Drop(u8),
    Create { n: u8, size: u16, evictable: bool, want: bool },
    Seal,
    Delete { n: u8, later: bool },
    SetKeep { n: u8, keep: bool },
    Look,
    Check,
    Want(u8),
    Reserve(u8),
    Put(u8),
    GetTensor(u8),
    Discover,
    Issue(i8),
    Take,
    Finish { status: u8 },
    Process,
    Reap,
    Trim,
    Evict(u16),
    Events,
    Pass,
    Reopen,
    Wait(u8),
}

/// Runs an input.
pub fn run(input: &[u8]) {
    IMAGE.with(|image| program(image.get_or_init(Image::new), &mut Unstructured::new(input)));
}

fn program(image: &Image, input: &mut Unstructured<'_>) {
    let copy = image.copy("store");
    image.live(&copy);
    let mut session = Session::default();
    if input.arbitrary().unwrap_or(true) {
        session.open(&copy);
    }
    for _ in 0..MOST {
        let Ok(step) = input.arbitrary::<Step>() else { break };
        match step {
            Step::Scribble(scribble) | Step::Again(scribble) => scribble.anywhere(&copy, &image.geometry),
            Step::Dirty => dirty(&copy),
            Step::Reopen => {
                session = Session::default();
                session.open(&copy);
            }
            step => session.take(&step, image),
        }
        if input.is_empty() {
            break;
        }
    }
}

/// What a program holds. Fields are dropped in this order.
#[derive(Default)]
struct Session {
    calls: Vec<Call>,
    results: Vec<Results>,
    refs: Vec<Ref>,
    buffers: Vec<Buffer>,
    writers: Vec<Writer>,
    wants: Vec<Want>,
    events: Option<Subscription>,
    caller: Option<Caller>,
    processor: Option<Processor>,
    namespace: Option<Namespace>,
    store: Option<Store>,
}

/// Reads all of it: what lies outside of the mapping is a crash.
fn touch(bytes: &[u8]) {
    std::hint::black_box(bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)));
}

impl Session {
    fn open(&mut self, copy: &Copy) {
        let options = StoreOptions { create: Create::Never, ..options() };
        self.store = Store::open(&copy.path, &options).ok();
        self.namespace = self.store.as_ref().map(|store| Namespace::new(store, Some("fuzz")));
    }

    fn take(&mut self, step: &Step, image: &Image) {
        let Some(store) = self.store.clone() else { return };
        let known = |n: u8| match n {
            0x80.. => image.ids[usize::from(n & 0x7f) % image.ids.len()],
            n => id(n % 24),
        };
        // An error is what a step may well give.
        let _ = self.step(step, &store, &known);
    }

    fn step(
        &mut self,
        step: &Step,
        store: &Store,
        known: &dyn Fn(u8) -> ObjectId,
    ) -> sdp_dal::error::Result<()> {
        match *step {
            Step::Get(n) => {
                let buffer = store.get(&known(n), Timeout::Poll)?;
                touch(buffer.data());
                touch(buffer.metadata());
                self.buffers.push(buffer);
            }
            Step::Drop(n) => self.drop_some(n),
            Step::Create { n, size, evictable, want } => {
                let spec = CreateSpec {
                    data_size: u64::from(size) * 4,
                    metadata: b"text",
                    want,
                    keep: !want,
                    evictable,
                    zeroed: evictable,
                    full_timeout: Some(Timeout::Poll),
                };
                let mut writer = store.create(&id(n % 24), &spec)?;
                writer.data_mut().fill(n);
                self.writers.push(writer);
            }
            Step::Seal => {
                let sealed = self.writers.pop().map(Writer::seal).transpose()?.flatten();
                self.wants.extend(sealed);
            }
            Step::Delete { n, later } => {
                let mode = if later { DeleteMode::WhenReleased } else { DeleteMode::Now };
                store.delete(&known(n), mode)?;
            }
            Step::SetKeep { n, keep } => store.set_keep(store.info(&known(n))?.key, keep)?,
            Step::Look => look(store),
            Step::Check => drop(store.check()?),
            Step::Want(n) => self.wants.push(store.want(&known(n))?),
            Step::Reserve(n) => {
                let prefix = vec![n; usize::from(n % 5)];
                let reserved = Namespace::reserve(store, NamespaceOptions { prefix, ..Default::default() });
                self.namespace = Some(reserved?);
            }
            Step::Put(n) => {
                let namespace = self.namespace()?;
                let layout = Layout::contiguous(Elem::Uint8, &[n.into()], Order::C, &[])?;
                let bytes = vec![n; n.into()];
                let value = TensorSource { bytes: &bytes, origin: 0, layout: &layout };
                self.refs.push(namespace.put_tensor(&value)?);
            }
            Step::GetTensor(n) => {
                let reference = self.namespace()?.borrow(known(n), sdp_dal::dal::Expectation::default());
                let tensor = reference.get_tensor(Timeout::Poll);
                tensor.iter().for_each(|tensor| touch(tensor.bytes()));
                let table = reference.get_table(Timeout::Poll);
                drop((tensor?, table));
            }
            Step::Discover => {
                let (namespace, schema) = (self.namespace()?, CallSchema::parse(SIGNATURE)?);
                self.caller = Some(Caller::new(&namespace, vec![schema], &CallerOptions::default())?);
            }
            Step::Issue(x) => self.issue(x.into())?,
            Step::Take => {
                let call = self.processor(store)?.next(Timeout::Poll)?;
                self.calls.push(call);
            }
            Step::Finish { status } => self.finish(status)?,
            Step::Process => drop(self.processor(store)?.process(Timeout::Poll)?),
            Step::Reap => drop(store.reap_all()),
            Step::Trim => drop(store.trim()?),
            Step::Evict(bytes) => drop(store.evict(bytes.into())?),
            Step::Events => {
                if self.events.is_none() {
                    self.events = Some(store.subscribe(b"")?);
                }
                let Some(events) = &mut self.events else { return Ok(()) };
                for _ in 0..20 {
                    events.next(Timeout::Poll)?;
                }
            }
            Step::Pass => {
                let namespace = self.namespace()?;
                let reference = self.refs.last().ok_or_else(nothing)?;
                self.refs.push(namespace.import(&reference.export()?)?);
            }
            Step::Wait(n) => {
                let reference = self.namespace()?.borrow(known(n), sdp_dal::dal::Expectation::default());
                reference.wait(Timeout::After(std::time::Duration::from_millis(1)))?;
            }
            Step::Scribble(_) | Step::Again(_) | Step::Dirty | Step::Reopen => {}
        }
        Ok(())
    }

    fn namespace(&self) -> sdp_dal::error::Result<Namespace> {
        self.namespace.clone().ok_or_else(nothing)
    }

    fn drop_some(&mut self, n: u8) {
        match n % 8 {
            0 => drop(self.buffers.pop()),
            1 => drop(self.writers.pop()),
            2 => drop(self.wants.pop()),
            3 => drop(self.refs.pop()),
            4 => drop(self.results.pop()),
            5 => drop(self.calls.pop()),
            6 => drop(self.processor.take()),
            _ => drop(self.caller.take()),
        }
    }

    fn processor(&mut self, store: &Store) -> sdp_dal::error::Result<&Processor> {
        if self.processor.is_none() {
            let options = ProcessorOptions { prefix: vec![5], ..ProcessorOptions::default() };
            let mut processor = Processor::new(store, &options)?;
            processor.register(CallSchema::parse(SIGNATURE)?, Some(Arc::new(double)))?;
            processor.start()?;
            self.processor = Some(processor);
        }
        self.processor.as_ref().ok_or_else(nothing)
    }

    fn issue(&mut self, x: i64) -> sdp_dal::error::Result<()> {
        let caller = self.caller.as_ref().ok_or_else(nothing)?;
        let layout = Layout::contiguous(Elem::Int64, &[2], Order::C, &["i".into()])?;
        let mut args = Args::new();
        args.set("x", Arg::Cell(Cell::Int(x)));
        args.set("ys", Arg::Tensor(TensorSource { bytes: &[3; 16], origin: 0, layout: &layout }));
        let results = caller.call("simple_fn", &args)?;
        self.refs.extend(results.at(0).cloned());
        self.results.push(results);
        Ok(())
    }

    fn finish(&mut self, status: u8) -> sdp_dal::error::Result<()> {
        let call = self.calls.pop().ok_or_else(nothing)?;
        let _ = call.set_progress(0.5);
        if status & 1 == 0 {
            double(&call)?;
            return call.finish();
        }
        call.fail(&sdp_dal::error::Error::invalid("it fails"))
    }
}

fn nothing() -> sdp_dal::error::Error {
    sdp_dal::error::Error::invalid("the program has no such thing")
}

/// zs = ys.
fn double(call: &Call) -> sdp_dal::error::Result<()> {
    let ys = call.tensor(1)?;
    let mut zs = call.create_tensor(2, &ys.layout().shape, Order::C, false)?;
    zs.bytes_mut().copy_from_slice(ys.bytes());
    zs.seal().map(drop)
}

fn look(store: &Store) {
    let _ = store.stat();
    let _ = store.clients();
    let _ = store.waiters();
    let _ = namespaces(store);
    for object in store.list(b"").unwrap_or_default() {
        let _ = store.look_key(object.key, &object.id);
        let _ = store.progress(object.key);
    }
    for namespace in store.namespaces().unwrap_or_default() {
        let _ = store.queue(namespace.key, 0);
    }
}

//! A queue without a processor: in which order its rows come out, and what stays in it.

use super::*;
use crate::dal::ownership::declare;
use crate::store::Want;
use crate::wire::Metadata;

pub(super) const PLAIN: FunctionOptions =
    FunctionOptions { reentrant: false, ordered: false, loose_dims: false, full_timeout: None };
const ORDERED: FunctionOptions =
    FunctionOptions { reentrant: false, ordered: true, loose_dims: false, full_timeout: None };
const REENTRANT: FunctionOptions =
    FunctionOptions { reentrant: true, ordered: false, loose_dims: false, full_timeout: None };

const OTHER: &str = "other(x: int64[]) -> (y: int64[])";
const JOIN: &str = "join(a: int64[], b: int64[]) -> (y: int64[])";

/// What a processor has, and a caller that finds it.
pub(super) struct Alone {
    pub(super) queue: CallQueue,
    pub(super) declaration: Want,
    crew: Arc<Crew>,
    caller: Caller,
    namespace: Namespace,
    pub(super) store: Store,
    path: std::path::PathBuf,
}

impl Alone {
    pub(super) fn new(name: &str, functions: &[(&str, FunctionOptions)]) -> Alone {
        let path = std::env::temp_dir().join(format!("sdp-dal-alone-{}-{name}", std::process::id()));
        let options = StoreOptions { size: Some(64 << 20), ..StoreOptions::default() };
        let store = Store::open(&path, &options).unwrap();
        let schemas: Vec<_> =
            functions.iter().map(|(signature, _)| CallSchema::parse(signature).unwrap()).collect();
        let declaration = declare(&store, b"", name, schemas.clone(), Metadata::new()).unwrap();
        let offered = schemas.iter().zip(functions).enumerate().map(|(index, (schema, (_, options)))| {
            Arc::new(Offered::new((index, index), schema.clone(), *options))
        });
        let queue = CallQueue::new(&store, declaration.key(), offered.collect()).unwrap();
        let crew = Crew::new(&store, declaration.id(), functions.len(), 1, true);
        let namespace = Namespace::new(&store, None);
        let caller = Caller::new(&namespace, schemas, &CallerOptions::default()).unwrap();
        Alone { queue, declaration, crew, caller, namespace, store, path }
    }

    pub(super) fn late(&self) -> Ref {
        self.namespace.new_ref(None).unwrap()
    }

    fn there(&self) -> Ref {
        let reference = self.late();
        put(&reference, 1);
        reference
    }

    /// Issues a call, whose output is held by `refs` only.
    pub(super) fn issue(&self, function: &str, refs: &[&Ref]) {
        let mut args = Args::new();
        refs.iter().for_each(|reference| args.push(Arg::Ref((*reference).clone())));
        drop(self.caller.call(function, &args).unwrap());
    }

    pub(super) fn pull(&mut self) -> Result<()> {
        self.queue.pull(&self.store, false)
    }

    fn scan(&mut self, idle: bool) -> Option<(PendingRow, Turn)> {
        match self.queue.scan(&self.store, &self.crew, idle, clock::now()).unwrap() {
            Scan::Ready(row, turn) => Some((row, turn)),
            Scan::Blocked(_) => None,
        }
    }

    /// Takes a row off the queue.
    fn take(&mut self) -> Option<(PendingRow, Turn)> {
        self.pull().unwrap();
        self.scan(false)
    }

    /// The place of the row that comes, in the order of issue; its turn is over.
    pub(super) fn order(&mut self) -> Option<u64> {
        self.take().map(|(row, _)| row.order - FIRST)
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

#[test]
fn the_oldest_row_of_all_functions_comes_first() {
    let mut alone = Alone::new("oldest", &[(STEP, PLAIN), (OTHER, PLAIN)]);
    let (x, ys) = (alone.there(), [alone.late(), alone.late(), alone.late(), alone.late()]);
    for (function, y) in ["other", "step", "step", "other"].into_iter().zip(&ys) {
        alone.issue(function, &[&x, y]);
    }
    let orders: Vec<u64> = std::iter::from_fn(|| alone.order()).collect();
    assert_eq!(orders, [0, 1, 2, 3]);
    assert_eq!((alone.queue.pending(), alone.queue.makers.len()), (0, 0));
}

#[test]
fn a_row_that_is_put_back_comes_again_before_later_ones() {
    for (name, options) in [("back", PLAIN), ("back-ordered", ORDERED)] {
        let mut alone = Alone::new(name, &[(STEP, options)]);
        let (x, ys) = (alone.there(), [alone.late(), alone.late()]);
        ys.iter().for_each(|y| alone.issue("step", &[&x, y]));
        for _ in 0..2 {
            let (row, turn) = alone.take().unwrap();
            assert_eq!(row.order, FIRST);
            alone.queue.put_back(row);
            // Not before its turn is over.
            assert!(alone.take().is_none());
            drop(turn);
        }
        assert_eq!((alone.order(), alone.order(), alone.order()), (Some(0), Some(1), None));
    }
}

#[test]
fn a_row_at_the_front_that_nobody_wants_is_forgotten_at_once() {
    let mut alone = Alone::new("forgotten", &[(STEP, ORDERED)]);
    let (x, y) = (alone.late(), alone.late());
    alone.issue("step", &[&x, &y]);
    assert!(alone.take().is_none());
    assert_eq!((alone.queue.pending(), alone.queue.watchlist.is_empty()), (1, false));
    drop(y);
    assert!(alone.take().is_none());
    assert_eq!((alone.queue.pending(), alone.queue.watchlist.is_empty()), (0, true));
}

#[test]
fn what_a_row_waits_for_is_looked_at_again_once_its_change_would_be_told() {
    let mut alone = Alone::new("looks", &[(STEP, PLAIN)]);
    let (x, ys) = (alone.late(), [alone.late(), alone.late()]);
    alone.issue("step", &[&x, &ys[0]]);
    assert!(alone.take().is_none());
    assert!(alone.queue.looks() >= 2, "{}", alone.queue.looks());
    alone.issue("step", &[&x, &ys[1]]);
    assert!(alone.take().is_none());
    assert!(alone.queue.looks() >= 3, "{}", alone.queue.looks());
    put(&x, 1);
    assert_eq!(alone.order(), Some(0));
    // At the object once for both, then at each of the rows.
    assert!(alone.queue.looks() >= 6, "{}", alone.queue.looks());
}

#[test]
fn a_sweep_takes_its_time_while_there_may_be_calls_and_loses_no_row() {
    let mut alone = Alone::new("sweep", &[(STEP, PLAIN)]);
    let waits: Vec<(Ref, Ref)> = (0..SWEEP_LOOKS * 5 / 4).map(|_| (alone.late(), alone.late())).collect();
    waits.iter().for_each(|(x, y)| alone.issue("step", &[x, y]));
    assert!(alone.take().is_none());
    alone.queue.sweep = 0;
    assert!(alone.scan(false).is_none());
    let come_to = alone.queue.sweep;
    assert!(come_to > 0 && come_to < Lookout::BUCKETS, "{come_to}");
    assert!(alone.scan(true).is_none());
    assert_eq!((alone.queue.sweep, alone.queue.pending()), (Lookout::BUCKETS, waits.len()));
    for (nth, (x, _)) in waits.iter().enumerate().step_by(100) {
        put(x, 1);
        assert_eq!(alone.order(), Some(nth as u64));
    }
}

#[test]
fn what_an_object_needs_is_followed_through_the_rows_that_wait() {
    let functions = [(STEP, PLAIN), (OTHER, REENTRANT), (JOIN, PLAIN)];
    let mut alone = Alone::new("needed", &functions);
    let [late, x, p, q, y] = std::array::from_fn(|_| alone.late());
    alone.issue("step", &[&late, &x]);
    alone.issue("other", &[&x, &p]);
    alone.issue("other", &[&x, &q]);
    alone.issue("join", &[&p, &q, &y]);
    alone.pull().unwrap();
    let needed = |of: &Ref| {
        let (mut functions, others) = alone.queue.needed_for(&of.id());
        functions.sort_unstable();
        (functions, others)
    };
    // One that is re-entrant may always run; what two of them need is needed once.
    assert_eq!(needed(&y), (vec![0, 2], vec![late.id()]));
    assert_eq!(needed(&p), (vec![0], vec![late.id()]));
    assert_eq!(needed(&late), (vec![], vec![late.id()]));
}

#[test]
fn of_two_rows_that_make_one_object_the_later_is_its_maker_when_the_first_has_gone() {
    let mut alone = Alone::new("makers", &[(STEP, PLAIN)]);
    let (x, late, y) = (alone.there(), alone.late(), alone.late());
    alone.issue("step", &[&x, &y]);
    alone.issue("step", &[&late, &y]);
    assert_eq!(alone.order(), Some(0));
    assert_eq!(alone.queue.needed_for(&y.id()), (vec![0], vec![late.id()]));
    put(&late, 1);
    assert_eq!(alone.order(), Some(1));
    assert!(alone.queue.makers.is_empty());
}

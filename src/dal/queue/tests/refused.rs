//! Calls that no caller of ours would have written, and what becomes of them.

use std::os::unix::fs::FileExt;

use super::alone::{Alone, PLAIN};
use super::*;
use crate::log;
use crate::shm::layout::{Entry, Geometry};
use crate::store::{CreateSpec, Want};
use crate::sync::atomic::{lock, Mutex};
use crate::wire::CallEncoder;

impl Alone {
    /// Issues an object as a call.
    fn issue_raw(&self, n: u8, metadata: &[u8], data: &[u8], outputs: &[ObjectId]) -> (Want, Vec<Want>) {
        let mut id = [n; 20];
        id[..4].copy_from_slice(&self.declaration.id().prefix());
        let spec = CreateSpec { data_size: data.len() as u64, metadata, want: true, ..CreateSpec::default() };
        let mut writer = self.store.create(&ObjectId::new(id), &spec).unwrap();
        writer.copy_from(0, data);
        self.store.issue(writer, self.declaration.key(), outputs).unwrap()
    }

    /// Issues what is no call.
    fn issue_garbage(&self, n: u8, output: &Ref) -> (Want, Vec<Want>) {
        self.issue_raw(n, b"sdp:kind=call;sdp:func=step", b"no call", &[output.id()])
    }
}

fn kind_of(output: &Ref) -> Kind {
    output.wait(Timeout::Poll).unwrap_err().kind()
}

#[test]
fn a_call_without_rows_fails_its_outputs() {
    let mut alone = Alone::new("no-rows", &[(STEP, PLAIN)]);
    let encoder = CallEncoder::new(Arc::new(CallSchema::parse(STEP).unwrap())).unwrap();
    let y = alone.late();
    let issued = alone.issue_raw(1, encoder.metadata(), &encoder.encode(&[]).unwrap(), &[y.id()]);
    assert_eq!(alone.order(), None);
    let error = y.wait(Timeout::Poll).unwrap_err();
    assert_eq!(error.kind(), Kind::Corrupt, "{error}");
    assert_eq!(error.message(), "step: the call has no rows");
    drop(issued);
}

#[test]
fn a_call_object_that_is_damaged_fails_its_outputs_and_those_behind_it_come() {
    let mut alone = Alone::new("damaged", &[(STEP, PLAIN)]);
    let (x, bad, good) = (alone.late(), alone.late(), alone.late());
    put(&x, 1);
    let (call, _wants) = alone.issue_garbage(1, &bad);
    alone.issue("step", &[&x, &good]);
    let stat = alone.store.stat().unwrap();
    let geometry = Geometry::new(stat.size, stat.max_objects.try_into().unwrap(), stat.max_clients).unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(alone.store.path()).unwrap();
    let entry = geometry.entries + u64::from(call.key().index) * geometry.entry_stride;
    let size = entry + std::mem::offset_of!(Entry, data_size) as u64;
    file.write_all_at(&(u64::MAX - 20).to_le_bytes(), size).unwrap();
    assert_eq!(
        alone.store.get_key(call.key(), &call.id(), Timeout::Poll).err().unwrap().kind(),
        Kind::Corrupt
    );
    assert_eq!(alone.order(), Some(0));
    assert_eq!(kind_of(&bad), Kind::Corrupt);
    assert_eq!(kind_of(&good), Kind::Timeout);
}

#[test]
fn a_call_that_goes_while_one_before_it_is_refused_is_passed_over() {
    let _alone = lock(&log::tests::ALONE);
    let mut alone = Alone::new("goes", &[(STEP, PLAIN)]);
    let (bad, y, x, good) = (alone.late(), alone.late(), alone.late(), alone.late());
    put(&x, 1);
    // IDs that no test beside this one tells of.
    let refused = alone.issue_garbage(71, &bad);
    let gone = alone.issue_garbage(72, &y);
    alone.issue("step", &[&x, &good]);
    let (words, key, id) = (format!("the call {}", refused.0.id()), gone.0.key(), gone.0.id());
    let gone = Mutex::new(Some(gone));
    let sink = move |_: Level, text: &str| {
        if text.contains(&words) {
            drop(lock(&gone).take());
        }
    };
    log::set(Some(Level::Warning), Some(Arc::new(sink)));
    let pulled = alone.pull();
    log::set(None, None);
    pulled.unwrap();
    let error = alone.store.get_key(key, &id, Timeout::Poll).err().unwrap();
    assert_eq!(error.kind(), Kind::ObjectDeleted);
    assert_eq!((kind_of(&bad), alone.order()), (Kind::Corrupt, Some(0)));
}

#[test]
fn a_call_that_is_held_as_often_as_can_be_is_refused_when_that_has_passed() {
    let mut alone = Alone::new("held", &[(STEP, PLAIN)]);
    let y = alone.late();
    let (call, _wants) = alone.issue_garbage(1, &y);
    let get = || alone.store.get_key(call.key(), &call.id(), Timeout::Poll);
    let mut held: Vec<Buffer> = std::iter::from_fn(|| get().ok()).collect();
    assert_eq!(get().err().unwrap().kind(), Kind::LimitReached);
    assert_eq!(alone.pull().unwrap_err().kind(), Kind::LimitReached);
    assert_eq!(kind_of(&y), Kind::Timeout);
    // To be read it is held once, to be claimed once more.
    held.pop();
    assert_eq!(alone.pull().unwrap_err().kind(), Kind::LimitReached);
    held.pop();
    alone.pull().unwrap();
    assert_eq!(kind_of(&y), Kind::Corrupt);
    assert!(alone.store.queue(alone.declaration.key(), 0).unwrap().is_empty());
}

#[test]
fn a_call_that_is_refused_is_an_error_in_the_log_only_if_no_output_says_so() {
    let _alone = lock(&log::tests::ALONE);
    let mut alone = Alone::new("told", &[(STEP, PLAIN)]);
    let schema = CallSchema::parse("unheard_of(x: int64[]) -> (y: int64[]?)").unwrap();
    let encoder = CallEncoder::new(Arc::new(schema)).unwrap();
    let (x, y) = (alone.late(), alone.late());
    let mut told = |n: u8, output: Cell, outputs: &[ObjectId]| {
        let bytes = encoder.encode(&[vec![Cell::Id(x.id()), output]]).unwrap();
        let issued = alone.issue_raw(n, encoder.metadata(), &bytes, outputs);
        let lines: Arc<Mutex<Vec<(Level, String)>>> = Arc::default();
        let ear = lines.clone();
        let sink = move |level: Level, text: &str| {
            if text.ends_with(": unheard_of: the processor does not offer this function") {
                lock(&ear).push((level, text.to_owned()));
            }
        };
        log::set(Some(Level::Warning), Some(Arc::new(sink)));
        let pulled = alone.pull();
        log::set(None, None);
        pulled.unwrap();
        let id = issued.0.id().to_string();
        let lines = lock(&lines).clone();
        (lines.into_iter().map(|(level, text)| (level, text.contains(&id))).collect::<Vec<_>>(), issued)
    };
    let (lines, issued) = told(1, Cell::Id(y.id()), &[y.id()]);
    assert_eq!((lines, kind_of(&y)), (vec![(Level::Warning, true)], Kind::NotFound));
    drop(issued);
    let (lines, _issued) = told(2, Cell::Null, &[]);
    assert_eq!(lines, [(Level::Error, false), (Level::Error, true)]);
}

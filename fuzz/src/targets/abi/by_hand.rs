//! Calls that are written by hand: those that a program begins with, sequences that belong together, and the function that
//! processors offer.

use std::ptr::null_mut;

use super::calls::{last_error, read};
use super::choices::SIGNATURES;
use super::generated as c;
use super::{kind_of, Machine, P};
use crate::targets::damage::SIGNATURE;

impl Machine<'_, '_> {
    /// A store with a processor, a caller and some objects.
    #[allow(
        clippy::undocumented_unsafe_blocks,
        reason = "each call has living handles, texts, and places that outlive it"
    )]
    pub(super) fn begin(&mut self) {
        let path = self.c_text(self.paths[0].clone().into_bytes());
        for own in [true, false] {
            let store =
                self.made("sdp_dal_store", |out| unsafe { c::sdp_dal_store_open(path, null_mut(), out) });
            if own {
                self.store = self.pools[kind_of("sdp_dal_store")].pop().unwrap_or(store);
            }
        }
        let store = self.store;
        let signatures: Vec<P> =
            SIGNATURES[..3].iter().map(|text| self.c_text(text.as_bytes().to_vec())).collect();
        let processor = self
            .made("sdp_dal_processor", |out| unsafe { c::sdp_dal_processor_open(store, null_mut(), out) });
        for (nth, signature) in signatures.iter().enumerate() {
            let data = std::ptr::without_provenance_mut(nth);
            let status = unsafe {
                c::sdp_dal_processor_register(
                    processor,
                    *signature,
                    null_mut(),
                    function as P,
                    data,
                    null_mut(),
                )
            };
            assert_eq!(status, 0, "{}", last_error());
        }
        assert_eq!(unsafe { c::sdp_dal_processor_start(processor) }, 0, "{}", last_error());
        let place = self.chunk(8 * signatures.len());
        for (nth, signature) in signatures.iter().enumerate() {
            unsafe { place.add(nth).write(*signature as u64) };
        }
        self.made("sdp_dal_caller", |out| unsafe {
            c::sdp_dal_caller_open(store, place.cast(), 3, null_mut(), out)
        });
        let schema = signatures[0];
        self.made("sdp_dal_schema", |out| unsafe { c::sdp_dal_schema_parse(schema, out) });
        self.put_vector();
        self.made("sdp_dal_ref", |out| unsafe {
            c::sdp_dal_object_put(store, signatures[0], 10, null_mut(), 0, out)
        });
    }

    /// A tensor as simple_fn takes it.
    #[allow(
        clippy::undocumented_unsafe_blocks,
        reason = "each call has living handles, texts, and places that outlive it"
    )]
    fn put_vector(&mut self) -> P {
        let (store, view, shape) = (self.store, self.chunk(64), self.chunk(8));
        let data = self.chunk(64);
        unsafe {
            shape.write(3);
            view.write(56);
            view.add(1).write(data as u64);
            view.add(2).write(shape as u64);
            // int64, one dimension.
            view.add(5).write(5 | 1 << 32);
        }
        self.made("sdp_dal_ref", |out| unsafe { c::sdp_dal_tensor_put(store, view.cast(), out) })
    }

    /// What calls chosen one by one hardly ever do together.
    #[allow(
        clippy::undocumented_unsafe_blocks,
        reason = "each call has living handles, texts, and places that outlive it"
    )]
    pub(super) fn by_hand(&mut self, chosen: u16) {
        let (caller, processor) = (self.newest("sdp_dal_caller"), self.newest("sdp_dal_processor"));
        match chosen % 8 {
            0 | 1 => {
                let args = self.made("sdp_dal_args", |out| unsafe { c::sdp_dal_args_create(out) });
                let x = self.c_text(b"x".to_vec());
                let ys = self.c_text(b"ys".to_vec());
                let name = self.c_text(SIGNATURE.split('(').next().unwrap_or_default().as_bytes().to_vec());
                let mut reference = self.handle(kind_of("sdp_dal_ref"));
                if chosen & 8 == 0 {
                    reference = self.put_vector();
                }
                let value = self.byte();
                unsafe {
                    c::sdp_dal_args_set_int64(args, x, value.try_into().unwrap_or(0));
                    c::sdp_dal_args_set_ref(args, ys, reference);
                }
                self.made("sdp_dal_results", |out| unsafe {
                    c::sdp_dal_caller_call(caller, name, args, out)
                });
                let args = self.pools[kind_of("sdp_dal_args")].pop().unwrap_or(null_mut());
                unsafe { c::sdp_dal_args_free(args) };
            }
            2 => {
                let status = unsafe { c::sdp_dal_processor_process(processor, 0) };
                self.ended("sdp_dal_processor_process", status);
            }
            3 => {
                self.made("sdp_dal_call", |out| unsafe {
                    c::sdp_dal_processor_next(processor, 0, out, null_mut())
                });
            }
            4 => {
                let results = self.newest("sdp_dal_results");
                let mut borrowed: P = null_mut();
                if unsafe {
                    c::sdp_dal_results_get_ref(
                        results,
                        c"zs".as_ptr().cast_mut().cast(),
                        (&raw mut borrowed).cast(),
                    )
                } == 0
                {
                    self.made("sdp_dal_ref", |out| unsafe { c::sdp_dal_ref_clone(borrowed, out) });
                }
            }
            5 => {
                let call = self.newest("sdp_dal_call");
                let user_data = self.user_data();
                if !call.is_null() {
                    function(call, user_data);
                    let status = unsafe { c::sdp_dal_call_finish(call, null_mut(), 0) };
                    self.ended("sdp_dal_call_finish", status);
                }
            }
            6 => {
                let stream = self.in_arraystream();
                let store = self.store;
                self.made("sdp_dal_ref", |out| unsafe {
                    c::sdp_dal_table_put(store, stream, null_mut(), out)
                });
            }
            _ => {
                let tensor = self.newest("sdp_dal_tensor");
                let view = self.chunk(64);
                unsafe { view.write(56) };
                if unsafe { c::sdp_dal_tensor_get_view(tensor, view.cast()) } == 0 {
                    // SAFETY: the library filled it: data, shape; the innermost run of elements is there.
                    let (data, ndim) = unsafe { (view.add(1).read(), view.add(5).read() >> 32) };
                    let shape = unsafe { usize::try_from(view.add(2).read()).unwrap_or(0) };
                    let shape: *const i64 = std::ptr::with_exposed_provenance(shape);
                    let sizes = (0..usize::try_from(ndim).unwrap_or(0)).map(|dim| unsafe { *shape.add(dim) });
                    let elements: i64 = sizes.product();
                    let data = std::ptr::with_exposed_provenance(usize::try_from(data).unwrap_or(0));
                    read(data, usize::try_from(elements).unwrap_or(0));
                }
            }
        }
    }
}

/// The function that processors offer: it makes `zs`, or does not, as `user_data` says.
pub(super) extern "C" fn function(call: P, user_data: P) -> i32 {
    let how = user_data.addr();
    let (mut data, shape) = (null_mut::<u8>(), [3_i64, 2, 1]);
    // SAFETY: a living call, a shape, a place for a pointer, texts.
    unsafe {
        if how != 3 {
            let name = c"zs".as_ptr().cast_mut().cast();
            let shape = shape.as_ptr().cast_mut().cast();
            if c::sdp_dal_call_create_tensor(call, name, 1, shape, null_mut(), (&raw mut data).cast()) == 0 {
                data.write_bytes(7, 24);
            }
        }
        if how == 4 {
            c::sdp_dal_call_fail(call, -8, c"it fails".as_ptr().cast_mut().cast());
        }
    }
    match how {
        4 => -8,
        5 => 12345,
        6 => -7,
        _ => 0,
    }
}

//! Slices of Rust's numbers and `ndarray`'s arrays in and out of a store, and functions that are closures.
#![cfg(feature = "ndarray")]

mod common;

use common::TestStore;
use half::f16;
use ndarray::{arr0, array, s, Array1, Array2, Axis, IxDyn};
use ndarray::{Array3, Ix1, Ix2, Ix3};
use num_complex::Complex;
use sdp_dal::dal::{Args, Caller, CallerOptions, Namespace, Processor, ProcessorOptions, Results};
use sdp_dal::error::{Error, Kind};
use sdp_dal::timeout::Timeout;
use sdp_dal::wire::{ArraySource, CallSchema, Elem, Element, Layout, Order, TensorSource};

fn round_trip<T: Element + PartialEq + std::fmt::Debug>(namespace: &Namespace, values: &[T]) {
    let tensor = namespace.put(values).unwrap().get_tensor(Timeout::Poll).unwrap();
    assert_eq!(tensor.layout().elem, T::ELEM);
    assert_eq!(tensor.as_slice::<T>().unwrap(), values);
    assert_eq!(
        tensor.as_slice::<T>().unwrap().as_ptr().cast::<u8>(),
        tensor.bytes().as_ptr(),
        "it was copied"
    );
}

#[test]
fn every_element_type_goes_in_and_comes_out() {
    let store = TestStore::open("elements", 8 << 20);
    let namespace = Namespace::new(&store, None);
    round_trip(&namespace, &[i8::MIN, 0, 5]);
    round_trip(&namespace, &[i16::MIN, 0, 5]);
    round_trip(&namespace, &[i32::MIN, 0, 5]);
    round_trip(&namespace, &[i64::MIN, 0, 5]);
    round_trip(&namespace, &[u8::MAX, 0, 5]);
    round_trip(&namespace, &[u16::MAX, 0, 5]);
    round_trip(&namespace, &[u32::MAX, 0, 5]);
    round_trip(&namespace, &[u64::MAX, 0, 5]);
    round_trip(&namespace, &[f16::MAX, f16::from_f32(0.5)]);
    round_trip(&namespace, &[f32::MIN, 0.5]);
    round_trip(&namespace, &[f64::MIN, 0.5]);
    round_trip(&namespace, &[[1_f32, 2.0], [3.0, 4.0]]);
    round_trip(&namespace, &[[1_f64, 2.0], [3.0, 4.0]]);
    round_trip(&namespace, &[Complex::new(1_f32, 2.0)]);
    round_trip(&namespace, &[Complex::new(1_f64, -2.0)]);
    round_trip::<f64>(&namespace, &[]);
    namespace.put(&vec![1, 2]).unwrap();
}

#[test]
fn flags_are_read_as_bytes_and_other_types_are_refused() {
    let store = TestStore::open("refused", 8 << 20);
    let namespace = Namespace::new(&store, None);
    let layout = Layout::contiguous(Elem::Bool, &[3], Order::C, &["channel".to_owned()]).unwrap();
    let flags =
        namespace.put_tensor(&TensorSource { bytes: &[1, 0, 1], origin: 0, layout: &layout }).unwrap();
    let flags = flags.get_tensor(Timeout::Poll).unwrap();
    assert_eq!(flags.as_slice::<u8>().unwrap(), [1, 0, 1]);
    let error = flags.as_slice::<i8>().unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidArgument);
    assert_eq!(error.message(), "the tensor's elements are bool, not int8, which i8 is for");
    let error = flags.view::<u8, Ix2>().unwrap_err();
    assert_eq!(error.message(), "the tensor has 1 dimensions, not 2");
    // Bytes are no bools: a program that writes 2 into one would be wrong in every language that reads it.
    let bytes = namespace.put(&[1_u8]).unwrap().get_tensor(Timeout::Poll).unwrap();
    assert_eq!(bytes.layout().elem, Elem::Uint8);
}

#[test]
fn arrays_keep_their_elements_and_their_order() {
    let store = TestStore::open("orders", 8 << 20);
    let namespace = Namespace::new(&store, None);
    let cube = Array3::from_shape_fn((2, 3, 4), |(i, j, k)| (100 * i + 10 * j + k) as i32);
    let same = |view: ndarray::ArrayView3<'_, i32>| {
        let tensor = namespace.put(&view).unwrap().get_tensor(Timeout::Poll).unwrap();
        assert_eq!(tensor.view::<i32, Ix3>().unwrap(), view);
        assert_eq!(tensor.view::<i32, IxDyn>().unwrap(), view.into_dyn());
        tensor.layout().order()
    };
    assert_eq!(same(cube.view()), Some(Order::C));
    assert_eq!(same(cube.t()), Some(Order::F));
    let mut swapped = cube.view();
    swapped.swap_axes(0, 1);
    same(swapped);
    let mut turned = cube.view();
    turned.invert_axis(Axis(0));
    turned.invert_axis(Axis(2));
    same(turned);
    // With gaps, in every direction.
    same(cube.slice(s![.., ..;2, 1..3]));
    same(cube.slice(s![..;-1, 1.., ..;-2]));
    // One element that stands for many.
    same(array![[[7]]].broadcast((2, 3, 2)).unwrap());
    same(Array3::zeros((2, 0, 3)).view());

    let scalar = namespace.put(&arr0(5_u16)).unwrap().get_tensor(Timeout::Poll).unwrap();
    assert_eq!(scalar.as_slice::<u16>().unwrap(), [5]);
    let uvw =
        ArraySource::from(&Array2::<f64>::zeros((4, 3))).named(&["row", "uvw"]).source().layout.names.clone();
    assert_eq!(uvw, ["row", "uvw"]);
}

#[test]
fn what_is_written_in_place_is_the_tensor() {
    let store = TestStore::open("written", 8 << 20);
    let namespace = Namespace::new(&store, None);
    for order in [Order::C, Order::F] {
        let mut writer = namespace.create_tensor(Elem::Complex64, &[2, 3], &[], order, true).unwrap();
        let first = writer.data_ptr();
        writer.view_mut::<Complex<f32>, Ix2>().unwrap()[(0, 1)] = Complex::new(1.0, 2.0);
        assert!(writer.view_mut::<Complex<f64>, Ix2>().is_err());
        assert!(writer.view_mut::<Complex<f32>, Ix1>().is_err());
        let at = if order == Order::C { 1 } else { 2 };
        assert_eq!(writer.as_mut_slice::<[f32; 2]>().unwrap()[at], [1.0, 2.0]);
        assert_eq!(writer.as_mut_slice::<[f32; 2]>().unwrap().as_mut_ptr().cast(), first);
        let tensor = writer.seal().unwrap().get_tensor(Timeout::Poll).unwrap();
        let view = tensor.view::<Complex<f32>, Ix2>().unwrap();
        assert_eq!(view.sum(), Complex::new(1.0, 2.0));
        assert_eq!(view[(0, 1)], Complex::new(1.0, 2.0));
    }
}

const SCALED: &str =
    "scaled(by: float64, times: uint8, how: utf8, on: bool, x: float64[i]) -> (y: float64[i])";

fn scaled(store: &TestStore) -> Processor {
    let mut processor = Processor::new(store, &ProcessorOptions::default()).unwrap();
    let function = |call: &sdp_dal::dal::Call| {
        if call.value::<String>("how")? == "badly" {
            let text = call.value::<i32>("how").unwrap_err();
            let missing = call.value::<f64>("size").unwrap_err();
            return Err(Error::new(
                Kind::InvalidArgument,
                format!("{} / {}", text.message(), missing.message()),
            ));
        }
        let by = call.value::<f64>("by")? * f64::from(call.value::<u8>("times")?);
        assert!(call.value::<bool>("on")?);
        let x = call.tensor("x")?;
        call.put("y", &(&x.view::<f64, Ix1>()? * by))
    };
    processor.add(SCALED, function).unwrap();
    let error = processor.add("scaled(", |_| Ok(())).unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidArgument);
    processor.start().unwrap();
    processor
}

fn issue(caller: &Caller, how: &str, x: &Array1<f64>) -> Results {
    let mut args = Args::new();
    args.set("by", 0.5);
    args.set("times", 3);
    args.set("how", how);
    args.set("on", true);
    args.set("x", x);
    caller.call("scaled", &args).unwrap()
}

#[test]
fn a_closure_is_a_function() {
    let store = TestStore::open("closure", 8 << 20);
    let processor = scaled(&store);
    let namespace = Namespace::new(&store, None);
    let schema = CallSchema::parse(SCALED).unwrap();
    let caller = Caller::new(&namespace, vec![schema], &CallerOptions::default()).unwrap();

    let results = issue(&caller, "well", &array![2.0, 4.0]);
    assert!(processor.process(Timeout::Poll).unwrap());
    let y = results.get("y").unwrap().unwrap().get_tensor(Timeout::Poll).unwrap();
    assert_eq!(y.as_slice::<f64>().unwrap(), [3.0, 6.0]);

    // An output is the next call's input.
    let mut args = Args::new();
    args.push(1.0);
    args.push(2_u8);
    args.push("well");
    args.push(true);
    args.push(results.get("y").unwrap().unwrap());
    let next = caller.call("scaled", &args).unwrap();
    assert!(processor.process(Timeout::Poll).unwrap());
    let y = next.get("y").unwrap().unwrap().get_tensor(Timeout::Poll).unwrap();
    assert_eq!(y.as_slice::<f64>().unwrap(), [6.0, 12.0]);

    let failed = issue(&caller, "badly", &array![2.0]);
    assert!(processor.process(Timeout::Poll).unwrap());
    let error = failed.get("y").unwrap().unwrap().get_tensor(Timeout::Poll).err().unwrap();
    assert!(
        error.message().contains("parameter 'how' is the text \"badly\", not a value for i32"),
        "{error}"
    );
    assert!(error.message().contains("has no parameter 'size', only: by, times, how, on, x, y"), "{error}");
    store.is_sound();
}

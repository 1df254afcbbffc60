//! Parts against a plain loop, and their texts.

use super::super::testing::Random;
use super::super::{Elem, Order};
use super::*;
use crate::error::Kind;

fn some(random: &mut Random, most: i64) -> i64 {
    i64::try_from(random.below(usize::try_from(2 * most + 1).unwrap())).unwrap() - most
}

fn any_along(random: &mut Random) -> Along {
    let step = match some(random, 3) {
        0 => 1,
        step => step,
    };
    let mut place = || (random.below(3) > 0).then(|| some(random, 9));
    let (start, stop) = (place(), place());
    match random.below(5) {
        0 => Along::At(some(random, 6)),
        1 => Along::Count { start: some(random, 5), count: some(random, 5).abs(), step },
        _ => Along::Range { start, stop, step },
    }
}

fn any_slice(random: &mut Random, ndim: usize) -> Vec<Along> {
    let mut slice: Vec<_> = (0..random.below(ndim + 1)).map(|_| any_along(random)).collect();
    if random.below(3) == 0 {
        slice.insert(random.below(slice.len() + 1), Along::Rest);
    }
    slice
}

fn any_placed(random: &mut Random) -> Placed {
    let names = ["row", "", "chan", "a b", "*", "é\"\n"];
    let shape: Vec<i64> = (0..random.below(4)).map(|_| some(random, 4).abs()).collect();
    let strides: Vec<i64> = shape.iter().map(|_| 8 * some(random, 9)).collect();
    let names: Vec<String> = shape.iter().map(|_| (*random.pick(&names)).to_owned()).collect();
    let layout = Layout::strided(*random.pick(&Elem::ALL), &shape, Some(&strides), &names).unwrap();
    Placed { layout, origin: 8 * (200 + random.below(50)) }
}

fn any_part(random: &mut Random) -> Part {
    let part = if random.below(2) == 0 {
        let placed = any_placed(random);
        Part::layout(placed.origin, placed.layout).unwrap()
    } else {
        Part::slice(&any_slice(random, 4)).unwrap()
    };
    (0..random.below(3)).fold(part, |part, _| part.then(&any_slice(random, 3)).unwrap())
}

#[test]
fn every_part_comes_back_from_its_text() {
    let mut random = Random::new(5);
    for _ in 0..20_000 {
        let part = any_part(&mut random);
        let text = part.to_string();
        assert!(text.len() <= super::super::MAX_PART_TEXT);
        assert_eq!(text.parse::<Part>().unwrap(), part, "{text}");
    }
    let longest = Along::Range { start: Some(i64::MIN), stop: Some(i64::MIN), step: i64::MIN };
    let names = vec!["\"".repeat(MAX_NAMES / 8); 8];
    let layout = Layout::strided(Elem::Int8, &[0; 8], Some(&[i64::MIN; 8]), &names).unwrap();
    let mut part = Part::layout(usize::MAX, layout).unwrap();
    for _ in 0..MAX_SLICES {
        part = part.then(&[longest; 8]).unwrap();
    }
    assert_eq!(part.to_string().parse::<Part>().unwrap(), part);
}

#[test]
fn texts_are_those_of_python_where_python_has_one() {
    for (text, same) in [
        ("[0:100,-5:,::2]", "[0:100, -5:, ::2]"),
        ("[ : , 3 , ... ][::-1]", "[:, 3, ...][::-1]"),
        ("[]", "[]"),
        ("[5+:10, -4+:2:2,]", "[5+:10, -4+:2:2]"),
        ("@64 complex64 [3,4] (64,8) {row,chan}", "@64 complex64 [3,4] (64,8) {row,chan}"),
        ("@0 bool[] ()", "@0 bool [] ()"),
        ("@8int8[2](-3){*}[0]", "@8 int8 [2] (-3)[0]"),
        ("@8 int8 [2,2] (2,1) {\"a b\",*}[0]", "@8 int8 [2,2] (2,1) {\"a b\",*}[0]"),
        ("[1:2:]", "[1:2]"),
    ] {
        assert_eq!(text.parse::<Part>().unwrap_or_else(|wrong| panic!("{wrong}")).to_string(), same);
    }
}

#[test]
fn what_is_no_part_is_told_by_column() {
    for (text, told) in [
        ("", "column 1: found the end, expected '['"),
        ("[1", "column 3: found the end, expected ',' or ']'"),
        ("[1:2:0]", "dimension 0 of the part has step 0"),
        ("[0+:-1]", "dimension 0 of the part has a negative count"),
        ("[0+:]", "column 5: found ']', expected how many elements"),
        ("[..., ...]", "can be used only once"),
        ("[a]", "column 2: found 'a', expected an index"),
        ("[0,0,0,0,0,0,0,0,0]", "a part of 9 dimensions"),
        ("[99999999999999999999]", "expected an index of 64 bits"),
        ("[0]x", "column 4: found 'x', expected '[' or the end"),
        ("@-8 int8 [1] (1)", "expected the place of the first element"),
        ("@8 int7 [1] (1)", "column 4: found 'int7', expected an element type"),
        ("@8 int8 [1] (1,2)", "1 dimensions and 2 strides"),
        ("@8 int8 [-1] (1)", "sizes must be zero or more"),
        ("@2 int32 [1] (4)", "lie at multiples of 4 bytes"),
        ("@4 int32 [2] (6)", "lie at multiples of 4 bytes"),
        ("@4 int8 [2] (-6)", "reaches from byte -2"),
        ("@4 int8 [2] (1) {a,b}", "dimension names"),
        ("@4 int8 [2] (1) {a", "expected ',' or '}'"),
        ("@4 int8 [1,1,1,1,1,1,1,1,1] ()", "after at most 8 numbers"),
    ] {
        let wrong = text.parse::<Part>().unwrap_err();
        assert_eq!(wrong.kind(), Kind::InvalidArgument);
        assert!(wrong.message().contains(told), "{text}: {wrong}");
    }
    let deep = "[:]".repeat(MAX_SLICES + 1);
    assert!(deep.parse::<Part>().unwrap_err().message().contains("at most 16 slices"));
    assert!("[:]".repeat(20_000).parse::<Part>().unwrap_err().message().contains("at most 32768"));
}

/// The indices that a slice of Python takes, found one by one as its reference describes.
fn of_python(start: Option<i64>, stop: Option<i64>, step: i64, size: i64) -> Vec<i64> {
    let from_end = |at: i64| if at < 0 { at + size } else { at };
    let mut at = start.map_or(if step > 0 { 0 } else { size - 1 }, from_end);
    let stop = stop.map_or(if step > 0 { size } else { -1 }, from_end);
    let mut taken = Vec::new();
    if step < 0 {
        at = at.min(size - 1);
    } else {
        at = at.max(0);
    }
    while (step > 0 && at < stop.min(size)) || (step < 0 && at > stop.max(-1)) {
        taken.push(at);
        at += step;
    }
    taken
}

fn indices(along: Along, size: i64) -> Option<Vec<i64>> {
    let there = |at: i64| (0..size).contains(&at).then_some(at);
    let from_end = |at: i64| if at < 0 { at + size } else { at };
    match along {
        Along::At(index) => there(from_end(index)).map(|at| vec![at]),
        Along::Range { start, stop, step } => Some(of_python(start, stop, step, size)),
        Along::Count { start, count: 0, .. } => (0..=size).contains(&from_end(start)).then(Vec::new),
        Along::Count { start, count, step } => {
            (0..count).map(|nth| there(from_end(start) + nth * step)).collect()
        }
        Along::Rest => unreachable!(),
    }
}

/// The places of all elements in C order.
fn places(placed: &Placed) -> Vec<i64> {
    let mut all = vec![i64::try_from(placed.origin).unwrap()];
    for (size, stride) in placed.layout.shape.iter().zip(&placed.layout.strides) {
        all = all.iter().flat_map(|at| (0..*size).map(move |nth| at + nth * stride)).collect();
    }
    all
}

#[test]
fn slices_take_the_elements_that_a_plain_loop_takes() {
    let mut random = Random::new(11);
    let (mut right, mut refused) = (0, 0);
    for _ in 0..30_000 {
        let shape: Vec<i64> = (0..random.below(4)).map(|_| some(&mut random, 6).abs()).collect();
        let order = *random.pick(&[Order::C, Order::F]);
        let layout = Layout::contiguous(Elem::Int16, &shape, order, &[]).unwrap();
        let whole = Placed { origin: 64, layout };
        let data = 64 + usize::try_from(whole.layout.byte_len()).unwrap();
        let along = any_slice(&mut random, shape.len() + 1);
        let part = Part::slice(&along).unwrap();
        let found = part.resolve(Some(&whole), data);
        let Ok(all) = expand(&along, shape.len()) else {
            assert!(found.unwrap_err().message().contains("dimensions"));
            refused += 1;
            continue;
        };
        let taken: Option<Vec<_>> =
            all.iter().zip(&shape).map(|(along, size)| indices(*along, *size)).collect();
        let Some(taken) = taken else {
            assert!(found.unwrap_err().message().contains("it has size"), "{part} of {shape:?}");
            refused += 1;
            continue;
        };
        let found = found.unwrap();
        let kept = all.iter().zip(&taken).filter(|(along, _)| !matches!(along, Along::At(_)));
        let sizes: Vec<_> = kept.map(|(_, taken)| i64::try_from(taken.len()).unwrap()).collect();
        assert_eq!(found.layout.shape, sizes, "{part} of {shape:?}");
        let mut expected = vec![64];
        for (taken, stride) in taken.iter().zip(&whole.layout.strides) {
            expected =
                expected.iter().flat_map(|at| taken.iter().map(move |nth| at + nth * stride)).collect();
        }
        assert_eq!(places(&found), expected, "{part} of {shape:?}");
        found.check(data).unwrap();
        let span = found.span();
        assert!(places(&found).iter().all(|at| span.contains(&usize::try_from(*at).unwrap())));
        right += 1;
    }
    assert!(right > 5000 && refused > 5000, "{right} {refused}");
}

#[test]
fn a_part_of_a_part_is_one() {
    let names: Vec<String> = ["row", "chan", "pol"].map(str::to_owned).into();
    let layout = Layout::contiguous(Elem::Complex64, &[10, 64, 4], Order::C, &names).unwrap();
    let whole = Placed { layout, origin: 128 };
    let data = 128 + 10 * 64 * 4 * 8;
    let part: Part = "[:, 8:16][::-1, 2, 1:]".parse().unwrap();
    let found = part.resolve(Some(&whole), data).unwrap();
    assert_eq!(found.layout.shape, [10, 3]);
    assert_eq!(found.layout.strides, [-64 * 32, 8]);
    assert_eq!(found.layout.names, ["row", "pol"]);
    assert_eq!(found.origin, 128 + 9 * 64 * 32 + 10 * 32 + 8);
    assert_eq!(part.names(&names).unwrap(), ["row", "pol"]);
    let joined =
        Part::slice(&[Along::ALL, Along::Range { start: Some(8), stop: Some(16), step: 1 }]).unwrap();
    assert_eq!(joined.join(&"[::-1, 2, 1:]".parse().unwrap()).unwrap(), part);
    let column: Part = "@128 float32 [7] (12)".parse().unwrap();
    assert_eq!(part.join(&column).unwrap(), column);
    assert_eq!(column.then(&[Along::At(-1)]).unwrap().resolve(None, 204).unwrap().origin, 200);
}

#[test]
fn elements_outside_are_refused() {
    let names = ["row".to_owned(), String::new()];
    let layout = Layout::contiguous(Elem::Int32, &[5, 2], Order::C, &names).unwrap();
    let whole = Placed { layout, origin: 0 };
    let wrong = |text: &str| {
        text.parse::<Part>().unwrap().resolve(Some(&whole), 40).unwrap_err().message().to_owned()
    };
    assert_eq!(wrong("[7]"), "part [7]: dimension 0 ('row'): index 7 is out of range: it has size 5");
    assert_eq!(
        wrong("[:, 1+:2]"),
        "part [:, 1+:2]: dimension 1: it has size 2, so there are no 2 elements from 1 on"
    );
    assert!(wrong("[-1+:3:-2, 0][0+:4]").contains("it has size 3, so there are no 4 elements from 0 on"));
    assert_eq!(wrong("[0, 0, 0]"), "part [0, 0, 0]: it has 3 dimensions, but the tensor has 2");
    assert!(wrong("@36 int32 [2] (4)").contains("reaches from byte 36 to byte 44 of a buffer of 40 bytes"));
    assert!(wrong("@44 int32 [0] (4)").contains("a tensor from byte 44 on of 40 bytes"));
    let none = "[0]".parse::<Part>().unwrap().resolve(None, 40).unwrap_err();
    assert!(none.message().contains("only a tensor has parts"));
    // Offsets and strides that no memory has.
    let layout = |strides| Layout { elem: Elem::Int8, shape: vec![3], strides, names: vec![String::new()] };
    assert!(Part::layout(0, layout(vec![i64::MIN])).is_err());
    assert!(Part::layout(0, layout(vec![1, 1])).is_err());
    let far = Part::layout(usize::MAX, layout(vec![0])).and_then(|part| part.resolve(None, usize::MAX));
    assert!(far.is_err());
}

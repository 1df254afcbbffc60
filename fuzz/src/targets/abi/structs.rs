//! Structs that a program passes, their fields chosen by name and type, and the arrays that tensor views point to.

use std::ptr::null_mut;

use super::choices::SHAPES;
use super::generated::STRUCTS;
use super::{kind_of, Machine, ARRAY, BYTES, P};

/// More than any array of values has that is asked for.
const VALUES: usize = 128;

impl Machine<'_, '_> {
    fn struct_size(&mut self, real: usize) -> usize {
        let how = self.byte();
        match how % 16 {
            0 => 0,
            1 => real.saturating_sub(8),
            2 => real + 8,
            3 => 1024,
            // A pointer that is cut in two would be the caller's mistake.
            4 => how / 16 * 8,
            5 => 8,
            _ if real == 0 => [16, 24, 32, 40, 48, 56, 64, 72, 96, 128][how / 16 % 10],
            _ => real,
        }
    }

    pub(super) fn out_struct(&mut self, place: usize) -> P {
        if self.rarely(24) {
            return null_mut();
        }
        let size = self.struct_size(layout_of(place).1);
        let at = self.chunk(BYTES);
        // SAFETY: inside the chunk.
        unsafe { at.write(size as u64) };
        at.cast()
    }

    pub(super) fn in_struct(&mut self, place: usize) -> P {
        if self.rarely(5) {
            return null_mut();
        }
        let (fields, real) = layout_of(place);
        let at = self.chunk(BYTES);
        let write = |offset: usize, value: u64, width: usize| {
            // SAFETY: inside the chunk.
            unsafe { at.cast::<u8>().add(offset).copy_from(value.to_le_bytes().as_ptr(), width) };
        };
        write(0, self.struct_size(real) as u64, 8);
        if self.rarely(24) {
            // Behind what the library knows.
            write(1000, 1, 8);
        }
        let view = STRUCTS[place].0 == "sdp_dal_tensor_view";
        for (nth, (name, ty)) in STRUCTS[place].1.iter().enumerate().skip(1) {
            let (offset, width) = fields[nth];
            let value = match (*name, *ty) {
                ("data", _) if view => self.elements(),
                ("strides", _) => self.strides(),
                ("reserved" | "reserved_0", _) => u64::from(self.rarely(40)),
                ("size", "uint64_t") => self.pick(&[0, 1, 4096, 1 << 20, 4 << 20, 1 << 63, u64::MAX]),
                ("max_objects" | "max_clients", _) => self.pick(&[0, 1, 64, 1000, 1024, u64::from(u32::MAX)]),
                ("full_timeout_ns" | "timeout_ns", _) => self.timeout().cast_unsigned(),
                ("dtype", _) if !self.rarely(12) => self.pick(&[5, 12, 13, 1, 6, 11]),
                ("ndim", _) => self.ndim().cast_unsigned().into(),
                ("flags", _) => self.pick(&[0, 1, 2, 4, 8, 16, 0xffff_ffff, 3]),
                ("order" | "create" | "select", _) if !self.rarely(12) => self.pick(&[0, 1, 2]),
                ("minimum_processors" | "max_in_flight", _) if !self.rarely(8) => self.pick(&[0, 1, 2]),
                ("max_chunksize", _) => self.pick(&[0, 1, 2, u64::MAX]),
                ("name", _) => self.text("name") as u64,
                ("shape", _) if view => self.view_shape(),
                ("shape", _) => self.shape() as u64,
                ("kind", _) => self.pick(&[0, 2, 3, 2, 3, 99]),
                ("columns", _) => self.in_schema() as u64,
                ("schemas", _) => self.handles(kind_of("sdp_dal_schema")) as u64,
                (_, "const char *const *") => self.texts() as u64,
                (_, "const uint8_t *" | "const void *") => self.bytes() as u64,
                (name, "size_t") if name.starts_with("num_") => self.pick(&[0, 0, 1, 2, 3]),
                (_, "size_t") => self.size() as u64,
                (_, "int32_t") => i64::from(self.small()).cast_unsigned(),
                _ => self.number(),
            };
            write(offset, value, width);
        }
        at.cast()
    }

    /// As many values as any call of ours has: eight rows of a dozen.
    pub(super) fn values(&mut self) -> P {
        if self.rarely(24) {
            return null_mut();
        }
        let place = STRUCTS.iter().position(|(name, _)| *name == "sdp_dal_value").unwrap_or_default();
        let (fields, size) = layout_of(place);
        let at = self.chunk(VALUES * size).cast::<u8>();
        let given = self.byte() % 16;
        for nth in 0..given {
            for (field, (name, _)) in STRUCTS[place].1.iter().enumerate() {
                let value = match *name {
                    "kind" => self.byte() as u64 % 18,
                    "flags" => u64::from(self.rarely(40)),
                    "data" => self.bytes() as u64,
                    "size" => self.pick(&[20, 20, 0, 1, 19, 160]),
                    "view" => {
                        let view = STRUCTS.iter().position(|(name, _)| *name == "sdp_dal_tensor_view");
                        self.in_struct(view.unwrap_or_default()) as u64
                    }
                    "reference" => self.handle(kind_of("sdp_dal_ref")) as u64,
                    "array" => self.in_array() as u64,
                    "schema" => self.in_schema() as u64,
                    "stream" => self.in_arraystream() as u64,
                    _ => self.number(),
                };
                let (offset, width) = fields[field];
                // SAFETY: inside the chunk.
                unsafe { at.add(nth * size + offset).copy_from(value.to_le_bytes().as_ptr(), width) };
            }
        }
        at.cast()
    }

    pub(super) fn out_values(&mut self) -> P {
        if self.rarely(24) {
            return null_mut();
        }
        self.chunk(VALUES * 128).cast()
    }

    /// The middle of a buffer: no small strides lead out of it.
    fn elements(&mut self) -> u64 {
        if self.rarely(24) {
            return 0;
        }
        let at = self.chunk(1 << 20).cast::<u8>();
        let apart = self.pick(&[0, 0, 0, 0, 1, 4]);
        // SAFETY: inside the chunk.
        unsafe { at.add((1 << 19) + apart) as u64 }
    }

    /// Sizes of which one may be odd: what is not refused for its size must be there.
    fn view_shape(&mut self) -> u64 {
        let at = self.chunk(8 * ARRAY);
        let odd = (self.byte() % 9, self.pick(&SHAPES));
        for nth in 0..ARRAY {
            let size = if nth == odd.0 { odd.1 } else { [3, 2].get(nth).copied().unwrap_or(1) };
            // SAFETY: inside the chunk.
            unsafe { at.cast::<i64>().add(nth).write(size) };
        }
        at as u64
    }

    /// Distances that stay within the buffer for the small sizes; tensors of the huge ones are larger than any store.
    fn strides(&mut self) -> u64 {
        if self.rarely(2) {
            return 0;
        }
        let at = self.chunk(8 * ARRAY);
        for nth in 0..ARRAY {
            let stride: i64 = self.pick(&[8, 16, -8, 0, 24, 4, 1, -16]);
            // SAFETY: inside the chunk.
            unsafe { at.cast::<i64>().add(nth).write(stride) };
        }
        at as u64
    }
}

/// Offset and width of each field of a struct, and its size.
fn layout_of(place: usize) -> (Vec<(usize, usize)>, usize) {
    let mut at = 0_usize;
    let width = |ty: &str| match ty {
        "int32_t" | "uint32_t" => 4,
        "uint8_t" => 1,
        _ => 8,
    };
    let mut fields = Vec::new();
    for (_, ty) in STRUCTS[place].1 {
        at = at.next_multiple_of(width(ty));
        fields.push((at, width(ty)));
        at += width(ty);
    }
    (fields, at.next_multiple_of(8))
}

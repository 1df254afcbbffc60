//! The element types of tensors.

use crate::arrow::datatypes::DataType;

/// Element type of a tensor. The codes are those of the C ABI and never change.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Elem {
    /// One byte, 0 or 1.
    Bool = 1,
    /// 8-bit signed integer.
    Int8 = 2,
    /// 16-bit signed integer.
    Int16 = 3,
    /// 32-bit signed integer.
    Int32 = 4,
    /// 64-bit signed integer.
    Int64 = 5,
    /// 8-bit unsigned integer.
    Uint8 = 6,
    /// 16-bit unsigned integer.
    Uint16 = 7,
    /// 32-bit unsigned integer.
    Uint32 = 8,
    /// 64-bit unsigned integer.
    Uint64 = 9,
    /// IEEE half precision.
    Float16 = 10,
    /// IEEE single precision.
    Float32 = 11,
    /// IEEE double precision.
    Float64 = 12,
    /// Real and imaginary part, interleaved, single precision.
    Complex64 = 13,
    /// Real and imaginary part, interleaved, double precision.
    Complex128 = 14,
}

impl Elem {
    /// Every element type, in the order of its code.
    pub const ALL: [Elem; 14] = [
        Elem::Bool,
        Elem::Int8,
        Elem::Int16,
        Elem::Int32,
        Elem::Int64,
        Elem::Uint8,
        Elem::Uint16,
        Elem::Uint32,
        Elem::Uint64,
        Elem::Float16,
        Elem::Float32,
        Elem::Float64,
        Elem::Complex64,
        Elem::Complex128,
    ];

    /// Bytes of one element.
    pub fn size(self) -> usize {
        match self {
            Elem::Bool | Elem::Int8 | Elem::Uint8 => 1,
            Elem::Int16 | Elem::Uint16 | Elem::Float16 => 2,
            Elem::Int32 | Elem::Uint32 | Elem::Float32 => 4,
            Elem::Int64 | Elem::Uint64 | Elem::Float64 | Elem::Complex64 => 8,
            Elem::Complex128 => 16,
        }
    }

    /// The name, as in signatures and in metadata.
    pub fn name(self) -> &'static str {
        match self {
            Elem::Bool => "bool",
            Elem::Int8 => "int8",
            Elem::Int16 => "int16",
            Elem::Int32 => "int32",
            Elem::Int64 => "int64",
            Elem::Uint8 => "uint8",
            Elem::Uint16 => "uint16",
            Elem::Uint32 => "uint32",
            Elem::Uint64 => "uint64",
            Elem::Float16 => "float16",
            Elem::Float32 => "float32",
            Elem::Float64 => "float64",
            Elem::Complex64 => "complex64",
            Elem::Complex128 => "complex128",
        }
    }

    /// The type with this name.
    pub fn from_name(name: &str) -> Option<Elem> {
        Elem::ALL.into_iter().find(|elem| elem.name() == name)
    }

    /// The number of this type in the C ABI.
    pub fn code(self) -> i32 {
        self as i32
    }

    /// The type with this number.
    pub fn from_code(code: i32) -> Option<Elem> {
        Elem::ALL.into_iter().find(|elem| elem.code() == code)
    }

    /// Whether an element is a real and an imaginary part.
    pub fn is_complex(self) -> bool {
        matches!(self, Elem::Complex64 | Elem::Complex128)
    }

    /// The type of the numbers in memory: the parts of a complex type, a byte for a bool.
    pub(crate) fn stored(self) -> Elem {
        match self {
            Elem::Bool => Elem::Uint8,
            Elem::Complex64 => Elem::Float32,
            Elem::Complex128 => Elem::Float64,
            other => other,
        }
    }

    /// The element type for this Arrow type, None for types that tensors cannot have.
    pub fn from_arrow(data_type: &DataType) -> Option<Elem> {
        Some(match data_type {
            DataType::Boolean => Elem::Bool,
            DataType::Int8 => Elem::Int8,
            DataType::Int16 => Elem::Int16,
            DataType::Int32 => Elem::Int32,
            DataType::Int64 => Elem::Int64,
            DataType::UInt8 => Elem::Uint8,
            DataType::UInt16 => Elem::Uint16,
            DataType::UInt32 => Elem::Uint32,
            DataType::UInt64 => Elem::Uint64,
            DataType::Float16 => Elem::Float16,
            DataType::Float32 => Elem::Float32,
            DataType::Float64 => Elem::Float64,
            _ => return None,
        })
    }

    /// The Arrow type of one element, None for complex types, which Arrow does not have.
    pub fn to_arrow(self) -> Option<DataType> {
        Some(match self {
            Elem::Bool => DataType::Boolean,
            Elem::Int8 => DataType::Int8,
            Elem::Int16 => DataType::Int16,
            Elem::Int32 => DataType::Int32,
            Elem::Int64 => DataType::Int64,
            Elem::Uint8 => DataType::UInt8,
            Elem::Uint16 => DataType::UInt16,
            Elem::Uint32 => DataType::UInt32,
            Elem::Uint64 => DataType::UInt64,
            Elem::Float16 => DataType::Float16,
            Elem::Float32 => DataType::Float32,
            Elem::Float64 => DataType::Float64,
            Elem::Complex64 | Elem::Complex128 => return None,
        })
    }
}

impl std::fmt::Display for Elem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_codes_go_both_ways() {
        for (index, elem) in Elem::ALL.into_iter().enumerate() {
            assert_eq!(elem.code(), i32::try_from(index).unwrap() + 1);
            assert_eq!(Elem::from_code(elem.code()), Some(elem));
            assert_eq!(Elem::from_name(elem.name()), Some(elem));
            if let Some(arrow) = elem.to_arrow() {
                assert_eq!(Elem::from_arrow(&arrow), Some(elem));
            }
            assert_eq!(elem.size() % elem.stored().size(), 0);
        }
        assert_eq!(Elem::from_code(0), None);
        assert_eq!(Elem::from_code(15), None);
        assert_eq!(Elem::from_name("Float64"), None);
        assert_eq!(Elem::from_arrow(&DataType::Utf8), None);
    }
}

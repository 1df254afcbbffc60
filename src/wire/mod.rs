//! SKELETON (interface): Arrow bytes.
use std::sync::Arc;
use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Schema, SchemaRef};
use crate::error::Result;
use crate::store::{ObjectId, Prefix};

/// Element type of a tensor. Codes are those of the C ABI.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Elem { Bool = 1, Int8 = 2, Int16 = 3, Int32 = 4, Int64 = 5, Uint8 = 6, Uint16 = 7, Uint32 = 8, Uint64 = 9, Float16 = 10, Float32 = 11, Float64 = 12, Complex64 = 13, Complex128 = 14 }
impl Elem {
    pub fn size(self) -> usize { todo!() }
    pub fn name(self) -> &'static str { todo!() }
    pub fn from_name(_: &str) -> Option<Elem> { todo!() }
    pub fn from_code(_: i32) -> Option<Elem> { todo!() }
}
/// Most dimensions of a tensor.
pub const MAX_DIMS: usize = 8;

/// Memory order of a fresh tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order { C, F }

/// Where a tensor's elements lie: shape, byte strides (may be any sign for sources; those in the store are C or F contiguous), dimension names ("" = unnamed).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout { pub elem: Elem, pub shape: Vec<i64>, pub strides: Vec<i64>, pub names: Vec<String> }
impl Layout {
    /// Contiguous; InvalidArgument for negative sizes, overflow, too many dims.
    pub fn contiguous(_elem: Elem, _shape: &[i64], _order: Order, _names: &[String]) -> Result<Layout> { todo!() }
    pub fn len(&self) -> u64 { todo!() }
    pub fn byte_len(&self) -> u64 { todo!() }
}
/// A tensor somebody else holds: `bytes` covers it, element (0,..0) is at `origin`.
pub struct TensorSource<'a> { pub bytes: &'a [u8], pub origin: usize, pub layout: &'a Layout }

/// The bytes in front of a tensor's body: object = header ++ body; body starts 64-byte aligned.
pub struct TensorHeader { pub bytes: Vec<u8>, pub metadata: Vec<u8>, pub body_size: u64 }
pub fn tensor_header(_layout: &Layout) -> Result<TensorHeader> { todo!() }
/// Copies a (possibly strided) source into a contiguous body of the order of `to`.
pub fn copy_tensor(_from: &TensorSource<'_>, _to: &Layout, _body: &mut [u8]) -> Result<()> { todo!() }
/// Layout and offset of the body of a tensor object; every bound is checked.
pub fn read_tensor(_data: &[u8], _metadata: &[u8]) -> Result<(Layout, usize)> { todo!() }
/// What kind of object this is, from its metadata (and first bytes): for `sdp-dal ls/show`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectKind { Tensor, Table, Call, Declaration, Raw }
pub fn object_kind(_metadata: &[u8]) -> ObjectKind { todo!() }

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dim { pub name: String, pub size: Option<i64> }
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParamType { Scalar(DataType), Tensor { elem: Elem, dims: Vec<Dim> }, Table(Option<SchemaRef>), /** waited for or made */ Oid, /** only passed */ Id }
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction { In, Out }
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Param { pub name: String, pub direction: Direction, pub ty: ParamType, pub nullable: bool }
/// A function's name and parameters. Positional order = order in `params`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallSchema { pub name: String, pub params: Vec<Param> }
impl CallSchema {
    /// From `simple_fn(x: int64, ys: int64[i]) -> (zs: int64[i])`.
    pub fn parse(_: &str) -> Result<CallSchema> { todo!() }
    pub fn to_arrow(&self) -> Schema { todo!() }
    pub fn from_arrow(_: &Schema) -> Result<CallSchema> { todo!() }
    pub fn param(&self, _name: &str) -> Option<(usize, &Param)> { todo!() }
    pub fn inputs(&self) -> impl Iterator<Item = (usize, &Param)> { std::iter::empty() }
    pub fn outputs(&self) -> impl Iterator<Item = (usize, &Param)> { std::iter::empty() }
    /// What keeps a caller that expects `self` from calling `actual`; empty: compatible.
    pub fn mismatches(&self, _actual: &CallSchema) -> Vec<String> { vec![] }
}
impl std::fmt::Display for CallSchema { fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { todo!() } }

/// One value of a call's row, before it is written and after it is read.
#[derive(Clone, Debug)]
pub enum Cell { Null, Bool(bool), Int(i64), Uint(u64), Float(f64), Utf8(String), Binary(Vec<u8>), /** any other Arrow type: one element */ Array(ArrayRef), Id(ObjectId) }

/// Writes calls of one function; what does not change is made once.
pub struct CallEncoder {}
impl CallEncoder {
    pub fn new(_schema: Arc<CallSchema>) -> Result<CallEncoder> { todo!() }
    pub fn schema(&self) -> &Arc<CallSchema> { todo!() }
    /// Checks (range, type, null, number) and names row and parameter in the error. Arrow IPC stream of one record batch.
    pub fn encode(&self, _rows: &[Vec<Cell>]) -> Result<Vec<u8>> { todo!() }
    /// The object's metadata.
    pub fn metadata(&self) -> &[u8] { todo!() }
}
/// A call read back.
pub struct DecodedCall { pub function: String, pub schema: Arc<CallSchema>, pub rows: Vec<Vec<Cell>> }
/// Reads a call; `known` lets the schema of a known function be used without parsing it (when the fixed bytes are equal).
pub fn decode_call(_data: &[u8], _metadata: &[u8], _known: &[Arc<CallSchema>]) -> Result<DecodedCall> { todo!() }

/// A namespace's declaration.
#[derive(Clone, Debug)]
pub struct Declaration { pub name: String, pub pid: u32, pub argv: Vec<String>, pub functions: Vec<CallSchema> }
impl Declaration {
    pub fn encode(&self, _prefix: Prefix) -> Result<(Vec<u8>, Vec<u8>)> { todo!() }
    pub fn decode(_data: &[u8], _metadata: &[u8]) -> Result<Declaration> { todo!() }
}
#[allow(unused)] fn _x(_: ObjectId) {}

//! The keys under which the metadata of a function's Arrow schema say what Arrow's types cannot (see `arrow_schema`).

/// What starts the metadata keys that mean something to the library.
pub(crate) const RESERVED: &str = "proc:";

/// Schema metadata: the function's name.
pub(crate) const FUNCTION: &str = "proc:func";
/// Field metadata: what the parameter is to the function.
pub(crate) const PAR: &str = "proc:par";
/// Field metadata: the kind of object.
pub(crate) const TYPE: &str = "proc:type";
/// Field metadata: a tensor's element type.
pub(crate) const ELEM: &str = "proc:elem";
/// Field metadata: a tensor's dimensions.
pub(crate) const DIMS: &str = "proc:dims";
/// Field metadata: the order of a tensor.
pub(crate) const ORDER: &str = "proc:order";
/// Field metadata of an output: the input that it starts from.
pub(crate) const FROM: &str = "proc:from";
/// Field metadata: a table's schema.
pub(crate) const TABLE: &str = "proc:table";

/// The keys that mean something here: metadata under them would be taken for ours.
pub(crate) const OUR_KEYS: [&str; 8] = [FUNCTION, PAR, TYPE, ELEM, DIMS, ORDER, FROM, TABLE];

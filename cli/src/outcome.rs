//! How a command ended.

/// How a command that did its work ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All is well.
    Fine,
    /// Something in the store is wrong; the output says what.
    FoundWrong,
    /// A signal came before it was done.
    Interrupted,
    /// It ends with the exit status of the program that it ran.
    Status(u8),
}

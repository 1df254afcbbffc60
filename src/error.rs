//! The error type of the library: a kind that programs test, and a message for people.
//!
//! The numbers of [`Kind`] are those of the C ABI and of failed objects in shared memory: they never change.

use std::fmt;

/// The kind of an error, which programs test. The numbers are never reused.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// An argument is wrong; the message names it.
    InvalidArgument = -1,
    /// No such store, object, function, parameter or namespace.
    NotFound = -2,
    /// The object exists, or is being created by another client.
    AlreadyExists = -3,
    /// The timeout has passed.
    Timeout = -4,
    /// The store (or the memory under it) is full.
    OutOfMemory = -5,
    /// The object existed and was deleted.
    ObjectDeleted = -6,
    /// The processor that was to produce this crashed, was closed, or was replaced.
    ProcessorLost = -7,
    /// The processing function reported an error.
    FunctionFailed = -8,
    /// An input of the call was deleted before the call ran.
    InputLost = -9,
    /// The processing function ended without writing this output.
    OutputNotWritten = -10,
    /// There are fewer compatible processors than requested.
    NoProcessor = -11,
    /// The requested prefix is in use by another client.
    NamespaceInUse = -12,
    /// The processor has already started, and no function can be added.
    AlreadyStarted = -13,
    /// The handle was inherited through `fork` and cannot be used in the child.
    Forked = -14,
    /// The wait was interrupted by `interrupt`.
    Interrupted = -15,
    /// The operating system or the owner of the store does not allow it.
    PermissionDenied = -16,
    /// The file is not a store, or its bookkeeping is inconsistent.
    Corrupt = -17,
    /// The store was created by an incompatible version, or the system lacks something that a store needs.
    Unsupported = -18,
    /// The operating system reported an error.
    Io = -19,
    /// All client slots or all entries are taken.
    LimitReached = -20,
    /// The lock of the store is held by a process that is stopped or gets no CPU time.
    Busy = -21,
    /// An internal error of the library.
    Internal = -22,
    /// The call was cancelled: no client wants its outputs any more.
    Cancelled = -23,
}

impl Kind {
    /// Every kind, in the order of its number.
    pub const ALL: [Kind; 23] = [
        Kind::InvalidArgument,
        Kind::NotFound,
        Kind::AlreadyExists,
        Kind::Timeout,
        Kind::OutOfMemory,
        Kind::ObjectDeleted,
        Kind::ProcessorLost,
        Kind::FunctionFailed,
        Kind::InputLost,
        Kind::OutputNotWritten,
        Kind::NoProcessor,
        Kind::NamespaceInUse,
        Kind::AlreadyStarted,
        Kind::Forked,
        Kind::Interrupted,
        Kind::PermissionDenied,
        Kind::Corrupt,
        Kind::Unsupported,
        Kind::Io,
        Kind::LimitReached,
        Kind::Busy,
        Kind::Internal,
        Kind::Cancelled,
    ];

    /// The kind with this number, if there is one.
    pub fn from_code(code: i32) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// The number of this kind in the C ABI.
    pub fn code(self) -> i32 {
        self as i32
    }

    /// The upper-case name, as in the C header without its prefix.
    pub fn name(self) -> &'static str {
        match self {
            Kind::InvalidArgument => "INVALID_ARGUMENT",
            Kind::NotFound => "NOT_FOUND",
            Kind::AlreadyExists => "ALREADY_EXISTS",
            Kind::Timeout => "TIMEOUT",
            Kind::OutOfMemory => "OUT_OF_MEMORY",
            Kind::ObjectDeleted => "OBJECT_DELETED",
            Kind::ProcessorLost => "PROCESSOR_LOST",
            Kind::FunctionFailed => "FUNCTION_FAILED",
            Kind::InputLost => "INPUT_LOST",
            Kind::OutputNotWritten => "OUTPUT_NOT_WRITTEN",
            Kind::NoProcessor => "NO_PROCESSOR",
            Kind::NamespaceInUse => "NAMESPACE_IN_USE",
            Kind::AlreadyStarted => "ALREADY_STARTED",
            Kind::Forked => "FORKED",
            Kind::Interrupted => "INTERRUPTED",
            Kind::PermissionDenied => "PERMISSION_DENIED",
            Kind::Corrupt => "CORRUPT",
            Kind::Unsupported => "UNSUPPORTED",
            Kind::Io => "IO",
            Kind::LimitReached => "LIMIT_REACHED",
            Kind::Busy => "BUSY",
            Kind::Internal => "INTERNAL",
            Kind::Cancelled => "CANCELLED",
        }
    }
}

/// An error: its kind, and a message that says what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    kind: Kind,
    message: String,
}

/// The result of every function that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// The longest message that is kept with a failed object or handed through the C ABI, in bytes.
pub const MESSAGE_MAX: usize = 2048;

impl Error {
    /// Creates an error of this kind with this message.
    pub fn new(kind: Kind, message: impl Into<String>) -> Error {
        Error { kind, message: message.into() }
    }

    /// Creates an error about a wrong argument, which the message names.
    pub fn invalid(message: impl Into<String>) -> Error {
        Error::new(Kind::InvalidArgument, message)
    }

    /// Creates an internal error of the library.
    pub fn internal(message: impl Into<String>) -> Error {
        Error::new(Kind::Internal, message)
    }

    /// Creates an error of the operating system that occurred while doing `what`.
    pub fn io(what: impl fmt::Display, source: &std::io::Error) -> Error {
        let kind = match source.raw_os_error() {
            Some(libc::EACCES | libc::EPERM) => Kind::PermissionDenied,
            Some(libc::ENOENT) => Kind::NotFound,
            Some(libc::ENOSPC | libc::ENOMEM | libc::EDQUOT) => Kind::OutOfMemory,
            _ => Kind::Io,
        };
        Error::new(kind, format!("{what}: {source}"))
    }

    /// What went wrong.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The message.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The same error with `context: ` before its message.
    #[must_use]
    pub fn context(self, context: impl fmt::Display) -> Error {
        Error { kind: self.kind, message: format!("{context}: {}", self.message) }
    }

    /// The message cut to [`MESSAGE_MAX`] bytes at a character boundary.
    pub fn message_cut(&self) -> &str {
        let mut end = self.message.len().min(MESSAGE_MAX);
        while !self.message.is_char_boundary(end) {
            end -= 1;
        }
        &self.message[..end]
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The SDP Data Access Library: tensors, tables and calls between the processes of one node, in
 * shared memory, without copies and without a server.
 *
 * This file is generated. Read this first:
 *
 * Ownership
 *   A handle is a pointer to an incomplete struct. Every handle that a function makes is ended by
 *   whoever asked for it, by the _free() or _close() that the function names; both accept NULL. No
 *   function takes a handle away from you. What is "Borrowed" is valid until the moment that is
 *   named. A handle must not be used after its end.
 *   A sealed tensor never changes: what you get is mapped read-only, and writing it is a SIGSEGV.
 *   The memory of a tensor that you created must not be written after it was sealed.
 *   Bytes that are held (tensor, buffer, call) stay valid whatever anybody deletes or closes.
 *
 * Errors
 *   What can fail returns a sdp_dal_status: SDP_DAL_OK (0) or a negative value. More values may
 *   come. Out-parameters are then NULL, 0 or false. sdp_dal_last_error() gives the sentence for
 *   this thread. NULL, a handle of another kind, and text that is not UTF-8 are
 *   SDP_DAL_INVALID_ARGUMENT.
 *
 * Threads
 *   A const handle may be used by many threads at once, another one by one thread at a time.
 *   sdp_dal_store_interrupt() may be called from anywhere, signal handlers included.
 *
 * Processes
 *   After fork(), functions return SDP_DAL_FORKED for the handles that the child inherited, and
 *   _free() and _close() have no effect on them. Bytes that the parent held stay readable.
 *   Schemas, lists and other handles that belong to no store can be used as before.
 *   Fix: open the store again in the child.
 *   _Fork() and the raw system calls fork, clone and vfork run no fork handlers. The library cannot
 *   tell such a child from its parent, and the child must not use the library. It holds a copy of
 *   the parent's locks: a parent that is killed counts as alive until the child ends or calls exec.
 *   Fix: use fork() or posix_spawn().
 *   The library keeps two descriptors for each open store, and one for sdp_dal_store_event_fd();
 *   all are closed on exec. A process that closes them, as closefrom(3) does when a daemon starts,
 *   counts as dead, and other clients take back what it holds. Its handles return SDP_DAL_IO once
 *   the library notices, which it checks when it waits, grows the store, or opens one.
 *   Fix: close descriptors before opening a store, or open the store again afterwards.
 *
 * Blocking
 *   timeout_ns is a number of nanoseconds, SDP_DAL_POLL or SDP_DAL_WAIT_FOREVER. A wait also ends
 *   when what is waited for can never come, and by sdp_dal_store_interrupt(). What says that it
 *   does not wait for others still takes the store's lock for a moment, and so may a wait.
 *   SDP_DAL_BUSY says that its holder is stopped: after 10 s, if the time of the wait is not over.
 *
 * Structs and texts
 *   Structs start with their size; call their _init() function first. Strings are UTF-8 and end
 *   with a NUL. Strides are in bytes. Constants are enumerators of int32_t values, and bits of
 *   uint32_t values.
 *
 * Order of elements
 *   A tensor is stored in C or in F order, as it was written. Code that knows no strides computes
 *   nonsense from the other one. Fix: put the order that it wants behind the dimensions in the
 *   signature, "vis: complex128[row,chan] C", or ask sdp_dal_call_get_tensor() for it.
 *
 * Example: a processor. Status checks are left out here; c_examples/ has them.
 *
 *   sdp_dal_status simple_fn(sdp_dal_call *call, void *user_data) {
 *       int64_t x;
 *       sdp_dal_tensor_view ys = {.struct_size = sizeof ys};
 *       void *zs;
 *       sdp_dal_call_get_int64(call, "x", &x);
 *       sdp_dal_call_get_tensor(call, "ys", SDP_DAL_ORDER_ANY, &ys);
 *       sdp_dal_call_create_tensor(call, "zs", ys.ndim, ys.shape, NULL, &zs);
 *       for (int64_t i = 0; i < ys.shape[0]; i++)
 *           ((int64_t *)zs)[i] = x + *(const int64_t *)((const char *)ys.data + i * ys.strides[0]);
 *       return SDP_DAL_OK;
 *   }
 *
 *   sdp_dal_store_open("/tmp/plasma", NULL, &store);
 *   sdp_dal_processor_open(store, NULL, &processor);
 *   sdp_dal_processor_register(processor, "simple_fn(x: int64, ys: int64[i]) -> (zs: int64[i])", NULL,
 *                              simple_fn, NULL, NULL);
 *   while (sdp_dal_processor_process(processor, SDP_DAL_WAIT_FOREVER) == SDP_DAL_OK) {}
 */

#ifndef SDP_DAL_H
#define SDP_DAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The version of this header; sdp_dal_version() gives that of the library. */
#define SDP_DAL_VERSION_MAJOR 0
#define SDP_DAL_VERSION_MINOR 1
#define SDP_DAL_VERSION_PATCH 0
#define SDP_DAL_VERSION 0x00001000u
#define SDP_DAL_VERSION_STRING "0.1.0"

/* Arrow's C data and stream interface. The guards are Arrow's own: its other headers may come before or after. */
#ifndef ARROW_C_DATA_INTERFACE
#define ARROW_C_DATA_INTERFACE

#define ARROW_FLAG_DICTIONARY_ORDERED 1
#define ARROW_FLAG_NULLABLE 2
#define ARROW_FLAG_MAP_KEYS_SORTED 4

struct ArrowSchema {
    const char *format;
    const char *name;
    const char *metadata;
    int64_t flags;
    int64_t n_children;
    struct ArrowSchema **children;
    struct ArrowSchema *dictionary;
    void (*release)(struct ArrowSchema *);
    void *private_data;
};

struct ArrowArray {
    int64_t length;
    int64_t null_count;
    int64_t offset;
    int64_t n_buffers;
    int64_t n_children;
    const void **buffers;
    struct ArrowArray **children;
    struct ArrowArray *dictionary;
    void (*release)(struct ArrowArray *);
    void *private_data;
};

#endif /* ARROW_C_DATA_INTERFACE */

#ifndef ARROW_C_STREAM_INTERFACE
#define ARROW_C_STREAM_INTERFACE

struct ArrowArrayStream {
    int (*get_schema)(struct ArrowArrayStream *, struct ArrowSchema *out);
    int (*get_next)(struct ArrowArrayStream *, struct ArrowArray *out);
    const char *(*get_last_error)(struct ArrowArrayStream *);
    void (*release)(struct ArrowArrayStream *);
    void *private_data;
};

#endif /* ARROW_C_STREAM_INTERFACE */


/// The values of sdp_dal_status.
///
/// The numbers never change and are never used again. New ones may come with any version: treat a negative
/// value that you do not know as an error, and ask sdp_dal_status_name() for its name.
typedef enum {
    /// It worked.
    SDP_DAL_OK = 0,
    /// An argument is wrong; the message names it.
    SDP_DAL_INVALID_ARGUMENT = -1,
    /// No such store, object, function, parameter or namespace.
    SDP_DAL_NOT_FOUND = -2,
    /// The object exists, or is being created by somebody else.
    SDP_DAL_ALREADY_EXISTS = -3,
    /// The time given has passed.
    SDP_DAL_TIMEOUT = -4,
    /// The store (or the memory under it) is full.
    SDP_DAL_OUT_OF_MEMORY = -5,
    /// The object existed and was deleted.
    SDP_DAL_OBJECT_DELETED = -6,
    /// The processor that was to produce this has died, closed, or was replaced.
    SDP_DAL_PROCESSOR_LOST = -7,
    /// The processing function reported an error; the message is the function's.
    SDP_DAL_FUNCTION_FAILED = -8,
    /// An input of the call was deleted before the call ran.
    SDP_DAL_INPUT_LOST = -9,
    /// The processing function ended without writing this output.
    SDP_DAL_OUTPUT_NOT_WRITTEN = -10,
    /// Fewer compatible processors than asked for.
    SDP_DAL_NO_PROCESSOR = -11,
    /// The wanted prefix belongs to a living client.
    SDP_DAL_NAMESPACE_IN_USE = -12,
    /// The processor has started: it can take no more functions.
    SDP_DAL_ALREADY_STARTED = -13,
    /// The handle was inherited over fork() and cannot be used in the child: open the store anew there.
    SDP_DAL_FORKED = -14,
    /// The wait was ended by sdp_dal_store_interrupt().
    SDP_DAL_INTERRUPTED = -15,
    /// The operating system or the store's owner forbids it.
    SDP_DAL_PERMISSION_DENIED = -16,
    /// The file is not a store, or its bookkeeping does not add up.
    SDP_DAL_CORRUPT = -17,
    /// The store was made by an incompatible version, or the file system lacks something.
    SDP_DAL_UNSUPPORTED = -18,
    /// The operating system reported an error.
    SDP_DAL_IO = -19,
    /// All client slots or all entries are taken.
    SDP_DAL_LIMIT_REACHED = -20,
    /// The lock of the store was not available for ten seconds. The process that holds it is stopped or gets no processor.
    SDP_DAL_BUSY = -21,
    /// A mistake inside the library.
    SDP_DAL_INTERNAL = -22,
    /// The call was cancelled: nobody wants its outputs any more.
    SDP_DAL_CANCELLED = -23,
} sdp_dal_status_code;

/// Values for a parameter timeout_ns, which is else a number of nanoseconds on the monotonic clock.
typedef enum {
    /// Wait until it happens, the producer dies, or somebody interrupts.
    SDP_DAL_WAIT_FOREVER = -1,
    /// Look once, do not wait.
    SDP_DAL_POLL = 0,
} sdp_dal_timeout;

/// Sizes.
typedef enum {
    /// Bytes of a namespace's prefix.
    SDP_DAL_PREFIX_SIZE = 4,
    /// Most dimensions of a tensor.
    SDP_DAL_MAX_DIMS = 8,
    /// Bytes of an object ID.
    SDP_DAL_ID_SIZE = 20,
    /// A buffer that holds every text of sdp_dal_last_error() and its NUL.
    SDP_DAL_MESSAGE_SIZE = 2049,
} sdp_dal_limit;

/// Element types of tensors.
typedef enum {
    /// One byte, 0 or 1.
    SDP_DAL_BOOL = 1,
    /// int8_t
    SDP_DAL_INT8 = 2,
    /// int16_t
    SDP_DAL_INT16 = 3,
    /// int32_t
    SDP_DAL_INT32 = 4,
    /// int64_t
    SDP_DAL_INT64 = 5,
    /// uint8_t
    SDP_DAL_UINT8 = 6,
    /// uint16_t
    SDP_DAL_UINT16 = 7,
    /// uint32_t
    SDP_DAL_UINT32 = 8,
    /// uint64_t
    SDP_DAL_UINT64 = 9,
    /// IEEE 754 binary16
    SDP_DAL_FLOAT16 = 10,
    /// float
    SDP_DAL_FLOAT32 = 11,
    /// double
    SDP_DAL_FLOAT64 = 12,
    /// Two floats: real part, imaginary part.
    SDP_DAL_COMPLEX64 = 13,
    /// Two doubles: real part, imaginary part.
    SDP_DAL_COMPLEX128 = 14,
} sdp_dal_dtype;

/// How a tensor's elements follow each other in memory.
typedef enum {
    /// Of what is to be made: the default. Default: the order that the signature gives an output, else C. Of a parameter:
    /// it asks for none. In a view: neither of the two, see its strides.
    SDP_DAL_ORDER_ANY = 0,
    /// The last index runs fastest, without gaps (C, numpy's default).
    SDP_DAL_ORDER_C = 1,
    /// The first index runs fastest, without gaps (Fortran, Julia).
    SDP_DAL_ORDER_F = 2,
} sdp_dal_order;

/// Bits for the flags of sdp_dal_tensor_spec.
typedef enum {
    /// Zero the memory: memory that was used before is not zero.
    SDP_DAL_TENSOR_ZEROED = 1,
} sdp_dal_tensor_flag;

/// What sdp_dal_store_open() does when there is no store at the path.
typedef enum {
    /// Make one; it goes with its last client.
    SDP_DAL_CREATE_IF_MISSING = 0,
    /// Fail with SDP_DAL_NOT_FOUND.
    SDP_DAL_CREATE_NEVER = 1,
} sdp_dal_create_mode;

/// Bits for the flags of sdp_dal_store_options.
typedef enum {
    /// The field group counts: the members of that group may use the store too. They can read all that is in it;
    /// sdp_dal_namespace_info says what it tells of its clients' command lines.
    SDP_DAL_STORE_SHARE_WITH_GROUP = 1,
    /// The field accept_owner counts: a store of that user is accepted too.
    SDP_DAL_STORE_ACCEPT_OWNER = 2,
    /// When the store is full, delete what nobody wants or holds and what was marked as evictable.
    SDP_DAL_STORE_EVICTION = 4,
    /// Take all memory from the system when the store is made.
    SDP_DAL_STORE_RESERVE = 8,
    /// Fail with SDP_DAL_ALREADY_EXISTS if the store is there and has another size than the one that is asked for, or
    /// eviction is asked for and it has none.
    SDP_DAL_STORE_EXACT = 16,
} sdp_dal_store_flag;

/// To which of several processors a call goes.
typedef enum {
    /// The one with the fewest calls that have not ended.
    SDP_DAL_SELECT_LEAST_BUSY = 0,
    /// The one with the lowest prefix, and always to that one while it lives: for functions that accumulate state.
    SDP_DAL_SELECT_FIRST = 1,
} sdp_dal_select;

/// Bits for the flags of sdp_dal_caller_options.
typedef enum {
    /// Do not compare the sizes of equal dimension names, nor with the sizes that the signature fixes.
    SDP_DAL_CALLER_LOOSE_DIMS = 1,
    /// With minimum_processors 0: there may be no processor yet.
    SDP_DAL_CALLER_NONE_NEEDED = 2,
} sdp_dal_caller_flag;

/// What a sdp_dal_value is. In brackets the fields that count.
typedef enum {
    /// Nothing: null. Of an output that is given to a call: it is to be made new.
    SDP_DAL_VALUE_NULL = 0,
    /// A bool [int64].
    SDP_DAL_VALUE_BOOL = 1,
    /// A signed integer of any size [int64].
    SDP_DAL_VALUE_INT64 = 2,
    /// An unsigned integer of any size [uint64].
    SDP_DAL_VALUE_UINT64 = 3,
    /// A floating-point number of any size [real].
    SDP_DAL_VALUE_DOUBLE = 4,
    /// A complex number [real, imag].
    SDP_DAL_VALUE_COMPLEX = 5,
    /// A text [data, size].
    SDP_DAL_VALUE_STRING = 6,
    /// Bytes: a binary value, or those of an object of any kind [data, size].
    SDP_DAL_VALUE_BINARY = 7,
    /// The ID of an object [data, size].
    SDP_DAL_VALUE_ID = 8,
    /// A reference, to an input or to be an output [reference].
    SDP_DAL_VALUE_REF = 9,
    /// A tensor [view].
    SDP_DAL_VALUE_TENSOR = 10,
    /// A table [stream].
    SDP_DAL_VALUE_TABLE = 11,
    /// A value of any Arrow type [array, schema].
    SDP_DAL_VALUE_ARROW = 12,
    /// An output that is given to a call, which may be null: it is not wanted.
    SDP_DAL_VALUE_UNWANTED = 13,
    /// An output, as the function sees it: its name, its order in the signature [data, size, int64].
    SDP_DAL_VALUE_OUTPUT = 14,
} sdp_dal_value_kind;

/// Who gives a parameter.
typedef enum {
    /// The caller gives it.
    SDP_DAL_IN = 0,
    /// The function makes it.
    SDP_DAL_OUT = 1,
} sdp_dal_direction;

/// What a parameter is.
typedef enum {
    /// A value of an Arrow type, written into the call itself.
    SDP_DAL_PARAM_VALUE = 1,
    /// A tensor object.
    SDP_DAL_PARAM_TENSOR = 2,
    /// A table object.
    SDP_DAL_PARAM_TABLE = 3,
    /// An object of any kind: waited for if it is an input, made if it is an output.
    SDP_DAL_PARAM_OID = 4,
    /// An object's ID that is only passed.
    SDP_DAL_PARAM_ID = 5,
} sdp_dal_param_kind;

/// Bits of the flags of sdp_dal_param_info.
typedef enum {
    /// May be left out.
    SDP_DAL_PARAM_NULLABLE = 1,
    /// A table whose columns are fixed.
    SDP_DAL_PARAM_COLUMNS = 2,
} sdp_dal_param_flag;

/// Bits for the flags of sdp_dal_object_spec.
typedef enum {
    /// Zero the memory: memory that was used before is not zero.
    SDP_DAL_OBJECT_ZEROED = 1,
    /// May be deleted when the store is full and nobody wants or holds it (if the store was made with
    /// SDP_DAL_STORE_EVICTION).
    SDP_DAL_OBJECT_EVICTABLE = 2,
    /// Lives as long as somebody wants it: the writer's handle does, until it is freed. Else it is kept until it
    /// is deleted, or evicted if it may be.
    SDP_DAL_OBJECT_WANTED = 4,
} sdp_dal_object_flag;

/// How sdp_dal_object_delete() treats an object that somebody holds.
typedef enum {
    /// Nobody finds it any more; its bytes stay until the last holder lets go.
    SDP_DAL_DELETE_NOW = 0,
    /// It can be found until the last holder lets go.
    SDP_DAL_DELETE_WHEN_RELEASED = 1,
} sdp_dal_delete_mode;

/// What an object ID names.
typedef enum {
    /// Nothing.
    SDP_DAL_STATE_ABSENT = 0,
    /// An output of a call that does not exist yet.
    SDP_DAL_STATE_AWAITED = 1,
    /// Somebody is writing it.
    SDP_DAL_STATE_CREATING = 2,
    /// Complete, and never changed again.
    SDP_DAL_STATE_SEALED = 3,
    /// It will never exist; sdp_dal_ref_wait() returns why.
    SDP_DAL_STATE_FAILED = 4,
    /// Deleted, but still held by somebody.
    SDP_DAL_STATE_DOOMED = 5,
} sdp_dal_object_state;

/// Bits of the flags of sdp_dal_object_info.
typedef enum {
    /// Stays though nobody wants it.
    SDP_DAL_INFO_KEPT = 1,
    /// May be deleted when the store is full.
    SDP_DAL_INFO_EVICTABLE = 2,
    /// A call that a processor has taken.
    SDP_DAL_INFO_CLAIMED = 4,
} sdp_dal_info_flag;

/// Bits for the flags of sdp_dal_function_options.
typedef enum {
    /// The function may run in as many threads at once as call sdp_dal_processor_process(). Without it, its calls wait for
    /// each other while those of other functions are run.
    SDP_DAL_FUNCTION_REENTRANT = 1,
    /// Its calls run strictly in the order in which they were issued, by whomever, one at a time, the rows of a batch in
    /// their order. One whose inputs do not exist yet holds up those behind it, but not those of other functions. One that
    /// fails by its inputs fails in its turn. Not together with SDP_DAL_FUNCTION_REENTRANT.
    SDP_DAL_FUNCTION_ORDERED = 2,
    /// Equal dimension names may have different sizes, and fixed sizes of the signature are not checked.
    SDP_DAL_FUNCTION_LOOSE_DIMS = 4,
} sdp_dal_function_flag;

/// Bits for the flags of sdp_dal_processor_options.
typedef enum {
    /// The thread that takes a call with sdp_dal_processor_next() runs its function: sdp_dal_call_run_here() is not needed.
    SDP_DAL_PROCESSOR_TAKER_RUNS = 1,
} sdp_dal_processor_flag;

/// What an event says.
typedef enum {
    /// An object is complete.
    SDP_DAL_EVENT_SEALED = 1,
    /// An object that was complete, or had failed, is deleted. Told of calls, too.
    SDP_DAL_EVENT_DELETED = 2,
    /// An object will never exist.
    SDP_DAL_EVENT_FAILED = 3,
    /// A namespace was declared; the ID is that of its declaration. Told instead of SDP_DAL_EVENT_SEALED.
    SDP_DAL_EVENT_NAMESPACE_APPEARED = 4,
    /// A namespace's declaration is deleted. Told instead of SDP_DAL_EVENT_DELETED.
    SDP_DAL_EVENT_NAMESPACE_GONE = 5,
    /// A call is in its processor's queue; the actor is its caller. Told instead of SDP_DAL_EVENT_SEALED.
    SDP_DAL_EVENT_CALL_ISSUED = 6,
    /// A processor has taken a call.
    SDP_DAL_EVENT_CALL_CLAIMED = 7,
    /// A call that was taken has ended. Its caller may have deleted it before.
    SDP_DAL_EVENT_CALL_ENDED = 8,
    /// Events were lost: list the objects again with sdp_dal_store_list_objects(). What happens after this event is told.
    SDP_DAL_EVENT_RESYNC = 9,
} sdp_dal_event_kind;

/// How many of several objects must have ended, for sdp_dal_ref_wait_many().
typedef enum {
    /// All of them.
    SDP_DAL_WAIT_ALL = 0,
    /// One of them.
    SDP_DAL_WAIT_ANY = 1,
} sdp_dal_wait_mode;

/// How much a message matters.
typedef enum {
    /// No messages.
    SDP_DAL_LOG_OFF = 0,
    /// Something that was asked for is lost: a call without outputs has failed.
    SDP_DAL_LOG_ERROR = 1,
    /// Somebody else's fault was made good: a dead client, a rebuild of the bookkeeping.
    SDP_DAL_LOG_WARNING = 2,
    /// What an operator may want to see: an object was evicted.
    SDP_DAL_LOG_INFO = 3,
    /// What only the search for a mistake needs.
    SDP_DAL_LOG_DEBUG = 4,
} sdp_dal_log_level;

/// Which claims on an object sdp_dal_object_holders() lists.
typedef enum {
    /// The clients that hold its bytes.
    SDP_DAL_HOLDERS_OF_BYTES = 0,
    /// The clients that want it to exist: they own it.
    SDP_DAL_HOLDERS_OWNING = 1,
} sdp_dal_holder_kind;

/// The arguments of a call, by name (set) or by position (push). Made by sdp_dal_args_create(), used by any number of
/// calls, ended by sdp_dal_args_free().
///
/// Nothing is checked before the call, which knows the function. Names and texts are copied, references are kept;
/// a tensor's elements are not: their memory must stay as it is until the call has returned.
typedef struct sdp_dal_args sdp_dal_args;

/// The bytes of a complete object: they stay as long as the handle. Ended by sdp_dal_buffer_free().
typedef struct sdp_dal_buffer sdp_dal_buffer;

/// A call that a processor took. In a callback it is borrowed; sdp_dal_processor_next() gives one that you own.
///
/// Its outputs can be written until it ends: by sdp_dal_call_finish(), or when nobody is left who owes them. These are the
/// callback, until it has returned; the handle that sdp_dal_processor_next() gave, until it is freed; and each handle that
/// sdp_dal_call_defer() gave, until it is freed. What was not sealed then fails with SDP_DAL_OUTPUT_NOT_WRITTEN; sealed
/// outputs stay. What was read from a call is valid longer: until its last handle is freed, those of
/// sdp_dal_call_retain() included.
typedef struct sdp_dal_call sdp_dal_call;

/// Issues calls to the processors that offer its functions. Made by sdp_dal_caller_open(), ended by
/// sdp_dal_caller_close().
typedef struct sdp_dal_caller sdp_dal_caller;

/// The clients of a store as they were at one moment. Made by sdp_dal_store_list_clients(), ended by sdp_dal_clients_free().
typedef struct sdp_dal_clients sdp_dal_clients;

/// A list of objects. Made by sdp_dal_store_list_objects(), ended by sdp_dal_list_free().
typedef struct sdp_dal_list sdp_dal_list;

/// The namespaces of a store as they were at one moment, by prefix. Made by sdp_dal_store_list_namespaces(), ended by
/// sdp_dal_namespaces_free().
typedef struct sdp_dal_namespaces sdp_dal_namespaces;

/// Offers functions to callers and runs their calls. Made by sdp_dal_processor_open(), ended by
/// sdp_dal_processor_close().
typedef struct sdp_dal_processor sdp_dal_processor;

/// A reference to an object that may not exist yet. An owning one (made by putting, creating, sdp_dal_ref_new(), or
/// a call's output) keeps the object: the last of them in this process deletes it. A borrowed one (made from an ID,
/// or received in a call) never does. Ended by sdp_dal_ref_free().
typedef struct sdp_dal_ref sdp_dal_ref;

/// References to the outputs of many calls: of each row at each processor. Made by sdp_dal_caller_batch() and
/// sdp_dal_caller_broadcast(), ended by sdp_dal_replies_free().
typedef struct sdp_dal_replies sdp_dal_replies;

/// References to the outputs of one call, in the order of its signature. Made by sdp_dal_caller_call(), ended by
/// sdp_dal_results_free().
typedef struct sdp_dal_results sdp_dal_results;

/// A function's name and its parameters, with metadata that are for people and programs and not for the library. Made
/// by sdp_dal_schema_create(), _parse(), _from_arrow() or _clone(), ended by sdp_dal_schema_free().
typedef struct sdp_dal_schema sdp_dal_schema;

/// A store that this process uses, and a namespace in it. Made by sdp_dal_store_open(), ended by
/// sdp_dal_store_close().
typedef struct sdp_dal_store sdp_dal_store;

/// The stores of this machine as they were at one moment. Made by sdp_dal_stores_list(), ended by sdp_dal_stores_free().
typedef struct sdp_dal_stores sdp_dal_stores;

/// What happens to the objects of a store. Made by sdp_dal_store_subscribe(), ended by sdp_dal_subscription_free().
typedef struct sdp_dal_subscription sdp_dal_subscription;

/// A complete tensor: its elements stay as long as the handle. Ended by sdp_dal_tensor_free().
typedef struct sdp_dal_tensor sdp_dal_tensor;

/// A raw object being written. Made by sdp_dal_object_create(), ended by sdp_dal_writer_free().
typedef struct sdp_dal_writer sdp_dal_writer;

/// How a function ended: SDP_DAL_OK, or one of the negative values of sdp_dal_status_code.
typedef int32_t sdp_dal_status;

/// Receives the messages of the library.
///
/// level: one of sdp_dal_log_level. message: one line, without an end of line. Borrowed: valid until the function
/// returns. user_data: what was given to sdp_dal_set_log().
///
/// It is called in the thread in which the message arises, by several threads at once, and holds up what that thread is
/// doing. It may use the library: what that has to tell is not told, and the last error of the thread stays. It must not
/// fork, and no C++ exception may leave it.
typedef void (*sdp_dal_log_function)(int32_t level, const char *message, void *user_data);

/// Says whether the wait of the thread that calls it is to end, with SDP_DAL_INTERRUPTED.
///
/// user_data: what was given to sdp_dal_set_interrupt_check().
///
/// It may use the library, whose waits it does not end, and the last error of the thread stays. It must not fork, and no
/// C++ exception may leave it.
typedef bool (*sdp_dal_interrupt_check)(void *user_data);

/// How sdp_dal_store_open() opens, and if need be makes, a store. Zero bytes mean the default.
typedef struct {
    /// sizeof(sdp_dal_store_options).
    size_t struct_size;
    /// Bytes that can be put into a new store; 0: SDP_DAL_STORE_SIZE of the environment, or half of what the
    /// system has.
    uint64_t size;
    /// Name of this program in displays; NULL: the program's.
    const char *name;
    /// Objects at a time that a new store must have room for, up to 2^26; rounded up to a power of two, 1024 at least (see
    /// sdp_dal_store_stat). Default: 1048576.
    uint32_t max_objects;
    /// Most clients at a time in a new store, a multiple of 64 up to 1024. Default: 256.
    uint32_t max_clients;
    /// Group ID; counts with SDP_DAL_STORE_SHARE_WITH_GROUP.
    uint32_t group;
    /// User ID; counts with SDP_DAL_STORE_ACCEPT_OWNER.
    uint32_t accept_owner;
    /// One of sdp_dal_create_mode.
    int32_t create;
    /// Bits of sdp_dal_store_flag.
    uint32_t flags;
} sdp_dal_store_options;

/// Which store a handle is of.
typedef struct {
    /// sizeof(sdp_dal_store_info).
    size_t struct_size;
    /// The path by which it was opened. Borrowed: valid until the handle is closed.
    const char *path;
    /// A random number that tells this store from every other one, also from one that was or will be made at the same path: the
    /// same for every client and as long as the store lives. An object ID that is written down is good only with it: compare it
    /// before the ID is used again.
    uint64_t identity;
    /// This process's own number among the clients of the store.
    uint32_t client;
    /// 0.
    uint32_t reserved;
} sdp_dal_store_info;

/// Numbers about a store, in bytes or pieces.
typedef struct {
    /// sizeof(sdp_dal_store_stat).
    size_t struct_size;
    /// Bytes that fit into the empty store.
    uint64_t size;
    /// Bytes in use, without those of used_small.
    uint64_t used;
    /// Bytes not in use.
    uint64_t free;
    /// The largest object that fits now, in bytes.
    uint64_t largest_free;
    /// Bytes that were taken from the system.
    uint64_t reserved;
    /// Objects of every state.
    uint64_t objects;
    /// Complete objects.
    uint64_t sealed;
    /// Objects being written.
    uint64_t creating;
    /// Outputs that do not exist yet.
    uint64_t awaited;
    /// Objects that will never exist.
    uint64_t failed;
    /// Deleted objects that are still held.
    uint64_t doomed;
    /// Most objects at a time: a power of two, what sdp_dal_store_options asked for or more.
    uint64_t max_objects;
    /// Times that the bookkeeping was rebuilt after a client's death.
    uint64_t recoveries;
    /// Clients that died and were cleaned up after.
    uint64_t reaped;
    /// Clients.
    uint32_t clients;
    /// Most clients at a time.
    uint32_t max_clients;
    /// Namespaces.
    uint32_t namespaces;
    /// 0.
    uint32_t reserved_0;
    /// Bytes in use by objects below 4 KiB, which have room of their own besides size.
    uint64_t used_small;
} sdp_dal_store_stat;

/// What a store looks like from outside.
typedef struct {
    /// sizeof(sdp_dal_store_summary).
    size_t struct_size;
    /// The path under which it was made: the one to open it by. Borrowed: valid until the list is freed.
    const char *path;
    /// The path of the file in which it lies. Borrowed as path.
    const char *file;
    /// When it was made, in nanoseconds since 1970.
    int64_t created_ns;
    /// Bytes that fit into the empty store.
    uint64_t size;
    /// Bytes that it has taken from the system for objects.
    uint64_t reserved;
    /// The user ID of its owner.
    uint32_t owner;
    /// Living clients; 0: it is left over, and the next who opens its path replaces it.
    uint32_t clients;
    /// Most clients at a time.
    uint32_t max_clients;
    /// 0.
    uint32_t reserved_0;
} sdp_dal_store_summary;

/// What there is to know about a client: a process that uses the store (one that has two copies of this library is two).
typedef struct {
    /// sizeof(sdp_dal_client_info).
    size_t struct_size;
    /// The name that it gave itself. Borrowed: valid until the list is freed.
    const char *name;
    /// The name of its host, or container. Borrowed as name.
    const char *host;
    /// When it opened the store, in nanoseconds since 1970.
    int64_t since_ns;
    /// Objects whose bytes it holds.
    uint64_t pins;
    /// Objects that it wants to exist.
    uint64_t wants;
    /// Bytes of the objects whose bytes it holds.
    uint64_t pinned_bytes;
    /// Its number, which no other client of this store ever gets.
    uint32_t number;
    /// Its process ID in its own container.
    uint32_t pid;
    /// 1 if it lives; 0 if it has died, and what it held was not yet given back.
    uint32_t alive;
    /// 0.
    uint32_t reserved;
} sdp_dal_client_info;

/// What a function is called, and what is said about it. What it points to is borrowed: valid until the schema is changed or
/// freed.
typedef struct {
    /// sizeof(sdp_dal_schema_info).
    size_t struct_size;
    /// The name of the function.
    const char *name;
    /// What is said about it: keys, sorted.
    const char *const *metadata_keys;
    /// The values of the keys.
    const char *const *metadata_values;
    /// Number of keys, and of values.
    size_t num_metadata;
    /// Number of parameters, outputs included.
    size_t num_params;
} sdp_dal_schema_info;

/// What a parameter is. What it points to is borrowed: valid until the schema is changed or freed.
typedef struct {
    /// sizeof(sdp_dal_param_info).
    size_t struct_size;
    /// Its name.
    const char *name;
    /// Its type as a signature writes it: "int64", "float64[row,uvw=3] C", "table{a: utf8}".
    const char *type_text;
    /// The ndim names of a tensor's dimensions, "" for one without a name; else NULL.
    const char *const *dim_names;
    /// The ndim sizes of a tensor's dimensions, -1 for one that is not fixed; else NULL.
    const int64_t *dim_sizes;
    /// What is said about it: keys, sorted.
    const char *const *metadata_keys;
    /// The values of the keys.
    const char *const *metadata_values;
    /// Number of keys, and of values.
    size_t num_metadata;
    /// One of sdp_dal_direction.
    int32_t direction;
    /// One of sdp_dal_param_kind.
    int32_t kind;
    /// Element type of a tensor, one of sdp_dal_dtype; else 0.
    int32_t dtype;
    /// Number of dimensions of a tensor; else 0.
    int32_t ndim;
    /// Bits of sdp_dal_param_flag.
    uint32_t flags;
    /// The order that the signature gives a tensor, one of sdp_dal_order; else 0.
    int32_t order;
} sdp_dal_param_info;

/// What a namespace declares.
typedef struct {
    /// sizeof(sdp_dal_namespace_options).
    size_t struct_size;
    /// Its name in displays; NULL: the program's.
    const char *name;
    /// First bytes of its prefix; may be NULL if there are none.
    const uint8_t *prefix;
    /// Bytes of prefix, 0 to SDP_DAL_PREFIX_SIZE.
    size_t prefix_size;
    /// Functions whose calls are to be put into it; may be NULL if there are none.
    const sdp_dal_schema *const *schemas;
    /// Number of schemas.
    size_t num_schemas;
    /// Keys of what else is said about it; may be NULL if there are none. They do not start with "proc:".
    const char *const *metadata_keys;
    /// The values of the keys.
    const char *const *metadata_values;
    /// Number of keys, and of values.
    size_t num_metadata;
} sdp_dal_namespace_options;

/// A declared namespace.
typedef struct {
    /// sizeof(sdp_dal_namespace_info).
    size_t struct_size;
    /// The name that it gave itself; "" if its declaration is damaged. Borrowed: valid until the list is freed.
    const char *name;
    /// The owner's arguments, the first of them its program. Borrowed as name.
    ///
    /// Every client of the store can read them, also after the process has ended. With SDP_DAL_ARGV=0 in its environment a
    /// process declares its program only. Default: all arguments, but only the program in a store made with
    /// SDP_DAL_STORE_SHARE_WITH_GROUP, unless SDP_DAL_ARGV is 1.
    const char *const *args;
    /// What else is said about it: keys, sorted. Those of the library start with "proc:". Borrowed as name.
    const char *const *metadata_keys;
    /// The values of the keys. One with a NUL inside ends there. Borrowed as name.
    const char *const *metadata_values;
    /// Number of arguments.
    size_t num_args;
    /// Number of keys, and of values.
    size_t num_metadata;
    /// Number of functions that it offers.
    size_t num_functions;
    /// Number of the client that declared it.
    uint32_t owner;
    /// The owner's process ID in its own container.
    uint32_t pid;
    /// Calls in its queue that have not ended.
    uint32_t queued;
    /// 1 if the owner lives and has not closed it, else 0.
    uint32_t alive;
    /// Its prefix.
    uint8_t prefix[4];
    /// 0.
    uint32_t reserved;
} sdp_dal_namespace_info;

/// How to create a raw object. Zero bytes mean the default.
typedef struct {
    /// sizeof(sdp_dal_object_spec).
    size_t struct_size;
    /// Bytes of data.
    uint64_t data_size;
    /// Bytes that are copied and can be read beside the data; may be NULL if there are none.
    const void *metadata;
    /// Bytes of metadata.
    size_t metadata_size;
    /// How long to wait for space when the store is full, in nanoseconds; 0: SDP_DAL_FULL_TIMEOUT of the
    /// environment or 10 s; SDP_DAL_WAIT_FOREVER.
    int64_t full_timeout_ns;
    /// Bits of sdp_dal_object_flag.
    uint32_t flags;
    /// 0.
    uint32_t reserved;
} sdp_dal_object_spec;

/// What there is to know about an object.
typedef struct {
    /// sizeof(sdp_dal_object_info).
    size_t struct_size;
    /// Bytes of data.
    uint64_t data_size;
    /// Bytes of metadata.
    uint64_t metadata_size;
    /// When it was created, in nanoseconds since 1970.
    int64_t created_ns;
    /// From its creation to its sealing, in nanoseconds; for less than 4096 bytes to some milliseconds.
    int64_t construct_ns;
    /// Number of the client that created it.
    uint32_t creator;
    /// Number of the client that is to produce it, if it is awaited.
    uint32_t producer;
    /// Number of clients that hold its bytes.
    uint32_t pins;
    /// Number of clients that want it to exist.
    uint32_t wants;
    /// One of sdp_dal_object_state.
    int32_t state;
    /// Bits of sdp_dal_info_flag.
    uint32_t flags;
    /// Its ID.
    uint8_t id[20];
    /// 0.
    uint32_t reserved;
} sdp_dal_object_info;

/// Where the bytes of an object lie.
typedef struct {
    /// sizeof(sdp_dal_buffer_info).
    size_t struct_size;
    /// The data. Borrowed: valid until the buffer is freed; must not be written.
    const void *data;
    /// Bytes of data.
    size_t data_size;
    /// The metadata. Borrowed as data.
    const void *metadata;
    /// Bytes of metadata.
    size_t metadata_size;
    /// The ID of the object.
    uint8_t id[20];
    /// 0.
    uint32_t reserved;
} sdp_dal_buffer_info;

/// Where the elements of a tensor lie. The view owns nothing.
///
/// Filled by the library (sdp_dal_tensor_get_view(), sdp_dal_call_get_tensor()) the pointers are borrowed, as the
/// function says, and the data must not be written. Filled by you (sdp_dal_tensor_put(), sdp_dal_args_set_tensor())
/// it describes your own memory, in any layout. Set struct_size first in both cases.
typedef struct {
    /// sizeof(sdp_dal_tensor_view).
    size_t struct_size;
    /// The element whose indices are all 0. May be NULL if there are no elements.
    const void *data;
    /// ndim sizes; may be NULL if ndim is 0.
    const int64_t *shape;
    /// ndim distances in bytes from one index to the next; may be negative or 0. NULL in what you fill: C order.
    const int64_t *strides;
    /// ndim names, "" for a dimension without one; NULL if none has a name.
    const char *const *dim_names;
    /// One of sdp_dal_dtype.
    int32_t dtype;
    /// Number of dimensions, 0 to SDP_DAL_MAX_DIMS.
    int32_t ndim;
    /// One of sdp_dal_order; not looked at in what you fill (the strides say it).
    int32_t order;
    /// 0.
    int32_t reserved;
} sdp_dal_tensor_view;

/// What a tensor that is to be made will look like.
typedef struct {
    /// sizeof(sdp_dal_tensor_spec).
    size_t struct_size;
    /// ndim sizes; may be NULL if ndim is 0.
    const int64_t *shape;
    /// ndim names, "" for a dimension without one; NULL if none has a name.
    const char *const *dim_names;
    /// One of sdp_dal_dtype.
    int32_t dtype;
    /// Number of dimensions, 0 to SDP_DAL_MAX_DIMS.
    int32_t ndim;
    /// One of sdp_dal_order.
    int32_t order;
    /// Bits of sdp_dal_tensor_flag.
    uint32_t flags;
} sdp_dal_tensor_spec;

/// What a reference expects of its object. Zero bytes: any object.
typedef struct {
    /// sizeof(sdp_dal_expectation).
    size_t struct_size;
    /// The names of a tensor's dimensions. NULL, and "" for a dimension: any name will do.
    const char *const *dim_names;
    /// The columns of a table, a struct; NULL: any. It stays yours.
    const struct ArrowSchema *columns;
    /// SDP_DAL_PARAM_TENSOR, SDP_DAL_PARAM_TABLE, or 0 for any object; then nothing else is looked at.
    int32_t kind;
    /// The element type of a tensor, one of sdp_dal_dtype.
    int32_t dtype;
    /// The number of dimensions of a tensor.
    int32_t ndim;
    /// 0.
    int32_t reserved;
} sdp_dal_expectation;

/// What a reference is, and what it expects of its object.
typedef struct {
    /// sizeof(sdp_dal_ref_info).
    size_t struct_size;
    /// The names of the tensor's dimensions, "" for one without a name; NULL if none is expected to have one. Borrowed: valid
    /// until the reference is freed.
    const char *const *dim_names;
    /// 1 if it is an owning reference, else 0.
    uint32_t owning;
    /// SDP_DAL_PARAM_TENSOR or SDP_DAL_PARAM_TABLE if such an object is expected; 0: any.
    int32_t kind;
    /// The element type of the tensor, one of sdp_dal_dtype; else 0.
    int32_t dtype;
    /// The number of dimensions of the tensor; -1 if no tensor is expected, or any.
    int32_t ndim;
    /// The ID of the object.
    uint8_t id[20];
    /// 0.
    uint32_t reserved;
} sdp_dal_ref_info;

/// How far an object has come.
typedef struct {
    /// sizeof(sdp_dal_ref_state).
    size_t struct_size;
    /// What the function that makes it told last with sdp_dal_call_set_progress(); 0 before it runs, 1 once the object exists.
    double progress;
    /// One of sdp_dal_object_state.
    int32_t state;
    /// 1 if a processor has taken the call that makes it and the call has not ended, else 0.
    uint32_t running;
} sdp_dal_ref_state;

/// How a table is put. Zero bytes mean the default.
typedef struct {
    /// sizeof(sdp_dal_table_options).
    size_t struct_size;
    /// Most rows of a record batch: longer ones are split. 0: as they come.
    size_t max_chunksize;
} sdp_dal_table_options;

/// How a caller finds its processors.
typedef struct {
    /// sizeof(sdp_dal_caller_options).
    size_t struct_size;
    /// First bytes of the prefixes of the processors to use; may be NULL if there are none.
    const uint8_t *processor_prefix;
    /// Bytes of processor_prefix, 0 to SDP_DAL_PREFIX_SIZE.
    size_t processor_prefix_size;
    /// Fewer compatible processors are an error; 0: as 1, unless SDP_DAL_CALLER_NONE_NEEDED is set.
    uint64_t minimum_processors;
    /// Most calls that a processor has not ended; issuing then waits. A batch is one call, until its last row has
    /// ended. 0: no limit.
    uint64_t max_in_flight;
    /// How long sdp_dal_caller_open() waits for the processors, and issuing for room when max_in_flight
    /// is reached.
    int64_t timeout_ns;
    /// One of sdp_dal_select.
    int32_t select;
    /// Bits of sdp_dal_caller_flag.
    uint32_t flags;
    /// Functions that are given as schemas, besides the signatures; may be NULL if there are none. They stay yours.
    const sdp_dal_schema *const *schemas;
    /// Number of schemas.
    size_t num_schemas;
} sdp_dal_caller_options;

/// What became of the rows at one processor.
typedef struct {
    /// sizeof(sdp_dal_reply).
    size_t struct_size;
    /// The name of the processor. Borrowed: valid until the replies are freed.
    const char *name;
    /// SDP_DAL_OK if it got the rows, or why not: sdp_dal_replies_get_results() then fails with that, and
    /// sdp_dal_last_error() has the sentence.
    int32_t status;
    /// The prefix of the processor.
    uint8_t prefix[4];
} sdp_dal_reply;

/// How a processor shows itself.
typedef struct {
    /// sizeof(sdp_dal_processor_options).
    size_t struct_size;
    /// Its name, which callers see; NULL: the program's.
    const char *name;
    /// First bytes of its prefix; may be NULL if there are none.
    const uint8_t *prefix;
    /// Bytes of prefix, 0 to SDP_DAL_PREFIX_SIZE.
    size_t prefix_size;
    /// How many threads its functions may use all together, see sdp_dal_call_get_threads(); 0: what the process's
    /// affinity and its control group's quota leave.
    int32_t threads;
    /// Bits of sdp_dal_processor_flag.
    uint32_t flags;
} sdp_dal_processor_options;

/// How the calls of a function are run. Zero bytes mean the default: one at a time, in no strict order, with sizes
/// checked.
typedef struct {
    /// sizeof(sdp_dal_function_options).
    size_t struct_size;
    /// Bits of sdp_dal_function_flag.
    uint32_t flags;
    /// 0.
    uint32_t reserved_0;
} sdp_dal_function_options;

/// A processing function.
///
/// call: the call to work on. Borrowed: valid until the function returns; sdp_dal_call_retain() gives a handle that lasts,
/// sdp_dal_call_defer() one by which the outputs can be written later.
/// user_data: what was given to sdp_dal_processor_register().
///
/// Returns SDP_DAL_OK, or any other value to fail the outputs: with the text given to sdp_dal_call_fail(), else with
/// that of sdp_dal_last_error() if the value came from a function of this library. Outputs created in place are sealed
/// when it returns SDP_DAL_OK, unless the call was deferred. It runs in the thread that called sdp_dal_processor_process().
///
/// It may issue calls and wait, and may shut its processor down, but cannot close it. It must return: a C++ exception or
/// pthread_exit() that would leave it aborts the process, and after longjmp() its run never ends, so that closing the
/// processor waits for ever. A wait for an output that only a call could make which cannot run before this function has
/// returned fails with SDP_DAL_INVALID_ARGUMENT; see sdp_dal_ref_wait().
typedef sdp_dal_status (*sdp_dal_function)(sdp_dal_call *call, void *user_data);

/// Called once with a function's user_data when the function will not be called any more.
typedef void (*sdp_dal_drop)(void *user_data);

/// Which call this is.
typedef struct {
    /// sizeof(sdp_dal_call_info).
    size_t struct_size;
    /// The name of the function that is called. Borrowed: valid until the last handle of the call is freed.
    const char *function;
    /// Its place in the order in which the processor's functions were registered, from 0.
    size_t function_index;
    /// Which row of a batch this is; 0 for a single call.
    size_t row;
    /// The number of the function's parameters, outputs included.
    size_t num_params;
    /// Who called: the number of the client, as lists of clients have it.
    uint32_t caller;
    /// The ID of the call, which is an object itself. The rows of a batch share it.
    uint8_t id[20];
} sdp_dal_call_info;

/// How an output is created in place. Zero bytes mean the default.
typedef struct {
    /// sizeof(sdp_dal_output_options).
    size_t struct_size;
    /// One of sdp_dal_order. Default: that of the signature, else C.
    int32_t order;
    /// Bits of sdp_dal_tensor_flag.
    uint32_t flags;
} sdp_dal_output_options;

/// One thing that happened.
typedef struct {
    /// sizeof(sdp_dal_event).
    size_t struct_size;
    /// Its place in the order of all events of the store; 0 for SDP_DAL_EVENT_RESYNC.
    uint64_t sequence;
    /// When it happened, in nanoseconds since 1970.
    int64_t time_ns;
    /// Bytes of the object's data; of a failed object, of its text.
    uint64_t data_size;
    /// Bytes of the object's metadata.
    uint64_t metadata_size;
    /// Number of the client that did it; 0 for SDP_DAL_EVENT_RESYNC.
    uint32_t actor;
    /// One of sdp_dal_event_kind.
    int32_t kind;
    /// ID of the object, all zeros for SDP_DAL_EVENT_RESYNC.
    uint8_t id[20];
    /// How many bytes of metadata follow.
    uint32_t metadata_length;
    /// The first bytes of the object's metadata, which say what it is: "sdp:kind=call;sdp:func=..." for a call.
    uint8_t metadata[56];
} sdp_dal_event;

/// The value of one parameter of a call. All zero: null.
///
/// kind says which of the other fields count; these are 0 or NULL else.
typedef struct {
    /// One of sdp_dal_value_kind.
    int32_t kind;
    /// 0.
    uint32_t flags;
    /// A bool (0 or 1), or a signed integer.
    int64_t int64;
    /// An unsigned integer.
    uint64_t uint64;
    /// A floating-point number, or the real part of a complex one.
    double real;
    /// The imaginary part.
    double imag;
    /// A text in UTF-8, bytes, or the SDP_DAL_ID_SIZE bytes of an ID.
    const void *data;
    /// Bytes of data; a text needs no NUL.
    size_t size;
    /// A tensor.
    const sdp_dal_tensor_view *view;
    /// A reference.
    const sdp_dal_ref *reference;
    /// A value of any Arrow type: an array of one element.
    struct ArrowArray *array;
    /// Its type.
    struct ArrowSchema *schema;
    /// A table.
    struct ArrowArrayStream *stream;
} sdp_dal_value;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/// The version of the library that is running: major << 24 | minor << 12 | patch.
///
/// SDP_DAL_VERSION is that of the header. Before 1.0 they must agree in major and minor, afterwards in major.
uint32_t sdp_dal_version(void);

/// The name of a status, without SDP_DAL_: "OK", "TIMEOUT", ...; "UNKNOWN" for a value that is none.
///
/// Returns a static text. Does not block.
const char *sdp_dal_status_name(int32_t status);

/// Copies the text of this thread's last failure: one sentence, or a few, in UTF-8.
///
/// The text is kept per thread and is not changed by calls that succeed; before the first failure it is empty.
/// It has up to 2048 bytes: a buffer of SDP_DAL_MESSAGE_SIZE bytes always holds it.
///
/// buffer: room for the text and its final NUL; may be NULL if *length is 0.
/// length: in, the size of buffer in bytes; out, the bytes that the text and its NUL need. If that is more than
/// there is room, nothing is written and the function still returns SDP_DAL_OK.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_last_error(char *buffer,
                                  size_t *length);

/// Says who receives the messages of the library, in the whole process. Without it they go nowhere, unless the
/// environment's SDP_DAL_LOG (error, warning, info or debug) sends them to standard error.
///
/// level: one of sdp_dal_log_level: messages that matter less are not told.
/// function: receives them; NULL: they are written to standard error.
/// user_data: handed to the function; it must stay valid until another function was set.
///
/// When this has returned, the function that was set before is not running any more and will not be called again: so do
/// not hold a lock which that function takes. Called from within that function it does not wait.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Blocks while the function that was set before runs in other threads.
sdp_dal_status sdp_dal_set_log(int32_t level,
                               sdp_dal_log_function function,
                               void *user_data);

/// Says what every thread of this process asks that waits in the library: soon after a signal was handled in it, and
/// otherwise about every 250 ms. For languages that run signal handlers only when they are in control (Python, Julia, R):
/// the check lets them run, and ends the wait if one of them says so. In C a handler can call sdp_dal_store_interrupt().
///
/// check: what is asked; NULL: nothing any more. user_data: handed to it; it must stay valid until another check was set.
///
/// When this has returned, the check that was set before is not running any more and will not be called again: so do not
/// hold a lock which it takes. Called from within it, it does not wait.
///
/// Errors: none. Blocks while the check that was set before runs in other threads.
sdp_dal_status sdp_dal_set_interrupt_check(sdp_dal_interrupt_check check,
                                           void *user_data);

/// Bytes of one element of a tensor; 0 if dtype is no sdp_dal_dtype. Does not block.
size_t sdp_dal_dtype_size(int32_t dtype);

/// The name of an element type as signatures write it: "int64", "complex128", ...; "unknown" if dtype is no
/// sdp_dal_dtype.
///
/// Returns a static text. Does not block.
const char *sdp_dal_dtype_name(int32_t dtype);

/// Opens the store at a path, and makes it if there is none.
///
/// One process has one attachment to a store, however often it opens it; every handle has a namespace of its
/// own, which is reserved when something is put into it first.
///
/// path: where the store is; NULL: SDP_DAL_STORE of the environment.
/// options: NULL for the defaults.
/// out: The caller owns *out and must call sdp_dal_store_close().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND, SDP_DAL_ALREADY_EXISTS (SDP_DAL_STORE_EXACT),
/// SDP_DAL_PERMISSION_DENIED, SDP_DAL_CORRUPT, SDP_DAL_UNSUPPORTED, SDP_DAL_LIMIT_REACHED, SDP_DAL_OUT_OF_MEMORY,
/// SDP_DAL_IO, SDP_DAL_BUSY. Blocks only as long as the system takes.
sdp_dal_status sdp_dal_store_open(const char *path,
                                  const sdp_dal_store_options *options,
                                  sdp_dal_store **out);

/// Ends the use of a store by this handle. NULL is allowed.
///
/// Everything that was made from the handle stays valid: the attachment goes with the last of them.
/// Waits at most 100 ms.
void sdp_dal_store_close(sdp_dal_store *store);

/// Which store a handle is of.
///
/// out: filled; set its struct_size first.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_FORKED. Does not block.
sdp_dal_status sdp_dal_store_get_info(const sdp_dal_store *store, sdp_dal_store_info *out);

/// The prefix of a handle's namespace, which is reserved now if it was not before.
///
/// out_prefix: room for SDP_DAL_PREFIX_SIZE bytes.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_LIMIT_REACHED, SDP_DAL_OUT_OF_MEMORY, SDP_DAL_FORKED.
/// Does not wait for others.
sdp_dal_status sdp_dal_store_get_prefix(const sdp_dal_store *store, uint8_t *out_prefix);

/// Numbers about a store as it is now.
///
/// out: filled; set its struct_size first.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_CORRUPT, SDP_DAL_BUSY, SDP_DAL_FORKED. Does not wait for others.
sdp_dal_status sdp_dal_store_get_stat(const sdp_dal_store *store,
                                      sdp_dal_store_stat *out);

/// Gives memory that no object uses back to the system: what lies behind the last object. Gaps between objects stay, for
/// they are reused first. Else memory stays with the store while anybody uses it, because memory that was used before
/// is faster. What SDP_DAL_STORE_RESERVE took is given back, too.
///
/// out_bytes: the bytes that were given back.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_CORRUPT, SDP_DAL_BUSY, SDP_DAL_FORKED, SDP_DAL_IO. Does not wait for
/// others; holds up those who create objects, some milliseconds at a time.
sdp_dal_status sdp_dal_store_trim(const sdp_dal_store *store,
                                  uint64_t *out_bytes);

/// Deletes objects that are evictable, and that nobody wants or holds, until they were of so many bytes together or none is
/// left. The one whose last holder let go longest ago goes first. A full store does that by itself; so does this only in a
/// store that was made with SDP_DAL_STORE_EVICTION.
///
/// bytes: how many to get rid of. out_bytes: the bytes of the objects that were deleted.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_CORRUPT, SDP_DAL_BUSY, SDP_DAL_FORKED. Does not wait for others.
sdp_dal_status sdp_dal_store_evict(const sdp_dal_store *store,
                                   uint64_t bytes,
                                   uint64_t *out_bytes);

/// For programs that are about to end without having freed all their handles, as those of garbage-collected languages do:
/// takes the stores away that no other client uses, which would be left over else. Handles stay valid; what is put into such
/// a store from now on, nobody finds. Stores that others use notice the end of this process by themselves.
///
/// A process that ends without closing its stores and without this function leaves their memory in use until their paths are
/// opened again, or `sdp-dal stores --remove-left-over` is run.
///
/// Errors: none. Waits at most 100 ms for each store.
sdp_dal_status sdp_dal_stores_leave(void);

/// Ends all waiting in this process on this store, and keeps it from starting, while on is true: every function
/// that waits returns SDP_DAL_INTERRUPTED.
///
/// May be called from any thread, and from a signal handler.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_store_interrupt(const sdp_dal_store *store,
                                       bool on);

/// Lists the stores of this machine that this process may look at, without opening them: /dev/shm and every other
/// tmpfs, with the folders directly below each.
///
/// out: The caller owns *out and must call sdp_dal_stores_free(). out_count: how many there are.
/// out_skipped: how many files and folders could not be looked into: they are other users', or stores of another version;
/// NULL if not asked for.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_IO, SDP_DAL_PERMISSION_DENIED, SDP_DAL_NOT_FOUND if there is no /proc.
/// Does not wait for others.
sdp_dal_status sdp_dal_stores_list(sdp_dal_stores **out,
                                   size_t *out_count,
                                   size_t *out_skipped);

/// One store of a list.
///
/// index: from 0 to the number of stores, exclusive. out: filled; set its struct_size first.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_stores_get_summary(const sdp_dal_stores *stores,
                                          size_t index,
                                          sdp_dal_store_summary *out);

/// Ends a list of stores. NULL is allowed. Does not block.
void sdp_dal_stores_free(sdp_dal_stores *stores);

/// Lists the clients of a store, this process among them, by number. Looks at every object.
///
/// out: The caller owns *out and must call sdp_dal_clients_free(). out_count: how many there are.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_CORRUPT, SDP_DAL_FORKED. Does not block.
sdp_dal_status sdp_dal_store_list_clients(const sdp_dal_store *store,
                                          sdp_dal_clients **out,
                                          size_t *out_count);

/// One client of a list.
///
/// index: from 0 to the number of clients, exclusive. out: filled; set its struct_size first.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_clients_get_info(const sdp_dal_clients *clients,
                                        size_t index,
                                        sdp_dal_client_info *out);

/// Ends a list of clients. NULL is allowed. Does not block.
void sdp_dal_clients_free(sdp_dal_clients *clients);

/// Changes the name under which lists and messages show this process as a client of the store. Up to 64 bytes are kept.
/// Whoever reads it while it changes may see parts of both names.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_FORKED. Does not block.
sdp_dal_status sdp_dal_store_set_client_name(const sdp_dal_store *store,
                                             const char *name);

/// The clients that hold or own an object, by their numbers: sdp_dal_store_list_clients() tells who they are.
///
/// id: SDP_DAL_ID_SIZE bytes. kind: one of sdp_dal_holder_kind.
/// numbers: room for the numbers; may be NULL if *count is 0.
/// count: in, how many numbers there is room for; out, how many there are. If that is more than there is room for,
/// nothing is written and the function still returns SDP_DAL_OK.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND, SDP_DAL_CORRUPT, SDP_DAL_FORKED. Does not wait for others.
sdp_dal_status sdp_dal_object_holders(const sdp_dal_store *store,
                                      const uint8_t *id,
                                      int32_t kind,
                                      uint32_t *numbers,
                                      size_t *count);

/// Writes an ID, or the first bytes of one, in hexadecimal digits.
///
/// id: size bytes, 0 to SDP_DAL_ID_SIZE; SDP_DAL_PREFIX_SIZE of them are a prefix.
/// buffer, length: as in sdp_dal_last_error().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_id_format(const uint8_t *id, size_t size, char *buffer, size_t *length);

/// Reads an ID, or the first bytes of one, from hexadecimal digits.
///
/// text: an even number of digits, up to 40.
/// out: room for SDP_DAL_ID_SIZE bytes; those that text does not have are 0. out_size: bytes that it has.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_id_parse(const char *text,
                                uint8_t *out,
                                size_t *out_size);

/// An ID in a handle's namespace that was never given out before and never will be again.
///
/// out_id: room for SDP_DAL_ID_SIZE bytes.
///
/// Errors: as sdp_dal_store_get_prefix(). Does not wait for others.
sdp_dal_status sdp_dal_store_new_id(const sdp_dal_store *store, uint8_t *out_id);

/// A function without parameters, to be built with sdp_dal_schema_add().
///
/// name: a letter or _, then letters, digits and _.
/// out: The caller owns *out and must call sdp_dal_schema_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_schema_create(const char *name, sdp_dal_schema **out);

/// Reads a signature in one line, for instance "simple_fn(x: int64, ys: int64[i]) -> (zs: int64[i])".
///
/// out: The caller owns *out and must call sdp_dal_schema_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT with the column, what was found and what was expected. Does not block.
sdp_dal_status sdp_dal_schema_parse(const char *signature,
                                    sdp_dal_schema **out);

/// Reads an Arrow schema whose metadata say what Arrow's types cannot, with the keys of docs/wire-format.md. Metadata
/// with other keys are kept.
///
/// schema: moved, also if this fails: it is marked as released and need not be released any more.
/// out: The caller owns *out and must call sdp_dal_schema_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_schema_from_arrow(struct ArrowSchema *schema,
                                         sdp_dal_schema **out);

/// The Arrow schema of a function's calls, with all metadata.
///
/// out: filled. The caller owns it and must call out->release(); released on failure.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_schema_to_arrow(const sdp_dal_schema *schema, struct ArrowSchema *out);

/// Copies the signature in one line. sdp_dal_schema_parse() makes the same schema of it, but for its metadata.
///
/// buffer, length: as in sdp_dal_last_error().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_schema_format(const sdp_dal_schema *schema,
                                     char *buffer,
                                     size_t *length);

/// A second schema that is equal to the first.
///
/// out: The caller owns *out and must call sdp_dal_schema_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_schema_clone(const sdp_dal_schema *schema, sdp_dal_schema **out);

/// Ends a schema. NULL is allowed. Does not block.
void sdp_dal_schema_free(sdp_dal_schema *schema);

/// What the function is called, and what is said about it.
///
/// out: filled; set its struct_size first.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_schema_get_info(const sdp_dal_schema *schema, sdp_dal_schema_info *out);

/// The index of the parameter with a name.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND. Does not block.
sdp_dal_status sdp_dal_schema_get_index(const sdp_dal_schema *schema,
                                        const char *name,
                                        size_t *out);

/// What a parameter is.
///
/// index: 0 to sdp_dal_schema_info's num_params - 1, in positional order. out: filled; set its struct_size first.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_schema_get_param(const sdp_dal_schema *schema,
                                        size_t index,
                                        sdp_dal_param_info *out);

/// The type of a value parameter, as an Arrow field of its name; or the columns of a table parameter, as an Arrow schema.
///
/// index: 0 to sdp_dal_schema_info's num_params - 1.
/// out: filled. The caller owns it and must call out->release(); released on failure.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also if the parameter is another object), SDP_DAL_NOT_FOUND if the columns of the table
/// are not fixed. Does not block.
sdp_dal_status sdp_dal_schema_get_arrow(const sdp_dal_schema *schema,
                                        size_t index,
                                        struct ArrowSchema *out);

/// What keeps a caller that expects one schema from calling a function of another.
///
/// Every parameter expected must be there with equal direction, kind and type; others must be inputs that may be left
/// out. Names count; metadata, the order of the parameters and that of a tensor's elements do not.
///
/// out_count: the number of mismatches; 0: they are compatible.
/// buffer, length: one sentence a line, as in sdp_dal_last_error().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_schema_mismatches(const sdp_dal_schema *expected,
                                         const sdp_dal_schema *actual,
                                         size_t *out_count,
                                         char *buffer,
                                         size_t *length);

/// Appends a parameter.
///
/// direction: one of sdp_dal_direction. name: a letter or _, then letters, digits and _.
/// type_text: its type as a signature writes it. A value: "int64", "utf8", "timestamp<ns,UTC>", "list<float64>". A tensor:
/// "float64[row,uvw=3]"; with " C" or " F" behind it the function wants it in that order, or makes it so: an input that is
/// stored in another order is copied into that one when the function asks for it. Callers need not expect the same order. A
/// table: "table", "table{time: float64, name: utf8?}". "oid": an object of any kind, waited for if it is an input, made if it
/// is an output. "id": an object's ID, which is only passed. NULL: a value of the type arrow_type.
/// arrow_type: with NULL as type_text the type of a value, whose name, nullability and metadata are not looked at; with "table"
/// the columns it must have, a struct whose metadata are not looked at; else NULL. Moved, also if this fails: it is marked as
/// released and need not be released any more.
/// nullable: whether it may be left out.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_schema_add(sdp_dal_schema *schema,
                                  int32_t direction,
                                  const char *name,
                                  const char *type_text,
                                  struct ArrowSchema *arrow_type,
                                  bool nullable);

/// Says something about the function or one of its parameters. Callers and processors see it, and it makes no
/// difference to whether they fit.
///
/// param: the parameter's name; NULL: the function. key: not empty, and not starting with "proc:". value: NULL takes
/// it back.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND. Does not block.
sdp_dal_status sdp_dal_schema_set_metadata(sdp_dal_schema *schema,
                                           const char *param,
                                           const char *key,
                                           const char *value);

/// Makes a second handle of a store, of the same attachment, that has a namespace of its own: a prefix under which no other
/// handle puts anything.
///
/// The lowest free prefix that starts as the options say is reserved: at once if they name a prefix, functions or metadata,
/// else when something is put first. Objects that are left under the prefix are deleted then. It stays reserved as long as the
/// handle, or an owning reference made from it, lives. With schemas it is what callers look for, and their calls are put into
/// it; sdp_dal_processor_open() is for those that also run them.
///
/// options: NULL for the defaults.
/// out: The caller owns *out and must call sdp_dal_store_close().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NAMESPACE_IN_USE if the only such prefix belongs to a living client,
/// SDP_DAL_LIMIT_REACHED, SDP_DAL_OUT_OF_MEMORY, SDP_DAL_FORKED. Does not wait for others.
sdp_dal_status sdp_dal_store_new_namespace(const sdp_dal_store *store,
                                           const sdp_dal_namespace_options *options,
                                           sdp_dal_store **out);

/// Lists the declared namespaces.
///
/// out: The caller owns *out and must call sdp_dal_namespaces_free(). out_count: how many there are.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_CORRUPT, SDP_DAL_BUSY, SDP_DAL_FORKED. Does not wait for others.
sdp_dal_status sdp_dal_store_list_namespaces(const sdp_dal_store *store,
                                             sdp_dal_namespaces **out,
                                             size_t *out_count);

/// One namespace of a list.
///
/// index: from 0 to the number of namespaces, exclusive. out: filled; set its struct_size first.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_namespaces_get_info(const sdp_dal_namespaces *list,
                                           size_t index,
                                           sdp_dal_namespace_info *out);

/// A function that a namespace offers.
///
/// index: from 0 to the number of namespaces, exclusive. function: 0 to the info's num_functions - 1.
/// out: The caller owns *out and must call sdp_dal_schema_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_namespaces_get_function(const sdp_dal_namespaces *list,
                                               size_t index,
                                               size_t function,
                                               sdp_dal_schema **out);

/// Ends a list of namespaces. NULL is allowed. Does not block.
void sdp_dal_namespaces_free(sdp_dal_namespaces *list);

/// Creates a raw object under an ID: memory to fill, and then to seal.
///
/// id: SDP_DAL_ID_SIZE bytes. spec: sizes, metadata and how long it lives.
/// out_data: spec->data_size bytes, 64-byte aligned, to be written until sdp_dal_writer_seal(); not after that.
/// Borrowed: valid until the writer is sealed or freed.
/// out: The caller owns *out and must call sdp_dal_writer_free(), also to give up what was not sealed.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_ALREADY_EXISTS, SDP_DAL_OUT_OF_MEMORY, SDP_DAL_LIMIT_REACHED,
/// SDP_DAL_INTERRUPTED, SDP_DAL_BUSY, SDP_DAL_FORKED. Blocks while the store is full, up to
/// spec->full_timeout_ns.
sdp_dal_status sdp_dal_object_create(const sdp_dal_store *store,
                                     const uint8_t *id,
                                     const sdp_dal_object_spec *spec,
                                     void **out_data,
                                     sdp_dal_writer **out);

/// Puts bytes as a raw object of the handle's namespace: one copy.
///
/// data, metadata: what is copied; may be NULL if there are no bytes.
/// out: an owning reference. The caller owns *out and must call sdp_dal_ref_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_OUT_OF_MEMORY, SDP_DAL_LIMIT_REACHED, SDP_DAL_INTERRUPTED,
/// SDP_DAL_BUSY, SDP_DAL_FORKED. Blocks while the store is full, up to SDP_DAL_FULL_TIMEOUT.
sdp_dal_status sdp_dal_object_put(const sdp_dal_store *store,
                                  const void *data,
                                  size_t data_size,
                                  const void *metadata,
                                  size_t metadata_size,
                                  sdp_dal_ref **out);

/// Waits for a raw object and holds its bytes.
///
/// id: SDP_DAL_ID_SIZE bytes. timeout_ns: how long to wait for it.
/// out: The caller owns *out and must call sdp_dal_buffer_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_TIMEOUT, SDP_DAL_OBJECT_DELETED, the error of a failed object,
/// SDP_DAL_PROCESSOR_LOST, SDP_DAL_INTERRUPTED, SDP_DAL_FORKED. Blocks up to timeout_ns.
sdp_dal_status sdp_dal_object_get(const sdp_dal_store *store,
                                  const uint8_t *id,
                                  int64_t timeout_ns,
                                  sdp_dal_buffer **out);

/// Waits for many raw objects at once, and holds the bytes of those that are there in the end.
///
/// ids: count object IDs of SDP_DAL_ID_SIZE bytes, one after the other.
/// timeout_ns: how long to wait for all of them together.
/// out: count handles; NULL for an object that is not there. The caller owns each (*out)[i] and must call
/// sdp_dal_buffer_free().
/// out_statuses: count statuses, each what sdp_dal_object_get() would return; NULL if not asked for.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_INTERRUPTED, SDP_DAL_FORKED. Missing objects are no error of this
/// function. Blocks up to timeout_ns.
sdp_dal_status sdp_dal_object_get_many(const sdp_dal_store *store,
                                       const uint8_t *ids,
                                       size_t count,
                                       int64_t timeout_ns,
                                       sdp_dal_buffer **out,
                                       sdp_dal_status *out_statuses);

/// Whether a complete object with this ID is there.
///
/// id: SDP_DAL_ID_SIZE bytes.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_CORRUPT, SDP_DAL_FORKED. Does not wait for others.
sdp_dal_status sdp_dal_object_contains(const sdp_dal_store *store, const uint8_t *id, bool *out);

/// Deletes an object. What is held stays readable for its holders in every mode.
///
/// id: SDP_DAL_ID_SIZE bytes. mode: one of sdp_dal_delete_mode.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND, SDP_DAL_BUSY, SDP_DAL_FORKED.
/// Does not wait for holders.
sdp_dal_status sdp_dal_object_delete(const sdp_dal_store *store, const uint8_t *id, int32_t mode);

/// Makes an object stay though nobody wants it, or undoes that.
///
/// id: SDP_DAL_ID_SIZE bytes. keep: whether it is to stay until it is deleted.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND, SDP_DAL_OBJECT_DELETED, SDP_DAL_BUSY, SDP_DAL_FORKED.
/// Does not wait for others.
sdp_dal_status sdp_dal_object_set_keep(const sdp_dal_store *store,
                                       const uint8_t *id,
                                       bool keep);

/// What there is to know about one object.
///
/// id: SDP_DAL_ID_SIZE bytes. out: filled; set its struct_size first.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND, SDP_DAL_FORKED. Does not wait for others.
sdp_dal_status sdp_dal_object_get_info(const sdp_dal_store *store,
                                       const uint8_t *id,
                                       sdp_dal_object_info *out);

/// Lists the objects whose IDs start with given bytes, in every state.
///
/// prefix: 0 to SDP_DAL_ID_SIZE bytes; may be NULL if prefix_size is 0, which lists everything.
/// out: The caller owns *out and must call sdp_dal_list_free(). out_count: how many there are.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_CORRUPT, SDP_DAL_BUSY, SDP_DAL_FORKED. Does not wait for others.
sdp_dal_status sdp_dal_store_list_objects(const sdp_dal_store *store,
                                          const uint8_t *prefix,
                                          size_t prefix_size,
                                          sdp_dal_list **out,
                                          size_t *out_count);

/// Makes the object complete and visible. Its memory must not be written any more.
///
/// The handle stays, to be freed.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_ALREADY_EXISTS (sealed before), SDP_DAL_OBJECT_DELETED (the
/// object was deleted while it was written), SDP_DAL_FORKED. Does not wait for others.
sdp_dal_status sdp_dal_writer_seal(sdp_dal_writer *writer);

/// Ends a writer. If its object was not sealed, it will not exist, and its memory is given back. NULL is allowed. Waits at most 100 ms.
void sdp_dal_writer_free(sdp_dal_writer *writer);

/// Where the bytes of an object lie.
///
/// out: filled; set its struct_size first.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_buffer_get_info(const sdp_dal_buffer *buffer, sdp_dal_buffer_info *out);

/// A second handle on the same bytes, with an end of its own.
///
/// out: The caller owns *out and must call sdp_dal_buffer_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_buffer_clone(const sdp_dal_buffer *buffer, sdp_dal_buffer **out);

/// Lets go of the bytes. NULL is allowed. Waits at most 100 ms.
void sdp_dal_buffer_free(sdp_dal_buffer *buffer);

/// One object of a list.
///
/// index: from 0 to the number of objects, exclusive. out: filled; set its struct_size first.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_list_get_info(const sdp_dal_list *list,
                                     size_t index,
                                     sdp_dal_object_info *out);

/// Ends a list. NULL is allowed. Does not block.
void sdp_dal_list_free(sdp_dal_list *list);

/// Puts a tensor: one copy into the store.
///
/// Its order there is that of value if the elements of value follow each other without gaps in C or F order,
/// else C.
///
/// value: the tensor to copy.
/// out: an owning reference. The caller owns *out and must call sdp_dal_ref_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_OUT_OF_MEMORY, SDP_DAL_LIMIT_REACHED, SDP_DAL_INTERRUPTED,
/// SDP_DAL_BUSY, SDP_DAL_FORKED. Blocks while the store is full, up to SDP_DAL_FULL_TIMEOUT.
sdp_dal_status sdp_dal_tensor_put(const sdp_dal_store *store,
                                  const sdp_dal_tensor_view *value,
                                  sdp_dal_ref **out);

/// Creates a tensor in place: memory in the store to fill, and then to seal with sdp_dal_ref_seal().
///
/// spec: element type, shape, names and order.
/// out_data: the elements, without gaps in the spec's order, 64-byte aligned; not zero unless asked for.
/// Borrowed: valid until the reference is sealed or freed; must not be written after sealing.
/// out: an owning reference. The caller owns *out and must call sdp_dal_ref_free(), which aborts the tensor if it
/// was not sealed.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_OUT_OF_MEMORY, SDP_DAL_LIMIT_REACHED, SDP_DAL_INTERRUPTED,
/// SDP_DAL_BUSY, SDP_DAL_FORKED. Blocks while the store is full, up to SDP_DAL_FULL_TIMEOUT.
sdp_dal_status sdp_dal_tensor_create(const sdp_dal_store *store,
                                     const sdp_dal_tensor_spec *spec,
                                     void **out_data,
                                     sdp_dal_ref **out);

/// The view of a tensor.
///
/// out: filled; set its struct_size first. Borrowed: its pointers are valid until the tensor is
/// freed; the elements must not be written.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_tensor_get_view(const sdp_dal_tensor *tensor, sdp_dal_tensor_view *out);

/// The ID of a tensor's object.
///
/// out_id: room for SDP_DAL_ID_SIZE bytes.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_tensor_get_id(const sdp_dal_tensor *tensor, uint8_t *out_id);

/// A second handle on the same tensor, with an end of its own.
///
/// out: The caller owns *out and must call sdp_dal_tensor_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_tensor_clone(const sdp_dal_tensor *tensor, sdp_dal_tensor **out);

/// Lets go of a tensor. NULL is allowed. Waits at most 100 ms.
void sdp_dal_tensor_free(sdp_dal_tensor *tensor);

/// An owning reference to an object that does not exist yet: to be passed as the output of a call, or to be written later by
/// sdp_dal_ref_put_tensor(), sdp_dal_ref_create_tensor() or sdp_dal_ref_put_table().
///
/// expected: what it will be; NULL: anything.
/// out: The caller owns *out and must call sdp_dal_ref_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_LIMIT_REACHED, SDP_DAL_OUT_OF_MEMORY, SDP_DAL_FORKED.
/// Does not wait for others.
sdp_dal_status sdp_dal_ref_new(const sdp_dal_store *store,
                               const sdp_dal_expectation *expected,
                               sdp_dal_ref **out);

/// Makes a borrowed reference to the object with an ID. What is read or written through it is checked.
///
/// An ID names an object of one store. Caveat: one that was written down may be used with a store that was made later at the
/// same path, in which it names nothing. Fix: write down the store's identity, too (sdp_dal_store_info), and compare it.
///
/// id: SDP_DAL_ID_SIZE bytes. expected: what it must be; NULL: anything.
/// out: The caller owns *out and must call sdp_dal_ref_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_ref_from_id(const sdp_dal_store *store,
                                   const uint8_t *id,
                                   const sdp_dal_expectation *expected,
                                   sdp_dal_ref **out);

/// Writes the value of a reference that has none yet: one copy into the store.
///
/// value: the tensor to copy.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_ALREADY_EXISTS, SDP_DAL_OUT_OF_MEMORY, SDP_DAL_LIMIT_REACHED,
/// SDP_DAL_INTERRUPTED, SDP_DAL_BUSY, SDP_DAL_FORKED. Blocks while the store is full, up to SDP_DAL_FULL_TIMEOUT.
sdp_dal_status sdp_dal_ref_put_tensor(sdp_dal_ref *reference,
                                      const sdp_dal_tensor_view *value);

/// Creates the tensor of a reference that has none yet, in place; to be sealed with sdp_dal_ref_seal().
///
/// spec: element type, shape, names and order.
/// out_data: as in sdp_dal_tensor_create().
///
/// Errors: as sdp_dal_tensor_create(), and SDP_DAL_ALREADY_EXISTS. Blocks while the store is full, up to
/// SDP_DAL_FULL_TIMEOUT.
sdp_dal_status sdp_dal_ref_create_tensor(sdp_dal_ref *reference,
                                         const sdp_dal_tensor_spec *spec,
                                         void **out_data);

/// Makes a tensor that was created in place complete and visible. Its memory must not be written any more.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also if nothing is being written), SDP_DAL_ALREADY_EXISTS, SDP_DAL_FORKED.
/// Does not wait for others.
sdp_dal_status sdp_dal_ref_seal(sdp_dal_ref *reference);

/// Waits until the object exists. With SDP_DAL_POLL it tells whether it exists now: SDP_DAL_OK, SDP_DAL_TIMEOUT, or the error of
/// an object that will never exist, whose text sdp_dal_last_error() then has.
///
/// A processing function that waits for a call which cannot run before the function has returned gets
/// SDP_DAL_INVALID_ARGUMENT: the call needs the turn of that function (which is not SDP_DAL_FUNCTION_REENTRANT), directly or
/// by what other functions wait for, or all threads that take calls for the processor have waited like that for 5 s. Fix:
/// return and defer the call, process in more threads, or make the function re-entrant. This is seen within one processor, in the
/// threads in which sdp_dal_processor_process() runs functions. It is not seen for calls that sdp_dal_processor_next()
/// gave, for threads that a function has started, and across several processors: there such a wait lasts as long as its timeout.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_TIMEOUT, SDP_DAL_OBJECT_DELETED, SDP_DAL_PROCESSOR_LOST, the error of
/// a failed object (SDP_DAL_FUNCTION_FAILED and others), SDP_DAL_INTERRUPTED, SDP_DAL_FORKED.
/// Blocks up to timeout_ns.
sdp_dal_status sdp_dal_ref_wait(const sdp_dal_ref *reference,
                                int64_t timeout_ns);

/// Waits until all, or any, of several objects exist or never will.
///
/// refs: count references into one store. mode: one of sdp_dal_wait_mode.
/// out_statuses: count statuses, each what sdp_dal_ref_wait() would return now: SDP_DAL_TIMEOUT for what has not ended,
/// the error of what will never exist. NULL if not asked for.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_TIMEOUT if not enough have ended, SDP_DAL_INTERRUPTED, SDP_DAL_FORKED.
/// An object that failed has ended, and is no error of this function. Blocks up to timeout_ns.
sdp_dal_status sdp_dal_ref_wait_many(const sdp_dal_ref *const *refs,
                                     size_t count,
                                     int32_t mode,
                                     int64_t timeout_ns,
                                     sdp_dal_status *out_statuses);

/// Waits until the object exists, and holds it as a tensor. Nothing is copied.
///
/// out: The caller owns *out and must call sdp_dal_tensor_free().
/// out_view: filled as by sdp_dal_tensor_get_view(); set its struct_size first. NULL if not asked for.
///
/// Errors: as sdp_dal_ref_wait(), and SDP_DAL_INVALID_ARGUMENT if the object is no tensor.
/// Blocks up to timeout_ns.
sdp_dal_status sdp_dal_ref_get_tensor(const sdp_dal_ref *reference,
                                      int64_t timeout_ns,
                                      sdp_dal_tensor **out,
                                      sdp_dal_tensor_view *out_view);

/// Waits until the object exists, and holds its bytes, whatever it is. Nothing is copied.
///
/// out: The caller owns *out and must call sdp_dal_buffer_free().
///
/// Errors: as sdp_dal_ref_wait(). Blocks up to timeout_ns.
sdp_dal_status sdp_dal_ref_get_buffer(const sdp_dal_ref *reference,
                                      int64_t timeout_ns,
                                      sdp_dal_buffer **out);

/// Makes the object stay when its last reference goes: it is kept until sdp_dal_object_delete().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_OBJECT_DELETED, SDP_DAL_BUSY, SDP_DAL_FORKED.
/// Does not wait for others.
sdp_dal_status sdp_dal_ref_disown(const sdp_dal_ref *reference);

/// Keeps another object alive until this one is found to exist, or to have failed.
///
/// reference: the object that needs the other one to come into being. other: what must live until then; it may be freed
/// at once. What it keeps alive itself is also kept.
/// timeout_ns: how long to wait until the other one exists.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also if the other one is, or keeps alive, this one), SDP_DAL_TIMEOUT, and the
/// others of sdp_dal_ref_wait(). Blocks up to timeout_ns.
sdp_dal_status sdp_dal_ref_add_dependency(const sdp_dal_ref *reference,
                                          const sdp_dal_ref *other,
                                          int64_t timeout_ns);

/// Keeps another object alive as long as this one is needed: by this reference, by what was cloned from it, or by a call
/// that takes it as input.
///
/// reference: the object that refers to the other one. other: what must live as long; it may be freed at once.
/// timeout_ns: how long to wait until the other one exists.
///
/// Errors and blocking: as sdp_dal_ref_add_dependency().
sdp_dal_status sdp_dal_ref_add_reference(const sdp_dal_ref *reference,
                                         const sdp_dal_ref *other,
                                         int64_t timeout_ns);

/// A second handle of the same reference, with an end of its own. A tensor that is being written stays with the
/// first handle.
///
/// out: The caller owns *out and must call sdp_dal_ref_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_ref_clone(const sdp_dal_ref *reference,
                                 sdp_dal_ref **out);

/// Ends a reference. The last owning one of this process deletes the object, unless it was disowned. A tensor that
/// was created in place and not sealed is aborted. NULL is allowed. Waits at most 100 ms.
void sdp_dal_ref_free(sdp_dal_ref *reference);

/// What a reference is, and what it expects of its object.
///
/// out: filled; set its struct_size first.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_ref_get_info(const sdp_dal_ref *reference, sdp_dal_ref_info *out);

/// How far the object of a reference has come.
///
/// out: filled; set its struct_size first.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_CORRUPT, SDP_DAL_FORKED. Does not wait for others.
sdp_dal_status sdp_dal_ref_get_state(const sdp_dal_ref *reference, sdp_dal_ref_state *out);

/// A text from which sdp_dal_ref_import() makes an owning reference to the same object: in another process, or by
/// another copy of this library in this process, whose handles this copy cannot use.
///
/// The text claims nothing: keep the reference until the import is done. An object that does not exist yet takes the
/// calls on which it depends with it, if the reference is an owning one; so its text may be long.
///
/// buffer, length: as in sdp_dal_last_error().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND if the object does not exist and no call is to make it,
/// SDP_DAL_OBJECT_DELETED, SDP_DAL_LIMIT_REACHED if it depends on too many calls that have not ended,
/// SDP_DAL_CORRUPT, SDP_DAL_FORKED. Does not wait for others.
sdp_dal_status sdp_dal_ref_export(const sdp_dal_ref *reference,
                                  char *buffer,
                                  size_t *length);

/// Makes an owning reference from the text of sdp_dal_ref_export(). It needs the reference that was exported no more.
///
/// store: the store in which the object lies; NULL: it is opened at the path that it had for whoever exported.
/// text: what sdp_dal_ref_export() gave.
/// out: The caller owns *out and must call sdp_dal_ref_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT also if the object lies in another store, SDP_DAL_OBJECT_DELETED if the object
/// that was meant is gone, SDP_DAL_BUSY, SDP_DAL_FORKED; without a store as sdp_dal_store_open().
/// Does not wait for others.
sdp_dal_status sdp_dal_ref_import(const sdp_dal_store *store,
                                  const char *text,
                                  sdp_dal_ref **out);

/// Puts a table: one copy into the store.
///
/// stream: the record batches. It is moved: read to its end and released by the library, also on failure.
/// options: NULL for the defaults.
/// out: an owning reference. The caller owns *out and must call sdp_dal_ref_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also if the stream fails, with its text), SDP_DAL_OUT_OF_MEMORY,
/// SDP_DAL_LIMIT_REACHED, SDP_DAL_INTERRUPTED, SDP_DAL_BUSY, SDP_DAL_FORKED. Blocks while the stream does, and while
/// the store is full, up to SDP_DAL_FULL_TIMEOUT.
sdp_dal_status sdp_dal_table_put(const sdp_dal_store *store,
                                 struct ArrowArrayStream *stream,
                                 const sdp_dal_table_options *options,
                                 sdp_dal_ref **out);

/// Puts a table that is given column by column: one copy into the store. The chunks of all columns must be equally
/// long.
///
/// schema: the columns' names and types, a struct. It stays yours.
/// columns, count: a stream of arrays for each column of schema. They are moved: read to their ends and released by
/// the library, also on failure.
/// options: NULL for the defaults.
/// out: an owning reference. The caller owns *out and must call sdp_dal_ref_free().
///
/// Errors: as sdp_dal_table_put(). Blocks while the streams do, and while the store is full, up to
/// SDP_DAL_FULL_TIMEOUT.
sdp_dal_status sdp_dal_table_put_columns(const sdp_dal_store *store,
                                         const struct ArrowSchema *schema,
                                         struct ArrowArrayStream *columns,
                                         size_t count,
                                         const sdp_dal_table_options *options,
                                         sdp_dal_ref **out);

/// Writes the table of a reference that has no value yet: one copy into the store.
///
/// stream: the record batches. It is moved: read to its end and released by the library, also on failure.
/// options: NULL for the defaults.
///
/// Errors: as sdp_dal_table_put(); SDP_DAL_INVALID_ARGUMENT names the column if the reference expects others;
/// SDP_DAL_ALREADY_EXISTS. Blocks while the stream does, and while the store is full, up to SDP_DAL_FULL_TIMEOUT.
sdp_dal_status sdp_dal_ref_put_table(sdp_dal_ref *reference,
                                     struct ArrowArrayStream *stream,
                                     const sdp_dal_table_options *options);

/// Waits until the object exists, and gives it as a table. Nothing is copied. What is checked are the bounds of the
/// arrays, not their values.
///
/// out: a stream of the record batches. You release it, and the schema and the arrays that it gives, in any order and
/// thread; the object's bytes stay until then, whatever is closed or deleted.
///
/// Errors: as sdp_dal_ref_wait(), and SDP_DAL_INVALID_ARGUMENT if the object is no table, or (with the column's name)
/// another than the reference expects; SDP_DAL_CORRUPT. Blocks up to timeout_ns.
sdp_dal_status sdp_dal_ref_get_table(const sdp_dal_ref *reference,
                                     int64_t timeout_ns,
                                     struct ArrowArrayStream *out);

/// As sdp_dal_ref_get_table(), for a table of one record batch (or none): the whole table as one struct array.
///
/// out, out_schema: the array and its type. You release both, in any order and thread.
///
/// Errors: as sdp_dal_ref_get_table(), and SDP_DAL_INVALID_ARGUMENT if the table has more record batches. Blocks up to
/// timeout_ns.
sdp_dal_status sdp_dal_ref_get_batch(const sdp_dal_ref *reference,
                                     int64_t timeout_ns,
                                     struct ArrowArray *out,
                                     struct ArrowSchema *out_schema);

/// The columns of a reference to a table: those that it expects, else those of the table if that exists.
///
/// out: the schema, a struct. You release it.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND if nothing is known of the columns, SDP_DAL_CORRUPT,
/// SDP_DAL_FORKED. Does not wait for others.
sdp_dal_status sdp_dal_ref_get_columns(const sdp_dal_ref *reference,
                                       struct ArrowSchema *out);

/// An input table, as sdp_dal_ref_get_table() gives it; it may outlive the call.
///
/// out: a stream of the record batches. You release it, and what it gives, in any order and thread.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also for a parameter of another type, or null), SDP_DAL_NOT_FOUND,
/// SDP_DAL_CORRUPT. Does not block.
sdp_dal_status sdp_dal_call_get_table(const sdp_dal_call *call,
                                      const char *name,
                                      struct ArrowArrayStream *out);

/// Writes an output (a table, or an object of any kind) with one copy and seals it.
///
/// value: the record batches. It is moved: read to its end and released by the library, also on failure.
/// options: NULL for the defaults.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also, with the column's name, for columns that the signature forbids, or a null
/// output), SDP_DAL_NOT_FOUND, SDP_DAL_ALREADY_EXISTS, SDP_DAL_OUT_OF_MEMORY, SDP_DAL_INTERRUPTED, SDP_DAL_BUSY. Blocks
/// while the stream does, and while the store is full, up to SDP_DAL_FULL_TIMEOUT.
sdp_dal_status sdp_dal_call_put_table(const sdp_dal_call *call,
                                      const char *name,
                                      struct ArrowArrayStream *value,
                                      const sdp_dal_table_options *options);

/// Gives a parameter a table, which the call puts.
///
/// value: the record batches. It is moved: read to its end now, and released by the library, also on failure. Its
/// arrays are released when the arguments are cleared or freed, or the parameter is given another value.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Blocks while the stream does.
sdp_dal_status sdp_dal_args_set_table(sdp_dal_args *args,
                                      const char *name,
                                      struct ArrowArrayStream *value);

/// A tensor as DLPack has it. Nothing is copied, and the memory must not be written; from version 1 on a flag says so.
/// Strides are in elements. Dimension names are not part of it.
///
/// version: 1 for a DLManagedTensorVersioned, 0 for the DLManagedTensor of programs that know DLPack before its version 1.
/// out: the struct, whose deleter you call (or who takes it over), in any thread. It holds the tensor's bytes until then,
/// whatever is closed or deleted, and may outlive tensor.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_tensor_to_dlpack(const sdp_dal_tensor *tensor,
                                        int32_t version,
                                        void **out);

/// The view of a tensor of DLPack's, to be put or passed as an argument.
///
/// tensor: stays yours; its deleter is not called.
/// version: 1 if it is a DLManagedTensorVersioned, 0 for a DLManagedTensor.
/// strides: room for SDP_DAL_MAX_DIMS numbers, for the strides in bytes.
/// out: filled; set its struct_size first. Borrowed: it points to strides and to what tensor points
/// to.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, also for a tensor that lies in no CPU memory, has more than one lane, or is of a
/// type that is no sdp_dal_dtype. Does not block.
sdp_dal_status sdp_dal_tensor_view_from_dlpack(const void *tensor,
                                               int32_t version,
                                               int64_t *strides,
                                               sdp_dal_tensor_view *out);

/// An empty set of arguments.
///
/// What the sdp_dal_args_set_ functions give goes to the parameter with the name, or, if name is NULL, to the next parameter by
/// position. Those by position come first.
///
/// out: The caller owns *out and must call sdp_dal_args_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_args_create(sdp_dal_args **out);

/// Takes all arguments out, to use the handle anew.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_args_clear(sdp_dal_args *args);

/// Ends a set of arguments. NULL is allowed. Waits at most 100 ms.
void sdp_dal_args_free(sdp_dal_args *args);

/// Gives a parameter nothing, for a nullable parameter or an output that is not wanted.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_args_set_null(sdp_dal_args *args, const char *name);

/// Gives a parameter a bool.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_args_set_bool(sdp_dal_args *args, const char *name, bool value);

/// Gives a parameter a number for a parameter of any signed integer type; the call checks its range.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_args_set_int64(sdp_dal_args *args,
                                      const char *name,
                                      int64_t value);

/// Gives a parameter a number for a parameter of any unsigned integer type; the call checks its
/// range.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_args_set_uint64(sdp_dal_args *args, const char *name, uint64_t value);

/// Gives a parameter a number for a parameter of any floating-point type.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_args_set_double(sdp_dal_args *args, const char *name, double value);

/// Gives a parameter a text, which is copied. It ends at its first NUL byte: a text with one inside is given
/// with sdp_dal_args_set_arrow().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_OUT_OF_MEMORY. Does not block.
sdp_dal_status sdp_dal_args_set_string(sdp_dal_args *args,
                                       const char *name,
                                       const char *value);

/// Gives a parameter bytes, which are copied.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_OUT_OF_MEMORY. Does not block.
sdp_dal_status sdp_dal_args_set_binary(sdp_dal_args *args,
                                       const char *name,
                                       const void *value,
                                       size_t size);

/// Gives a parameter an object ID of SDP_DAL_ID_SIZE bytes.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_args_set_id(sdp_dal_args *args, const char *name, const uint8_t *value);

/// Gives a parameter of type complex64 or complex128 a complex number.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_args_set_complex(sdp_dal_args *args, const char *name, double re, double im);

/// Gives a parameter a reference: to an input, or to be an output; it may be freed at once.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_args_set_ref(sdp_dal_args *args, const char *name, const sdp_dal_ref *value);

/// Gives a parameter a tensor, which the call puts; its elements must stay as they are until the call
/// has returned (the view, its shape and its strides need not).
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_args_set_tensor(sdp_dal_args *args,
                                       const char *name,
                                       const sdp_dal_tensor_view *value);

/// One output, by its place.
///
/// index: its place among the outputs of the signature, from 0.
/// out_name: its name. out: its reference, NULL if the output is null. Both are borrowed: valid until the results are freed.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND if there are not so many outputs. Does not block.
sdp_dal_status sdp_dal_results_get_output(const sdp_dal_results *results,
                                          size_t index,
                                          const char **out_name,
                                          const sdp_dal_ref **out);

/// The reference to an output, by name.
///
/// out: NULL if the output is null. Borrowed: valid until the results are freed; sdp_dal_ref_clone() makes one that
/// lasts.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND. Does not block.
sdp_dal_status sdp_dal_results_get_ref(const sdp_dal_results *results,
                                       const char *name,
                                       const sdp_dal_ref **out);

/// Ends the results. A call of which no output is referred to any more, and that has not started, is cancelled.
/// NULL is allowed. Waits at most 100 ms.
void sdp_dal_results_free(sdp_dal_results *results);

/// Makes a caller, and looks for the processors that offer its functions.
///
/// store: what calls and their values are put into.
/// signatures: num_signatures signatures of the functions that will be called; may be NULL if there are none.
/// options: NULL for the defaults; may name more functions, as schemas.
/// out: The caller of this function owns *out and must call sdp_dal_caller_close().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NO_PROCESSOR, SDP_DAL_LIMIT_REACHED, SDP_DAL_INTERRUPTED,
/// SDP_DAL_FORKED. Blocks up to options->timeout_ns.
sdp_dal_status sdp_dal_caller_open(const sdp_dal_store *store,
                                   const char *const *signatures,
                                   size_t num_signatures,
                                   const sdp_dal_caller_options *options,
                                   sdp_dal_caller **out);

/// Looks again for compatible processors. New ones join only here; the dead leave by themselves.
///
/// timeout_ns: how long to wait until there are as many as the options asked for.
/// out_count: how many there are; may be NULL.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NO_PROCESSOR, SDP_DAL_INTERRUPTED, SDP_DAL_FORKED.
/// Blocks up to timeout_ns.
sdp_dal_status sdp_dal_caller_find_processors(const sdp_dal_caller *caller,
                                              int64_t timeout_ns,
                                              size_t *out_count);

/// The number of processors that the caller found and that live; 0 if caller is no caller. Does not block.
size_t sdp_dal_caller_num_processors(const sdp_dal_caller *caller);

/// Name and prefix of a processor that the caller found, in the order of their prefixes.
///
/// index: 0 to sdp_dal_caller_num_processors() - 1.
/// out_prefix: room for SDP_DAL_PREFIX_SIZE bytes.
/// buffer, length: the name, as in sdp_dal_last_error().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_caller_get_processor(const sdp_dal_caller *caller,
                                            size_t index,
                                            uint8_t *out_prefix,
                                            char *buffer,
                                            size_t *length);

/// Waits until a processor that the caller found has gone (it died, or was closed), and says which. Each is told once.
///
/// One that dies without a word is noticed within 250 ms.
///
/// out_prefix: room for SDP_DAL_PREFIX_SIZE bytes. buffer, length: its name, as in sdp_dal_last_error(); a name that
/// does not fit is not told again.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_TIMEOUT if none has gone since the last notice, SDP_DAL_INTERRUPTED,
/// SDP_DAL_FORKED. Blocks up to timeout_ns.
sdp_dal_status sdp_dal_caller_next_lost(const sdp_dal_caller *caller,
                                        int64_t timeout_ns,
                                        uint8_t *out_prefix,
                                        char *buffer,
                                        size_t *length);

/// Issues a call, and does not wait for it.
///
/// All arguments are checked before anything is written. Tensors given by value are put; their memory may be used
/// again as soon as this returns.
///
/// function: the name of one of the caller's functions. args: its arguments; they stay yours.
/// out: references to the outputs, which will exist later. The caller of this function owns *out and must call
/// sdp_dal_results_free(). Dropping all references to the outputs cancels a call that has not started.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND, SDP_DAL_NO_PROCESSOR, SDP_DAL_PROCESSOR_LOST,
/// SDP_DAL_OUT_OF_MEMORY, SDP_DAL_LIMIT_REACHED, SDP_DAL_TIMEOUT, SDP_DAL_INTERRUPTED, SDP_DAL_BUSY,
/// SDP_DAL_FORKED. Blocks while the store is full, up to SDP_DAL_FULL_TIMEOUT, and up to the options' timeout_ns
/// while max_in_flight calls are on their way.
sdp_dal_status sdp_dal_caller_call(const sdp_dal_caller *caller,
                                   const char *function,
                                   const sdp_dal_args *args,
                                   sdp_dal_results **out);

/// Ends a caller. The calls it issued, and their references, go on. NULL is allowed. Waits at most 100 ms.
void sdp_dal_caller_close(sdp_dal_caller *caller);

/// Issues many calls of one function to one processor at once, as rows of one call object, and does not wait for them.
///
/// All rows are checked before anything is written, and errors name the row. Rows run one by one, in this order as far
/// as their inputs exist; one that fails leaves the others alone. One whose outputs were all dropped is skipped, and
/// dropping all references to all outputs cancels what has not started. A batch is one call for max_in_flight.
///
/// function: the name of one of the caller's functions. rows: num_rows sets of arguments, up to 1048576; they stay
/// yours, and one may stand in several places. The same output must not be given twice.
/// out: one processor with num_rows results; no processor, and nothing issued, for no rows. The caller of this function
/// owns *out and must call sdp_dal_replies_free().
/// out_count: the number of processors; NULL if not asked for.
///
/// Errors and blocking: as sdp_dal_caller_call().
sdp_dal_status sdp_dal_caller_batch(const sdp_dal_caller *caller,
                                    const char *function,
                                    const sdp_dal_args *const *rows,
                                    size_t num_rows,
                                    sdp_dal_replies **out,
                                    size_t *out_count);

/// Issues the same rows to every processor that the caller found, and does not wait for them.
///
/// All rows are checked before anything is written. Tensors given by value are put once for all. Every processor has
/// outputs of its own: an output must not be given if there is more than one. With max_in_flight it waits until every
/// processor has room. What keeps one processor from getting the call is no error of this function but the status of
/// its place: SDP_DAL_PROCESSOR_LOST if it has gone (the caller forgets it then), SDP_DAL_TIMEOUT if it still has no
/// room; the others get the call.
///
/// function: the name of one of the caller's functions. rows: num_rows sets of arguments, as in sdp_dal_caller_batch();
/// a single call is one row.
/// out: the processors in the order of their prefixes, each with num_rows results; none if the caller has none. The
/// caller of this function owns *out and must call sdp_dal_replies_free().
/// out_count: the number of processors; NULL if not asked for.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND, SDP_DAL_OUT_OF_MEMORY, SDP_DAL_LIMIT_REACHED,
/// SDP_DAL_OBJECT_DELETED, SDP_DAL_INTERRUPTED, SDP_DAL_BUSY, SDP_DAL_FORKED. Blocks while the store is full, up to
/// SDP_DAL_FULL_TIMEOUT, and up to the options' timeout_ns while a processor has no room.
sdp_dal_status sdp_dal_caller_broadcast(const sdp_dal_caller *caller,
                                        const char *function,
                                        const sdp_dal_args *const *rows,
                                        size_t num_rows,
                                        sdp_dal_replies **out,
                                        size_t *out_count);

/// What became of the rows at one processor.
///
/// processor: from 0 to the number of processors, exclusive. out: filled; set its struct_size first.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_replies_get_reply(const sdp_dal_replies *replies,
                                         size_t processor,
                                         sdp_dal_reply *out);

/// References to the outputs of one row at one processor.
///
/// processor: from 0 to the number of processors, exclusive. row: from 0 to the number of rows, exclusive.
/// out: Borrowed: valid until the replies are freed.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, and the reply's status if the processor did not get the rows (SDP_DAL_PROCESSOR_LOST,
/// SDP_DAL_TIMEOUT, SDP_DAL_OUT_OF_MEMORY, SDP_DAL_LIMIT_REACHED, SDP_DAL_BUSY). Does not block.
sdp_dal_status sdp_dal_replies_get_results(const sdp_dal_replies *replies,
                                           size_t processor,
                                           size_t row,
                                           const sdp_dal_results **out);

/// Ends the replies. Calls of which no output is referred to any more, and that have not started, are cancelled.
/// NULL is allowed. Waits at most 100 ms.
void sdp_dal_replies_free(sdp_dal_replies *replies);

/// Makes a processor. Nobody sees it before it is started.
///
/// store: where its calls come from. options: NULL for the defaults.
/// out: The caller owns *out and must call sdp_dal_processor_close().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NAMESPACE_IN_USE, SDP_DAL_LIMIT_REACHED, SDP_DAL_FORKED.
/// Does not wait for others.
sdp_dal_status sdp_dal_processor_open(const sdp_dal_store *store,
                                      const sdp_dal_processor_options *options,
                                      sdp_dal_processor **out);

/// Offers a function: by default its calls run one at a time, in no strict order.
///
/// signature: name and parameters, for instance "simple_fn(x: int64, ys: int64[i]) -> (zs: int64[i])".
/// options: how its calls are run; NULL for the defaults.
/// function: what runs its calls; NULL: they come out of sdp_dal_processor_next() only.
/// user_data: handed to function. drop: called with user_data when the processor is closed, after the last call; may
/// be NULL. On failure drop is not called and user_data stays yours.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also for SDP_DAL_FUNCTION_REENTRANT with SDP_DAL_FUNCTION_ORDERED),
/// SDP_DAL_ALREADY_EXISTS, SDP_DAL_ALREADY_STARTED. Does not block.
sdp_dal_status sdp_dal_processor_register(sdp_dal_processor *processor,
                                          const char *signature,
                                          const sdp_dal_function_options *options,
                                          sdp_dal_function function,
                                          void *user_data,
                                          sdp_dal_drop drop);

/// As sdp_dal_processor_register(), for a function that is given as a schema, whose metadata callers see.
///
/// schema: stays yours. options: NULL for the defaults. function, user_data, drop: as in sdp_dal_processor_register().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_ALREADY_EXISTS, SDP_DAL_ALREADY_STARTED. Does not block.
sdp_dal_status sdp_dal_processor_register_schema(sdp_dal_processor *processor,
                                                 const sdp_dal_schema *schema,
                                                 const sdp_dal_function_options *options,
                                                 sdp_dal_function function,
                                                 void *user_data,
                                                 sdp_dal_drop drop);

/// Publishes the functions: callers find the processor from now on, and no function can be added.
///
/// The first sdp_dal_processor_process() or sdp_dal_processor_next() does it too.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_ALREADY_STARTED, SDP_DAL_NAMESPACE_IN_USE, SDP_DAL_LIMIT_REACHED,
/// SDP_DAL_OUT_OF_MEMORY, SDP_DAL_FORKED. Does not wait for others.
sdp_dal_status sdp_dal_processor_start(sdp_dal_processor *processor);

/// Takes the oldest call whose inputs exist and whose function may run, and runs it. Several threads may do so at once: a
/// function that is not SDP_DAL_FUNCTION_REENTRANT runs in one of them.
///
/// A function that fails is no error of this function: its outputs carry the error.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_TIMEOUT if no call came, SDP_DAL_INTERRUPTED, SDP_DAL_PROCESSOR_LOST if
/// it was closed, SDP_DAL_FORKED.
/// Blocks up to timeout_ns, and while the function runs.
sdp_dal_status sdp_dal_processor_process(const sdp_dal_processor *processor,
                                         int64_t timeout_ns);

/// Takes the oldest call whose inputs exist and whose function may run, to be worked on and ended with
/// sdp_dal_call_finish(). Until then, or until *out is freed, the function counts as running.
///
/// out: The caller owns *out and must call sdp_dal_call_free().
/// out_info: filled as by sdp_dal_call_get_info(); set its struct_size first. NULL if not asked for.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_TIMEOUT if no call came, SDP_DAL_INTERRUPTED, SDP_DAL_PROCESSOR_LOST if
/// it was closed, SDP_DAL_FORKED.
/// Blocks up to timeout_ns.
sdp_dal_status sdp_dal_processor_next(const sdp_dal_processor *processor,
                                      int64_t timeout_ns,
                                      sdp_dal_call **out,
                                      sdp_dal_call_info *out_info);

/// The prefix of the processor's namespace. Starts the processor if that has not happened yet.
///
/// out_prefix: room for SDP_DAL_PREFIX_SIZE bytes.
///
/// Errors: as sdp_dal_processor_start(). Does not wait for others.
sdp_dal_status sdp_dal_processor_get_prefix(const sdp_dal_processor *processor,
                                            uint8_t *out_prefix);

/// Copies the name of the processor.
///
/// buffer, length: as in sdp_dal_last_error().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_processor_get_name(const sdp_dal_processor *processor,
                                          char *buffer,
                                          size_t *length);

/// Shuts a processor down: callers do not find it any more, the calls that wait for it fail with SDP_DAL_PROCESSOR_LOST, and
/// sdp_dal_processor_process() and sdp_dal_processor_next() return SDP_DAL_PROCESSOR_LOST from now on, in all threads that
/// wait there or come later. May be called from any thread, also by a function of the processor. Doing it again does nothing.
///
/// It does not wait for functions that run. To end a processor that several threads use: shut it down, join the threads,
/// then close it.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_BUSY if some calls could not be failed because of a stopped process: call it
/// again. Does not wait for others.
sdp_dal_status sdp_dal_processor_shutdown(const sdp_dal_processor *processor);

/// Ends a processor: shuts it down as sdp_dal_processor_shutdown() does, waits until all threads have left
/// sdp_dal_processor_process() and sdp_dal_processor_next(), calls every drop and frees the handle. Calls that were taken
/// with sdp_dal_processor_next() or deferred can still be finished. NULL is allowed.
///
/// Threads may be inside these two functions, but none may call one of them again: the handle may be gone by then. Fix: shut
/// the processor down and join the threads before.
/// From a function that sdp_dal_processor_process() runs it does nothing: the handle stays, no drop is called, and
/// sdp_dal_last_error() says so.
///
/// Blocks while functions run in other threads.
void sdp_dal_processor_close(sdp_dal_processor *processor);

/// Which call this is.
///
/// out: filled; set its struct_size first.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_call_get_info(const sdp_dal_call *call, sdp_dal_call_info *out);

/// The name and the parameters of the function that is called, as the processor registered it.
///
/// out: Borrowed: valid until the last handle of the call is freed.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_call_get_schema(const sdp_dal_call *call, const sdp_dal_schema **out);

/// Whether nobody wants the outputs any more: a long function may stop then. False if call is no call. Does not block.
bool sdp_dal_call_is_cancelled(const sdp_dal_call *call);

/// Fails all outputs that are not sealed yet; waiting for one of them then gives this status and this text.
///
/// status: one of the negative values of sdp_dal_status_code, as SDP_DAL_FUNCTION_FAILED.
/// message: what went wrong, for the people who called; up to 2048 bytes are kept.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_BUSY. Does not wait for others.
sdp_dal_status sdp_dal_call_fail(sdp_dal_call *call,
                                 int32_t status,
                                 const char *message);

/// A further handle of the same call, which keeps what was read from it valid: values, views, private copies. It does not
/// keep the call open: once the call has ended its outputs cannot be written by it (sdp_dal_call_defer() is for that).
///
/// out: The caller owns *out and must call sdp_dal_call_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_call_retain(const sdp_dal_call *call,
                                   sdp_dal_call **out);

/// Ends a handle of a call that you own. With the last one that may write its outputs the call ends, and those that were not
/// sealed fail. NULL is allowed. Waits at most 100 ms.
void sdp_dal_call_free(sdp_dal_call *call);

/// Whether a parameter was left out or given as null.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND. Does not block.
sdp_dal_status sdp_dal_call_is_null(const sdp_dal_call *call, const char *name, bool *out);

/// The value of an integer parameter.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also for a parameter of another type, or null), SDP_DAL_NOT_FOUND. Does not
/// block.
sdp_dal_status sdp_dal_call_get_int64(const sdp_dal_call *call,
                                      const char *name,
                                      int64_t *out);

/// The value of an integer parameter that is not negative.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also for a parameter of another type, or null), SDP_DAL_NOT_FOUND. Does not
/// block.
sdp_dal_status sdp_dal_call_get_uint64(const sdp_dal_call *call,
                                       const char *name,
                                       uint64_t *out);

/// The value of a floating-point parameter.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also for a parameter of another type, or null), SDP_DAL_NOT_FOUND. Does not
/// block.
sdp_dal_status sdp_dal_call_get_double(const sdp_dal_call *call,
                                       const char *name,
                                       double *out);

/// The value of a complex parameter.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also for a parameter of another type, or null), SDP_DAL_NOT_FOUND. Does not
/// block.
sdp_dal_status sdp_dal_call_get_complex(const sdp_dal_call *call,
                                        const char *name,
                                        double *out_re,
                                        double *out_im);

/// The value of a bool parameter.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also for a parameter of another type, or null), SDP_DAL_NOT_FOUND. Does not
/// block.
sdp_dal_status sdp_dal_call_get_bool(const sdp_dal_call *call,
                                     const char *name,
                                     bool *out);

/// Copies the text of a utf8 parameter. It may have NUL bytes inside, which *length counts.
///
/// buffer, length: as in sdp_dal_last_error().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also for a parameter of another type, or null), SDP_DAL_NOT_FOUND. Does not
/// block.
sdp_dal_status sdp_dal_call_get_string(const sdp_dal_call *call,
                                       const char *name,
                                       char *buffer,
                                       size_t *length);

/// The bytes of a binary parameter.
///
/// out, out_size: address and number of bytes. Borrowed: valid until the callback returns or the last handle of the
/// call is freed.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also for a parameter of another type, or null), SDP_DAL_NOT_FOUND. Does not
/// block.
sdp_dal_status sdp_dal_call_get_binary(const sdp_dal_call *call,
                                       const char *name,
                                       const void **out,
                                       size_t *out_size);

/// The view of an input tensor.
///
/// Nothing is copied, unless an order is asked for and the tensor is stored in the other one: then once for the call.
///
/// order: one of sdp_dal_order. SDP_DAL_ORDER_ANY: as the signature says, "float64[row,chan] C"; if that asks for none, as it
/// is stored, in C or in F order: out->order and out->strides say it.
/// out: filled; set its struct_size first. Borrowed: its pointers are valid until the callback
/// returns or the last handle of the call is freed; the elements must not be written.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also for a parameter of another type, or null), SDP_DAL_NOT_FOUND,
/// SDP_DAL_OUT_OF_MEMORY (for a copy). Does not block.
sdp_dal_status sdp_dal_call_get_tensor(const sdp_dal_call *call,
                                       const char *name,
                                       int32_t order,
                                       sdp_dal_tensor_view *out);

/// A handle of an input tensor that may outlive the call. Its order, and what is copied, are those of
/// sdp_dal_call_get_tensor().
///
/// out: The caller owns *out and must call sdp_dal_tensor_free().
/// out_view: filled as by sdp_dal_tensor_get_view(); set its struct_size first. NULL if not asked for.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also for a parameter of another type, or null), SDP_DAL_NOT_FOUND,
/// SDP_DAL_OUT_OF_MEMORY (for a copy). Does not block.
sdp_dal_status sdp_dal_call_hold_tensor(const sdp_dal_call *call,
                                        const char *name,
                                        sdp_dal_tensor **out,
                                        sdp_dal_tensor_view *out_view);

/// The ID of a tensor, table, oid or id parameter, input or output.
///
/// out_id: room for SDP_DAL_ID_SIZE bytes.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also for a parameter of another type, or null), SDP_DAL_NOT_FOUND. Does not
/// block.
sdp_dal_status sdp_dal_call_get_id(const sdp_dal_call *call,
                                   const char *name,
                                   uint8_t *out_id);

/// A borrowed reference to the object of a tensor, table, oid or id parameter, input or output: to be passed on,
/// for instance. A tensor that is read by it is in the order in which it is stored.
///
/// out: The caller owns *out and must call sdp_dal_ref_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also for a parameter of another type, or null), SDP_DAL_NOT_FOUND. Does not
/// block.
sdp_dal_status sdp_dal_call_get_ref(const sdp_dal_call *call,
                                    const char *name,
                                    sdp_dal_ref **out);

/// Creates an output tensor in place: memory in the store to fill. The element type is the signature's. It is
/// sealed when the callback returns SDP_DAL_OK, by sdp_dal_call_finish(), or earlier by sdp_dal_call_seal(); not at
/// all when the call fails.
///
/// ndim, shape: the dimensions. options: NULL for the defaults. out_data: the elements without gaps, 64-byte aligned, not
/// zeroed; in the order that the signature gives the output ("float64[x,y] F"), else in C order, unless options say another.
/// Borrowed: valid until the output is sealed or has failed.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also for a shape that the signature forbids, or a null output),
/// SDP_DAL_NOT_FOUND, SDP_DAL_ALREADY_EXISTS, SDP_DAL_OUT_OF_MEMORY, SDP_DAL_INTERRUPTED, SDP_DAL_BUSY. Blocks
/// while the store is full, up to SDP_DAL_FULL_TIMEOUT.
sdp_dal_status sdp_dal_call_create_tensor(const sdp_dal_call *call,
                                          const char *name,
                                          int32_t ndim,
                                          const int64_t *shape,
                                          const sdp_dal_output_options *options,
                                          void **out_data);

/// Writes an output tensor: one copy into the store.
///
/// value: the tensor to copy; its element type must be the signature's. It is stored in the order that the signature gives
/// the output, else as sdp_dal_tensor_put() would.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also for a shape that the signature forbids, or a null output),
/// SDP_DAL_NOT_FOUND, SDP_DAL_ALREADY_EXISTS, SDP_DAL_OUT_OF_MEMORY, SDP_DAL_INTERRUPTED, SDP_DAL_BUSY. Blocks
/// while the store is full, up to SDP_DAL_FULL_TIMEOUT.
sdp_dal_status sdp_dal_call_put_tensor(const sdp_dal_call *call,
                                       const char *name,
                                       const sdp_dal_tensor_view *value);

/// Writes an output of type oid, an object of any kind, with one copy and seals it.
///
/// data, size: the object's bytes; data may be NULL if size is 0.
/// metadata, metadata_size: its metadata; metadata may be NULL if metadata_size is 0.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also for an output of another type, or a null one), SDP_DAL_NOT_FOUND,
/// SDP_DAL_ALREADY_EXISTS, SDP_DAL_OUT_OF_MEMORY, SDP_DAL_INTERRUPTED, SDP_DAL_BUSY. Blocks while the store is full, up
/// to SDP_DAL_FULL_TIMEOUT.
sdp_dal_status sdp_dal_call_put_object(const sdp_dal_call *call,
                                       const char *name,
                                       const void *data,
                                       size_t size,
                                       const void *metadata,
                                       size_t metadata_size);

/// Makes an output that was created in place complete and visible, before the function ends. Its memory must not be
/// written any more.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND (also if it is not being written), SDP_DAL_BUSY. Does not
/// wait for others.
sdp_dal_status sdp_dal_call_seal(const sdp_dal_call *call,
                                 const char *name);

/// Gives the memory of an output that was created in place back: it can be created again, with another shape.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND (also if it is not being written). Waits at most 100 ms.
sdp_dal_status sdp_dal_call_abort(const sdp_dal_call *call,
                                  const char *name);

/// The bytes of the call's object: an Arrow IPC stream of one record batch, of which sdp_dal_call_info's row is the row. They are
/// there whatever becomes of the call.
///
/// out: The caller owns *out and must call sdp_dal_buffer_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also once the call, and all others of its batch, have ended). Does not block.
sdp_dal_status sdp_dal_call_get_buffer(const sdp_dal_call *call,
                                       sdp_dal_buffer **out);

/// How many threads this run may use: the processor's threads (sdp_dal_processor_options), else what this thread's
/// affinity and the control group's quota leave, shared among the threads that work for the processor at this moment.
///
/// out: 1 or more.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_call_get_threads(const sdp_dal_call *call,
                                        int32_t *out);

/// Reports how far the call has come. Anyone who has a reference to one of its outputs can read it, by sdp_dal_ref_get_state().
/// Costs some nanoseconds; any thread may report.
///
/// fraction: 0 to 1; what lies outside is cut.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also for a NaN), SDP_DAL_FORKED. Does not block.
sdp_dal_status sdp_dal_call_set_progress(const sdp_dal_call *call,
                                         double fraction);

/// Says that the calling thread runs the function of this call, from now until the call has ended. In pull style any thread may
/// work on a call, so the library does not know by itself. A wait in this thread that could never end then fails with
/// SDP_DAL_INVALID_ARGUMENT: one for what only this function's own turn could make. sdp_dal_processor_process() does this by
/// itself.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_call_run_here(const sdp_dal_call *call);

/// A handle by which the outputs can be written after the function has returned, from any thread: the call ends with
/// sdp_dal_call_finish(), or when the handle is freed (and every other that may write its outputs). A function that
/// returns an error ends the call all the same.
///
/// The function no longer counts as running once it has returned: its next call may be run, also if it is
/// SDP_DAL_FUNCTION_ORDERED. In pull style that is when the handle of sdp_dal_processor_next() is freed. The handle may
/// outlive the processor, and with it the user_data of the function.
///
/// out: The caller owns *out and must call sdp_dal_call_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also if the call has ended). Does not block.
sdp_dal_status sdp_dal_call_defer(const sdp_dal_call *call,
                                  sdp_dal_call **out);

/// A private copy of an input tensor, which may be written: for libraries that scribble on their inputs. It is made when it
/// is asked for first; asking for the same parameter again gives the same memory, as it is then.
///
/// out_view: filled; set its struct_size first. The copy, in the order that the signature asks for
/// ("float64[row,chan] C"), else in that in which the tensor is stored: C or F, as its order and strides say.
/// out_data: its elements, 64-byte aligned, writable. Both are borrowed: valid until the callback returns or the last
/// handle of the call is freed.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also for a parameter of another type, or null), SDP_DAL_NOT_FOUND,
/// SDP_DAL_OUT_OF_MEMORY. Does not block.
sdp_dal_status sdp_dal_call_copy_tensor(const sdp_dal_call *call,
                                        const char *name,
                                        sdp_dal_tensor_view *out_view,
                                        void **out_data);

/// Tells of what happens from now on to objects whose IDs start with given bytes. To keep a table of objects, subscribe
/// first and then list them: nothing is missed in between, though it may be told twice.
///
/// Somebody who reads slowly loses events, and is told so by SDP_DAL_EVENT_RESYNC; writers never wait for readers.
///
/// prefix: 0 to SDP_DAL_ID_SIZE bytes; may be NULL if prefix_size is 0, which means every object.
/// out: The caller owns *out and must call sdp_dal_subscription_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_BUSY, SDP_DAL_FORKED. Does not wait for others.
sdp_dal_status sdp_dal_store_subscribe(const sdp_dal_store *store,
                                       const uint8_t *prefix,
                                       size_t prefix_size,
                                       sdp_dal_subscription **out);

/// The next event.
///
/// out: filled; set its struct_size first.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_TIMEOUT if there was none, SDP_DAL_INTERRUPTED, SDP_DAL_FORKED.
/// Blocks up to timeout_ns.
sdp_dal_status sdp_dal_subscription_next(sdp_dal_subscription *subscription,
                                         int64_t timeout_ns,
                                         sdp_dal_event *out);

/// Ends a subscription. NULL is allowed. Waits at most 100 ms.
void sdp_dal_subscription_free(sdp_dal_subscription *subscription);

/// A descriptor for poll(2), epoll(7) and event loops: readable when something may be new for what this process
/// watches in the store (sdp_dal_ref_watch(), sdp_dal_processor_watch(), subscriptions), now and then for no reason.
///
/// When it is readable, call sdp_dal_store_clear_event_fd() first, then look with SDP_DAL_POLL until there is nothing:
/// what comes after the look makes it readable again. The first call starts the library's only thread, which ends with
/// the last handle of the store. The descriptor is the library's: do not close or read it.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_IO, SDP_DAL_FORKED. Does not block.
sdp_dal_status sdp_dal_store_event_fd(const sdp_dal_store *store,
                                      int *out_fd);

/// Makes the descriptor of sdp_dal_store_event_fd() unreadable until something is new.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_FORKED. Does not block.
sdp_dal_status sdp_dal_store_clear_event_fd(const sdp_dal_store *store);

/// Lets the descriptor of sdp_dal_store_event_fd() become readable when the object of this reference may exist or have
/// failed, or not any more. Ends by itself when that was seen through the reference.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_FORKED. Does not block.
sdp_dal_status sdp_dal_ref_watch(const sdp_dal_ref *reference,
                                 bool on);

/// Lets the descriptor of sdp_dal_store_event_fd() become readable when a call may have come for this processor, or the
/// inputs of one that waits, or not any more. Starts the processor if that has not happened yet.
///
/// Errors: as sdp_dal_processor_start(). Does not wait for others.
sdp_dal_status sdp_dal_processor_watch(const sdp_dal_processor *processor,
                                       bool on);

/// Gives the next parameters by position, as sdp_dal_caller_issue() takes them: for many rows or a broadcast, by languages that
/// make arrays of values.
///
/// values: count values. Tensors' elements must stay as they are until the call has returned; what else they point to is
/// copied. Arrow structs are moved: they are released by the library, also on failure, unless it is args that is wrong.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT; nothing was given then. Blocks while a stream does.
sdp_dal_status sdp_dal_args_set_values(sdp_dal_args *args,
                                       const sdp_dal_value *values,
                                       size_t count);

/// Issues a call, or many rows of one function at once, with all arguments, and does not wait for them.
///
/// function: its place among the signatures and schemas that the caller was opened with, from 0.
/// values: for each row one value for each parameter, in the order of the signature. An output that is NULL is made new;
/// SDP_DAL_VALUE_UNWANTED is for one that may be null and is not wanted. Tensors are copied into the store; their elements
/// must stay as they are until this function has returned. Arrow structs are moved: they are released by the library, also on
/// failure, unless it is caller or function that is wrong.
/// out_refs: for each row a reference to each output, in the order of the signature; NULL for what is not wanted, and where
/// you gave a reference. You own them and must call sdp_dal_ref_free(). May be NULL if the function has no outputs.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NO_PROCESSOR, SDP_DAL_PROCESSOR_LOST, SDP_DAL_TIMEOUT, SDP_DAL_OUT_OF_MEMORY,
/// SDP_DAL_LIMIT_REACHED, SDP_DAL_OBJECT_DELETED, SDP_DAL_INTERRUPTED, SDP_DAL_BUSY, SDP_DAL_FORKED. Nothing was issued then.
/// Blocks while the store is full, up to SDP_DAL_FULL_TIMEOUT, and up to the options' timeout_ns while no processor has room.
sdp_dal_status sdp_dal_caller_issue(const sdp_dal_caller *caller,
                                    size_t function,
                                    const sdp_dal_value *values,
                                    size_t num_rows,
                                    sdp_dal_ref **out_refs);

/// All parameters of a call at once: its values, its input tensors as views, its outputs.
///
/// values: room for count values; filled in the order of the signature. Borrowed: what they point to is valid until the
/// callback returns or the last handle of the call is freed. Of an object of any kind data and size are the bytes. An output
/// is SDP_DAL_VALUE_OUTPUT, with its name as data and size, and as int64 the order that the signature gives it, one of
/// sdp_dal_order. A table and a value of another Arrow type come without their
/// structs: sdp_dal_call_get_table() and sdp_dal_call_get_arrow() give them.
/// count: the number of parameters of the function.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_CORRUPT, SDP_DAL_OUT_OF_MEMORY (for an input that is to be copied into another
/// order). Does not block.
sdp_dal_status sdp_dal_call_values(const sdp_dal_call *call,
                                   sdp_dal_value *values,
                                   size_t count);

/// Ends a call that was taken with sdp_dal_processor_next() or deferred: writes outputs, seals those that were created in
/// place, and fails those that were not written with SDP_DAL_OUTPUT_NOT_WRITTEN. Calling it again does nothing.
///
/// The handle stays, to be freed. What was read from it stays valid until then. By a deferred handle it does not end the
/// function's run, by any other it does (a callback runs until it returns).
///
/// values: a value for each output, in the order of the signature, which is copied into the store: SDP_DAL_VALUE_TENSOR,
/// SDP_DAL_VALUE_TABLE (the stream is moved) or SDP_DAL_VALUE_BINARY; null for an output that
/// is written in another way. count: the number of outputs, or 0: values may be NULL then.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_ALREADY_EXISTS, SDP_DAL_OUT_OF_MEMORY, SDP_DAL_INTERRUPTED: an output could not be
/// written, and the call has not ended. Those before it are written: to go on, give NULL kinds in their places. SDP_DAL_OUTPUT_NOT_WRITTEN, SDP_DAL_BUSY. With values it blocks while the store is
/// full, up to SDP_DAL_FULL_TIMEOUT; without, it does not wait for others.
sdp_dal_status sdp_dal_call_finish(const sdp_dal_call *call,
                                   const sdp_dal_value *values,
                                   size_t count);

/// Gives a parameter a value of any Arrow type.
///
/// value: an array of one element. schema: its type. Both are moved: they are released by the library, also on
/// failure.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_args_set_arrow(sdp_dal_args *args,
                                      const char *name,
                                      struct ArrowArray *value,
                                      struct ArrowSchema *schema);

/// A value of any Arrow type, as an array of one element, which is null if the parameter was left out.
///
/// out, out_schema: the array and its type. You release both; they may outlive the call.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND. Does not block.
sdp_dal_status sdp_dal_call_get_arrow(const sdp_dal_call *call,
                                      const char *name,
                                      struct ArrowArray *out,
                                      struct ArrowSchema *out_schema);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* SDP_DAL_H */

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The SDP Data Access Library: tensors, tables and calls between the processes of one node, in
 * shared memory, without copies and without a server.
 *
 * This file is generated. Read this first:
 *
 * Ownership
 *   A handle is a pointer to an incomplete struct. The caller of a function that returns a handle
 *   owns the handle and must free it with the _free() or _close() that the function names. Both
 *   accept NULL. No function takes a handle over. A pointer that is "Borrowed" is valid until the
 *   stated moment. A handle must not be used after it is freed or closed.
 *   A sealed tensor never changes: the library maps it read-only, and writing to it raises SIGSEGV.
 *   The memory of a tensor that you created must not be written after it is sealed.
 *   Bytes that a handle (tensor, buffer, call) holds stay valid even if any client deletes the object
 *   or closes the store.
 *
 * Errors
 *   A function that can fail returns a sdp_dal_status: SDP_DAL_OK (0) or a negative value. Later
 *   versions may add values. On failure, out-parameters are NULL, 0 or false.
 *   sdp_dal_last_error() copies the message of the last failure in this thread. NULL, a handle of
 *   another kind, and text that is not UTF-8 are SDP_DAL_INVALID_ARGUMENT.
 *
 * Threads
 *   A const handle may be used by several threads at the same time, other handles by one thread at a
 *   time. sdp_dal_store_interrupt() may be called from anywhere, including signal handlers.
 *
 * Processes
 *   After fork(), functions return SDP_DAL_FORKED for the handles that the child inherited, and
 *   _free() and _close() have no effect on them. Bytes that the parent held stay readable.
 *   Schemas, lists and other handles that do not belong to a store can be used as before.
 *   Fix: open the store again in the child.
 *   _Fork() and the raw system calls fork, clone and vfork run no fork handlers. The library cannot
 *   distinguish such a child from its parent, and the child must not use the library. It has copies
 *   of the parent's locks: if the parent is killed, other clients take it for running until the
 *   child ends or calls exec.
 *   Fix: use fork() or posix_spawn().
 *   The library keeps two descriptors for each open store, and one for sdp_dal_store_event_fd(). All
 *   are closed on exec. If a process closes them, as closefrom(3) does when a daemon starts, other
 *   clients take it for crashed and reclaim what it holds. Its handles return SDP_DAL_IO when the
 *   library notices this: when it waits, grows the store, or opens one.
 *   Fix: close descriptors before opening a store, or open the store again afterwards.
 *
 * Blocking
 *   timeout_ns is a number of nanoseconds, SDP_DAL_POLL or SDP_DAL_WAIT_FOREVER. A wait also ends
 *   if the event can never occur, and with sdp_dal_store_interrupt().
 *   A function that "does not wait for other clients" may still take the lock of the store for a
 *   moment, and so may a wait. SDP_DAL_BUSY means that the process that holds the lock is stopped:
 *   it is returned after 10 s, if the timeout has not passed before.
 *
 * Structs and texts
 *   Structs start with their size: zero the struct and set struct_size to its sizeof. Strings are
 *   UTF-8 and end with a NUL. Strides are in bytes. Constants are enumerators of int32_t values, and
 *   bits of uint32_t values.
 *
 * Order of elements
 *   A tensor is stored in C or in F order, as it was written. Code that ignores strides computes
 *   wrong results if the order is not the one it expects. Fix: write the expected order after the
 *   dimensions in the signature, "vis: complex128[row,chan] C", or pass it to
 *   sdp_dal_call_get_tensor().
 *
 * Example: a processor, without status checks. c_examples/ has complete programs.
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

/* The Arrow C data and stream interfaces. The include guards are those of Arrow, so its own headers may be included too. */
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
/// The numbers never change and are never reused. New ones may be added in any version: treat an unknown negative value
/// as an error. sdp_dal_status_name() returns its name.
typedef enum {
    /// Success.
    SDP_DAL_OK = 0,
    /// An argument is wrong; the message names it.
    SDP_DAL_INVALID_ARGUMENT = -1,
    /// No such store, object, function, parameter or namespace.
    SDP_DAL_NOT_FOUND = -2,
    /// The object exists, or is being created by another client.
    SDP_DAL_ALREADY_EXISTS = -3,
    /// The timeout has passed.
    SDP_DAL_TIMEOUT = -4,
    /// The store (or the memory under it) is full.
    SDP_DAL_OUT_OF_MEMORY = -5,
    /// The object existed and was deleted.
    SDP_DAL_OBJECT_DELETED = -6,
    /// The processor that was to produce this crashed, was closed, or was replaced.
    SDP_DAL_PROCESSOR_LOST = -7,
    /// The processing function reported an error; the message is the function's.
    SDP_DAL_FUNCTION_FAILED = -8,
    /// An input of the call was deleted before the call ran.
    SDP_DAL_INPUT_LOST = -9,
    /// The processing function ended without writing this output.
    SDP_DAL_OUTPUT_NOT_WRITTEN = -10,
    /// There are fewer compatible processors than requested.
    SDP_DAL_NO_PROCESSOR = -11,
    /// The requested prefix is in use by another client.
    SDP_DAL_NAMESPACE_IN_USE = -12,
    /// The processor has already started, and no function can be added.
    SDP_DAL_ALREADY_STARTED = -13,
    /// The handle was inherited through fork() and cannot be used in the child: open the store again there.
    SDP_DAL_FORKED = -14,
    /// The wait was ended by sdp_dal_store_interrupt().
    SDP_DAL_INTERRUPTED = -15,
    /// The operating system or the owner of the store does not allow it.
    SDP_DAL_PERMISSION_DENIED = -16,
    /// The file is not a store, or its bookkeeping is inconsistent.
    SDP_DAL_CORRUPT = -17,
    /// The store was created by an incompatible version, or the system lacks something that a store needs.
    SDP_DAL_UNSUPPORTED = -18,
    /// The operating system reported an error.
    SDP_DAL_IO = -19,
    /// All client slots or all entries are taken.
    SDP_DAL_LIMIT_REACHED = -20,
    /// The lock of the store was not available for ten seconds. The process that holds it is stopped or gets no CPU
    /// time.
    SDP_DAL_BUSY = -21,
    /// An internal error of the library.
    SDP_DAL_INTERNAL = -22,
    /// The call was cancelled: no client wants its outputs any more.
    SDP_DAL_CANCELLED = -23,
} sdp_dal_status_code;

/// Special values of a timeout_ns. Any other value is a number of nanoseconds on the monotonic clock.
typedef enum {
    /// Wait without a limit: until the event occurs, the producer crashes, or the wait is interrupted.
    SDP_DAL_WAIT_FOREVER = -1,
    /// Check once, and do not wait.
    SDP_DAL_POLL = 0,
} sdp_dal_timeout;

/// Sizes.
typedef enum {
    /// Bytes of a namespace's prefix.
    SDP_DAL_PREFIX_SIZE = 4,
    /// Maximum number of dimensions of a tensor.
    SDP_DAL_MAX_DIMS = 8,
    /// Bytes of an object ID.
    SDP_DAL_ID_SIZE = 20,
    /// Size of a buffer that holds every text of sdp_dal_last_error() with its NUL.
    SDP_DAL_MESSAGE_SIZE = 2049,
} sdp_dal_limit;

/// How many elements of a dimension, for sdp_dal_ref_part().
typedef enum {
    /// As many as there are.
    SDP_DAL_COUNT_REST = -1,
} sdp_dal_count;

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

/// Order of the elements of a tensor in memory.
typedef enum {
    /// No particular order. For a tensor to be created: the order in the signature of the output, or C if that has
    /// none. For a parameter: as the tensor is stored. In a view: neither C nor F, see its strides.
    SDP_DAL_ORDER_ANY = 0,
    /// The last index varies fastest, without gaps (C, default of numpy).
    SDP_DAL_ORDER_C = 1,
    /// The first index varies fastest, without gaps (Fortran, Julia).
    SDP_DAL_ORDER_F = 2,
} sdp_dal_order;

/// Bits for the flags of sdp_dal_tensor_spec.
typedef enum {
    /// Zero the memory. Default: memory that was used before is not zeroed.
    SDP_DAL_TENSOR_ZEROED = 1,
} sdp_dal_tensor_flag;

/// What sdp_dal_store_open() does when there is no store at the path.
typedef enum {
    /// Create one. It is removed when its last client closes.
    SDP_DAL_CREATE_IF_MISSING = 0,
    /// Fail with SDP_DAL_NOT_FOUND.
    SDP_DAL_CREATE_NEVER = 1,
} sdp_dal_create_mode;

/// Bits for the flags of sdp_dal_store_options.
typedef enum {
    /// Use the field group: the members of that group may use the store too. They can read everything in it. For the
    /// command lines of its clients, see sdp_dal_namespace_info.
    SDP_DAL_STORE_SHARE_WITH_GROUP = 1,
    /// Use the field accept_owner: a store of that user is accepted too.
    SDP_DAL_STORE_ACCEPT_OWNER = 2,
    /// When the store is full, delete evictable objects that no client wants or holds.
    SDP_DAL_STORE_EVICTION = 4,
    /// Allocate all memory when the store is created.
    SDP_DAL_STORE_RESERVE = 8,
    /// Fail with SDP_DAL_ALREADY_EXISTS if the store already exists with another size than requested, or without
    /// eviction although that was requested.
    SDP_DAL_STORE_EXACT = 16,
} sdp_dal_store_flag;

/// Which of several processors gets a call.
typedef enum {
    /// The one with the fewest unfinished calls.
    SDP_DAL_SELECT_LEAST_BUSY = 0,
    /// The one with the lowest prefix, always the same one while it runs: for functions that accumulate state.
    SDP_DAL_SELECT_FIRST = 1,
} sdp_dal_select;

/// Bits for the flags of sdp_dal_caller_options.
typedef enum {
    /// Do not check that dimensions of the same name have equal sizes, nor the sizes that are fixed in the signature.
    SDP_DAL_CALLER_LOOSE_DIMS = 1,
    /// With a minimum_processors of 0: accept that there is no processor yet.
    SDP_DAL_CALLER_NONE_NEEDED = 2,
} sdp_dal_caller_flag;

/// Kind of a sdp_dal_value. The fields that it uses are in brackets.
typedef enum {
    /// Null. For an output that is passed to a call: create a new object.
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
    /// A reference to an input, or to an object that will be an output [reference].
    SDP_DAL_VALUE_REF = 9,
    /// A tensor [view].
    SDP_DAL_VALUE_TENSOR = 10,
    /// A table [stream].
    SDP_DAL_VALUE_TABLE = 11,
    /// A value of any Arrow type [array, schema].
    SDP_DAL_VALUE_ARROW = 12,
    /// An output that is passed to a call and is not wanted. It must be nullable.
    SDP_DAL_VALUE_UNWANTED = 13,
    /// An output as the function sees it: its name, its order in the signature, and its memory if it starts from an input
    /// [data, size, int64, view].
    SDP_DAL_VALUE_OUTPUT = 14,
} sdp_dal_value_kind;

/// Direction of a parameter.
typedef enum {
    /// Input: the caller passes it.
    SDP_DAL_IN = 0,
    /// Output: the function creates it.
    SDP_DAL_OUT = 1,
} sdp_dal_direction;

/// Kind of a parameter.
typedef enum {
    /// A value of an Arrow type, written into the call itself.
    SDP_DAL_PARAM_VALUE = 1,
    /// A tensor object.
    SDP_DAL_PARAM_TENSOR = 2,
    /// A table object.
    SDP_DAL_PARAM_TABLE = 3,
    /// An object of any kind. An input is waited for, an output is created.
    SDP_DAL_PARAM_OID = 4,
    /// The ID of an object, which is only passed on.
    SDP_DAL_PARAM_ID = 5,
} sdp_dal_param_kind;

/// Bits of the flags of sdp_dal_param_info.
typedef enum {
    /// May be null or left out.
    SDP_DAL_PARAM_NULLABLE = 1,
    /// A table whose columns are fixed.
    SDP_DAL_PARAM_COLUMNS = 2,
} sdp_dal_param_flag;

/// Bits of the flags of sdp_dal_value.
typedef enum {
    /// The caller gives the object of a reference away, for an input from which an output starts: see
    /// sdp_dal_args_set_given().
    SDP_DAL_VALUE_GIVEN = 1,
} sdp_dal_value_flag;

/// Bits for the flags of sdp_dal_object_spec.
typedef enum {
    /// Zero the memory. Default: memory that was used before is not zeroed.
    SDP_DAL_OBJECT_ZEROED = 1,
    /// May be deleted when the store is full and no client wants or holds the object, if the store was created with
    /// SDP_DAL_STORE_EVICTION.
    SDP_DAL_OBJECT_EVICTABLE = 2,
    /// Keep the object only as long as a client wants it. The handle of the writer wants it until it is freed. Default:
    /// it is kept until it is deleted, or evicted if it is evictable.
    SDP_DAL_OBJECT_WANTED = 4,
} sdp_dal_object_flag;

/// What sdp_dal_object_delete() does with an object that a client holds.
typedef enum {
    /// No client finds it any more. Its bytes stay until the last holder releases them.
    SDP_DAL_DELETE_NOW = 0,
    /// It can be found until the last holder releases it.
    SDP_DAL_DELETE_WHEN_RELEASED = 1,
} sdp_dal_delete_mode;

/// State of the object with an ID.
typedef enum {
    /// There is no such object.
    SDP_DAL_STATE_ABSENT = 0,
    /// An output of a call that does not exist yet.
    SDP_DAL_STATE_AWAITED = 1,
    /// A client is writing it.
    SDP_DAL_STATE_CREATING = 2,
    /// Complete, and never changed again.
    SDP_DAL_STATE_SEALED = 3,
    /// It will never exist; sdp_dal_ref_wait() returns why.
    SDP_DAL_STATE_FAILED = 4,
    /// Deleted, but still held by a client.
    SDP_DAL_STATE_DOOMED = 5,
} sdp_dal_object_state;

/// Bits of the flags of sdp_dal_object_info.
typedef enum {
    /// Stays even if no client wants it.
    SDP_DAL_INFO_KEPT = 1,
    /// May be deleted when the store is full.
    SDP_DAL_INFO_EVICTABLE = 2,
    /// A call that a processor has taken.
    SDP_DAL_INFO_CLAIMED = 4,
} sdp_dal_info_flag;

/// Bits for the flags of sdp_dal_function_options.
typedef enum {
    /// The function may run in several threads at the same time, one for each thread that calls
    /// sdp_dal_processor_process(). Default: its calls wait for each other, while other functions can run.
    SDP_DAL_FUNCTION_REENTRANT = 1,
    /// Its calls run one at a time, strictly in the order in which all callers issued them. The rows of a batch keep
    /// their order. A call whose inputs do not exist yet delays the calls after it, but not those of other functions. A
    /// call whose input has failed fails in its turn. Not together with SDP_DAL_FUNCTION_REENTRANT.
    SDP_DAL_FUNCTION_ORDERED = 2,
    /// Dimensions of the same name may have different sizes, and the sizes in the signature are not checked.
    SDP_DAL_FUNCTION_LOOSE_DIMS = 4,
} sdp_dal_function_flag;

/// Bits for the flags of sdp_dal_processor_options.
typedef enum {
    /// The thread that takes a call with sdp_dal_processor_next() runs its function: sdp_dal_call_run_here() is not needed.
    SDP_DAL_PROCESSOR_TAKER_RUNS = 1,
    /// The library leaves the thread pools of other libraries as they are. Default: before a function runs, OpenMP,
    /// OpenBLAS and MKL are told to use at most the threads of sdp_dal_call_get_threads(), and never more than the program
    /// has set (with OMP_NUM_THREADS or omp_set_num_threads(), for example).
    SDP_DAL_PROCESSOR_LEAVE_POOLS = 2,
} sdp_dal_processor_flag;

/// Kind of an event.
typedef enum {
    /// An object is complete.
    SDP_DAL_EVENT_SEALED = 1,
    /// An object that was complete or had failed is deleted. Also reported for calls.
    SDP_DAL_EVENT_DELETED = 2,
    /// An object will never exist.
    SDP_DAL_EVENT_FAILED = 3,
    /// A namespace was declared; the ID is that of its declaration. Reported instead of SDP_DAL_EVENT_SEALED.
    SDP_DAL_EVENT_NAMESPACE_APPEARED = 4,
    /// A namespace's declaration is deleted. Reported instead of SDP_DAL_EVENT_DELETED.
    SDP_DAL_EVENT_NAMESPACE_GONE = 5,
    /// A call is in its processor's queue; the actor is its caller. Reported instead of SDP_DAL_EVENT_SEALED.
    SDP_DAL_EVENT_CALL_ISSUED = 6,
    /// A processor has taken a call.
    SDP_DAL_EVENT_CALL_CLAIMED = 7,
    /// A call that was taken has ended. Its caller may have deleted it before.
    SDP_DAL_EVENT_CALL_ENDED = 8,
    /// Events were lost: list the objects again with sdp_dal_store_list_objects(). All later events are reported.
    SDP_DAL_EVENT_RESYNC = 9,
} sdp_dal_event_kind;

/// How many of several objects must have ended, for sdp_dal_ref_wait_many().
typedef enum {
    /// All of them.
    SDP_DAL_WAIT_ALL = 0,
    /// One of them.
    SDP_DAL_WAIT_ANY = 1,
} sdp_dal_wait_mode;

/// Severity of a message.
typedef enum {
    /// No messages.
    SDP_DAL_LOG_OFF = 0,
    /// Something that was requested is lost, for instance a call without outputs has failed.
    SDP_DAL_LOG_ERROR = 1,
    /// The library recovered from a fault: a client crashed, or the bookkeeping was rebuilt.
    SDP_DAL_LOG_WARNING = 2,
    /// Of interest to operators, for instance an object was evicted.
    SDP_DAL_LOG_INFO = 3,
    /// Details for debugging.
    SDP_DAL_LOG_DEBUG = 4,
} sdp_dal_log_level;

/// Which clients sdp_dal_object_holders() lists.
typedef enum {
    /// The clients that hold its bytes.
    SDP_DAL_HOLDERS_OF_BYTES = 0,
    /// The clients that own the object: they want it to exist.
    SDP_DAL_HOLDERS_OWNING = 1,
} sdp_dal_holder_kind;

/// The arguments of a call, by name (set) or by position (push). Created by sdp_dal_args_create(), usable for any
/// number of calls, freed by sdp_dal_args_free().
///
/// Arguments are checked by the call, which knows the function. Names and texts are copied, and references are kept.
/// The elements of a tensor are not copied: their memory must not change until the call has returned.
typedef struct sdp_dal_args sdp_dal_args;

/// The bytes of a complete object, valid as long as this handle. Freed by sdp_dal_buffer_free().
typedef struct sdp_dal_buffer sdp_dal_buffer;

/// A call that a processor took. In a callback it is borrowed. sdp_dal_processor_next() returns one that the caller of
/// that function owns.
///
/// Its outputs can be written until the call ends. sdp_dal_call_finish() ends it. It also ends when the callback has
/// returned, and the handle from sdp_dal_processor_next() and all handles from sdp_dal_call_defer() are freed. Outputs
/// that are not sealed then fail with SDP_DAL_OUTPUT_NOT_WRITTEN, and sealed outputs stay. What was read from a call is
/// valid longer: until its last handle is freed, including those from sdp_dal_call_retain().
typedef struct sdp_dal_call sdp_dal_call;

/// Issues calls to the processors that offer its functions. Created by sdp_dal_caller_open(), closed by
/// sdp_dal_caller_close().
typedef struct sdp_dal_caller sdp_dal_caller;

/// A snapshot of the clients of a store. Created by sdp_dal_store_list_clients(), freed by sdp_dal_clients_free().
typedef struct sdp_dal_clients sdp_dal_clients;

/// A snapshot of the objects of a store. Created by sdp_dal_store_list_objects(), freed by sdp_dal_list_free().
typedef struct sdp_dal_list sdp_dal_list;

/// A snapshot of the namespaces of a store, sorted by prefix. Created by sdp_dal_store_list_namespaces(), freed by
/// sdp_dal_namespaces_free().
typedef struct sdp_dal_namespaces sdp_dal_namespaces;

/// Offers functions to callers and runs their calls. Created by sdp_dal_processor_open(), closed by
/// sdp_dal_processor_close().
typedef struct sdp_dal_processor sdp_dal_processor;

/// A reference to an object that may not exist yet. An owning reference comes from putting or creating an object, from
/// sdp_dal_ref_new(), or from the output of a call. It keeps the object, and freeing the last one in this process
/// deletes the object. A borrowed reference comes from an ID, or is received in a call. It does not keep the object.
/// Freed by sdp_dal_ref_free().
typedef struct sdp_dal_ref sdp_dal_ref;

/// References to the outputs of many calls: of each row at each processor. Created by sdp_dal_caller_batch() and
/// sdp_dal_caller_broadcast(), freed by sdp_dal_replies_free().
typedef struct sdp_dal_replies sdp_dal_replies;

/// References to the outputs of one call, in the order of its signature. Created by sdp_dal_caller_call(), freed by
/// sdp_dal_results_free().
typedef struct sdp_dal_results sdp_dal_results;

/// The name and the parameters of a function, with metadata that the library does not interpret. Created by
/// sdp_dal_schema_create(), _parse(), _from_arrow() or _clone(), freed by sdp_dal_schema_free().
typedef struct sdp_dal_schema sdp_dal_schema;

/// A store that this process uses, and a namespace in it. Opened by sdp_dal_store_open(), closed by
/// sdp_dal_store_close().
typedef struct sdp_dal_store sdp_dal_store;

/// A snapshot of the stores of this machine. Created by sdp_dal_stores_list(), freed by sdp_dal_stores_free().
typedef struct sdp_dal_stores sdp_dal_stores;

/// Receives the events of a store. Created by sdp_dal_store_subscribe(), freed by sdp_dal_subscription_free().
typedef struct sdp_dal_subscription sdp_dal_subscription;

/// A complete tensor. Its elements are valid as long as this handle. Freed by sdp_dal_tensor_free().
typedef struct sdp_dal_tensor sdp_dal_tensor;

/// A raw object that is being written. Created by sdp_dal_object_create(), freed by sdp_dal_writer_free().
typedef struct sdp_dal_writer sdp_dal_writer;

/// Result of a function: SDP_DAL_OK, or one of the negative values of sdp_dal_status_code.
typedef int32_t sdp_dal_status;

/// Receives the messages of the library.
///
/// level: one of sdp_dal_log_level. message: one line, without an end of line. Borrowed: valid until the function
/// returns. user_data: the pointer that was passed to sdp_dal_set_log().
///
/// It is called in the thread that produces the message, possibly in several threads at the same time, and that thread
/// waits for it. It may use the library: messages that this produces are dropped, and the last error of the thread does
/// not change. It must not fork, and no C++ exception may leave it.
typedef void (*sdp_dal_log_function)(int32_t level, const char *message, void *user_data);

/// Returns true if the wait of the thread that calls it must end, with SDP_DAL_INTERRUPTED.
///
/// user_data: the pointer that was passed to sdp_dal_set_interrupt_check().
///
/// It may use the library: it does not end waits that it starts itself, and the last error of the thread does not
/// change. It must not fork, and no C++ exception may leave it.
typedef bool (*sdp_dal_interrupt_check)(void *user_data);

/// Options of sdp_dal_store_open(). Zero bytes mean the default.
typedef struct {
    /// sizeof(sdp_dal_store_options).
    size_t struct_size;
    /// Size of a new store: how many bytes can be put into it. Default (0): the environment variable
    /// SDP_DAL_STORE_SIZE, or half of the free space in the tmpfs or control group, whichever is less.
    uint64_t size;
    /// Name of this client in lists and messages. Default (NULL): the name of the program.
    const char *name;
    /// Maximum number of objects in a new store, up to 2^26. It is rounded up to a power of two, and to 1024 (see
    /// sdp_dal_store_stat). Default: 1048576.
    uint32_t max_objects;
    /// Maximum number of clients of a new store, a multiple of 64 up to 1024. Default: 256.
    uint32_t max_clients;
    /// Group ID, used with SDP_DAL_STORE_SHARE_WITH_GROUP.
    uint32_t group;
    /// User ID, used with SDP_DAL_STORE_ACCEPT_OWNER.
    uint32_t accept_owner;
    /// One of sdp_dal_create_mode.
    int32_t create;
    /// Bits of sdp_dal_store_flag.
    uint32_t flags;
} sdp_dal_store_options;

/// The store to which a handle belongs.
typedef struct {
    /// sizeof(sdp_dal_store_info).
    size_t struct_size;
    /// The path with which it was opened. Borrowed: valid until the handle is closed.
    const char *path;
    /// A random number that identifies this store, the same for all clients and for the lifetime of the store. A store
    /// that is created later at the same path has another number. If an object ID is saved, save this number too, and
    /// compare it before the ID is used again.
    uint64_t identity;
    /// The number of this process as a client of the store.
    uint32_t client;
    /// 0.
    uint32_t reserved;
} sdp_dal_store_info;

/// Statistics of a store: sizes in bytes, and counts.
typedef struct {
    /// sizeof(sdp_dal_store_stat).
    size_t struct_size;
    /// Size of the store: bytes that fit when it is empty.
    uint64_t size;
    /// Bytes in use, without those of used_small.
    uint64_t used;
    /// Bytes not in use.
    uint64_t free;
    /// The largest object that fits now, in bytes.
    uint64_t largest_free;
    /// Bytes that were allocated from the system.
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
    /// Maximum number of objects: a power of two, at least what sdp_dal_store_options requested.
    uint64_t max_objects;
    /// How often the bookkeeping was rebuilt after a client crashed.
    uint64_t recoveries;
    /// Crashed clients whose objects and memory were reclaimed.
    uint64_t reaped;
    /// Number of clients.
    uint32_t clients;
    /// Maximum number of clients.
    uint32_t max_clients;
    /// Number of namespaces.
    uint32_t namespaces;
    /// 0.
    uint32_t reserved_0;
    /// Bytes in use by objects below 4 KiB, which have memory of their own besides size.
    uint64_t used_small;
    /// Bytes of arguments that calls have copied since the store was created: tensors and tables that were passed as
    /// values and were not in the store, or could not be passed as they are there.
    uint64_t copied;
} sdp_dal_store_stat;

/// Description of a store, without opening it.
typedef struct {
    /// sizeof(sdp_dal_store_summary).
    size_t struct_size;
    /// The path at which it was created, to be used for opening it. Borrowed: valid until the list is freed.
    const char *path;
    /// The path of its file. Borrowed like path.
    const char *file;
    /// Time of its creation, in nanoseconds since 1970.
    int64_t created_ns;
    /// Size of the store: bytes that fit when it is empty.
    uint64_t size;
    /// Bytes that it has allocated from the system for objects.
    uint64_t reserved;
    /// The user ID of its owner.
    uint32_t owner;
    /// Number of running clients. 0: the store is left over, and is replaced when its path is opened again.
    uint32_t clients;
    /// Maximum number of clients.
    uint32_t max_clients;
    /// 0.
    uint32_t reserved_0;
} sdp_dal_store_summary;

/// Description of a client: a process that uses the store. A process with two copies of this library is two clients.
typedef struct {
    /// sizeof(sdp_dal_client_info).
    size_t struct_size;
    /// Its name, as it set it. Borrowed: valid until the list is freed.
    const char *name;
    /// The name of its host, or container. Borrowed like name.
    const char *host;
    /// Time when it opened the store, in nanoseconds since 1970.
    int64_t since_ns;
    /// Number of objects whose bytes it holds.
    uint64_t pins;
    /// Number of objects that it owns.
    uint64_t wants;
    /// Bytes of the objects whose bytes it holds.
    uint64_t pinned_bytes;
    /// Its number, which is unique in this store and never reused.
    uint32_t number;
    /// Its process ID in its own container.
    uint32_t pid;
    /// 1 if it is running. 0 if it has crashed and what it held was not reclaimed yet.
    uint32_t alive;
    /// 0.
    uint32_t reserved;
} sdp_dal_client_info;

/// Name and metadata of a function. All pointers are borrowed: valid until the schema is changed or freed.
typedef struct {
    /// sizeof(sdp_dal_schema_info).
    size_t struct_size;
    /// The name of the function.
    const char *name;
    /// Keys of its metadata, sorted.
    const char *const *metadata_keys;
    /// The values of the keys.
    const char *const *metadata_values;
    /// Number of keys, and of values.
    size_t num_metadata;
    /// Number of parameters, outputs included.
    size_t num_params;
} sdp_dal_schema_info;

/// Description of a parameter. All pointers are borrowed: valid until the schema is changed or freed.
typedef struct {
    /// sizeof(sdp_dal_param_info).
    size_t struct_size;
    /// Its name.
    const char *name;
    /// Its type as in a signature: "int64", "float64[row,uvw=3] C", "table{a: utf8}".
    const char *type_text;
    /// For a tensor: the ndim names of its dimensions, "" for one without a name. Otherwise NULL.
    const char *const *dim_names;
    /// For a tensor: the ndim sizes of its dimensions, -1 for one that is not fixed. Otherwise NULL.
    const int64_t *dim_sizes;
    /// Keys of its metadata, sorted.
    const char *const *metadata_keys;
    /// The values of the keys.
    const char *const *metadata_values;
    /// Number of keys, and of values.
    size_t num_metadata;
    /// One of sdp_dal_direction.
    int32_t direction;
    /// One of sdp_dal_param_kind.
    int32_t kind;
    /// For a tensor: its element type, one of sdp_dal_dtype. Otherwise 0.
    int32_t dtype;
    /// For a tensor: its number of dimensions. Otherwise 0.
    int32_t ndim;
    /// Bits of sdp_dal_param_flag.
    uint32_t flags;
    /// For a tensor: its order in the signature, one of sdp_dal_order. Otherwise 0.
    int32_t order;
    /// For an output that starts from an input: the name of the input. Otherwise NULL.
    const char *starts_from;
} sdp_dal_param_info;

/// Options of sdp_dal_store_new_namespace(): what the namespace declares.
typedef struct {
    /// sizeof(sdp_dal_namespace_options).
    size_t struct_size;
    /// Its name in lists and messages. Default (NULL): the name of the program.
    const char *name;
    /// First bytes of its prefix; may be NULL if there are none.
    const uint8_t *prefix;
    /// Bytes of prefix, 0 to SDP_DAL_PREFIX_SIZE.
    size_t prefix_size;
    /// Functions that it offers: callers put their calls into it. May be NULL if there are none.
    const sdp_dal_schema *const *schemas;
    /// Number of schemas.
    size_t num_schemas;
    /// Keys of its metadata, which must not start with "proc:". May be NULL if there are none.
    const char *const *metadata_keys;
    /// The values of the keys.
    const char *const *metadata_values;
    /// Number of keys, and of values.
    size_t num_metadata;
} sdp_dal_namespace_options;

/// Description of a declared namespace.
typedef struct {
    /// sizeof(sdp_dal_namespace_info).
    size_t struct_size;
    /// Its name, "" if its declaration is damaged. Borrowed: valid until the list is freed.
    const char *name;
    /// The command line of the owner, the program first. Borrowed like name.
    ///
    /// Every client of the store can read them, also after the process has ended. With the environment variable
    /// SDP_DAL_ARGV=0 a process declares only its program. Default: all arguments. In a store created with
    /// SDP_DAL_STORE_SHARE_WITH_GROUP the default is only the program, unless SDP_DAL_ARGV is 1.
    const char *const *args;
    /// Keys of its metadata, sorted. Those of the library start with "proc:". Borrowed like name.
    const char *const *metadata_keys;
    /// The values of the keys. A value with a NUL byte ends there. Borrowed like name.
    const char *const *metadata_values;
    /// Number of arguments.
    size_t num_args;
    /// Number of keys, and of values.
    size_t num_metadata;
    /// Number of functions that it offers.
    size_t num_functions;
    /// Number of the client that declared it.
    uint32_t owner;
    /// The process ID of the owner, in its own container.
    uint32_t pid;
    /// Number of unfinished calls in its queue.
    uint32_t queued;
    /// 1 if the owner is running and has not closed it, otherwise 0.
    uint32_t alive;
    /// Its prefix.
    uint8_t prefix[4];
    /// 0.
    uint32_t reserved;
} sdp_dal_namespace_info;

/// Options of sdp_dal_object_create(). Zero bytes mean the default.
typedef struct {
    /// sizeof(sdp_dal_object_spec).
    size_t struct_size;
    /// Size of the data in bytes.
    uint64_t data_size;
    /// Metadata, which are copied and can be read beside the data. May be NULL if there are none.
    const void *metadata;
    /// Size of the metadata in bytes.
    size_t metadata_size;
    /// How long to wait for space when the store is full, in nanoseconds, 1 for not at all, or SDP_DAL_WAIT_FOREVER.
    /// Default (0): the environment variable SDP_DAL_FULL_TIMEOUT, or 10 s.
    int64_t full_timeout_ns;
    /// Bits of sdp_dal_object_flag.
    uint32_t flags;
    /// 0.
    uint32_t reserved;
} sdp_dal_object_spec;

/// Description of an object.
typedef struct {
    /// sizeof(sdp_dal_object_info).
    size_t struct_size;
    /// Size of the data in bytes.
    uint64_t data_size;
    /// Size of the metadata in bytes.
    uint64_t metadata_size;
    /// Time of its creation, in nanoseconds since 1970.
    int64_t created_ns;
    /// Time from creation to sealing, in nanoseconds. For objects below 4096 bytes it is accurate to some milliseconds.
    int64_t construct_ns;
    /// Number of the client that created it.
    uint32_t creator;
    /// Number of the client that will produce it, if it is awaited.
    uint32_t producer;
    /// Number of clients that hold its bytes.
    uint32_t pins;
    /// Number of clients that own it.
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

/// Addresses and sizes of the bytes of an object.
typedef struct {
    /// sizeof(sdp_dal_buffer_info).
    size_t struct_size;
    /// The data. Borrowed: valid until the buffer is freed. Must not be written.
    const void *data;
    /// Size of the data in bytes.
    size_t data_size;
    /// The metadata. Borrowed like data.
    const void *metadata;
    /// Size of the metadata in bytes.
    size_t metadata_size;
    /// The ID of the object.
    uint8_t id[20];
    /// 0.
    uint32_t reserved;
} sdp_dal_buffer_info;

/// Description of a tensor in memory. A view owns nothing.
///
/// If the library fills it (sdp_dal_tensor_get_view(), sdp_dal_call_get_tensor()), the pointers are borrowed as
/// described at the function, and the data must not be written. If the program fills it (sdp_dal_tensor_put(),
/// sdp_dal_args_set_tensor()), it describes the program's own memory, in any layout. Set struct_size first in both
/// cases.
typedef struct {
    /// sizeof(sdp_dal_tensor_view).
    size_t struct_size;
    /// The element whose indices are all 0. May be NULL if there are no elements.
    const void *data;
    /// ndim sizes; may be NULL if ndim is 0.
    const int64_t *shape;
    /// ndim distances in bytes from one index to the next. They may be negative or 0. If the program fills the view,
    /// NULL means C order.
    const int64_t *strides;
    /// ndim names, "" for a dimension without one; NULL if none has a name.
    const char *const *dim_names;
    /// One of sdp_dal_dtype.
    int32_t dtype;
    /// Number of dimensions, 0 to SDP_DAL_MAX_DIMS.
    int32_t ndim;
    /// One of sdp_dal_order. Ignored if the program fills the view, as the strides define the order.
    int32_t order;
    /// 0.
    int32_t reserved;
} sdp_dal_tensor_view;

/// Describes a tensor to be created.
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
    /// How long to wait for space when the store is full, in nanoseconds, 1 for not at all, or SDP_DAL_WAIT_FOREVER. Default
    /// (0): that of the store or reference, see sdp_dal_store_set_full_timeout().
    int64_t full_timeout_ns;
} sdp_dal_tensor_spec;

/// Describes the object that a reference expects. Zero bytes mean any object.
typedef struct {
    /// sizeof(sdp_dal_expectation).
    size_t struct_size;
    /// The names of the dimensions of a tensor. NULL, or "" for a dimension, means any name.
    const char *const *dim_names;
    /// The columns of a table, as a struct. NULL means any columns. It is not released by the library.
    const struct ArrowSchema *columns;
    /// SDP_DAL_PARAM_TENSOR, SDP_DAL_PARAM_TABLE, or 0 for any object. With 0 the other fields are ignored.
    int32_t kind;
    /// The element type of a tensor, one of sdp_dal_dtype.
    int32_t dtype;
    /// The number of dimensions of a tensor.
    int32_t ndim;
    /// 0.
    int32_t reserved;
} sdp_dal_expectation;

/// Description of a reference, and of the object that it expects.
typedef struct {
    /// sizeof(sdp_dal_ref_info).
    size_t struct_size;
    /// The names of the dimensions of the tensor, "" for one without a name. NULL if no names are expected. Borrowed:
    /// valid until the reference is freed.
    const char *const *dim_names;
    /// 1 if it is an owning reference, otherwise 0.
    uint32_t owning;
    /// SDP_DAL_PARAM_TENSOR or SDP_DAL_PARAM_TABLE if such an object is expected, 0 for any object.
    int32_t kind;
    /// The element type of the tensor, one of sdp_dal_dtype, otherwise 0.
    int32_t dtype;
    /// The number of dimensions of the tensor. -1 if no tensor is expected, or a tensor of any dimensions.
    int32_t ndim;
    /// The ID of the object. For a part, that of the whole.
    uint8_t id[20];
    /// 0.
    uint32_t reserved;
    /// The part of the object that the reference refers to, as sdp_dal_ref_part_from_text() accepts it. NULL for a whole
    /// object. Borrowed: valid until the reference is freed.
    const char *part;
} sdp_dal_ref_info;

/// Progress and state of an object.
typedef struct {
    /// sizeof(sdp_dal_ref_state).
    size_t struct_size;
    /// The last value that the function that creates it passed to sdp_dal_call_set_progress(). 0 before the function
    /// runs, 1 once the object exists.
    double progress;
    /// One of sdp_dal_object_state.
    int32_t state;
    /// 1 if a processor has taken the call that creates it and the call has not ended, otherwise 0.
    uint32_t running;
} sdp_dal_ref_state;

/// Options for putting a table. Zero bytes mean the default.
typedef struct {
    /// sizeof(sdp_dal_table_options).
    size_t struct_size;
    /// Maximum number of rows of a record batch. Longer ones are split. Default (0): no limit.
    size_t max_chunksize;
    /// How long to wait for space when the store is full, in nanoseconds, 1 for not at all, or SDP_DAL_WAIT_FOREVER. Default
    /// (0): that of the store or reference, see sdp_dal_store_set_full_timeout().
    int64_t full_timeout_ns;
} sdp_dal_table_options;

/// Options of sdp_dal_caller_open().
typedef struct {
    /// sizeof(sdp_dal_caller_options).
    size_t struct_size;
    /// First bytes of the prefixes of the processors to use; may be NULL if there are none.
    const uint8_t *processor_prefix;
    /// Bytes of processor_prefix, 0 to SDP_DAL_PREFIX_SIZE.
    size_t processor_prefix_size;
    /// Number of compatible processors that sdp_dal_caller_open() waits for. Fewer are an error then, and only then. 0 means
    /// 1, unless SDP_DAL_CALLER_NONE_NEEDED is set.
    uint64_t minimum_processors;
    /// Maximum number of unfinished calls at a processor. Issuing a call waits when it is reached. A batch is one call,
    /// until its last row has ended. Default (0): no limit.
    uint64_t max_in_flight;
    /// How long sdp_dal_caller_open() waits for the processors. Also how long issuing a call waits when max_in_flight
    /// is reached, and, if attempts is 2 or more, for another processor when all have crashed or closed.
    int64_t timeout_ns;
    /// One of sdp_dal_select.
    int32_t select;
    /// Bits of sdp_dal_caller_flag.
    uint32_t flags;
    /// Functions that are given as schemas, in addition to the signatures. May be NULL if there are none. They are not
    /// freed by the library.
    const sdp_dal_schema *const *schemas;
    /// Number of schemas.
    size_t num_schemas;
    /// How long values, and the calls themselves, wait for space when the store is full, in nanoseconds, 1 for not at all, or
    /// SDP_DAL_WAIT_FOREVER. Default (0): that of the store, see sdp_dal_store_set_full_timeout().
    int64_t full_timeout_ns;
    /// To how many processors a call is issued at most, one after the other, if the earlier ones crash or are closed before it
    /// has ended. Default (0): 1, and the call fails with SDP_DAL_PROCESSOR_LOST. With 2 or more a function may run more than
    /// once for a call, and outputs that were complete before are kept. Not for broadcasts. See sdp_dal_caller_call().
    uint32_t attempts;
    /// 0.
    uint32_t reserved_0;
} sdp_dal_caller_options;

/// Result of issuing the rows to one processor.
typedef struct {
    /// sizeof(sdp_dal_reply).
    size_t struct_size;
    /// The name of the processor. Borrowed: valid until the replies are freed.
    const char *name;
    /// SDP_DAL_OK if it got the rows, or the error. sdp_dal_replies_get_results() then returns this status, and
    /// sdp_dal_last_error() has the message.
    int32_t status;
    /// The prefix of the processor.
    uint8_t prefix[4];
} sdp_dal_reply;

/// Options of sdp_dal_processor_open().
typedef struct {
    /// sizeof(sdp_dal_processor_options).
    size_t struct_size;
    /// Its name, which callers see. Default (NULL): the name of the program.
    const char *name;
    /// First bytes of its prefix; may be NULL if there are none.
    const uint8_t *prefix;
    /// Bytes of prefix, 0 to SDP_DAL_PREFIX_SIZE.
    size_t prefix_size;
    /// How many threads its functions may use in total, see sdp_dal_call_get_threads(). Default (0): as many as the CPU
    /// affinity of the process and the quota of its control group allow, shared with other processes of the store.
    int32_t threads;
    /// Bits of sdp_dal_processor_flag.
    uint32_t flags;
    /// How long the outputs of its functions wait for space when the store is full, in nanoseconds, 1 for not at all, or
    /// SDP_DAL_WAIT_FOREVER. Default (0): the environment variable SDP_DAL_FULL_TIMEOUT, or 10 s.
    int64_t full_timeout_ns;
} sdp_dal_processor_options;

/// Options for running the calls of a function. Zero bytes mean the default: one at a time, in no strict order, with
/// sizes checked.
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
/// call: the call to work on. Borrowed: valid until the function returns. sdp_dal_call_retain() returns a handle that
/// is valid longer, and sdp_dal_call_defer() one with which the outputs can be written later.
/// user_data: the pointer that was passed to sdp_dal_processor_register().
///
/// Returns SDP_DAL_OK, or any other value to fail the outputs. Their message is the one passed to sdp_dal_call_fail().
/// Default: the message of sdp_dal_last_error(), if the value came from a function of this library. Outputs created in
/// place are sealed when it returns SDP_DAL_OK, unless the call was deferred. It runs in the thread that called
/// sdp_dal_processor_process().
///
/// It may issue calls and wait, and may shut its processor down, but cannot close it. It must return. A C++ exception
/// or pthread_exit() that would leave it aborts the process. After longjmp() out of it, closing the processor waits
/// forever. A wait fails with SDP_DAL_INVALID_ARGUMENT if it needs a call that cannot run before this function has
/// returned, see sdp_dal_ref_wait().
typedef sdp_dal_status (*sdp_dal_function)(sdp_dal_call *call, void *user_data);

/// Called once, with the user_data of a function, when the function will not be called any more.
typedef void (*sdp_dal_drop)(void *user_data);

/// Description of a call.
typedef struct {
    /// sizeof(sdp_dal_call_info).
    size_t struct_size;
    /// The name of the function that is called. Borrowed: valid until the last handle of the call is freed.
    const char *function;
    /// Its index in the order in which the functions of the processor were registered, from 0. Each form counts as one.
    size_t function_index;
    /// Index of the row of a batch, 0 for a single call.
    size_t row;
    /// The number of the function's parameters, outputs included.
    size_t num_params;
    /// The number of the client that called, as in lists of clients.
    uint32_t caller;
    /// The ID of the call, which is an object itself. The rows of a batch have the same ID.
    uint8_t id[20];
} sdp_dal_call_info;

/// Options of sdp_dal_call_create_tensor(). Zero bytes mean the default.
typedef struct {
    /// sizeof(sdp_dal_output_options).
    size_t struct_size;
    /// One of sdp_dal_order. Default: the order in the signature, or C if it has none.
    int32_t order;
    /// Bits of sdp_dal_tensor_flag.
    uint32_t flags;
    /// How long to wait for space when the store is full, in nanoseconds, 1 for not at all, or SDP_DAL_WAIT_FOREVER. Default
    /// (0): that of sdp_dal_processor_options.
    int64_t full_timeout_ns;
} sdp_dal_output_options;

/// An event in a store.
typedef struct {
    /// sizeof(sdp_dal_event).
    size_t struct_size;
    /// Its number in the order of all events of the store, 0 for SDP_DAL_EVENT_RESYNC.
    uint64_t sequence;
    /// Time of the event, in nanoseconds since 1970.
    int64_t time_ns;
    /// Size of the data of the object in bytes. For a failed object, the size of its message.
    uint64_t data_size;
    /// Size of the metadata of the object in bytes.
    uint64_t metadata_size;
    /// Number of the client that caused it, 0 for SDP_DAL_EVENT_RESYNC.
    uint32_t actor;
    /// One of sdp_dal_event_kind.
    int32_t kind;
    /// ID of the object, all zeros for SDP_DAL_EVENT_RESYNC.
    uint8_t id[20];
    /// Number of bytes in metadata.
    uint32_t metadata_length;
    /// The first bytes of the metadata of the object, which describe it, for a call as "sdp:kind=call;sdp:func=...".
    uint8_t metadata[56];
} sdp_dal_event;

/// The value of one parameter of a call. All zero bytes mean null.
///
/// kind defines which of the other fields are used. The others are 0 or NULL.
typedef struct {
    /// One of sdp_dal_value_kind.
    int32_t kind;
    /// Bits of sdp_dal_value_flag.
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
    /// Size of data in bytes. A text needs no final NUL.
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

/// Returns the version of the library at run time: major << 24 | minor << 12 | patch.
///
/// SDP_DAL_VERSION is the version of this header. Major and minor must be the same before 1.0, afterwards only major.
uint32_t sdp_dal_version(void);

/// Returns the name of a status without SDP_DAL_, such as "OK" or "TIMEOUT". Returns "UNKNOWN" for a value that is not
/// a status.
///
/// Returns a static text. Does not block.
const char *sdp_dal_status_name(int32_t status);

/// Copies the message of the last failure in this thread, in UTF-8.
///
/// The message is kept per thread, and functions that succeed do not change it. It is empty before the first failure.
/// It has up to 2048 bytes, so a buffer of SDP_DAL_MESSAGE_SIZE bytes is always large enough.
///
/// buffer: receives the text and its final NUL. May be NULL if *length is 0.
/// length: on entry the size of buffer in bytes, on return the bytes that the text and its NUL need. If that is more
/// than the size of buffer, nothing is written and the function still returns SDP_DAL_OK.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_last_error(char *buffer,
                                  size_t *length);

/// Sets the function that receives the messages of the library, for the whole process. Default: messages are dropped.
/// With the environment variable SDP_DAL_LOG (error, warning, info or debug) they go to standard error.
///
/// level: one of sdp_dal_log_level. Less severe messages are dropped.
/// function: receives the messages. NULL: they are written to standard error.
/// user_data: passed to the function. It must stay valid until another function is set.
///
/// When this returns, the function that was set before is not running and will not be called again. So do not hold a
/// lock that the function takes. If it is called from within that function, it does not wait.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Blocks while the function that was set before runs in other threads.
sdp_dal_status sdp_dal_set_log(int32_t level,
                               sdp_dal_log_function function,
                               void *user_data);

/// Sets a check that every thread of this process calls while it waits in the library, for the whole process. It is
/// called soon after a signal was handled in the thread, and otherwise about every 250 ms. It is for languages that run
/// signal handlers only while their own code runs (Python, Julia, R): the check runs the handlers, and can end the
/// wait. In C a signal handler can call sdp_dal_store_interrupt().
///
/// check: the check. NULL removes it. user_data: passed to it. It must stay valid until another check is set.
///
/// When this returns, the check that was set before is not running and will not be called again. So do not hold a lock
/// that the check takes. If it is called from within the check, it does not wait.
///
/// Errors: none. Blocks while the check that was set before runs in other threads.
sdp_dal_status sdp_dal_set_interrupt_check(sdp_dal_interrupt_check check,
                                           void *user_data);

/// Returns the size of one element of a tensor in bytes, 0 if dtype is not a sdp_dal_dtype. Does not block.
size_t sdp_dal_dtype_size(int32_t dtype);

/// Returns the name of an element type as in signatures, such as "int64" or "complex128". Returns "unknown" if dtype is
/// not a sdp_dal_dtype.
///
/// Returns a static text. Does not block.
const char *sdp_dal_dtype_name(int32_t dtype);

/// Opens the store at a path, and creates it if there is none.
///
/// A process has one attachment to a store, even if it opens the store several times. Every handle has a namespace of
/// its own, which is reserved when the first object is put into it.
///
/// path: the path of the store. NULL: the environment variable SDP_DAL_STORE.
/// options: NULL for the defaults.
/// out: The caller owns *out and must call sdp_dal_store_close().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND, SDP_DAL_ALREADY_EXISTS (SDP_DAL_STORE_EXACT),
/// SDP_DAL_PERMISSION_DENIED, SDP_DAL_CORRUPT, SDP_DAL_UNSUPPORTED, SDP_DAL_LIMIT_REACHED, SDP_DAL_OUT_OF_MEMORY,
/// SDP_DAL_IO, SDP_DAL_BUSY. Blocks only as long as the operating system takes.
sdp_dal_status sdp_dal_store_open(const char *path,
                                  const sdp_dal_store_options *options,
                                  sdp_dal_store **out);

/// Sets how long everything that is put with this handle waits for space when the store is full. After that it fails with
/// SDP_DAL_OUT_OF_MEMORY. Callers and references that are created from the handle later keep this time, unless their own
/// options say otherwise.
///
/// full_timeout_ns: nanoseconds, 1 for not at all, or SDP_DAL_WAIT_FOREVER. Default (0): the environment variable
/// SDP_DAL_FULL_TIMEOUT, or 10 s, and only while another client can free space.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_store_set_full_timeout(sdp_dal_store *store,
                                              int64_t full_timeout_ns);

/// Closes a handle of a store. NULL is allowed.
///
/// All handles that were created from it stay valid, and the attachment ends with the last of them. Waits at most 100
/// ms.
void sdp_dal_store_close(sdp_dal_store *store);

/// Returns the path and the identity of the store of a handle.
///
/// out: filled in. Set its struct_size first.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_FORKED. Does not block.
sdp_dal_status sdp_dal_store_get_info(const sdp_dal_store *store, sdp_dal_store_info *out);

/// Returns the prefix of the namespace of a handle, and reserves the namespace if that was not done before.
///
/// out_prefix: a buffer of SDP_DAL_PREFIX_SIZE bytes.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_LIMIT_REACHED, SDP_DAL_OUT_OF_MEMORY, SDP_DAL_FORKED. Does not wait for
/// other clients.
sdp_dal_status sdp_dal_store_get_prefix(const sdp_dal_store *store,
                                        uint8_t *out_prefix);

/// Returns the current statistics of a store.
///
/// out: filled in. Set its struct_size first.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_CORRUPT, SDP_DAL_BUSY, SDP_DAL_FORKED. Does not wait for other clients.
sdp_dal_status sdp_dal_store_get_stat(const sdp_dal_store *store,
                                      sdp_dal_store_stat *out);

/// Returns unused memory to the system: the memory after the last object. Gaps between objects stay, because they are
/// reused first. Without this function the store keeps its memory while it has clients, because memory that was used
/// before is faster. Memory that was reserved with SDP_DAL_STORE_RESERVE is returned too.
///
/// out_bytes: the number of bytes that were returned.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_CORRUPT, SDP_DAL_BUSY, SDP_DAL_FORKED, SDP_DAL_IO. Does not wait for other
/// clients, but clients that create objects wait for it, some milliseconds at a time.
sdp_dal_status sdp_dal_store_trim(const sdp_dal_store *store,
                                  uint64_t *out_bytes);

/// Deletes evictable objects that no client wants or holds, until enough bytes are deleted or none is left. The object
/// that was released the longest time ago is deleted first. A store that was created with SDP_DAL_STORE_EVICTION does
/// this by itself when it is full. In other stores this function deletes nothing.
///
/// bytes: how many bytes to delete. out_bytes: the number of bytes of the deleted objects.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_CORRUPT, SDP_DAL_BUSY, SDP_DAL_FORKED. Does not wait for other clients.
sdp_dal_status sdp_dal_store_evict(const sdp_dal_store *store,
                                   uint64_t bytes,
                                   uint64_t *out_bytes);

/// Removes the stores that no other client uses, without freeing handles. It is for programs that end without freeing
/// all their handles, as in garbage-collected languages. Handles stay valid, but no other process can find objects that
/// are put into such a store from now on. Stores with other clients are not changed: those clients notice the end of
/// this process.
///
/// If a process ends without closing its stores and without this function, the memory of stores without other clients
/// stays in use. It is freed when their paths are opened again, or by `sdp-dal stores --remove-left-over`.
///
/// Errors: none. Waits at most 100 ms for each store.
sdp_dal_status sdp_dal_stores_leave(void);

/// Interrupts all waits of this process on this store while on is true. Every function that waits, or would wait,
/// returns SDP_DAL_INTERRUPTED.
///
/// May be called from any thread, and from a signal handler.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_store_interrupt(const sdp_dal_store *store,
                                       bool on);

/// Lists the stores of this machine that this process may read, without opening them. It searches /dev/shm and every
/// other tmpfs, and the directories directly below each.
///
/// out: The caller owns *out and must call sdp_dal_stores_free(). out_count: how many there are.
/// out_skipped: how many files and directories could not be read, because they belong to other users or are stores of
/// another version. May be NULL.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_IO, SDP_DAL_PERMISSION_DENIED, SDP_DAL_NOT_FOUND if there is no /proc.
/// Does not wait for other clients.
sdp_dal_status sdp_dal_stores_list(sdp_dal_stores **out,
                                   size_t *out_count,
                                   size_t *out_skipped);

/// Returns one store of a list.
///
/// index: from 0 to the number of stores, exclusive. out: filled in. Set its struct_size first.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_stores_get_summary(const sdp_dal_stores *stores,
                                          size_t index,
                                          sdp_dal_store_summary *out);

/// Frees a list of stores. NULL is allowed. Does not block.
void sdp_dal_stores_free(sdp_dal_stores *stores);

/// Lists the clients of a store, including this process, sorted by number. Reads the entry of every object.
///
/// out: The caller owns *out and must call sdp_dal_clients_free(). out_count: how many there are.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_CORRUPT, SDP_DAL_FORKED. Does not block.
sdp_dal_status sdp_dal_store_list_clients(const sdp_dal_store *store,
                                          sdp_dal_clients **out,
                                          size_t *out_count);

/// Returns one client of a list.
///
/// index: from 0 to the number of clients, exclusive. out: filled in. Set its struct_size first.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_clients_get_info(const sdp_dal_clients *clients,
                                        size_t index,
                                        sdp_dal_client_info *out);

/// Frees a list of clients. NULL is allowed. Does not block.
void sdp_dal_clients_free(sdp_dal_clients *clients);

/// Changes the name of this process as a client of the store, in lists and messages. Up to 64 bytes are kept. A client
/// that reads it at the same time may see parts of both names.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_FORKED. Does not block.
sdp_dal_status sdp_dal_store_set_client_name(const sdp_dal_store *store,
                                             const char *name);

/// Returns the numbers of the clients that hold or own an object. sdp_dal_store_list_clients() describes the clients.
///
/// id: SDP_DAL_ID_SIZE bytes. kind: one of sdp_dal_holder_kind.
/// numbers: an array for the numbers. May be NULL if *count is 0.
/// count: on entry the size of numbers, on return how many numbers there are. If that is more than the size of numbers,
/// nothing is written and the function still returns SDP_DAL_OK.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND, SDP_DAL_CORRUPT, SDP_DAL_FORKED. Does not wait for other
/// clients.
sdp_dal_status sdp_dal_object_holders(const sdp_dal_store *store,
                                      const uint8_t *id,
                                      int32_t kind,
                                      uint32_t *numbers,
                                      size_t *count);

/// Writes an ID, or the first bytes of one, as hexadecimal digits.
///
/// id: size bytes, 0 to SDP_DAL_ID_SIZE. A prefix has SDP_DAL_PREFIX_SIZE bytes.
/// buffer, length: as in sdp_dal_last_error().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_id_format(const uint8_t *id, size_t size, char *buffer, size_t *length);

/// Reads an ID, or the first bytes of one, from hexadecimal digits.
///
/// text: an even number of digits, up to 40.
/// out: a buffer of SDP_DAL_ID_SIZE bytes. Bytes that text does not contain are set to 0. out_size: the number of bytes
/// in text.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_id_parse(const char *text,
                                uint8_t *out,
                                size_t *out_size);

/// Returns a new ID in the namespace of a handle, which is never returned again.
///
/// out_id: a buffer of SDP_DAL_ID_SIZE bytes.
///
/// Errors: like sdp_dal_store_get_prefix(). Does not wait for other clients.
sdp_dal_status sdp_dal_store_new_id(const sdp_dal_store *store, uint8_t *out_id);

/// Creates the schema of a function without parameters. sdp_dal_schema_add() adds parameters.
///
/// name: a letter or _, then letters, digits and _.
/// out: The caller owns *out and must call sdp_dal_schema_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_schema_create(const char *name, sdp_dal_schema **out);

/// Parses a signature in one line, for instance "simple_fn(x: int64, ys: int64[i]) -> (zs: int64[i])".
///
/// out: The caller owns *out and must call sdp_dal_schema_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT with the column, what was found and what was expected. Does not block.
sdp_dal_status sdp_dal_schema_parse(const char *signature,
                                    sdp_dal_schema **out);

/// Converts an Arrow schema, with metadata as described in docs/wire-format.md. Metadata with other keys are kept.
///
/// schema: moved, also on failure. It is marked as released and must not be released again.
/// out: The caller owns *out and must call sdp_dal_schema_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_schema_from_arrow(struct ArrowSchema *schema,
                                         sdp_dal_schema **out);

/// Converts a schema to the Arrow schema of the function's calls, with all metadata.
///
/// out: filled. The caller owns it and must call out->release(); released on failure.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_schema_to_arrow(const sdp_dal_schema *schema, struct ArrowSchema *out);

/// Copies the signature in one line. sdp_dal_schema_parse() turns it into the same schema, without metadata.
///
/// buffer, length: as in sdp_dal_last_error().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_schema_format(const sdp_dal_schema *schema,
                                     char *buffer,
                                     size_t *length);

/// Copies a schema.
///
/// out: The caller owns *out and must call sdp_dal_schema_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_schema_clone(const sdp_dal_schema *schema, sdp_dal_schema **out);

/// Frees a schema. NULL is allowed. Does not block.
void sdp_dal_schema_free(sdp_dal_schema *schema);

/// Returns the name and the metadata of the function.
///
/// out: filled in. Set its struct_size first.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_schema_get_info(const sdp_dal_schema *schema, sdp_dal_schema_info *out);

/// Returns the index of the parameter with a name.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND. Does not block.
sdp_dal_status sdp_dal_schema_get_index(const sdp_dal_schema *schema,
                                        const char *name,
                                        size_t *out);

/// Returns the description of a parameter.
///
/// index: 0 to num_params - 1 of sdp_dal_schema_info, in positional order. out: filled in. Set its struct_size first.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_schema_get_param(const sdp_dal_schema *schema,
                                        size_t index,
                                        sdp_dal_param_info *out);

/// Returns the type of a value parameter as an Arrow field with its name, or the columns of a table parameter as an
/// Arrow schema.
///
/// index: 0 to num_params - 1 of sdp_dal_schema_info.
/// out: filled. The caller owns it and must call out->release(); released on failure.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also if the parameter is another object), SDP_DAL_NOT_FOUND if the columns of the table
/// are not fixed. Does not block.
sdp_dal_status sdp_dal_schema_get_arrow(const sdp_dal_schema *schema,
                                        size_t index,
                                        struct ArrowSchema *out);

/// Lists the differences that prevent a caller that expects one schema from calling a function with another.
///
/// Every expected parameter must exist with the same name, direction, kind and type. Other parameters must be inputs
/// that may be null. Metadata, the order of the parameters, and the order of the elements of a tensor may differ.
///
/// out_count: the number of differences. 0 means that they are compatible.
/// buffer, length: one sentence per line, as in sdp_dal_last_error().
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
/// type_text: its type as in a signature. A value: "int64", "utf8", "timestamp<ns,UTC>", "list<float64>". A tensor:
/// "float64[row,uvw=3]". With " C" or " F" at the end the function gets an input in that order, or creates an output in
/// it. An input that is stored in another order is copied when the function gets it. Callers need not expect the same
/// order. With " = grid" at the end an output starts from the input grid, which has the same type and was added before.
/// A table: "table", "table{time: float64, name: utf8?}". "oid": an object of any kind. An input is waited for, an
/// output is created. "id": the ID of an object, which is only passed on. NULL: a value of the type arrow_type.
/// arrow_type: if type_text is NULL, the type of a value. Its name, nullability and metadata are ignored. If type_text
/// is "table", the required columns as a struct. Its metadata are ignored. Otherwise NULL. Moved, also on failure. It
/// is marked as released and must not be released again.
/// nullable: whether it may be null or left out.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_schema_add(sdp_dal_schema *schema,
                                  int32_t direction,
                                  const char *name,
                                  const char *type_text,
                                  struct ArrowSchema *arrow_type,
                                  bool nullable);

/// Sets metadata of the function or of one of its parameters. Callers and processors can read them, and they do not
/// affect compatibility.
///
/// param: the name of the parameter. NULL: the function. key: not empty, and not starting with "proc:". value: the
/// value. NULL removes the key.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND. Does not block.
sdp_dal_status sdp_dal_schema_set_metadata(sdp_dal_schema *schema,
                                           const char *param,
                                           const char *key,
                                           const char *value);

/// Creates a second handle of a store with a namespace of its own: a prefix under which no other handle puts objects.
/// It shares the attachment.
///
/// It reserves the lowest free prefix that starts with the bytes in the options. This happens at once if the options
/// have a prefix, functions or metadata, otherwise when the first object is put. Objects that are left under the prefix
/// are deleted then. The prefix stays reserved as long as the handle, or an owning reference created from it, exists.
/// With schemas, callers find the namespace and put their calls into it. To run the calls, use
/// sdp_dal_processor_open().
///
/// options: NULL for the defaults.
/// out: The caller owns *out and must call sdp_dal_store_close().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NAMESPACE_IN_USE if the only such prefix is in use by another client,
/// SDP_DAL_LIMIT_REACHED, SDP_DAL_OUT_OF_MEMORY, SDP_DAL_FORKED. Does not wait for other clients.
sdp_dal_status sdp_dal_store_new_namespace(const sdp_dal_store *store,
                                           const sdp_dal_namespace_options *options,
                                           sdp_dal_store **out);

/// Lists the declared namespaces.
///
/// out: The caller owns *out and must call sdp_dal_namespaces_free(). out_count: how many there are.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_CORRUPT, SDP_DAL_BUSY, SDP_DAL_FORKED. Does not wait for other clients.
sdp_dal_status sdp_dal_store_list_namespaces(const sdp_dal_store *store,
                                             sdp_dal_namespaces **out,
                                             size_t *out_count);

/// Returns one namespace of a list.
///
/// index: from 0 to the number of namespaces, exclusive. out: filled in. Set its struct_size first.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_namespaces_get_info(const sdp_dal_namespaces *list,
                                           size_t index,
                                           sdp_dal_namespace_info *out);

/// Returns the schema of a function that a namespace offers. Forms of a function are functions of the same name.
///
/// index: from 0 to the number of namespaces, exclusive. function: 0 to the info's num_functions - 1.
/// out: The caller owns *out and must call sdp_dal_schema_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_namespaces_get_function(const sdp_dal_namespaces *list,
                                               size_t index,
                                               size_t function,
                                               sdp_dal_schema **out);

/// Frees a list of namespaces. NULL is allowed. Does not block.
void sdp_dal_namespaces_free(sdp_dal_namespaces *list);

/// Creates a raw object with an ID. Fill its memory, then call sdp_dal_writer_seal().
///
/// id: SDP_DAL_ID_SIZE bytes. spec: sizes, metadata and lifetime.
/// out_data: spec->data_size bytes, 64-byte aligned. Must not be written after sdp_dal_writer_seal(). Borrowed: valid
/// until the writer is sealed or freed.
/// out: The caller owns *out and must call sdp_dal_writer_free(), which also aborts an object that was not sealed.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_ALREADY_EXISTS, SDP_DAL_OUT_OF_MEMORY, SDP_DAL_LIMIT_REACHED,
/// SDP_DAL_INTERRUPTED, SDP_DAL_BUSY, SDP_DAL_FORKED. Blocks while the store is full, up to
/// spec->full_timeout_ns.
sdp_dal_status sdp_dal_object_create(const sdp_dal_store *store,
                                     const uint8_t *id,
                                     const sdp_dal_object_spec *spec,
                                     void **out_data,
                                     sdp_dal_writer **out);

/// Puts bytes as a raw object into the namespace of the handle: one copy.
///
/// data, metadata: the bytes to copy. May be NULL if the size is 0.
/// out: an owning reference. The caller owns *out and must call sdp_dal_ref_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_OUT_OF_MEMORY, SDP_DAL_LIMIT_REACHED, SDP_DAL_INTERRUPTED, SDP_DAL_BUSY,
/// SDP_DAL_FORKED. Blocks while the store is full, up to the time of sdp_dal_store_set_full_timeout().
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

/// Waits for many raw objects at once, and holds the bytes of those that exist when the wait ends.
///
/// ids: count object IDs of SDP_DAL_ID_SIZE bytes each, one after another.
/// timeout_ns: how long to wait for all of them in total.
/// out: count handles, NULL for an object that does not exist. The caller owns each (*out)[i] and must call
/// sdp_dal_buffer_free().
/// out_statuses: count statuses, each as sdp_dal_object_get() would return it. May be NULL.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_INTERRUPTED, SDP_DAL_FORKED. Missing objects are not an error of this
/// function. Blocks up to timeout_ns.
sdp_dal_status sdp_dal_object_get_many(const sdp_dal_store *store,
                                       const uint8_t *ids,
                                       size_t count,
                                       int64_t timeout_ns,
                                       sdp_dal_buffer **out,
                                       sdp_dal_status *out_statuses);

/// Checks whether a complete object with this ID exists.
///
/// id: SDP_DAL_ID_SIZE bytes.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_CORRUPT, SDP_DAL_FORKED. Does not wait for other clients.
sdp_dal_status sdp_dal_object_contains(const sdp_dal_store *store,
                                       const uint8_t *id,
                                       bool *out);

/// Deletes an object. In every mode its bytes stay readable for the clients that hold them.
///
/// id: SDP_DAL_ID_SIZE bytes. mode: one of sdp_dal_delete_mode.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND, SDP_DAL_BUSY, SDP_DAL_FORKED.
/// Does not wait for holders.
sdp_dal_status sdp_dal_object_delete(const sdp_dal_store *store, const uint8_t *id, int32_t mode);

/// Sets whether an object stays even if no client wants it.
///
/// id: SDP_DAL_ID_SIZE bytes. keep: whether it stays until it is deleted.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND, SDP_DAL_OBJECT_DELETED, SDP_DAL_BUSY, SDP_DAL_FORKED. Does not
/// wait for other clients.
sdp_dal_status sdp_dal_object_set_keep(const sdp_dal_store *store,
                                       const uint8_t *id,
                                       bool keep);

/// Returns a description of one object.
///
/// id: SDP_DAL_ID_SIZE bytes. out: filled in. Set its struct_size first.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND, SDP_DAL_FORKED. Does not wait for other clients.
sdp_dal_status sdp_dal_object_get_info(const sdp_dal_store *store,
                                       const uint8_t *id,
                                       sdp_dal_object_info *out);

/// Lists the objects whose IDs start with the given bytes, in every state.
///
/// prefix: 0 to SDP_DAL_ID_SIZE bytes. May be NULL if prefix_size is 0, which lists all objects.
/// out: The caller owns *out and must call sdp_dal_list_free(). out_count: how many there are.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_CORRUPT, SDP_DAL_BUSY, SDP_DAL_FORKED. Does not wait for other clients.
sdp_dal_status sdp_dal_store_list_objects(const sdp_dal_store *store,
                                          const uint8_t *prefix,
                                          size_t prefix_size,
                                          sdp_dal_list **out,
                                          size_t *out_count);

/// Makes an object that is being written smaller, without a copy. Its first bytes and its metadata stay, and the store
/// gets the rest of the memory back at once.
///
/// size: bytes of data, no more than it has.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_ALREADY_EXISTS (sealed before), SDP_DAL_BUSY, SDP_DAL_FORKED. Does not wait
/// for other clients.
sdp_dal_status sdp_dal_writer_shrink(sdp_dal_writer *writer,
                                     size_t size);

/// Seals the object: it is complete and visible, and its memory must not be written any more.
///
/// The handle stays valid and must be freed.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_ALREADY_EXISTS (sealed before), SDP_DAL_OBJECT_DELETED (the object was
/// deleted while it was written), SDP_DAL_FORKED. Does not wait for other clients.
sdp_dal_status sdp_dal_writer_seal(sdp_dal_writer *writer);

/// Frees a writer. If its object was not sealed, the object is aborted and its memory is freed. NULL is allowed. Waits
/// at most 100 ms.
void sdp_dal_writer_free(sdp_dal_writer *writer);

/// Returns the addresses and sizes of the bytes of an object.
///
/// out: filled in. Set its struct_size first.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_buffer_get_info(const sdp_dal_buffer *buffer, sdp_dal_buffer_info *out);

/// Creates a second handle of the same bytes, which is freed separately.
///
/// out: The caller owns *out and must call sdp_dal_buffer_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_buffer_clone(const sdp_dal_buffer *buffer, sdp_dal_buffer **out);

/// Releases the bytes of an object and frees the handle. NULL is allowed. Waits at most 100 ms.
void sdp_dal_buffer_free(sdp_dal_buffer *buffer);

/// Returns one object of a list.
///
/// index: from 0 to the number of objects, exclusive. out: filled in. Set its struct_size first.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_list_get_info(const sdp_dal_list *list,
                                     size_t index,
                                     sdp_dal_object_info *out);

/// Frees a list of objects. NULL is allowed. Does not block.
void sdp_dal_list_free(sdp_dal_list *list);

/// Puts a tensor: one copy into the store.
///
/// It keeps the order of value if its elements are in C or F order without gaps. Otherwise it is stored in C order.
///
/// value: the tensor to copy.
/// out: an owning reference. The caller owns *out and must call sdp_dal_ref_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_OUT_OF_MEMORY, SDP_DAL_LIMIT_REACHED, SDP_DAL_INTERRUPTED, SDP_DAL_BUSY,
/// SDP_DAL_FORKED. Blocks while the store is full, up to the time of sdp_dal_store_set_full_timeout().
sdp_dal_status sdp_dal_tensor_put(const sdp_dal_store *store,
                                  const sdp_dal_tensor_view *value,
                                  sdp_dal_ref **out);

/// Creates a tensor in place, without a copy. Fill its memory, then call sdp_dal_ref_seal().
///
/// spec: element type, shape, names and order.
/// out_data: the elements, without gaps in the order of spec, 64-byte aligned. Not zeroed unless requested. Borrowed:
/// valid until the reference is sealed or freed. Must not be written after sealing.
/// out: an owning reference. The caller owns *out and must call sdp_dal_ref_free(), which aborts the tensor if it
/// was not sealed.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_OUT_OF_MEMORY, SDP_DAL_LIMIT_REACHED, SDP_DAL_INTERRUPTED, SDP_DAL_BUSY,
/// SDP_DAL_FORKED. Blocks while the store is full, up to the time of sdp_dal_store_set_full_timeout().
sdp_dal_status sdp_dal_tensor_create(const sdp_dal_store *store,
                                     const sdp_dal_tensor_spec *spec,
                                     void **out_data,
                                     sdp_dal_ref **out);

/// Returns the view of a tensor.
///
/// out: filled in. Set its struct_size first. Borrowed: its pointers are valid until the tensor is freed. The elements
/// must not be written.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_tensor_get_view(const sdp_dal_tensor *tensor,
                                       sdp_dal_tensor_view *out);

/// Returns the ID of the object of a tensor.
///
/// out_id: a buffer of SDP_DAL_ID_SIZE bytes.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_tensor_get_id(const sdp_dal_tensor *tensor, uint8_t *out_id);

/// Creates a second handle of the same tensor, which is freed separately.
///
/// out: The caller owns *out and must call sdp_dal_tensor_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_tensor_clone(const sdp_dal_tensor *tensor, sdp_dal_tensor **out);

/// Releases a tensor and frees the handle. NULL is allowed. Waits at most 100 ms.
void sdp_dal_tensor_free(sdp_dal_tensor *tensor);

/// Makes a tensor that is being written in place smaller, without a copy: its first dimension if it is in C order, its last
/// one if it is in F order. The elements that stay are where they were, and the store gets the rest of the memory back at
/// once. To be called before sdp_dal_ref_seal().
///
/// ndim, shape: the dimensions. Only the one dimension may differ, and must not be larger.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_BUSY, SDP_DAL_FORKED. Does not wait for other clients.
sdp_dal_status sdp_dal_ref_shrink(sdp_dal_ref *reference,
                                  int32_t ndim,
                                  const int64_t *shape);

/// Creates an owning reference to an object that does not exist yet. Pass it as the output of a call, or write the
/// object later with sdp_dal_ref_put_tensor(), sdp_dal_ref_create_tensor() or sdp_dal_ref_put_table().
///
/// expected: describes the object. NULL: any object.
/// out: The caller owns *out and must call sdp_dal_ref_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_LIMIT_REACHED, SDP_DAL_OUT_OF_MEMORY, SDP_DAL_FORKED. Does not wait for
/// other clients.
sdp_dal_status sdp_dal_ref_new(const sdp_dal_store *store,
                               const sdp_dal_expectation *expected,
                               sdp_dal_ref **out);

/// Creates a borrowed reference to the object with an ID. What is read or written through it is checked.
///
/// An ID belongs to one store. Caveat: a saved ID may be used with a store that was created later at the same path,
/// where it refers to nothing. Fix: save the identity of the store too (sdp_dal_store_info), and compare it.
///
/// id: SDP_DAL_ID_SIZE bytes. expected: what the object must be. NULL: any object.
/// out: The caller owns *out and must call sdp_dal_ref_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_ref_from_id(const sdp_dal_store *store,
                                   const uint8_t *id,
                                   const sdp_dal_expectation *expected,
                                   sdp_dal_ref **out);

/// Sets how long writing the object of a reference waits for space when the store is full. A new reference has the time of
/// its store.
///
/// full_timeout_ns: as in sdp_dal_store_set_full_timeout().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_ref_set_full_timeout(sdp_dal_ref *reference,
                                            int64_t full_timeout_ns);

/// Writes the tensor of a reference whose object does not exist yet: one copy into the store.
///
/// value: the tensor to copy.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_ALREADY_EXISTS, SDP_DAL_OUT_OF_MEMORY, SDP_DAL_LIMIT_REACHED,
/// SDP_DAL_INTERRUPTED, SDP_DAL_BUSY, SDP_DAL_FORKED. Blocks while the store is full, up to the time of
/// sdp_dal_ref_set_full_timeout().
sdp_dal_status sdp_dal_ref_put_tensor(sdp_dal_ref *reference,
                                      const sdp_dal_tensor_view *value);

/// Creates the tensor of a reference whose object does not exist yet, in place. Fill its memory, then call
/// sdp_dal_ref_seal().
///
/// spec: element type, shape, names and order.
/// out_data: as in sdp_dal_tensor_create().
///
/// Errors: like sdp_dal_tensor_create(), and SDP_DAL_ALREADY_EXISTS. Blocks while the store is full, up to the time of
/// sdp_dal_ref_set_full_timeout().
sdp_dal_status sdp_dal_ref_create_tensor(sdp_dal_ref *reference,
                                         const sdp_dal_tensor_spec *spec,
                                         void **out_data);

/// Seals a tensor that was created in place: it is complete and visible, and its memory must not be written any more.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also if nothing is being written), SDP_DAL_ALREADY_EXISTS, SDP_DAL_FORKED. Does
/// not wait for other clients.
sdp_dal_status sdp_dal_ref_seal(sdp_dal_ref *reference);

/// Waits until the object exists. With SDP_DAL_POLL it checks whether the object exists now. It returns SDP_DAL_OK,
/// SDP_DAL_TIMEOUT, or the error of an object that will never exist, with the message in sdp_dal_last_error().
///
/// Caveat: in a processing function it returns SDP_DAL_INVALID_ARGUMENT if it waits for a call that cannot run before
/// the function has returned. There are two reasons. The call needs, directly or through other functions, a function
/// that is running and is not SDP_DAL_FUNCTION_REENTRANT. Or all threads that take calls for the processor have waited
/// like that for five seconds. Fix: return and defer the call, process calls in more threads, or make the function
/// re-entrant. Such a wait is detected within one processor, in the threads in which sdp_dal_processor_process() runs
/// functions. It is not detected for calls from sdp_dal_processor_next(), in threads that a function has started, and
/// across several processors. There it lasts until its timeout.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_TIMEOUT, SDP_DAL_OBJECT_DELETED, SDP_DAL_PROCESSOR_LOST, the error of
/// a failed object (SDP_DAL_FUNCTION_FAILED and others), SDP_DAL_INTERRUPTED, SDP_DAL_FORKED.
/// Blocks up to timeout_ns.
sdp_dal_status sdp_dal_ref_wait(const sdp_dal_ref *reference,
                                int64_t timeout_ns);

/// Waits until all or any of several objects have ended: they exist, or will never exist.
///
/// refs: count references to objects of one store. mode: one of sdp_dal_wait_mode.
/// out_statuses: count statuses, each as sdp_dal_ref_wait() would return it now: SDP_DAL_TIMEOUT for an object that has
/// not ended, or the error of one that will never exist. May be NULL.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_TIMEOUT if not enough have ended, SDP_DAL_INTERRUPTED, SDP_DAL_FORKED. An
/// object that failed has ended, which is not an error of this function. Blocks up to timeout_ns.
sdp_dal_status sdp_dal_ref_wait_many(const sdp_dal_ref *const *refs,
                                     size_t count,
                                     int32_t mode,
                                     int64_t timeout_ns,
                                     sdp_dal_status *out_statuses);

/// Waits until the object exists, and holds it as a tensor. Nothing is copied. A part is held in the bytes of the whole,
/// with its strides.
///
/// out: The caller owns *out and must call sdp_dal_tensor_free().
/// out_view: filled in as by sdp_dal_tensor_get_view(). Set its struct_size first. May be NULL.
///
/// Errors: like sdp_dal_ref_wait(), and SDP_DAL_INVALID_ARGUMENT if the object is not a tensor, or does not have all
/// elements of the part. Blocks up to timeout_ns.
sdp_dal_status sdp_dal_ref_get_tensor(const sdp_dal_ref *reference,
                                      int64_t timeout_ns,
                                      sdp_dal_tensor **out,
                                      sdp_dal_tensor_view *out_view);

/// Waits until the object exists, and holds its bytes. The object may be of any kind. Nothing is copied.
///
/// out: The caller owns *out and must call sdp_dal_buffer_free().
///
/// Errors: like sdp_dal_ref_wait(). Blocks up to timeout_ns.
sdp_dal_status sdp_dal_ref_get_buffer(const sdp_dal_ref *reference,
                                      int64_t timeout_ns,
                                      sdp_dal_buffer **out);

/// Keeps the object when its last reference is freed: it stays until sdp_dal_object_delete().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_OBJECT_DELETED, SDP_DAL_BUSY, SDP_DAL_FORKED.
/// Does not wait for other clients.
sdp_dal_status sdp_dal_ref_disown(const sdp_dal_ref *reference);

/// Keeps another object alive until this one exists or has failed, and the library has noticed that.
///
/// reference: the object that depends on the other one. other: the object to keep until then. The handle may be freed
/// at once. Objects that the other one keeps alive are kept too.
/// timeout_ns: how long to wait until the other one exists.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also if the other object is this one, or keeps this one alive), SDP_DAL_TIMEOUT,
/// and the other errors of sdp_dal_ref_wait(). Blocks up to timeout_ns.
sdp_dal_status sdp_dal_ref_add_dependency(const sdp_dal_ref *reference,
                                          const sdp_dal_ref *other,
                                          int64_t timeout_ns);

/// Keeps another object alive as long as this one is needed: by this reference, by its clones, or by a call that has it
/// as an input.
///
/// reference: the object that refers to the other one. other: the object to keep as long. The handle may be freed at
/// once.
/// timeout_ns: how long to wait until the other one exists.
///
/// Errors and blocking: like sdp_dal_ref_add_dependency().
sdp_dal_status sdp_dal_ref_add_reference(const sdp_dal_ref *reference,
                                         const sdp_dal_ref *other,
                                         int64_t timeout_ns);

/// Creates a second handle of the same reference, which is freed separately. A tensor that is being written belongs to
/// the first handle.
///
/// out: The caller owns *out and must call sdp_dal_ref_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_ref_clone(const sdp_dal_ref *reference,
                                 sdp_dal_ref **out);

/// Frees a reference. Freeing the last owning one in this process deletes the object, unless it was disowned. A tensor
/// that was created in place and not sealed is aborted. NULL is allowed. Waits at most 100 ms.
void sdp_dal_ref_free(sdp_dal_ref *reference);

/// Returns the description of a reference, and of the object that it expects.
///
/// out: filled in. Set its struct_size first.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_ref_get_info(const sdp_dal_ref *reference, sdp_dal_ref_info *out);

/// Returns the state and the progress of the object of a reference.
///
/// out: filled in. Set its struct_size first.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_CORRUPT, SDP_DAL_FORKED. Does not wait for other clients.
sdp_dal_status sdp_dal_ref_get_state(const sdp_dal_ref *reference,
                                     sdp_dal_ref_state *out);

/// Creates a reference to a part of a tensor: count elements from start on along each dimension, step apart. Nothing is
/// copied. The tensor need not exist yet.
///
/// The new reference keeps the whole tensor, as a clone of the given one does. It is waited for like the whole, passed
/// to calls like any reference, and sdp_dal_ref_get_tensor() returns a view of the same bytes, which has the strides of
/// the whole, so that its elements are mostly not in C or F order. A part of a part is possible. A part has no ID. It
/// cannot be written, be the output of a call, or be disowned, and it ends if the whole is deleted.
///
/// ndim: the number of dimensions that are given, 0 to SDP_DAL_MAX_DIMS, outermost first. The others are whole.
/// start: ndim indices. A negative one is counted from the end, -1 is the last element. NULL: 0 everywhere.
/// count: ndim numbers of elements, all of which must exist. SDP_DAL_COUNT_REST: as many as there are from start on,
/// which may be none. NULL: SDP_DAL_COUNT_REST everywhere.
/// step: ndim distances from one element to the next, in elements. They may be negative. 0: only the element at start, and
/// the part does not have this dimension. Then count must be 1 or SDP_DAL_COUNT_REST. NULL: 1 everywhere.
/// out: The caller owns *out and must call sdp_dal_ref_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, also if a table is expected, or the tensor is known not to have these elements. If
/// it does not exist yet, sdp_dal_ref_get_tensor() returns that error later, and a call that takes the part fails.
/// Does not block.
sdp_dal_status sdp_dal_ref_part(const sdp_dal_ref *reference,
                                int32_t ndim,
                                const int64_t *start,
                                const int64_t *count,
                                const int64_t *step,
                                sdp_dal_ref **out);

/// Creates a reference to a part of a tensor that is given as a text, as sdp_dal_ref_part() does.
///
/// text: an index or a slice for each dimension, as in Python: "[0:100, -5:, ::2]", "[..., 3]". A slice leaves out what
/// does not exist, as in Python. "5+:10" means exactly ten elements from index 5 on. The part in sdp_dal_ref_info is such
/// a text, too.
/// out: The caller owns *out and must call sdp_dal_ref_free().
///
/// Errors: like sdp_dal_ref_part(). SDP_DAL_INVALID_ARGUMENT for a wrong text names the column, what was found and what
/// was expected. Does not block.
sdp_dal_status sdp_dal_ref_part_from_text(const sdp_dal_ref *reference,
                                          const char *text,
                                          sdp_dal_ref **out);

/// Copies a text from which sdp_dal_ref_import() creates an owning reference to the same object. Use it in another
/// process, or with another copy of this library in this process, as handles of one copy cannot be used by another.
///
/// The text does not keep the object: keep the reference until the import is done. If the object does not exist yet and
/// the reference is an owning one, the text contains the calls on which the object depends, so it may be long.
///
/// buffer, length: as in sdp_dal_last_error().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND if the object does not exist and is not the output of a call,
/// SDP_DAL_OBJECT_DELETED, SDP_DAL_LIMIT_REACHED if it depends on too many calls that have not ended, SDP_DAL_CORRUPT,
/// SDP_DAL_FORKED. Does not wait for other clients.
sdp_dal_status sdp_dal_ref_export(const sdp_dal_ref *reference,
                                  char *buffer,
                                  size_t *length);

/// Creates an owning reference from the text of sdp_dal_ref_export(). The exported reference is not needed after that.
///
/// store: the store of the object. NULL: it is opened at the path that the exporting process used.
/// text: the text from sdp_dal_ref_export().
/// out: The caller owns *out and must call sdp_dal_ref_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also if the object is in another store), SDP_DAL_OBJECT_DELETED if the object was
/// deleted, SDP_DAL_BUSY, SDP_DAL_FORKED, and without a store those of sdp_dal_store_open(). Does not wait for other
/// clients.
sdp_dal_status sdp_dal_ref_import(const sdp_dal_store *store,
                                  const char *text,
                                  sdp_dal_ref **out);

/// Puts a table: one copy into the store.
///
/// stream: the record batches. It is moved: the library reads it to its end and releases it, also on failure.
/// options: NULL for the defaults.
/// out: an owning reference. The caller owns *out and must call sdp_dal_ref_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also if the stream fails, with its text), SDP_DAL_OUT_OF_MEMORY,
/// SDP_DAL_LIMIT_REACHED, SDP_DAL_INTERRUPTED, SDP_DAL_BUSY, SDP_DAL_FORKED. Blocks while the stream does, and while
/// the store is full, up to the time of sdp_dal_store_set_full_timeout().
sdp_dal_status sdp_dal_table_put(const sdp_dal_store *store,
                                 struct ArrowArrayStream *stream,
                                 const sdp_dal_table_options *options,
                                 sdp_dal_ref **out);

/// Puts a table that is given column by column: one copy into the store. All columns must have chunks of the same
/// lengths.
///
/// schema: the names and types of the columns, as a struct. It is not released by the library.
/// columns, count: one stream of arrays for each column of schema. They are moved: the library reads them to their ends
/// and releases them, also on failure.
/// options: NULL for the defaults.
/// out: an owning reference. The caller owns *out and must call sdp_dal_ref_free().
///
/// Errors: like sdp_dal_table_put(). Blocks while the streams do, and while the store is full, up to the time of
/// sdp_dal_store_set_full_timeout().
sdp_dal_status sdp_dal_table_put_columns(const sdp_dal_store *store,
                                         const struct ArrowSchema *schema,
                                         struct ArrowArrayStream *columns,
                                         size_t count,
                                         const sdp_dal_table_options *options,
                                         sdp_dal_ref **out);

/// Writes the table of a reference whose object does not exist yet: one copy into the store.
///
/// stream: the record batches. It is moved: the library reads it to its end and releases it, also on failure.
/// options: NULL for the defaults.
///
/// Errors: like sdp_dal_table_put(); SDP_DAL_INVALID_ARGUMENT, with the name of the column, if the reference expects
/// other columns; SDP_DAL_ALREADY_EXISTS. Blocks while the stream does, and while the store is full, up to the time of
/// sdp_dal_store_set_full_timeout().
sdp_dal_status sdp_dal_ref_put_table(sdp_dal_ref *reference,
                                     struct ArrowArrayStream *stream,
                                     const sdp_dal_table_options *options);

/// Waits until the object exists, and returns it as a table. Nothing is copied. The bounds of the arrays are checked,
/// but not their values.
///
/// out: a stream of the record batches. The caller owns it and must call out->release(), and also release its schema
/// and arrays, in any order and in any thread. The bytes of the object stay valid until then, even if handles are
/// closed or the object is deleted.
///
/// Errors: like sdp_dal_ref_wait(), and SDP_DAL_INVALID_ARGUMENT if the object is not a table, or (with the name of the
/// column) not the one that the reference expects; SDP_DAL_CORRUPT. Blocks up to timeout_ns.
sdp_dal_status sdp_dal_ref_get_table(const sdp_dal_ref *reference,
                                     int64_t timeout_ns,
                                     struct ArrowArrayStream *out);

/// Like sdp_dal_ref_get_table(), but returns a table of one record batch (or none) as one struct array.
///
/// out, out_schema: the array and its type. The caller owns both and must release them, in any order and in any thread.
///
/// Errors: like sdp_dal_ref_get_table(), and SDP_DAL_INVALID_ARGUMENT if the table has more record batches. Blocks up
/// to timeout_ns.
sdp_dal_status sdp_dal_ref_get_batch(const sdp_dal_ref *reference,
                                     int64_t timeout_ns,
                                     struct ArrowArray *out,
                                     struct ArrowSchema *out_schema);

/// Returns the columns of a reference to a table: those that it expects, or those of the table if it expects none and
/// the table exists.
///
/// out: the schema, a struct. The caller owns it and must call out->release().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND if the columns are not known, SDP_DAL_CORRUPT, SDP_DAL_FORKED.
/// Does not wait for other clients.
sdp_dal_status sdp_dal_ref_get_columns(const sdp_dal_ref *reference,
                                       struct ArrowSchema *out);

/// Returns an input table, like sdp_dal_ref_get_table(). It may outlive the call.
///
/// out: a stream of the record batches. The caller owns it and must call out->release(), and also release its schema
/// and arrays, in any order and in any thread.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also for a parameter of another type, or null), SDP_DAL_NOT_FOUND,
/// SDP_DAL_CORRUPT. Does not block.
sdp_dal_status sdp_dal_call_get_table(const sdp_dal_call *call,
                                      const char *name,
                                      struct ArrowArrayStream *out);

/// Writes and seals an output that is a table or an object of any kind: one copy into the store.
///
/// value: the record batches. It is moved: the library reads it to its end and releases it, also on failure.
/// options: NULL for the defaults.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also, with the name of the column, for columns that the signature does not allow,
/// or for a null output), SDP_DAL_NOT_FOUND, SDP_DAL_ALREADY_EXISTS, SDP_DAL_OUT_OF_MEMORY, SDP_DAL_INTERRUPTED,
/// SDP_DAL_BUSY. Blocks while the stream does, and while the store is full, up to the time of
/// sdp_dal_store_set_full_timeout().
sdp_dal_status sdp_dal_call_put_table(const sdp_dal_call *call,
                                      const char *name,
                                      struct ArrowArrayStream *value,
                                      const sdp_dal_table_options *options);

/// Sets a parameter to a table, which the call puts into the store.
///
/// value: the record batches. It is moved: the library reads it to its end now and releases it, also on failure. Its
/// arrays are released when the arguments are cleared or freed, or when the parameter is set to another value.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Blocks while the stream does.
sdp_dal_status sdp_dal_args_set_table(sdp_dal_args *args,
                                      const char *name,
                                      struct ArrowArrayStream *value);

/// Returns a tensor as a DLPack struct. Nothing is copied, and the memory must not be written (from DLPack version 1
/// on, a flag says so). Strides are in elements. DLPack has no dimension names.
///
/// version: 1 for a DLManagedTensorVersioned, 0 for a DLManagedTensor, which programs before DLPack version 1 expect.
/// out: the struct. The caller, or the program that takes it over, must call its deleter, in any thread. It holds the
/// bytes of the tensor until then, even if handles are closed or the object is deleted, and may outlive tensor.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_tensor_to_dlpack(const sdp_dal_tensor *tensor,
                                        int32_t version,
                                        void **out);

/// Returns the view of a DLPack tensor, to put it or to pass it as an argument.
///
/// tensor: not taken over. Its deleter is not called.
/// version: 1 for a DLManagedTensorVersioned, 0 for a DLManagedTensor.
/// strides: an array of SDP_DAL_MAX_DIMS numbers, for the strides in bytes.
/// out: filled in. Set its struct_size first. Borrowed: it points to strides and to the memory of tensor.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, also for a tensor that is not in CPU memory, has more than one lane, or has an
/// element type without a sdp_dal_dtype. Does not block.
sdp_dal_status sdp_dal_tensor_view_from_dlpack(const void *tensor,
                                               int32_t version,
                                               int64_t *strides,
                                               sdp_dal_tensor_view *out);

/// Creates an empty set of arguments.
///
/// The functions sdp_dal_args_set_*() set the parameter with a name. If name is NULL, they set the next parameter by
/// position. Arguments by position must come first.
///
/// out: The caller owns *out and must call sdp_dal_args_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_args_create(sdp_dal_args **out);

/// Removes all arguments, so that the handle can be used again.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_args_clear(sdp_dal_args *args);

/// Frees a set of arguments. NULL is allowed. Waits at most 100 ms.
void sdp_dal_args_free(sdp_dal_args *args);

/// Sets a parameter to null, for a nullable parameter or an output that is not wanted.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_args_set_null(sdp_dal_args *args, const char *name);

/// Sets a parameter to a bool.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_args_set_bool(sdp_dal_args *args, const char *name, bool value);

/// Sets a parameter of any signed integer type to a number. The call checks its range.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_args_set_int64(sdp_dal_args *args, const char *name, int64_t value);

/// Sets a parameter of any unsigned integer type to a number. The call checks its range.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_args_set_uint64(sdp_dal_args *args, const char *name, uint64_t value);

/// Sets a parameter of any floating-point type to a number.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_args_set_double(sdp_dal_args *args, const char *name, double value);

/// Sets a parameter to a text, which is copied. It ends at its first NUL byte. For a text that contains NUL bytes, use
/// sdp_dal_args_set_arrow().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_OUT_OF_MEMORY. Does not block.
sdp_dal_status sdp_dal_args_set_string(sdp_dal_args *args,
                                       const char *name,
                                       const char *value);

/// Sets a parameter to bytes, which are copied.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_OUT_OF_MEMORY. Does not block.
sdp_dal_status sdp_dal_args_set_binary(sdp_dal_args *args,
                                       const char *name,
                                       const void *value,
                                       size_t size);

/// Sets a parameter to an object ID of SDP_DAL_ID_SIZE bytes.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_args_set_id(sdp_dal_args *args, const char *name, const uint8_t *value);

/// Sets a parameter of type complex64 or complex128 to a complex number.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_args_set_complex(sdp_dal_args *args, const char *name, double re, double im);

/// Sets a parameter to a reference, for an input or an output. The reference may be freed at once.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_args_set_ref(sdp_dal_args *args, const char *name, const sdp_dal_ref *value);

/// Sets an input from which an output starts ("sum: complex128[u,v] = grid") to a reference whose object the caller gives
/// away. The reference may be freed at once.
///
/// The output takes the memory of the object over, without a copy, if no other client wants or reads the object when a
/// processor takes the call, it is not kept, and no other unfinished call of this process takes it. Otherwise it is
/// copied, as it is always if it is set with sdp_dal_args_set_ref(). In a batch it counts as given if it is given in all
/// rows and no two rows take the same object. A broadcast to several processors gives nothing.
///
/// Once the call is issued, the object is not this process's any more: all its references to the object return
/// SDP_DAL_OBJECT_DELETED. If the processor crashes, the object is lost with the output.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block. The call returns SDP_DAL_INVALID_ARGUMENT if no output starts from
/// the parameter.
sdp_dal_status sdp_dal_args_set_given(sdp_dal_args *args,
                                      const char *name,
                                      const sdp_dal_ref *value);

/// Sets a parameter to a tensor, which the call puts into the store. Its elements must not change until the call has
/// returned. The view, its shape and its strides are copied.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_args_set_tensor(sdp_dal_args *args,
                                       const char *name,
                                       const sdp_dal_tensor_view *value);

/// Returns one output by its index.
///
/// index: the index of the output in the signature, counting only outputs, from 0.
/// out_name: its name. out: its reference, NULL if the output is null. Both are borrowed: valid until the results are freed.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND if there are fewer outputs. Does not block.
sdp_dal_status sdp_dal_results_get_output(const sdp_dal_results *results,
                                          size_t index,
                                          const char **out_name,
                                          const sdp_dal_ref **out);

/// Returns the reference to an output by its name.
///
/// out: NULL if the output is null. Borrowed: valid until the results are freed. sdp_dal_ref_clone() creates one that
/// is valid longer.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND. Does not block.
sdp_dal_status sdp_dal_results_get_ref(const sdp_dal_results *results,
                                       const char *name,
                                       const sdp_dal_ref **out);

/// Frees the results. A call that has not started is cancelled if no reference to its outputs is left. NULL is allowed.
/// Waits at most 100 ms.
void sdp_dal_results_free(sdp_dal_results *results);

/// Creates a caller, and looks for the processors that offer its functions.
///
/// store: the store for calls and their values.
/// signatures: num_signatures signatures of the functions to call. May be NULL if there are none. Signatures with one
/// name that differ only in element types are forms of one function.
/// options: NULL for the defaults. They can contain more functions, as schemas.
/// out: The caller of this function owns *out and must call sdp_dal_caller_close().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NO_PROCESSOR, SDP_DAL_LIMIT_REACHED, SDP_DAL_INTERRUPTED,
/// SDP_DAL_FORKED. Blocks up to options->timeout_ns.
sdp_dal_status sdp_dal_caller_open(const sdp_dal_store *store,
                                   const char *const *signatures,
                                   size_t num_signatures,
                                   const sdp_dal_caller_options *options,
                                   sdp_dal_caller **out);

/// Looks again for compatible processors. None, or fewer than minimum_processors, is not an error.
///
/// New processors join the caller here. They also join when a call finds that all of them crashed or closed: it looks once for
/// others before it fails with SDP_DAL_PROCESSOR_LOST. Processors that have crashed or closed are dropped automatically.
///
/// timeout_ns: how long to wait for the first one if there is none. With SDP_DAL_CALLER_NONE_NEEDED it does not wait.
/// out_count: how many there are. May be NULL.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_BUSY, SDP_DAL_INTERRUPTED, SDP_DAL_FORKED.
/// Blocks up to timeout_ns.
sdp_dal_status sdp_dal_caller_find_processors(const sdp_dal_caller *caller,
                                              int64_t timeout_ns,
                                              size_t *out_count);

/// Returns the number of running processors that the caller found, 0 if caller is not a caller handle. Does not block.
size_t sdp_dal_caller_num_processors(const sdp_dal_caller *caller);

/// Returns the name and the prefix of a processor that the caller found, in the order of the prefixes.
///
/// index: 0 to sdp_dal_caller_num_processors() - 1.
/// out_prefix: a buffer of SDP_DAL_PREFIX_SIZE bytes.
/// buffer, length: the name, as in sdp_dal_last_error().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_caller_get_processor(const sdp_dal_caller *caller,
                                            size_t index,
                                            uint8_t *out_prefix,
                                            char *buffer,
                                            size_t *length);

/// Waits until a processor that the caller found crashes or is closed, and returns which one. Each is returned once.
///
/// A crash is noticed within 250 ms.
///
/// out_prefix: a buffer of SDP_DAL_PREFIX_SIZE bytes. buffer, length: its name, as in sdp_dal_last_error(). A name that
/// does not fit is not returned again.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_TIMEOUT if no processor crashed or was closed, SDP_DAL_INTERRUPTED,
/// SDP_DAL_FORKED. Blocks up to timeout_ns.
sdp_dal_status sdp_dal_caller_next_lost(const sdp_dal_caller *caller,
                                        int64_t timeout_ns,
                                        uint8_t *out_prefix,
                                        char *buffer,
                                        size_t *length);

/// Issues a call. Does not wait for it.
///
/// All arguments are checked before anything is written. Tensors given by value are put into the store, and their
/// memory may be used again as soon as this returns.
///
/// function: the name of one of the caller's functions. If the function has several forms, the types of the arguments
/// choose one, see sdp_dal_caller_choose_form(). The name of a form chooses it, "ms2dirty<complex64,float32>": the name
/// of the function, then types of parameters in which its forms differ, in the order of these parameters. Any of these
/// types may be left out.
/// args: its arguments, which are not freed.
/// out: references to the outputs, which will exist later. The caller of this function owns *out and must call
/// sdp_dal_results_free(). Freeing all references to the outputs cancels a call that has not started.
///
/// With attempts in the options, a call whose processor is lost before it has ended is issued again to another processor,
/// with the inputs of the first time. Its outputs stay awaited, and clients that wait for them go on waiting, also in
/// other processes. This process issues it when one of its threads waits, polls or calls. If there is no other processor, it
/// looks for one up to timeout_ns. If this process ends meanwhile, the outputs fail with SDP_DAL_PROCESSOR_LOST.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND, SDP_DAL_NO_PROCESSOR, SDP_DAL_PROCESSOR_LOST,
/// SDP_DAL_OUT_OF_MEMORY, SDP_DAL_LIMIT_REACHED, SDP_DAL_TIMEOUT, SDP_DAL_INTERRUPTED, SDP_DAL_BUSY, SDP_DAL_FORKED.
/// Blocks while the store is full, up to full_timeout_ns of the options, and up to timeout_ns of the options while
/// there are max_in_flight unfinished calls.
sdp_dal_status sdp_dal_caller_call(const sdp_dal_caller *caller,
                                   const char *function,
                                   const sdp_dal_args *args,
                                   sdp_dal_results **out);

/// Closes a caller. The calls that it issued continue, and their references stay valid. NULL is allowed. Waits at most
/// 100 ms.
void sdp_dal_caller_close(sdp_dal_caller *caller);

/// Issues many calls of one function to one processor at once, as rows of one call object. Does not wait for them.
///
/// All rows are checked before anything is written, and errors name the row. Rows run one by one, in this order as far
/// as their inputs exist. A row that fails does not affect the others. A row is skipped if all references to its
/// outputs were freed, and freeing all references to all outputs cancels the rows that have not started. A batch counts
/// as one call for max_in_flight.
///
/// function: the name of one of the caller's functions or of a form, as in sdp_dal_caller_call(). All rows are of one
/// form.
/// rows: num_rows sets of arguments, up to 1048576. They are not freed, and one may be used for several rows. The same
/// output must not be given twice.
/// out: one processor with num_rows results. If num_rows is 0, nothing is issued and there is no processor. The caller
/// of this function owns *out and must call sdp_dal_replies_free().
/// out_count: the number of processors. May be NULL.
///
/// Errors and blocking: like sdp_dal_caller_call().
sdp_dal_status sdp_dal_caller_batch(const sdp_dal_caller *caller,
                                    const char *function,
                                    const sdp_dal_args *const *rows,
                                    size_t num_rows,
                                    sdp_dal_replies **out,
                                    size_t *out_count);

/// Issues the same rows to every processor that the caller found. Does not wait for them.
///
/// All rows are checked before anything is written. Tensors given by value are put once, for all processors. Every
/// processor has outputs of its own, so no output may be given if there is more than one processor. With max_in_flight
/// it waits until every processor can take the call. If one processor cannot get the call, this is not an error of this
/// function but the status of its reply, and the others get the call. The status is SDP_DAL_PROCESSOR_LOST if the
/// processor crashed or was closed (the caller drops it then), or SDP_DAL_TIMEOUT if max_in_flight is still reached.
///
/// function: the name of one of the caller's functions or of a form. rows: num_rows sets of arguments. Both are as in
/// sdp_dal_caller_batch(); a single call is one row.
/// out: the processors in the order of their prefixes, each with num_rows results. It is empty if the caller has no
/// processors. The caller of this function owns *out and must call sdp_dal_replies_free().
/// out_count: the number of processors. May be NULL.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND, SDP_DAL_OUT_OF_MEMORY, SDP_DAL_LIMIT_REACHED,
/// SDP_DAL_OBJECT_DELETED, SDP_DAL_INTERRUPTED, SDP_DAL_BUSY, SDP_DAL_FORKED. Blocks while the store is full, up to
/// full_timeout_ns of the options, and up to timeout_ns of the options while a processor has max_in_flight unfinished
/// calls.
sdp_dal_status sdp_dal_caller_broadcast(const sdp_dal_caller *caller,
                                        const char *function,
                                        const sdp_dal_args *const *rows,
                                        size_t num_rows,
                                        sdp_dal_replies **out,
                                        size_t *out_count);

/// Returns the result of issuing the rows to one processor.
///
/// processor: from 0 to the number of processors, exclusive. out: filled in. Set its struct_size first.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_replies_get_reply(const sdp_dal_replies *replies,
                                         size_t processor,
                                         sdp_dal_reply *out);

/// Returns references to the outputs of one row at one processor.
///
/// processor: from 0 to the number of processors, exclusive. row: from 0 to the number of rows, exclusive.
/// out: Borrowed: valid until the replies are freed.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, and the status of the reply if the processor did not get the rows
/// (SDP_DAL_PROCESSOR_LOST, SDP_DAL_TIMEOUT, SDP_DAL_OUT_OF_MEMORY, SDP_DAL_LIMIT_REACHED, SDP_DAL_BUSY). Does not
/// block.
sdp_dal_status sdp_dal_replies_get_results(const sdp_dal_replies *replies,
                                           size_t processor,
                                           size_t row,
                                           const sdp_dal_results **out);

/// Frees the replies. Calls that have not started are cancelled if no references to their outputs are left. NULL is
/// allowed. Waits at most 100 ms.
void sdp_dal_replies_free(sdp_dal_replies *replies);

/// Creates a processor. Callers cannot find it before it is started.
///
/// store: the store from which it takes its calls. options: NULL for the defaults.
/// out: The caller owns *out and must call sdp_dal_processor_close().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NAMESPACE_IN_USE, SDP_DAL_LIMIT_REACHED, SDP_DAL_FORKED. Does not wait for
/// other clients.
sdp_dal_status sdp_dal_processor_open(const sdp_dal_store *store,
                                      const sdp_dal_processor_options *options,
                                      sdp_dal_processor **out);

/// Registers a function that the processor offers. Default: its calls run one at a time, in no strict order.
///
/// A signature with the name of a registered function adds a form to that function: a form has the same parameters,
/// with other element types of tensors or values, and the same options. Each form has its own callback. In all other
/// respects the forms are one function: their calls wait for each other, and if the function is
/// SDP_DAL_FUNCTION_ORDERED, the calls of all forms run in order. sdp_dal_call_get_schema() shows which form is called.
///
/// signature: name and parameters, for instance "simple_fn(x: int64, ys: int64[i]) -> (zs: int64[i])".
/// options: how its calls are run. NULL for the defaults.
/// function: runs its calls. NULL: they can only be taken with sdp_dal_processor_next().
/// user_data: passed to function. drop: called with user_data when the processor is closed, after the last call. May be
/// NULL. On failure drop is not called, and the caller keeps user_data.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also for SDP_DAL_FUNCTION_REENTRANT with SDP_DAL_FUNCTION_ORDERED),
/// SDP_DAL_ALREADY_EXISTS if the name is registered and this is no form of its function, SDP_DAL_ALREADY_STARTED. Does
/// not block.
sdp_dal_status sdp_dal_processor_register(sdp_dal_processor *processor,
                                          const char *signature,
                                          const sdp_dal_function_options *options,
                                          sdp_dal_function function,
                                          void *user_data,
                                          sdp_dal_drop drop);

/// Like sdp_dal_processor_register(), but takes the function, or a form of it, as a schema, with metadata that callers can read.
///
/// schema: not freed by the library. options: NULL for the defaults. function, user_data, drop: as in
/// sdp_dal_processor_register().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_ALREADY_EXISTS, SDP_DAL_ALREADY_STARTED. Does not block.
sdp_dal_status sdp_dal_processor_register_schema(sdp_dal_processor *processor,
                                                 const sdp_dal_schema *schema,
                                                 const sdp_dal_function_options *options,
                                                 sdp_dal_function function,
                                                 void *user_data,
                                                 sdp_dal_drop drop);

/// Publishes the functions. Callers find the processor from now on, and no function can be added.
///
/// The first sdp_dal_processor_process() or sdp_dal_processor_next() does this too.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_ALREADY_STARTED, SDP_DAL_NAMESPACE_IN_USE, SDP_DAL_LIMIT_REACHED,
/// SDP_DAL_OUT_OF_MEMORY, SDP_DAL_FORKED. Does not wait for other clients.
sdp_dal_status sdp_dal_processor_start(sdp_dal_processor *processor);

/// Takes the oldest call whose inputs exist and whose function may run, and runs it. Several threads may do this at the
/// same time. A function that is not SDP_DAL_FUNCTION_REENTRANT runs in only one of them at a time.
///
/// A processing function that fails is not an error of this function: its outputs fail.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_TIMEOUT if no call arrived, SDP_DAL_INTERRUPTED, SDP_DAL_PROCESSOR_LOST if
/// the processor was closed, SDP_DAL_FORKED.
/// Blocks up to timeout_ns, and while the function runs.
sdp_dal_status sdp_dal_processor_process(const sdp_dal_processor *processor,
                                         int64_t timeout_ns);

/// Takes the oldest call whose inputs exist and whose function may run. Work on it, then end it with
/// sdp_dal_call_finish(). Until then, or until *out is freed, the function counts as running.
///
/// out: The caller owns *out and must call sdp_dal_call_free().
/// out_info: filled in as by sdp_dal_call_get_info(). Set its struct_size first. May be NULL.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_TIMEOUT if no call arrived, SDP_DAL_INTERRUPTED, SDP_DAL_PROCESSOR_LOST if
/// the processor was closed, SDP_DAL_FORKED.
/// Blocks up to timeout_ns.
sdp_dal_status sdp_dal_processor_next(const sdp_dal_processor *processor,
                                      int64_t timeout_ns,
                                      sdp_dal_call **out,
                                      sdp_dal_call_info *out_info);

/// Returns the prefix of the namespace of the processor. Starts the processor if that was not done before.
///
/// out_prefix: a buffer of SDP_DAL_PREFIX_SIZE bytes.
///
/// Errors: like sdp_dal_processor_start(). Does not wait for other clients.
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

/// Shuts a processor down. Callers do not find it any more, and its waiting calls fail with SDP_DAL_PROCESSOR_LOST.
/// sdp_dal_processor_process() and sdp_dal_processor_next() return SDP_DAL_PROCESSOR_LOST from now on, in all threads.
/// May be called from any thread, also by a function of the processor. Calling it again does nothing.
///
/// It does not wait for running functions. To close a processor that several threads use, shut it down, join the
/// threads, then close it.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_BUSY if some calls could not be failed because another process is stopped:
/// call it again. Does not wait for other clients.
sdp_dal_status sdp_dal_processor_shutdown(const sdp_dal_processor *processor);

/// Closes a processor. It shuts the processor down like sdp_dal_processor_shutdown(), and waits until all threads have
/// left sdp_dal_processor_process() and sdp_dal_processor_next(). Then it calls every drop and frees the handle. Calls
/// that were taken with sdp_dal_processor_next() or deferred can still be finished. NULL is allowed.
///
/// Caveat: threads may be inside these two functions, but must not call them again, as the handle may be freed by then.
/// Fix: shut the processor down and join the threads first.
/// Called from a function that sdp_dal_processor_process() runs, it does nothing: the handle stays valid, no drop is
/// called, and sdp_dal_last_error() says so.
///
/// Blocks while functions run in other threads.
void sdp_dal_processor_close(sdp_dal_processor *processor);

/// Returns the description of a call.
///
/// out: filled in. Set its struct_size first.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_call_get_info(const sdp_dal_call *call, sdp_dal_call_info *out);

/// Returns the schema of the called function or form, as the processor registered it.
///
/// out: Borrowed: valid until the last handle of the call is freed.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_call_get_schema(const sdp_dal_call *call, const sdp_dal_schema **out);

/// Returns whether no client wants the outputs any more, so that a long function can stop. Returns false if call is not
/// a call handle. Does not block.
bool sdp_dal_call_is_cancelled(const sdp_dal_call *call);

/// Fails all outputs that are not sealed yet. Waiting for one of them then returns this status and this message.
///
/// status: one of the negative values of sdp_dal_status_code, such as SDP_DAL_FUNCTION_FAILED.
/// message: what went wrong, for the caller. Up to 2048 bytes are kept.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_BUSY. Does not wait for other clients.
sdp_dal_status sdp_dal_call_fail(sdp_dal_call *call,
                                 int32_t status,
                                 const char *message);

/// Creates another handle of the same call, which keeps what was read from the call valid: values, views and private
/// copies. It does not keep the call open: after the call has ended, its outputs cannot be written. Use
/// sdp_dal_call_defer() for that.
///
/// out: The caller owns *out and must call sdp_dal_call_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_call_retain(const sdp_dal_call *call,
                                   sdp_dal_call **out);

/// Frees a handle of a call. The call ends when the last handle that may write its outputs is freed, and outputs that
/// are not sealed fail. NULL is allowed. Waits at most 100 ms.
void sdp_dal_call_free(sdp_dal_call *call);

/// Checks whether a parameter was left out or is null.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND. Does not block.
sdp_dal_status sdp_dal_call_is_null(const sdp_dal_call *call, const char *name, bool *out);

/// Returns the value of an integer parameter.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also for a parameter of another type, or null), SDP_DAL_NOT_FOUND. Does not
/// block.
sdp_dal_status sdp_dal_call_get_int64(const sdp_dal_call *call,
                                      const char *name,
                                      int64_t *out);

/// Returns the value of an integer parameter that is not negative.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also for a parameter of another type, or null), SDP_DAL_NOT_FOUND. Does not
/// block.
sdp_dal_status sdp_dal_call_get_uint64(const sdp_dal_call *call,
                                       const char *name,
                                       uint64_t *out);

/// Returns the value of a floating-point parameter.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also for a parameter of another type, or null), SDP_DAL_NOT_FOUND. Does not
/// block.
sdp_dal_status sdp_dal_call_get_double(const sdp_dal_call *call,
                                       const char *name,
                                       double *out);

/// Returns the value of a complex parameter.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also for a parameter of another type, or null), SDP_DAL_NOT_FOUND. Does not
/// block.
sdp_dal_status sdp_dal_call_get_complex(const sdp_dal_call *call,
                                        const char *name,
                                        double *out_re,
                                        double *out_im);

/// Returns the value of a bool parameter.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also for a parameter of another type, or null), SDP_DAL_NOT_FOUND. Does not
/// block.
sdp_dal_status sdp_dal_call_get_bool(const sdp_dal_call *call,
                                     const char *name,
                                     bool *out);

/// Copies the text of a utf8 parameter. It may contain NUL bytes, which *length includes.
///
/// buffer, length: as in sdp_dal_last_error().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also for a parameter of another type, or null), SDP_DAL_NOT_FOUND. Does not
/// block.
sdp_dal_status sdp_dal_call_get_string(const sdp_dal_call *call,
                                       const char *name,
                                       char *buffer,
                                       size_t *length);

/// Returns the bytes of a binary parameter.
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

/// Returns the view of an input tensor.
///
/// Nothing is copied, unless an order is requested and the tensor is stored in the other order. Then it is copied once
/// per call.
///
/// order: one of sdp_dal_order. SDP_DAL_ORDER_ANY: the order in the signature, as in "float64[row,chan] C". If the
/// signature has none, the order in which it is stored, C or F, as out->order and out->strides tell.
/// out: filled in. Set its struct_size first. Borrowed: its pointers are valid until the callback returns or the last
/// handle of the call is freed. The elements must not be written.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also for a parameter of another type, or null), SDP_DAL_NOT_FOUND,
/// SDP_DAL_OUT_OF_MEMORY (for a copy). Does not block.
sdp_dal_status sdp_dal_call_get_tensor(const sdp_dal_call *call,
                                       const char *name,
                                       int32_t order,
                                       sdp_dal_tensor_view *out);

/// Returns a handle of an input tensor that may outlive the call. Order and copying are like those of
/// sdp_dal_call_get_tensor().
///
/// out: The caller owns *out and must call sdp_dal_tensor_free().
/// out_view: filled in as by sdp_dal_tensor_get_view(). Set its struct_size first. May be NULL.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also for a parameter of another type, or null), SDP_DAL_NOT_FOUND,
/// SDP_DAL_OUT_OF_MEMORY (for a copy). Does not block.
sdp_dal_status sdp_dal_call_hold_tensor(const sdp_dal_call *call,
                                        const char *name,
                                        sdp_dal_tensor **out,
                                        sdp_dal_tensor_view *out_view);

/// Returns the ID of a tensor, table, oid or id parameter, input or output.
///
/// out_id: a buffer of SDP_DAL_ID_SIZE bytes.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also for a parameter of another type, or null), SDP_DAL_NOT_FOUND. Does not
/// block.
sdp_dal_status sdp_dal_call_get_id(const sdp_dal_call *call,
                                   const char *name,
                                   uint8_t *out_id);

/// Creates a borrowed reference to the object of a tensor, table, oid or id parameter, input or output, for instance to
/// pass it on. A tensor that is read through it is in the order in which it is stored.
///
/// out: The caller owns *out and must call sdp_dal_ref_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also for a parameter of another type, or null), SDP_DAL_NOT_FOUND. Does not
/// block.
sdp_dal_status sdp_dal_call_get_ref(const sdp_dal_call *call,
                                    const char *name,
                                    sdp_dal_ref **out);

/// Creates an output tensor in place, without a copy. The element type is that of the signature. It is sealed when the
/// callback returns SDP_DAL_OK, by sdp_dal_call_finish(), or earlier by sdp_dal_call_seal(). It is not sealed when the
/// call fails.
///
/// ndim, shape: the dimensions. options: NULL for the defaults. out_data: the elements without gaps, 64-byte aligned,
/// not zeroed. Default order: that of the signature ("float64[x,y] F"), or C if it has none. Borrowed: valid until the
/// output is sealed or has failed.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also for a shape that the signature does not allow, or a null output),
/// SDP_DAL_NOT_FOUND, SDP_DAL_ALREADY_EXISTS, SDP_DAL_OUT_OF_MEMORY, SDP_DAL_INTERRUPTED, SDP_DAL_BUSY. Blocks while
/// the store is full, up to full_timeout_ns of the options of the processor.
sdp_dal_status sdp_dal_call_create_tensor(const sdp_dal_call *call,
                                          const char *name,
                                          int32_t ndim,
                                          const int64_t *shape,
                                          const sdp_dal_output_options *options,
                                          void **out_data);

/// Returns the memory of an output that is being written: one that starts from an input ("sum: complex128[u,v] = grid"),
/// which has the elements of the input from the beginning, or one from sdp_dal_call_create_tensor(). The input itself
/// cannot be read in such a call.
///
/// out: filled in. Set its struct_size first. Its data may be written until the output is sealed or has failed. Borrowed:
/// valid until the callback returns or the last handle of the call is freed.
///
/// An output that starts from an input is sealed like one from sdp_dal_call_create_tensor(). If the input is null, or the
/// output exists already, it is not being written.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND (also if it is not being written). Does not block.
sdp_dal_status sdp_dal_call_get_output(const sdp_dal_call *call,
                                       const char *name,
                                       sdp_dal_tensor_view *out);

/// Makes an output that is being written smaller, without a copy: its first dimension if it is in C order, its last one if
/// it is in F order. The elements that stay are where they were, and the store gets the rest of the memory back at once.
///
/// ndim, shape: the dimensions. Only the one dimension may differ, and must not be larger.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also if an input has a dimension of the same name with another size),
/// SDP_DAL_NOT_FOUND (also if it is not being written), SDP_DAL_BUSY, SDP_DAL_FORKED. Does not wait for other clients.
sdp_dal_status sdp_dal_call_shrink(const sdp_dal_call *call,
                                   const char *name,
                                   int32_t ndim,
                                   const int64_t *shape);

/// Writes an output tensor: one copy into the store.
///
/// value: the tensor to copy. Its element type must be that of the signature. It is stored in the order in the
/// signature, or if that has none, as by sdp_dal_tensor_put().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also for a shape that the signature does not allow, or a null output),
/// SDP_DAL_NOT_FOUND, SDP_DAL_ALREADY_EXISTS, SDP_DAL_OUT_OF_MEMORY, SDP_DAL_INTERRUPTED, SDP_DAL_BUSY. Blocks while
/// the store is full, up to full_timeout_ns of the options of the processor.
sdp_dal_status sdp_dal_call_put_tensor(const sdp_dal_call *call,
                                       const char *name,
                                       const sdp_dal_tensor_view *value);

/// Writes and seals an output of type oid, an object of any kind: one copy into the store.
///
/// data, size: the bytes of the object. data may be NULL if size is 0.
/// metadata, metadata_size: its metadata. metadata may be NULL if metadata_size is 0.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also for an output of another type, or a null one), SDP_DAL_NOT_FOUND,
/// SDP_DAL_ALREADY_EXISTS, SDP_DAL_OUT_OF_MEMORY, SDP_DAL_INTERRUPTED, SDP_DAL_BUSY. Blocks while the store is full, up
/// to full_timeout_ns of the options of the processor.
sdp_dal_status sdp_dal_call_put_object(const sdp_dal_call *call,
                                       const char *name,
                                       const void *data,
                                       size_t size,
                                       const void *metadata,
                                       size_t metadata_size);

/// Seals an output that was created in place before the function ends: it is complete and visible, and its memory must
/// not be written any more.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND (also if it is not being written), SDP_DAL_BUSY. Does not wait
/// for other clients.
sdp_dal_status sdp_dal_call_seal(const sdp_dal_call *call,
                                 const char *name);

/// Frees the memory of an output that was created in place. The output can then be created again, with another shape.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND (also if it is not being written). Waits at most 100 ms.
sdp_dal_status sdp_dal_call_abort(const sdp_dal_call *call,
                                  const char *name);

/// Returns the bytes of the object of the call: an Arrow IPC stream of one record batch. The row of this call is the
/// field row of sdp_dal_call_info. The bytes stay valid after the call has ended.
///
/// out: The caller owns *out and must call sdp_dal_buffer_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also if the call, and all others of its batch, have already ended). Does not
/// block.
sdp_dal_status sdp_dal_call_get_buffer(const sdp_dal_call *call,
                                       sdp_dal_buffer **out);

/// Returns how many threads this run may use. It is the number of threads in sdp_dal_processor_options, shared among the
/// threads that work for the processor at this moment. Default: as many as the CPU affinity of this thread and the quota
/// of the control group allow, shared among the processes that run functions of this store at this moment, and then in
/// the same way. Only processes with the same affinity and in the same control group with a quota share their CPUs. A
/// function that started earlier keeps what it has.
///
/// out: 1 or more. OpenMP, OpenBLAS and MKL are told it before the function runs, see SDP_DAL_PROCESSOR_LEAVE_POOLS.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_call_get_threads(const sdp_dal_call *call,
                                        int32_t *out);

/// Reports the progress of the call. Clients with a reference to one of its outputs can read it with
/// sdp_dal_ref_get_state(). It costs some nanoseconds, and any thread may call it.
///
/// fraction: 0 to 1. Other values are clamped.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also for a NaN), SDP_DAL_FORKED. Does not block.
sdp_dal_status sdp_dal_call_set_progress(const sdp_dal_call *call,
                                         double fraction);

/// Declares that the calling thread runs the function of this call, from now until the call has ended. After
/// sdp_dal_processor_next() any thread may work on a call, so the library cannot know this by itself. A wait in this
/// thread that could never end then fails with SDP_DAL_INVALID_ARGUMENT, see sdp_dal_ref_wait().
/// sdp_dal_processor_process() does this automatically.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_call_run_here(const sdp_dal_call *call);

/// Creates a handle with which the outputs can be written after the function has returned, from any thread. The call
/// ends with sdp_dal_call_finish(), or when this handle and all others that may write its outputs are freed. If the
/// function returns an error, the call ends nevertheless.
///
/// The function no longer counts as running when it has returned: its next call may run, also if it is
/// SDP_DAL_FUNCTION_ORDERED. With sdp_dal_processor_next() it counts as running until that handle is freed. The new
/// handle may outlive the processor and the user_data of the function.
///
/// out: The caller owns *out and must call sdp_dal_call_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also if the call has ended). Does not block.
sdp_dal_status sdp_dal_call_defer(const sdp_dal_call *call,
                                  sdp_dal_call **out);

/// Returns a private copy of an input tensor, which may be written, for libraries that overwrite their inputs. The
/// first call for a parameter creates the copy. Later calls return the same memory, with any changes.
///
/// out_view: filled in. Set its struct_size first. The copy is in the order in the signature ("float64[row,chan] C"). If
/// the signature has none, it is in the order in which the tensor is stored, C or F, as its order and strides tell.
/// out_data: its elements, 64-byte aligned, writable. Both are borrowed: valid until the callback returns or the last
/// handle of the call is freed.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also for a parameter of another type, or null), SDP_DAL_NOT_FOUND,
/// SDP_DAL_OUT_OF_MEMORY. Does not block.
sdp_dal_status sdp_dal_call_copy_tensor(const sdp_dal_call *call,
                                        const char *name,
                                        sdp_dal_tensor_view *out_view,
                                        void **out_data);

/// Subscribes to the events of objects whose IDs start with the given bytes, from now on. To keep a table of objects,
/// subscribe first and then list them. Nothing is missed in between, but it may be reported twice.
///
/// Caveat: a slow reader loses events, because writers never wait for readers. Fix: after SDP_DAL_EVENT_RESYNC, list
/// the objects again.
///
/// prefix: 0 to SDP_DAL_ID_SIZE bytes. May be NULL if prefix_size is 0, which means every object.
/// out: The caller owns *out and must call sdp_dal_subscription_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_BUSY, SDP_DAL_FORKED. Does not wait for other clients.
sdp_dal_status sdp_dal_store_subscribe(const sdp_dal_store *store,
                                       const uint8_t *prefix,
                                       size_t prefix_size,
                                       sdp_dal_subscription **out);

/// Returns the next event.
///
/// out: filled in. Set its struct_size first.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_TIMEOUT if there was none, SDP_DAL_INTERRUPTED, SDP_DAL_FORKED.
/// Blocks up to timeout_ns.
sdp_dal_status sdp_dal_subscription_next(sdp_dal_subscription *subscription,
                                         int64_t timeout_ns,
                                         sdp_dal_event *out);

/// Frees a subscription. NULL is allowed. Waits at most 100 ms.
void sdp_dal_subscription_free(sdp_dal_subscription *subscription);

/// Returns a descriptor for poll(2), epoll(7) and event loops. It becomes readable when something may be new for what
/// this process watches in the store: sdp_dal_ref_watch(), sdp_dal_processor_watch() and subscriptions. Sometimes it
/// becomes readable without a reason.
///
/// When it is readable, call sdp_dal_store_clear_event_fd() first. Then check everything with SDP_DAL_POLL until
/// nothing is left. Later changes make it readable again. The first call of this function starts the only thread of the
/// library, which ends with the last handle of the store. The descriptor belongs to the library: do not close or read
/// it.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_IO, SDP_DAL_FORKED. Does not block.
sdp_dal_status sdp_dal_store_event_fd(const sdp_dal_store *store,
                                      int *out_fd);

/// Clears the descriptor of sdp_dal_store_event_fd(): it is not readable until something is new. A loop that watches many
/// objects calls sdp_dal_store_take_changed() instead.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_FORKED. Does not block.
sdp_dal_status sdp_dal_store_clear_event_fd(const sdp_dal_store *store);

/// Clears the descriptor of sdp_dal_store_event_fd(), like sdp_dal_store_clear_event_fd(), and returns the IDs of watched objects
/// that changed: those of sdp_dal_ref_watch() that may exist or have failed since the last call. It does not report processors
/// and subscriptions. A program looks at them each time.
///
/// All threads of a process share one descriptor and one list of changes. Each change is returned by one call only.
///
/// out_ids: room for capacity IDs of SDP_DAL_ID_SIZE bytes. An ID can be there several times. out_count: the number of IDs that
/// were written. If there are more, the descriptor stays readable, and the next call returns them.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_IO, SDP_DAL_FORKED. Does not block.
sdp_dal_status sdp_dal_store_take_changed(const sdp_dal_store *store,
                                          size_t capacity,
                                          uint8_t *out_ids,
                                          size_t *out_count);

/// Sets whether the descriptor of sdp_dal_store_event_fd() becomes readable when the object of this reference may exist
/// or have failed. This ends automatically when a function was called with the reference that returned this result.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_FORKED. Does not block.
sdp_dal_status sdp_dal_ref_watch(const sdp_dal_ref *reference,
                                 bool on);

/// Sets whether the descriptor of sdp_dal_store_event_fd() becomes readable when a call, or the inputs of a waiting
/// call, may have arrived for this processor. Starts the processor if that was not done before.
///
/// Errors: like sdp_dal_processor_start(). Does not wait for other clients.
sdp_dal_status sdp_dal_processor_watch(const sdp_dal_processor *processor,
                                       bool on);

/// Sets the next parameters by position to an array of values, as for sdp_dal_caller_issue(). For many rows or a
/// broadcast, in languages that build arrays of values.
///
/// values: count values. The elements of tensors must not change until the call has returned. Everything else is
/// copied. Arrow structs are moved: the library releases them, also on failure, unless args is wrong.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Then no parameter is set. Blocks while a stream does.
sdp_dal_status sdp_dal_args_set_values(sdp_dal_args *args,
                                       const sdp_dal_value *values,
                                       size_t count);

/// Returns which form of a function sdp_dal_caller_call() would call with these arguments, for sdp_dal_caller_issue().
///
/// The forms of a function differ in element types. What is known of the types of the arguments rules out forms, and one
/// must be left. A tensor has a type. A reference has one if it expects one, or if its object exists. A number fits all
/// forms in which the parameter is a number of its kind. Null and what is not known fit all forms. Nothing else is
/// checked.
///
/// function: the name of one of the caller's functions, or of one of its forms, as in sdp_dal_caller_call().
/// values: as in sdp_dal_caller_issue(), but no Arrow struct is read or moved. Of a tensor only the type of the view
/// counts. For a parameter that is a value, a tensor stands for a value of its type.
/// out_function: the index of the form in the signatures and schemas with which the caller was opened.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT with the forms if none fits or several do. SDP_DAL_NOT_FOUND. SDP_DAL_FORKED. Does
/// not wait for other clients.
sdp_dal_status sdp_dal_caller_choose_form(const sdp_dal_caller *caller,
                                          const char *function,
                                          const sdp_dal_value *values,
                                          size_t count,
                                          size_t num_rows,
                                          size_t *out_function);

/// Issues a call, or many rows of one function at once, with all arguments. Does not wait for them.
///
/// function: its index in the signatures and schemas with which the caller was opened, from 0. For a function with
/// several forms it is that of a form, see sdp_dal_caller_choose_form().
/// values: for each row one value for each parameter, in the order of the signature. For an output, null creates a new
/// object. SDP_DAL_VALUE_UNWANTED is for a nullable output that is not wanted. Tensors are copied into the store, and
/// their elements must not change until this function has returned. Arrow structs are moved: the library releases them,
/// also on failure, unless caller or function is wrong.
/// out_refs: for each row a reference to each output, in the order of the signature. NULL for an output that is not
/// wanted, or for which a reference was given. The caller owns each and must call sdp_dal_ref_free(). May be NULL if
/// the function has no outputs.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NO_PROCESSOR, SDP_DAL_PROCESSOR_LOST, SDP_DAL_TIMEOUT,
/// SDP_DAL_OUT_OF_MEMORY, SDP_DAL_LIMIT_REACHED, SDP_DAL_OBJECT_DELETED, SDP_DAL_INTERRUPTED, SDP_DAL_BUSY,
/// SDP_DAL_FORKED. Then nothing was issued. Blocks while the store is full, up to full_timeout_ns of the options, and
/// up to timeout_ns of the options while every processor has max_in_flight unfinished calls.
sdp_dal_status sdp_dal_caller_issue(const sdp_dal_caller *caller,
                                    size_t function,
                                    const sdp_dal_value *values,
                                    size_t num_rows,
                                    sdp_dal_ref **out_refs);

/// Returns all parameters of a call at once: its values, its input tensors as views, and its outputs.
///
/// values: an array of count values, filled in the order of the signature. Borrowed: valid until the callback returns or
/// the last handle of the call is freed, with all that they point to. For an object of any kind, data and size are its
/// bytes. An output is SDP_DAL_VALUE_OUTPUT, with its name as data and size, and its order in the signature as int64, one
/// of sdp_dal_order. If it starts from an input, view is its memory as from sdp_dal_call_get_output(), and the input is the
/// same output once more. A table, or a value of another Arrow type, has no structs: use sdp_dal_call_get_table() and
/// sdp_dal_call_get_arrow().
/// count: the number of parameters of the function.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_CORRUPT, SDP_DAL_OUT_OF_MEMORY (for an input that must be copied into
/// another order). Does not block.
sdp_dal_status sdp_dal_call_values(const sdp_dal_call *call,
                                   sdp_dal_value *values,
                                   size_t count);

/// Ends a call that was taken with sdp_dal_processor_next() or deferred: writes outputs, seals those that were created in
/// place, and fails those that were not written with SDP_DAL_OUTPUT_NOT_WRITTEN. Calling it again does nothing.
///
/// The handle stays valid and must be freed, and what was read from it is valid until then. A deferred handle does not
/// end the run of the function. Any other handle ends it (a callback runs until it returns).
///
/// values: a value for each output, in the order of the signature, which is copied into the store:
/// SDP_DAL_VALUE_TENSOR, SDP_DAL_VALUE_TABLE (the stream is moved) or SDP_DAL_VALUE_BINARY. Null for an output that is
/// written in another way. count: the number of outputs, or 0. If it is 0, values may be NULL.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_ALREADY_EXISTS, SDP_DAL_OUT_OF_MEMORY, SDP_DAL_INTERRUPTED: an output
/// could not be written, and the call has not ended. The outputs before it are written: to continue, pass null values
/// for them. SDP_DAL_OUTPUT_NOT_WRITTEN, SDP_DAL_BUSY. With values it blocks while the store is full, up to
/// full_timeout_ns of the options of the processor; without, it does not wait for other clients.
sdp_dal_status sdp_dal_call_finish(const sdp_dal_call *call,
                                   const sdp_dal_value *values,
                                   size_t count);

/// Sets a parameter to a value of any Arrow type.
///
/// value: an array of one element. schema: its type. Both are moved: the library releases them, also on failure.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_args_set_arrow(sdp_dal_args *args,
                                      const char *name,
                                      struct ArrowArray *value,
                                      struct ArrowSchema *schema);

/// Returns a value of any Arrow type, as an array of one element. The element is null if the parameter was left out.
///
/// out, out_schema: the array and its type. The caller owns both and must release them. They may outlive the call.
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

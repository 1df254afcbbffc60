/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The SDP Data Access Library: tensors and calls between the processes of one node, in shared
 * memory, without copies and without a server.
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
 *   sdp_dal_store_interrupt() may be called from anywhere, signal handlers included. After fork()
 *   the child's handles give SDP_DAL_FORKED: it opens the store anew.
 *
 * Blocking
 *   timeout_ns is a number of nanoseconds, SDP_DAL_POLL or SDP_DAL_WAIT_FOREVER. A wait also ends
 *   when what is waited for can never come, and by sdp_dal_store_interrupt(). What says that it
 *   does not wait for others still takes the store's lock for a moment: SDP_DAL_BUSY says that its
 *   holder is stopped.
 *
 * Structs and texts
 *   Structs start with their size; call their _init() function first. Strings are UTF-8 and end
 *   with a NUL. Strides are in bytes. Constants are enumerators of int32_t values, and bits of
 *   uint32_t values.
 *
 * Example: a processor. Status checks are left out here; c_examples/ has them.
 *
 *   sdp_dal_status simple_fn(sdp_dal_call *call, void *user_data) {
 *       int64_t x;
 *       sdp_dal_tensor_view ys;
 *       void *zs;
 *       sdp_dal_tensor_view_init(&ys, sizeof ys);
 *       sdp_dal_call_get_int64(call, "x", &x);
 *       sdp_dal_call_get_tensor(call, "ys", &ys);
 *       sdp_dal_call_create_tensor(call, "zs", ys.ndim, ys.shape, &zs);
 *       for (int64_t i = 0; i < ys.shape[0]; i++)
 *           ((int64_t *)zs)[i] = x + *(const int64_t *)((const char *)ys.data + i * ys.strides[0]);
 *       return SDP_DAL_OK;
 *   }
 *
 *   sdp_dal_store_open("/tmp/plasma", NULL, &store);
 *   sdp_dal_processor_open(store, NULL, &processor);
 *   sdp_dal_processor_register(processor, "simple_fn(x: int64, ys: int64[i]) -> (zs: int64[i])",
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
#ifndef ARROW_C_DATA_INTERFACE
#define ARROW_C_DATA_INTERFACE

#ifdef __cplusplus
extern "C" {
#endif

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

#ifdef __cplusplus
}
#endif
#endif

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
    /// The store's lock is held by a process that is stopped.
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
    /// In a spec: the default, which is C order. In a view: neither of the two, see its strides.
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
    /// The field group counts: the members of that group may use the store too.
    SDP_DAL_STORE_SHARE_WITH_GROUP = 1,
    /// The field accept_owner counts: a store of that user is accepted too.
    SDP_DAL_STORE_ACCEPT_OWNER = 2,
    /// When the store is full, delete what nobody wants or holds and what was marked as evictable.
    SDP_DAL_STORE_EVICTION = 4,
    /// Take all memory from the system when the store is made.
    SDP_DAL_STORE_RESERVE = 8,
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
} sdp_dal_caller_flag;

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
    /// May be deleted when the store is full (if it was made with SDP_DAL_STORE_EVICTION).
    SDP_DAL_OBJECT_EVICTABLE = 2,
    /// Lives as long as somebody wants it: the writer's handle does, until it is freed. Else it is kept until it
    /// is deleted.
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
    /// It will never exist; sdp_dal_ref_error() tells why.
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

/// The arguments of a call, by name (set) or by position (push). Made by sdp_dal_args_create(), used by any number of
/// calls, ended by sdp_dal_args_free().
///
/// Nothing is checked before the call, which knows the function. Names and texts are copied, references are kept;
/// a tensor's elements are not: their memory must stay as it is until the call has returned.
typedef struct sdp_dal_args sdp_dal_args;

/// The bytes of a complete object: they stay as long as the handle. Ended by sdp_dal_buffer_free().
typedef struct sdp_dal_buffer sdp_dal_buffer;

/// A call that a processor took. In a callback it is borrowed; sdp_dal_processor_next() gives one that you own. It is
/// ended by sdp_dal_call_finish(), or when its last handle goes.
typedef struct sdp_dal_call sdp_dal_call;

/// Issues calls to the processors that offer its functions. Made by sdp_dal_caller_open(), ended by
/// sdp_dal_caller_close().
typedef struct sdp_dal_caller sdp_dal_caller;

/// A list of objects. Made by sdp_dal_object_list(), ended by sdp_dal_list_free().
typedef struct sdp_dal_list sdp_dal_list;

/// The namespaces of a store as they were at one moment, by prefix. Made by sdp_dal_namespace_list(), ended by
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

/// A complete tensor: its elements stay as long as the handle. Ended by sdp_dal_tensor_free().
typedef struct sdp_dal_tensor sdp_dal_tensor;

/// A raw object being written. Made by sdp_dal_object_create(), ended by sdp_dal_writer_free().
typedef struct sdp_dal_writer sdp_dal_writer;

/// How a function ended: SDP_DAL_OK, or one of the negative values of sdp_dal_status_code.
typedef int32_t sdp_dal_status;

/// Where the elements of a tensor lie. The view owns nothing.
///
/// Filled by the library (sdp_dal_tensor_get_view(), sdp_dal_call_get_tensor()) the pointers are borrowed, as the
/// function says, and the data must not be written. Filled by you (sdp_dal_tensor_put(), sdp_dal_args_set_tensor())
/// it describes your own memory, in any layout. Call sdp_dal_tensor_view_init() first in both cases.
typedef struct {
    /// sizeof(sdp_dal_tensor_view), set by sdp_dal_tensor_view_init().
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
    /// sizeof(sdp_dal_tensor_spec), set by sdp_dal_tensor_spec_init().
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

/// How sdp_dal_store_open() opens, and if need be makes, a store. Zero bytes mean the default.
typedef struct {
    /// sizeof(sdp_dal_store_options), set by sdp_dal_store_options_init().
    size_t struct_size;
    /// Bytes that can be put into a new store; 0: SDP_DAL_STORE_SIZE of the environment, or half of what the
    /// system has.
    uint64_t size;
    /// Name of this program in displays; NULL: the program's.
    const char *name;
    /// Most objects at a time in a new store; 0: the default.
    uint32_t max_objects;
    /// Most clients at a time in a new store, a multiple of 64 up to 1024; 0: the default.
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

/// Numbers about a store, in bytes or pieces.
typedef struct {
    /// sizeof(sdp_dal_store_stat), set by sdp_dal_store_stat_init().
    size_t struct_size;
    /// Bytes that fit into the empty store.
    uint64_t size;
    /// Bytes in use.
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
    /// Most objects at a time.
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
} sdp_dal_store_stat;

/// What a parameter is.
typedef struct {
    /// sizeof(sdp_dal_param_info), set by sdp_dal_param_info_init().
    size_t struct_size;
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
    /// 0.
    uint32_t reserved;
} sdp_dal_param_info;

/// What a namespace declares.
typedef struct {
    /// sizeof(sdp_dal_namespace_options), set by sdp_dal_namespace_options_init().
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
    /// sizeof(sdp_dal_namespace_info), set by sdp_dal_namespace_info_init().
    size_t struct_size;
    /// Number of the client that declared it.
    uint32_t owner;
    /// The owner's process ID in its own container.
    uint32_t pid;
    /// Calls in its queue that have not ended.
    uint32_t queued;
    /// 1 if the owner lives and has not closed it, else 0.
    uint32_t alive;
    /// Number of the owner's arguments, its program included.
    uint32_t num_args;
    /// Its prefix.
    uint8_t prefix[4];
} sdp_dal_namespace_info;

/// How to create a raw object. Zero bytes mean the default.
typedef struct {
    /// sizeof(sdp_dal_object_spec), set by sdp_dal_object_spec_init().
    size_t struct_size;
    /// Bytes of data.
    uint64_t data_size;
    /// Bytes that are copied and can be read beside the data; may be NULL if there are none.
    const uint8_t *metadata;
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
    /// sizeof(sdp_dal_object_info), set by sdp_dal_object_info_init().
    size_t struct_size;
    /// Bytes of data.
    uint64_t data_size;
    /// Bytes of metadata.
    uint64_t metadata_size;
    /// When it was created, in nanoseconds since 1970.
    int64_t created_ns;
    /// From its creation to its sealing, in nanoseconds.
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

/// How a caller finds its processors.
typedef struct {
    /// sizeof(sdp_dal_caller_options), set by sdp_dal_caller_options_init().
    size_t struct_size;
    /// First bytes of the prefixes of the processors to use; may be NULL if there are none.
    const uint8_t *processor_prefix;
    /// Bytes of processor_prefix, 0 to SDP_DAL_PREFIX_SIZE.
    size_t processor_prefix_size;
    /// Fewer compatible processors are an error; 0: none are needed. sdp_dal_caller_options_init() sets 1.
    uint64_t minimum_processors;
    /// Most calls that a processor has not ended; issuing then waits. A batch is one call, until its last row has
    /// ended. 0: no limit.
    uint64_t max_in_flight;
    /// How long sdp_dal_caller_open() waits for the processors, and issuing for room when max_in_flight
    /// is reached. sdp_dal_caller_options_init() sets SDP_DAL_POLL.
    int64_t timeout_ns;
    /// One of sdp_dal_select.
    int32_t select;
    /// Bits of sdp_dal_caller_flag.
    uint32_t flags;
} sdp_dal_caller_options;

/// How a processor shows itself.
typedef struct {
    /// sizeof(sdp_dal_processor_options), set by sdp_dal_processor_options_init().
    size_t struct_size;
    /// Its name, which callers see; NULL: the program's.
    const char *name;
    /// First bytes of its prefix; may be NULL if there are none.
    const uint8_t *prefix;
    /// Bytes of prefix, 0 to SDP_DAL_PREFIX_SIZE.
    size_t prefix_size;
} sdp_dal_processor_options;

/// A processing function.
///
/// call: the call to work on. Borrowed: valid until the function returns; sdp_dal_call_retain() gives a handle that lasts.
/// user_data: what was given to sdp_dal_processor_register().
///
/// Returns SDP_DAL_OK, or any other value to fail the outputs: with the text given to sdp_dal_call_fail(), else with
/// that of sdp_dal_last_error() if the value came from a function of this library. Outputs created in place are sealed
/// when it returns SDP_DAL_OK. It runs in the thread that called sdp_dal_processor_process(); it may issue calls and
/// wait, but must not close its processor, and no C++ exception may leave it.
typedef sdp_dal_status (*sdp_dal_function)(sdp_dal_call *call, void *user_data);

/// Called once with a function's user_data when the function will not be called any more.
typedef void (*sdp_dal_drop)(void *user_data);

/// How an output is created in place. Zero bytes mean the default.
typedef struct {
    /// sizeof(sdp_dal_output_options), set by sdp_dal_output_options_init().
    size_t struct_size;
    /// One of sdp_dal_order.
    int32_t order;
    /// Bits of sdp_dal_tensor_flag.
    uint32_t flags;
} sdp_dal_output_options;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/// The version of the library that is running: major << 24 | minor << 12 | patch.
///
/// SDP_DAL_VERSION is that of the header. Before 1.0 they must agree in major and minor, afterwards in major.
uint32_t sdp_dal_version(void);

/// The version of the library that is running, as text: "0.1.0". Static.
const char *sdp_dal_version_string(void);

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

/// Bytes of one element of a tensor; 0 if dtype is no sdp_dal_dtype. Does not block.
size_t sdp_dal_dtype_size(int32_t dtype);

/// The name of an element type as signatures write it: "int64", "complex128", ...; "unknown" if dtype is no
/// sdp_dal_dtype.
///
/// Returns a static text. Does not block.
const char *sdp_dal_dtype_name(int32_t dtype);

/// Fills a view with zeros and its size.
///
/// view: the struct. struct_size: sizeof(sdp_dal_tensor_view).
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_tensor_view_init(sdp_dal_tensor_view *view, size_t struct_size);

/// Fills a spec with zeros and its size.
///
/// spec: the struct. struct_size: sizeof(sdp_dal_tensor_spec).
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_tensor_spec_init(sdp_dal_tensor_spec *spec, size_t struct_size);

/// Fills options with their defaults.
///
/// options: the struct. struct_size: sizeof(sdp_dal_store_options).
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_store_options_init(sdp_dal_store_options *options, size_t struct_size);

/// Fills a stat with zeros and its size.
///
/// stat: the struct. struct_size: sizeof(sdp_dal_store_stat).
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_store_stat_init(sdp_dal_store_stat *stat, size_t struct_size);

/// Opens the store at a path, and makes it if there is none.
///
/// One process has one attachment to a store, however often it opens it; every handle has a namespace of its
/// own, which is reserved when something is put into it first.
///
/// path: where the store is; NULL: SDP_DAL_STORE of the environment.
/// options: NULL for the defaults.
/// out: The caller owns *out and must call sdp_dal_store_close().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND, SDP_DAL_PERMISSION_DENIED, SDP_DAL_CORRUPT,
/// SDP_DAL_UNSUPPORTED, SDP_DAL_LIMIT_REACHED, SDP_DAL_OUT_OF_MEMORY, SDP_DAL_IO, SDP_DAL_BUSY.
/// Blocks only as long as the system takes.
sdp_dal_status sdp_dal_store_open(const char *path,
                                  const sdp_dal_store_options *options,
                                  sdp_dal_store **out);

/// Ends the use of a store by this handle. NULL is allowed.
///
/// Everything that was made from the handle stays valid: the attachment goes with the last of them.
/// Waits at most 100 ms.
void sdp_dal_store_close(sdp_dal_store *store);

/// Makes a further namespace of the same attachment.
///
/// name: its name in displays; NULL: the program's.
/// out: The caller owns *out and must call sdp_dal_store_close().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_store_new_namespace(const sdp_dal_store *store,
                                           const char *name,
                                           sdp_dal_store **out);

/// Copies the path by which a store was opened.
///
/// buffer, length: as in sdp_dal_last_error().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_store_path(const sdp_dal_store *store, char *buffer, size_t *length);

/// The prefix of a handle's namespace, which is reserved now if it was not before.
///
/// out_prefix: room for SDP_DAL_PREFIX_SIZE bytes.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_LIMIT_REACHED, SDP_DAL_OUT_OF_MEMORY, SDP_DAL_FORKED.
/// Does not wait for others.
sdp_dal_status sdp_dal_store_prefix(const sdp_dal_store *store, uint8_t *out_prefix);

/// Numbers about a store as it is now.
///
/// out: filled; call sdp_dal_store_stat_init() on it first.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_CORRUPT, SDP_DAL_BUSY, SDP_DAL_FORKED. Does not wait for others.
sdp_dal_status sdp_dal_store_get_stat(const sdp_dal_store *store,
                                      sdp_dal_store_stat *out);

/// Ends all waiting in this process on this store, and keeps it from starting, while on is true: every function
/// that waits returns SDP_DAL_INTERRUPTED.
///
/// May be called from any thread, and from a signal handler.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_store_interrupt(const sdp_dal_store *store,
                                       bool on);

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

/// Whether an ID names a namespace's declaration: a prefix and zeros; false if id is NULL. Does not block.
///
/// id: SDP_DAL_ID_SIZE bytes.
bool sdp_dal_id_is_declaration(const uint8_t *id);

/// An ID in a handle's namespace that was never given out before and never will be again.
///
/// out_id: room for SDP_DAL_ID_SIZE bytes.
///
/// Errors: as sdp_dal_store_prefix(). Does not wait for others.
sdp_dal_status sdp_dal_store_new_id(const sdp_dal_store *store, uint8_t *out_id);

/// Fills an info with zeros and its size.
///
/// info: the struct. struct_size: sizeof(sdp_dal_param_info).
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_param_info_init(sdp_dal_param_info *info, size_t struct_size);

/// A function without parameters, to be built with sdp_dal_schema_add_value() and its neighbours.
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

/// Copies the name of the function.
///
/// buffer, length: as in sdp_dal_last_error().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_schema_name(const sdp_dal_schema *schema, char *buffer, size_t *length);

/// The number of parameters; 0 if schema is no schema. Does not block.
size_t sdp_dal_schema_num_params(const sdp_dal_schema *schema);

/// Copies the name of a parameter.
///
/// index: 0 to sdp_dal_schema_num_params() - 1, in positional order. buffer, length: as in sdp_dal_last_error().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_schema_param_name(const sdp_dal_schema *schema,
                                         size_t index,
                                         char *buffer,
                                         size_t *length);

/// The index of the parameter with a name.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND. Does not block.
sdp_dal_status sdp_dal_schema_param_index(const sdp_dal_schema *schema,
                                          const char *name,
                                          size_t *out);

/// What a parameter is.
///
/// index: 0 to sdp_dal_schema_num_params() - 1. out: filled; call sdp_dal_param_info_init() on it first.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_schema_param_info(const sdp_dal_schema *schema,
                                         size_t index,
                                         sdp_dal_param_info *out);

/// One dimension of a tensor parameter.
///
/// index: 0 to sdp_dal_schema_num_params() - 1. dim: 0 to the info's ndim - 1.
/// out_size: its size, -1 if that is not fixed.
/// buffer, length: its name, as in sdp_dal_last_error(); "" if it has none.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_schema_param_dim(const sdp_dal_schema *schema,
                                        size_t index,
                                        size_t dim,
                                        int64_t *out_size,
                                        char *buffer,
                                        size_t *length);

/// Copies the type of a parameter as a signature writes it: "int64", "float64[row,uvw=3]", "table{a: utf8}".
///
/// index: 0 to sdp_dal_schema_num_params() - 1. buffer, length: as in sdp_dal_last_error().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_schema_param_type(const sdp_dal_schema *schema,
                                         size_t index,
                                         char *buffer,
                                         size_t *length);

/// The type of a value parameter, as an Arrow field of its name.
///
/// index: 0 to sdp_dal_schema_num_params() - 1.
/// out: filled. The caller owns it and must call out->release(); released on failure.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also if the parameter is an object). Does not block.
sdp_dal_status sdp_dal_schema_param_arrow(const sdp_dal_schema *schema,
                                          size_t index,
                                          struct ArrowSchema *out);

/// The columns of a table parameter, as an Arrow schema.
///
/// index: 0 to sdp_dal_schema_num_params() - 1.
/// out: filled. The caller owns it and must call out->release(); released on failure.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND if its columns are not fixed. Does not block.
sdp_dal_status sdp_dal_schema_param_columns(const sdp_dal_schema *schema,
                                            size_t index,
                                            struct ArrowSchema *out);

/// What keeps a caller that expects one schema from calling a function of another.
///
/// Every parameter expected must be there with equal direction, kind and type; others must be inputs that may be left
/// out. Names count, the order and metadata do not.
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

/// Appends a parameter that is a plain value.
///
/// name: a letter or _, then letters, digits and _.
/// type_text: its type as a signature writes it: "int64", "utf8", "timestamp<ns,UTC>", "list<float64>".
/// nullable: whether it may be left out.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_schema_add_value(sdp_dal_schema *schema,
                                        const char *name,
                                        const char *type_text,
                                        bool nullable);

/// Appends a parameter that is a value of any Arrow type.
///
/// name, nullable: as in sdp_dal_schema_add_value().
/// arrow_type: its type; the field's name, nullability and metadata are not looked at. Moved, also if this fails: it is
/// marked as released and need not be released any more.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_schema_add_value_arrow(sdp_dal_schema *schema,
                                              const char *name,
                                              struct ArrowSchema *arrow_type,
                                              bool nullable);

/// Appends a parameter that is a tensor.
///
/// direction: one of sdp_dal_direction. name, nullable: as in sdp_dal_schema_add_value().
/// dtype: its element type, one of sdp_dal_dtype. ndim: 0 to SDP_DAL_MAX_DIMS.
/// dim_names: ndim names, each with "=" and a size behind it if that is fixed: "row", "uvw=3"; "" or NULL for a
/// dimension without a name, "=3" for one that has a size alone. NULL if none has a name.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_schema_add_tensor(sdp_dal_schema *schema,
                                         int32_t direction,
                                         const char *name,
                                         int32_t dtype,
                                         int32_t ndim,
                                         const char *const *dim_names,
                                         bool nullable);

/// Appends a parameter that is a table.
///
/// direction: one of sdp_dal_direction. name, nullable: as in sdp_dal_schema_add_value().
/// columns: the columns it must have; their metadata are not looked at. NULL: any. Moved, also if this fails: it is
/// marked as released and need not be released any more.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_schema_add_table(sdp_dal_schema *schema,
                                        int32_t direction,
                                        const char *name,
                                        struct ArrowSchema *columns,
                                        bool nullable);

/// Appends a parameter that is an object of any kind: waited for if it is an input, made if it is an output.
///
/// direction: one of sdp_dal_direction. name, nullable: as in sdp_dal_schema_add_value().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_schema_add_oid(sdp_dal_schema *schema,
                                      int32_t direction,
                                      const char *name,
                                      bool nullable);

/// Appends a parameter that is an object's ID, which is only passed: nobody waits for the object.
///
/// name, nullable: as in sdp_dal_schema_add_value().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_schema_add_id(sdp_dal_schema *schema, const char *name, bool nullable);

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

/// The number of things said about the function or one of its parameters.
///
/// param: the parameter's name; NULL: the function.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND. Does not block.
sdp_dal_status sdp_dal_schema_num_metadata(const sdp_dal_schema *schema,
                                           const char *param,
                                           size_t *out);

/// Copies a key of the metadata of the function or one of its parameters; they are sorted.
///
/// param: the parameter's name; NULL: the function. index: 0 to what sdp_dal_schema_num_metadata() gave - 1.
/// buffer, length: as in sdp_dal_last_error().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND. Does not block.
sdp_dal_status sdp_dal_schema_metadata_key(const sdp_dal_schema *schema,
                                           const char *param,
                                           size_t index,
                                           char *buffer,
                                           size_t *length);

/// Copies what is said about the function or one of its parameters under a key.
///
/// param: the parameter's name; NULL: the function. buffer, length: as in sdp_dal_last_error().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND. Does not block.
sdp_dal_status sdp_dal_schema_metadata(const sdp_dal_schema *schema,
                                       const char *param,
                                       const char *key,
                                       char *buffer,
                                       size_t *length);

/// Fills options with their defaults.
///
/// options: the struct. struct_size: sizeof(sdp_dal_namespace_options).
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_namespace_options_init(sdp_dal_namespace_options *options,
                                              size_t struct_size);

/// Fills an info with zeros and its size.
///
/// info: the struct. struct_size: sizeof(sdp_dal_namespace_info).
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_namespace_info_init(sdp_dal_namespace_info *info, size_t struct_size);

/// Reserves a namespace of the same attachment at once: the lowest free prefix that starts as the options say.
///
/// Objects that are left under the prefix are deleted first. It stays reserved as long as the handle, or an owning
/// reference made from it, lives. With schemas it is what callers look for, and their calls are put into it;
/// sdp_dal_processor_open() is for those that also run them.
///
/// options: NULL for the defaults.
/// out: The caller owns *out and must call sdp_dal_store_close().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NAMESPACE_IN_USE if the only such prefix belongs to a living client,
/// SDP_DAL_LIMIT_REACHED, SDP_DAL_OUT_OF_MEMORY, SDP_DAL_FORKED. Does not wait for others.
sdp_dal_status sdp_dal_namespace_reserve(const sdp_dal_store *store,
                                         const sdp_dal_namespace_options *options,
                                         sdp_dal_store **out);

/// Lists the declared namespaces.
///
/// out: The caller owns *out and must call sdp_dal_namespaces_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_CORRUPT, SDP_DAL_BUSY, SDP_DAL_FORKED. Does not wait for others.
sdp_dal_status sdp_dal_namespace_list(const sdp_dal_store *store,
                                      sdp_dal_namespaces **out);

/// The number of namespaces in a list; 0 if list is no list of namespaces. Does not block.
size_t sdp_dal_namespaces_count(const sdp_dal_namespaces *list);

/// One namespace of a list.
///
/// index: 0 to sdp_dal_namespaces_count() - 1. out: filled; call sdp_dal_namespace_info_init() on it first.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_namespaces_info(const sdp_dal_namespaces *list,
                                       size_t index,
                                       sdp_dal_namespace_info *out);

/// Copies the name that a namespace gave itself; "" if its declaration is damaged.
///
/// index: 0 to sdp_dal_namespaces_count() - 1. buffer, length: as in sdp_dal_last_error().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_namespaces_name(const sdp_dal_namespaces *list,
                                       size_t index,
                                       char *buffer,
                                       size_t *length);

/// Copies an argument of the process that declared a namespace; the first is its program.
///
/// index: 0 to sdp_dal_namespaces_count() - 1. arg: 0 to the info's num_args - 1.
/// buffer, length: as in sdp_dal_last_error().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_namespaces_arg(const sdp_dal_namespaces *list,
                                      size_t index,
                                      size_t arg,
                                      char *buffer,
                                      size_t *length);

/// The number of keys of a namespace's metadata; 0 if there is no such namespace. Does not block.
///
/// index: 0 to sdp_dal_namespaces_count() - 1.
size_t sdp_dal_namespaces_num_metadata(const sdp_dal_namespaces *list, size_t index);

/// Copies a key of a namespace's metadata; they are sorted. Those of the library start with "proc:".
///
/// index: 0 to sdp_dal_namespaces_count() - 1. key: 0 to sdp_dal_namespaces_num_metadata() - 1.
/// buffer, length: as in sdp_dal_last_error().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_namespaces_metadata_key(const sdp_dal_namespaces *list,
                                               size_t index,
                                               size_t key,
                                               char *buffer,
                                               size_t *length);

/// Copies what is said about a namespace under a key.
///
/// index: 0 to sdp_dal_namespaces_count() - 1.
/// buffer, length: as in sdp_dal_last_error(). The value of "proc:argv" has a NUL behind each argument.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND. Does not block.
sdp_dal_status sdp_dal_namespaces_metadata(const sdp_dal_namespaces *list,
                                           size_t index,
                                           const char *key,
                                           char *buffer,
                                           size_t *length);

/// The number of functions that a namespace offers; 0 if there is no such namespace. Does not block.
///
/// index: 0 to sdp_dal_namespaces_count() - 1.
size_t sdp_dal_namespaces_num_functions(const sdp_dal_namespaces *list,
                                        size_t index);

/// A function that a namespace offers.
///
/// index: 0 to sdp_dal_namespaces_count() - 1. function: 0 to sdp_dal_namespaces_num_functions() - 1.
/// out: The caller owns *out and must call sdp_dal_schema_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_namespaces_function(const sdp_dal_namespaces *list,
                                           size_t index,
                                           size_t function,
                                           sdp_dal_schema **out);

/// Ends a list of namespaces. NULL is allowed. Does not block.
void sdp_dal_namespaces_free(sdp_dal_namespaces *list);

/// Fills a spec with its defaults.
///
/// spec: the struct. struct_size: sizeof(sdp_dal_object_spec).
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_object_spec_init(sdp_dal_object_spec *spec, size_t struct_size);

/// Creates a raw object under an ID: memory to fill, and then to seal.
///
/// id: SDP_DAL_ID_SIZE bytes. spec: sizes, metadata and how long it lives.
/// out_data: spec->data_size bytes, 64-byte aligned, to be written until sdp_dal_writer_seal(); not after that.
/// Borrowed: valid until the writer is sealed, aborted or freed.
/// out: The caller owns *out and must call sdp_dal_writer_free(), which aborts what was not sealed.
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
                                  const uint8_t *data,
                                  size_t data_size,
                                  const uint8_t *metadata,
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
/// id: SDP_DAL_ID_SIZE bytes. out: filled; call sdp_dal_object_info_init() on it first.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND, SDP_DAL_FORKED. Does not wait for others.
sdp_dal_status sdp_dal_object_get_info(const sdp_dal_store *store,
                                       const uint8_t *id,
                                       sdp_dal_object_info *out);

/// Lists the objects whose IDs start with given bytes, in every state.
///
/// prefix: 0 to SDP_DAL_ID_SIZE bytes; may be NULL if prefix_size is 0, which lists everything.
/// out: The caller owns *out and must call sdp_dal_list_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_CORRUPT, SDP_DAL_BUSY, SDP_DAL_FORKED. Does not wait for others.
sdp_dal_status sdp_dal_object_list(const sdp_dal_store *store,
                                   const uint8_t *prefix,
                                   size_t prefix_size,
                                   sdp_dal_list **out);

/// Makes the object complete and visible. Its memory must not be written any more.
///
/// The handle stays, to be freed.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_ALREADY_EXISTS (sealed or aborted before), SDP_DAL_FORKED.
/// Does not wait for others.
sdp_dal_status sdp_dal_writer_seal(sdp_dal_writer *writer);

/// Gives the memory back: the object will not exist.
///
/// The handle stays, to be freed.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_ALREADY_EXISTS (sealed or aborted before).
/// Does not wait for others.
sdp_dal_status sdp_dal_writer_abort(sdp_dal_writer *writer);

/// Ends a writer, and aborts its object if that was not sealed. NULL is allowed. Waits at most 100 ms.
void sdp_dal_writer_free(sdp_dal_writer *writer);

/// The data of an object.
///
/// out, out_size: address and number of bytes. Borrowed: valid until the buffer is freed; must not be written.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_buffer_data(const sdp_dal_buffer *buffer,
                                   const void **out,
                                   size_t *out_size);

/// The metadata of an object.
///
/// out, out_size: address and number of bytes. Borrowed: valid until the buffer is freed; must not be written.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_buffer_metadata(const sdp_dal_buffer *buffer,
                                       const void **out,
                                       size_t *out_size);

/// The ID of an object.
///
/// out_id: room for SDP_DAL_ID_SIZE bytes.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_buffer_id(const sdp_dal_buffer *buffer, uint8_t *out_id);

/// A second handle on the same bytes, with an end of its own.
///
/// out: The caller owns *out and must call sdp_dal_buffer_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_buffer_clone(const sdp_dal_buffer *buffer, sdp_dal_buffer **out);

/// Lets go of the bytes. NULL is allowed. Waits at most 100 ms.
void sdp_dal_buffer_free(sdp_dal_buffer *buffer);

/// Fills an info with zeros and its size.
///
/// info: the struct. struct_size: sizeof(sdp_dal_object_info).
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_object_info_init(sdp_dal_object_info *info, size_t struct_size);

/// The number of objects in a list; 0 if list is no list. Does not block.
size_t sdp_dal_list_count(const sdp_dal_list *list);

/// One object of a list.
///
/// index: 0 to sdp_dal_list_count() - 1. out: filled; call sdp_dal_object_info_init() on it first.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_list_info(const sdp_dal_list *list, size_t index, sdp_dal_object_info *out);

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
/// out: filled; call sdp_dal_tensor_view_init() on it first. Borrowed: its pointers are valid until the tensor is
/// freed; the elements must not be written.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_tensor_get_view(const sdp_dal_tensor *tensor,
                                       sdp_dal_tensor_view *out);

/// The ID of a tensor's object.
///
/// out_id: room for SDP_DAL_ID_SIZE bytes.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_tensor_id(const sdp_dal_tensor *tensor, uint8_t *out_id);

/// A second handle on the same tensor, with an end of its own.
///
/// out: The caller owns *out and must call sdp_dal_tensor_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_tensor_clone(const sdp_dal_tensor *tensor, sdp_dal_tensor **out);

/// Lets go of a tensor. NULL is allowed. Waits at most 100 ms.
void sdp_dal_tensor_free(sdp_dal_tensor *tensor);

/// An owning reference to a tensor that does not exist yet: to be passed as the output of a call, or to be written
/// later by sdp_dal_ref_put_tensor() or sdp_dal_ref_create_tensor().
///
/// dtype: the element type it will have, one of sdp_dal_dtype; 0 for any.
/// ndim, dim_names: its dimensions; not looked at if dtype is 0. dim_names may be NULL.
/// out: The caller owns *out and must call sdp_dal_ref_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_LIMIT_REACHED, SDP_DAL_OUT_OF_MEMORY, SDP_DAL_FORKED.
/// Does not wait for others.
sdp_dal_status sdp_dal_ref_new(const sdp_dal_store *store,
                               int32_t dtype,
                               int32_t ndim,
                               const char *const *dim_names,
                               sdp_dal_ref **out);

/// A borrowed reference to the object with an ID.
///
/// id: SDP_DAL_ID_SIZE bytes.
/// out: The caller owns *out and must call sdp_dal_ref_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_ref_from_id(const sdp_dal_store *store,
                                   const uint8_t *id,
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

/// The ID of the object.
///
/// out_id: room for SDP_DAL_ID_SIZE bytes.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_ref_id(const sdp_dal_ref *reference, uint8_t *out_id);

/// Whether a reference is an owning one; false if reference is no reference. Does not block.
bool sdp_dal_ref_is_owning(const sdp_dal_ref *reference);

/// Whether the object exists, that is: is complete.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_CORRUPT, SDP_DAL_FORKED. Does not wait for others.
sdp_dal_status sdp_dal_ref_exists(const sdp_dal_ref *reference, bool *out);

/// The state of the object, one of sdp_dal_object_state.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_CORRUPT, SDP_DAL_FORKED. Does not wait for others.
sdp_dal_status sdp_dal_ref_state(const sdp_dal_ref *reference, int32_t *out);

/// Why the object of a reference will never exist.
///
/// out_status: the reason; SDP_DAL_OK if the object has not failed.
/// buffer, length: its text, as in sdp_dal_last_error(); empty if the object has not failed.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_CORRUPT, SDP_DAL_FORKED. Does not wait for others.
sdp_dal_status sdp_dal_ref_error(const sdp_dal_ref *reference,
                                 sdp_dal_status *out_status,
                                 char *buffer,
                                 size_t *length);

/// Waits until the object exists.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_TIMEOUT, SDP_DAL_OBJECT_DELETED, SDP_DAL_PROCESSOR_LOST, the error of
/// a failed object (SDP_DAL_FUNCTION_FAILED and others), SDP_DAL_INTERRUPTED, SDP_DAL_FORKED.
/// Blocks up to timeout_ns.
sdp_dal_status sdp_dal_ref_wait(const sdp_dal_ref *reference,
                                int64_t timeout_ns);

/// Waits until the object exists, and holds it as a tensor. Nothing is copied.
///
/// out: The caller owns *out and must call sdp_dal_tensor_free().
///
/// Errors: as sdp_dal_ref_wait(), and SDP_DAL_INVALID_ARGUMENT if the object is no tensor.
/// Blocks up to timeout_ns.
sdp_dal_status sdp_dal_ref_get_tensor(const sdp_dal_ref *reference,
                                      int64_t timeout_ns,
                                      sdp_dal_tensor **out);

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

/// An empty set of arguments.
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

/// Gives the parameter with a name nothing, for a nullable parameter or an output that is not wanted.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_args_set_null(sdp_dal_args *args,
                                     const char *name);

/// Gives the parameter with a name a bool.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_args_set_bool(sdp_dal_args *args, const char *name, bool value);

/// Gives the parameter with a name a number for a parameter of any signed integer type; the call checks its range.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_args_set_int64(sdp_dal_args *args,
                                      const char *name,
                                      int64_t value);

/// Gives the parameter with a name a number for a parameter of any unsigned integer type; the call checks its
/// range.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_args_set_uint64(sdp_dal_args *args,
                                       const char *name,
                                       uint64_t value);

/// Gives the parameter with a name a number for a parameter of any floating-point type.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_args_set_double(sdp_dal_args *args, const char *name, double value);

/// Gives the parameter with a name a text, which is copied.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_args_set_string(sdp_dal_args *args, const char *name, const char *value);

/// Gives the parameter with a name bytes, which are copied.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_args_set_binary(sdp_dal_args *args,
                                       const char *name,
                                       const uint8_t *value,
                                       size_t size);

/// Gives the parameter with a name an object ID of SDP_DAL_ID_SIZE bytes.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_args_set_id(sdp_dal_args *args, const char *name, const uint8_t *value);

/// Gives the parameter with a name a reference: to an input, or to be an output; it may be freed at once.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_args_set_ref(sdp_dal_args *args,
                                    const char *name,
                                    const sdp_dal_ref *value);

/// Gives the parameter with a name a tensor, which the call puts; its elements must stay as they are until the call
/// has returned (the view, its shape and its strides need not).
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_args_set_tensor(sdp_dal_args *args,
                                       const char *name,
                                       const sdp_dal_tensor_view *value);

/// Gives the next parameter by position nothing, for a nullable parameter or an output that is not wanted.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_args_push_null(sdp_dal_args *args);

/// Gives the next parameter by position a bool.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_args_push_bool(sdp_dal_args *args, bool value);

/// Gives the next parameter by position a number for a parameter of any signed integer type; the call checks its
/// range.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_args_push_int64(sdp_dal_args *args,
                                       int64_t value);

/// Gives the next parameter by position a number for a parameter of any unsigned integer type; the call checks its
/// range.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_args_push_uint64(sdp_dal_args *args,
                                        uint64_t value);

/// Gives the next parameter by position a number for a parameter of any floating-point type.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_args_push_double(sdp_dal_args *args, double value);

/// Gives the next parameter by position a text, which is copied.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_args_push_string(sdp_dal_args *args, const char *value);

/// Gives the next parameter by position bytes, which are copied.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_args_push_binary(sdp_dal_args *args, const uint8_t *value, size_t size);

/// Gives the next parameter by position an object ID of SDP_DAL_ID_SIZE bytes.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_args_push_id(sdp_dal_args *args, const uint8_t *value);

/// Gives the next parameter by position a reference: to an input, or to be an output; it may be freed at once.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_args_push_ref(sdp_dal_args *args,
                                     const sdp_dal_ref *value);

/// Gives the next parameter by position a tensor, which the call puts; its elements must stay as they are until the
/// call has returned (the view, its shape and its strides need not).
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_args_push_tensor(sdp_dal_args *args,
                                        const sdp_dal_tensor_view *value);

/// The number of outputs; 0 if results is no results handle. Does not block.
size_t sdp_dal_results_count(const sdp_dal_results *results);

/// Copies the name of an output.
///
/// index: 0 to sdp_dal_results_count() - 1. buffer, length: as in sdp_dal_last_error().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_results_name(const sdp_dal_results *results,
                                    size_t index,
                                    char *buffer,
                                    size_t *length);

/// The reference to an output, by name.
///
/// out: NULL if the output is null. Borrowed: valid until the results are freed; sdp_dal_ref_clone() makes one that
/// lasts.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND. Does not block.
sdp_dal_status sdp_dal_results_ref(const sdp_dal_results *results,
                                   const char *name,
                                   const sdp_dal_ref **out);

/// The reference to an output, by index.
///
/// index: 0 to sdp_dal_results_count() - 1.
/// out: NULL if the output is null. Borrowed: valid until the results are freed; sdp_dal_ref_clone() makes one that
/// lasts.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_results_ref_at(const sdp_dal_results *results,
                                      size_t index,
                                      const sdp_dal_ref **out);

/// Ends the results. A call of which no output is referred to any more, and that has not started, is cancelled.
/// NULL is allowed. Waits at most 100 ms.
void sdp_dal_results_free(sdp_dal_results *results);

/// Fills options with their defaults.
///
/// options: the struct. struct_size: sizeof(sdp_dal_caller_options).
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_caller_options_init(sdp_dal_caller_options *options, size_t struct_size);

/// Checks a signature as sdp_dal_caller_open() and sdp_dal_processor_register() do; the message of the error names
/// the column, what was found and what was expected.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_signature_check(const char *signature);

/// Makes a caller, and looks for the processors that offer its functions.
///
/// store: what calls and their values are put into.
/// signatures: num_signatures signatures of the functions that will be called.
/// options: NULL for the defaults.
/// out: The caller of this function owns *out and must call sdp_dal_caller_close().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NO_PROCESSOR, SDP_DAL_LIMIT_REACHED, SDP_DAL_INTERRUPTED,
/// SDP_DAL_FORKED. Blocks up to options->timeout_ns.
sdp_dal_status sdp_dal_caller_open(const sdp_dal_store *store,
                                   const char *const *signatures,
                                   size_t num_signatures,
                                   const sdp_dal_caller_options *options,
                                   sdp_dal_caller **out);

/// As sdp_dal_caller_open(), for functions that are given as schemas.
///
/// store, options, out: as in sdp_dal_caller_open().
/// schemas: num_schemas schemas of the functions that will be called; they stay yours.
///
/// Errors and blocking: as sdp_dal_caller_open().
sdp_dal_status sdp_dal_caller_open_schemas(const sdp_dal_store *store,
                                           const sdp_dal_schema *const *schemas,
                                           size_t num_schemas,
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
sdp_dal_status sdp_dal_caller_processor(const sdp_dal_caller *caller,
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
///
/// Errors and blocking: as sdp_dal_caller_call().
sdp_dal_status sdp_dal_caller_batch(const sdp_dal_caller *caller,
                                    const char *function,
                                    const sdp_dal_args *const *rows,
                                    size_t num_rows,
                                    sdp_dal_replies **out);

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
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND, SDP_DAL_OUT_OF_MEMORY, SDP_DAL_LIMIT_REACHED,
/// SDP_DAL_OBJECT_DELETED, SDP_DAL_INTERRUPTED, SDP_DAL_BUSY, SDP_DAL_FORKED. Blocks while the store is full, up to
/// SDP_DAL_FULL_TIMEOUT, and up to the options' timeout_ns while a processor has no room.
sdp_dal_status sdp_dal_caller_broadcast(const sdp_dal_caller *caller,
                                        const char *function,
                                        const sdp_dal_args *const *rows,
                                        size_t num_rows,
                                        sdp_dal_replies **out);

/// The number of processors; 0 if replies is no replies handle. Does not block.
size_t sdp_dal_replies_num_processors(const sdp_dal_replies *replies);

/// The number of rows; 0 if replies is no replies handle. Does not block.
size_t sdp_dal_replies_num_rows(const sdp_dal_replies *replies);

/// Whether a processor got the rows: SDP_DAL_OK, or why not; sdp_dal_last_error() then has the sentence.
///
/// processor: 0 to sdp_dal_replies_num_processors() - 1.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_PROCESSOR_LOST, SDP_DAL_TIMEOUT, SDP_DAL_OUT_OF_MEMORY,
/// SDP_DAL_LIMIT_REACHED, SDP_DAL_BUSY. Does not block.
sdp_dal_status sdp_dal_replies_status(const sdp_dal_replies *replies,
                                      size_t processor);

/// Name and prefix of a processor that the rows were meant for.
///
/// processor: 0 to sdp_dal_replies_num_processors() - 1.
/// out_prefix: room for SDP_DAL_PREFIX_SIZE bytes. buffer, length: the name, as in sdp_dal_last_error().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_replies_processor(const sdp_dal_replies *replies,
                                         size_t processor,
                                         uint8_t *out_prefix,
                                         char *buffer,
                                         size_t *length);

/// References to the outputs of one row at one processor.
///
/// processor: 0 to sdp_dal_replies_num_processors() - 1. row: 0 to sdp_dal_replies_num_rows() - 1.
/// out: Borrowed: valid until the replies are freed.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, and those of sdp_dal_replies_status() if the processor did not get the rows. Does
/// not block.
sdp_dal_status sdp_dal_replies_results(const sdp_dal_replies *replies,
                                       size_t processor,
                                       size_t row,
                                       const sdp_dal_results **out);

/// Ends the replies. Calls of which no output is referred to any more, and that have not started, are cancelled.
/// NULL is allowed. Waits at most 100 ms.
void sdp_dal_replies_free(sdp_dal_replies *replies);

/// Fills options with their defaults.
///
/// options: the struct. struct_size: sizeof(sdp_dal_processor_options).
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_processor_options_init(sdp_dal_processor_options *options,
                                              size_t struct_size);

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

/// Offers a function.
///
/// signature: name and parameters, for instance "simple_fn(x: int64, ys: int64[i]) -> (zs: int64[i])".
/// function: what runs its calls; NULL: they come out of sdp_dal_processor_next() only.
/// user_data: handed to function. drop: called with user_data when the processor is closed, after the last call; may
/// be NULL. On failure drop is not called and user_data stays yours.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_ALREADY_EXISTS, SDP_DAL_ALREADY_STARTED. Does not block.
sdp_dal_status sdp_dal_processor_register(sdp_dal_processor *processor,
                                          const char *signature,
                                          sdp_dal_function function,
                                          void *user_data,
                                          sdp_dal_drop drop);

/// As sdp_dal_processor_register(), for a function that is given as a schema, whose metadata callers see.
///
/// schema: stays yours. function, user_data, drop: as in sdp_dal_processor_register().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_ALREADY_EXISTS, SDP_DAL_ALREADY_STARTED. Does not block.
sdp_dal_status sdp_dal_processor_register_schema(sdp_dal_processor *processor,
                                                 const sdp_dal_schema *schema,
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

/// Takes the oldest call whose inputs exist and runs its function. Several threads may do so at once.
///
/// A function that fails is no error of this function: its outputs carry the error.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_TIMEOUT if no call came, SDP_DAL_INTERRUPTED, SDP_DAL_PROCESSOR_LOST if
/// it was closed, SDP_DAL_FORKED.
/// Blocks up to timeout_ns, and while the function runs.
sdp_dal_status sdp_dal_processor_process(const sdp_dal_processor *processor,
                                         int64_t timeout_ns);

/// Takes the oldest call whose inputs exist, to be worked on and ended with sdp_dal_call_finish().
///
/// out: The caller owns *out and must call sdp_dal_call_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_TIMEOUT if no call came, SDP_DAL_INTERRUPTED, SDP_DAL_PROCESSOR_LOST if
/// it was closed, SDP_DAL_FORKED.
/// Blocks up to timeout_ns.
sdp_dal_status sdp_dal_processor_next(const sdp_dal_processor *processor,
                                      int64_t timeout_ns,
                                      sdp_dal_call **out);

/// The prefix of the processor's namespace. Starts the processor if that has not happened yet.
///
/// out_prefix: room for SDP_DAL_PREFIX_SIZE bytes.
///
/// Errors: as sdp_dal_processor_start(). Does not wait for others.
sdp_dal_status sdp_dal_processor_prefix(const sdp_dal_processor *processor, uint8_t *out_prefix);

/// Copies the name of the processor.
///
/// buffer, length: as in sdp_dal_last_error().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_processor_name(const sdp_dal_processor *processor,
                                      char *buffer,
                                      size_t *length);

/// Ends a processor: fails the calls that wait for it with SDP_DAL_PROCESSOR_LOST, waits for functions that run, and
/// calls every drop. NULL is allowed.
///
/// Blocks while functions run in other threads.
void sdp_dal_processor_close(sdp_dal_processor *processor);

/// Copies the name of the function that is called.
///
/// buffer, length: as in sdp_dal_last_error().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_call_function(const sdp_dal_call *call, char *buffer, size_t *length);

/// Copies the signature of the function that is called.
///
/// buffer, length: as in sdp_dal_last_error().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_call_signature(const sdp_dal_call *call, char *buffer, size_t *length);

/// Which row of a batch this call is; 0 for a single call, and if call is no call. Does not block.
size_t sdp_dal_call_row(const sdp_dal_call *call);

/// The number of parameters, outputs included, of the function; 0 if call is no call. Does not block.
size_t sdp_dal_call_num_params(const sdp_dal_call *call);

/// Copies the name of a parameter.
///
/// index: 0 to sdp_dal_call_num_params() - 1, in the order of the signature.
/// buffer, length: as in sdp_dal_last_error().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_call_param_name(const sdp_dal_call *call,
                                       size_t index,
                                       char *buffer,
                                       size_t *length);

/// The index of a parameter, for the functions that end in _at.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND. Does not block.
sdp_dal_status sdp_dal_call_param_index(const sdp_dal_call *call, const char *name, size_t *out);

/// Whether nobody wants the outputs any more: a long function may stop then. False if call is no call. Does not block.
bool sdp_dal_call_is_cancelled(const sdp_dal_call *call);

/// Fails all outputs that are not sealed yet; waiting for one of them then gives SDP_DAL_FUNCTION_FAILED and this
/// text.
///
/// message: what went wrong, for the people who called; up to 2048 bytes are kept.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_BUSY. Does not wait for others.
sdp_dal_status sdp_dal_call_fail(sdp_dal_call *call,
                                 const char *message);

/// As sdp_dal_call_fail(), with another status than SDP_DAL_FUNCTION_FAILED.
///
/// status: one of the negative values of sdp_dal_status_code.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_BUSY. Does not wait for others.
sdp_dal_status sdp_dal_call_fail_with(sdp_dal_call *call, int32_t status, const char *message);

/// Ends a call that was taken with sdp_dal_processor_next(): seals the outputs that were created in place, and fails
/// those that were not written with SDP_DAL_OUTPUT_NOT_WRITTEN. Calling it again does nothing.
///
/// The handle stays, to be freed. What was read from it stays valid until then.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_OUTPUT_NOT_WRITTEN, SDP_DAL_BUSY. Does not wait for others.
sdp_dal_status sdp_dal_call_finish(sdp_dal_call *call);

/// A further handle of the same call, which keeps what was read from it valid after the callback has returned. The
/// outputs end with the callback all the same: a call whose outputs are to be written later is taken with
/// sdp_dal_processor_next().
///
/// out: The caller owns *out and must call sdp_dal_call_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_call_retain(const sdp_dal_call *call,
                                   sdp_dal_call **out);

/// Ends a handle of a call that you own. With the last one the call ends, and outputs that were not sealed fail. NULL
/// is allowed. Waits at most 100 ms.
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

/// The value of a bool parameter.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also for a parameter of another type, or null), SDP_DAL_NOT_FOUND. Does not
/// block.
sdp_dal_status sdp_dal_call_get_bool(const sdp_dal_call *call,
                                     const char *name,
                                     bool *out);

/// Copies the text of a utf8 parameter.
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

/// The view of an input tensor. Nothing is copied.
///
/// out: filled; call sdp_dal_tensor_view_init() on it first. Borrowed: its pointers are valid until the callback
/// returns or the last handle of the call is freed; the elements must not be written.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also for a parameter of another type, or null), SDP_DAL_NOT_FOUND. Does not
/// block.
sdp_dal_status sdp_dal_call_get_tensor(const sdp_dal_call *call,
                                       const char *name,
                                       sdp_dal_tensor_view *out);

/// A handle of an input tensor that may outlive the call. Nothing is copied.
///
/// out: The caller owns *out and must call sdp_dal_tensor_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also for a parameter of another type, or null), SDP_DAL_NOT_FOUND. Does not
/// block.
sdp_dal_status sdp_dal_call_hold_tensor(const sdp_dal_call *call,
                                        const char *name,
                                        sdp_dal_tensor **out);

/// A borrowed reference to the object of a tensor, table, oid or id parameter, input or output: to be passed on,
/// for instance.
///
/// out: The caller owns *out and must call sdp_dal_ref_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also for a parameter of another type, or null), SDP_DAL_NOT_FOUND. Does not
/// block.
sdp_dal_status sdp_dal_call_get_ref(const sdp_dal_call *call,
                                    const char *name,
                                    sdp_dal_ref **out);

/// As sdp_dal_call_is_null(), for the parameter with an index.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_call_is_null_at(const sdp_dal_call *call, size_t index, bool *out);

/// As sdp_dal_call_get_int64(), for the parameter with an index.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also for a parameter of another type, or null). Does not block.
sdp_dal_status sdp_dal_call_get_int64_at(const sdp_dal_call *call,
                                         size_t index,
                                         int64_t *out);

/// As sdp_dal_call_get_uint64(), for the parameter with an index.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also for a parameter of another type, or null). Does not block.
sdp_dal_status sdp_dal_call_get_uint64_at(const sdp_dal_call *call,
                                          size_t index,
                                          uint64_t *out);

/// As sdp_dal_call_get_double(), for the parameter with an index.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also for a parameter of another type, or null). Does not block.
sdp_dal_status sdp_dal_call_get_double_at(const sdp_dal_call *call,
                                          size_t index,
                                          double *out);

/// As sdp_dal_call_get_bool(), for the parameter with an index.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also for a parameter of another type, or null). Does not block.
sdp_dal_status sdp_dal_call_get_bool_at(const sdp_dal_call *call,
                                        size_t index,
                                        bool *out);

/// As sdp_dal_call_get_string(), for the parameter with an index.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also for a parameter of another type, or null). Does not block.
sdp_dal_status sdp_dal_call_get_string_at(const sdp_dal_call *call,
                                          size_t index,
                                          char *buffer,
                                          size_t *length);

/// As sdp_dal_call_get_binary(), for the parameter with an index.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also for a parameter of another type, or null). Does not block.
sdp_dal_status sdp_dal_call_get_binary_at(const sdp_dal_call *call,
                                          size_t index,
                                          const void **out,
                                          size_t *out_size);

/// As sdp_dal_call_get_tensor(), for the parameter with an index.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also for a parameter of another type, or null). Does not block.
sdp_dal_status sdp_dal_call_get_tensor_at(const sdp_dal_call *call,
                                          size_t index,
                                          sdp_dal_tensor_view *out);

/// As sdp_dal_call_hold_tensor(), for the parameter with an index.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also for a parameter of another type, or null). Does not block.
sdp_dal_status sdp_dal_call_hold_tensor_at(const sdp_dal_call *call,
                                           size_t index,
                                           sdp_dal_tensor **out);

/// As sdp_dal_call_get_ref(), for the parameter with an index.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also for a parameter of another type, or null). Does not block.
sdp_dal_status sdp_dal_call_get_ref_at(const sdp_dal_call *call,
                                       size_t index,
                                       sdp_dal_ref **out);

/// Fills options with their defaults.
///
/// options: the struct. struct_size: sizeof(sdp_dal_output_options).
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
sdp_dal_status sdp_dal_output_options_init(sdp_dal_output_options *options, size_t struct_size);

/// Creates an output tensor in place: memory in the store to fill. The element type is the signature's. It is
/// sealed when the callback returns SDP_DAL_OK, by sdp_dal_call_finish(), or earlier by sdp_dal_call_seal(); not at
/// all when the call fails.
///
/// ndim, shape: the dimensions. out_data: the elements in C order without gaps, 64-byte aligned, not zeroed.
/// Borrowed: valid until the output is sealed or has failed.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also for a shape that the signature forbids, or a null output),
/// SDP_DAL_NOT_FOUND, SDP_DAL_ALREADY_EXISTS, SDP_DAL_OUT_OF_MEMORY, SDP_DAL_INTERRUPTED, SDP_DAL_BUSY. Blocks
/// while the store is full, up to SDP_DAL_FULL_TIMEOUT.
sdp_dal_status sdp_dal_call_create_tensor(const sdp_dal_call *call,
                                          const char *name,
                                          int32_t ndim,
                                          const int64_t *shape,
                                          void **out_data);

/// As sdp_dal_call_create_tensor(), with options: another order, or zeroed memory.
///
/// options: NULL for the defaults.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also for a shape that the signature forbids, or a null output),
/// SDP_DAL_NOT_FOUND, SDP_DAL_ALREADY_EXISTS, SDP_DAL_OUT_OF_MEMORY, SDP_DAL_INTERRUPTED, SDP_DAL_BUSY. Blocks
/// while the store is full, up to SDP_DAL_FULL_TIMEOUT.
sdp_dal_status sdp_dal_call_create_tensor_with(const sdp_dal_call *call,
                                               const char *name,
                                               int32_t ndim,
                                               const int64_t *shape,
                                               const sdp_dal_output_options *options,
                                               void **out_data);

/// Writes an output tensor: one copy into the store.
///
/// value: the tensor to copy; its element type must be the signature's.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also for a shape that the signature forbids, or a null output),
/// SDP_DAL_NOT_FOUND, SDP_DAL_ALREADY_EXISTS, SDP_DAL_OUT_OF_MEMORY, SDP_DAL_INTERRUPTED, SDP_DAL_BUSY. Blocks
/// while the store is full, up to SDP_DAL_FULL_TIMEOUT.
sdp_dal_status sdp_dal_call_put_tensor(const sdp_dal_call *call,
                                       const char *name,
                                       const sdp_dal_tensor_view *value);

/// Makes an output that was created in place complete and visible, before the function ends. Its memory must not be
/// written any more.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND (also if it is not being written), SDP_DAL_BUSY. Does not
/// wait for others.
sdp_dal_status sdp_dal_call_seal(const sdp_dal_call *call,
                                 const char *name);

/// As sdp_dal_call_create_tensor(), for the parameter with an index.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also for a shape that the signature forbids, or a null output),
/// SDP_DAL_NOT_FOUND, SDP_DAL_ALREADY_EXISTS, SDP_DAL_OUT_OF_MEMORY, SDP_DAL_INTERRUPTED, SDP_DAL_BUSY. Blocks
/// while the store is full, up to SDP_DAL_FULL_TIMEOUT.
sdp_dal_status sdp_dal_call_create_tensor_at(const sdp_dal_call *call,
                                             size_t index,
                                             int32_t ndim,
                                             const int64_t *shape,
                                             void **out_data);

/// As sdp_dal_call_create_tensor_with(), for the parameter with an index.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also for a shape that the signature forbids, or a null output),
/// SDP_DAL_NOT_FOUND, SDP_DAL_ALREADY_EXISTS, SDP_DAL_OUT_OF_MEMORY, SDP_DAL_INTERRUPTED, SDP_DAL_BUSY. Blocks
/// while the store is full, up to SDP_DAL_FULL_TIMEOUT.
sdp_dal_status sdp_dal_call_create_tensor_with_at(const sdp_dal_call *call,
                                                  size_t index,
                                                  int32_t ndim,
                                                  const int64_t *shape,
                                                  const sdp_dal_output_options *options,
                                                  void **out_data);

/// As sdp_dal_call_put_tensor(), for the parameter with an index.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT (also for a shape that the signature forbids, or a null output),
/// SDP_DAL_NOT_FOUND, SDP_DAL_ALREADY_EXISTS, SDP_DAL_OUT_OF_MEMORY, SDP_DAL_INTERRUPTED, SDP_DAL_BUSY. Blocks
/// while the store is full, up to SDP_DAL_FULL_TIMEOUT.
sdp_dal_status sdp_dal_call_put_tensor_at(const sdp_dal_call *call,
                                          size_t index,
                                          const sdp_dal_tensor_view *value);

/// As sdp_dal_call_seal(), for the parameter with an index.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_NOT_FOUND (also if it is not being written), SDP_DAL_BUSY. Does not
/// wait for others.
sdp_dal_status sdp_dal_call_seal_at(const sdp_dal_call *call,
                                    size_t index);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* SDP_DAL_H */

/* This library's large objects through its C interface: 80 MB that are copied in, or handed over.
 */
#include "bench.h"

#include "memory.h"
#include "ours.h"

enum { WINDOW = 3 };

static unsigned char *from;
static int64_t shape[1];

/* Bytes to put, and a store for so many of them. */
static sdp_dal_tensor_view begin(int count) {
    shape[0] = (int64_t)large();
    if (from == NULL) from = source(large());
    open_store((uint64_t)count * whole_pages(large()) + (16 << 20));
    return view_of(from, shape, SDP_DAL_UINT8);
}

static void put_cold(void) {
    while (sampling()) {
        const sdp_dal_tensor_view view = begin(1);
        sdp_dal_ref *ref = NULL;
        uint64_t begun = now();
        OK(sdp_dal_tensor_put(store, &view, &ref));
        sample("put_cold.first_of_a_store", since(begun));
        sdp_dal_ref_free(ref);
        close_store();
    }
}

static void put_warm(void) {
    const sdp_dal_tensor_view view = begin(1);
    while (sampling()) {
        sdp_dal_ref *ref = NULL;
        uint64_t begun = now();
        OK(sdp_dal_tensor_put(store, &view, &ref));
        sample("put_warm.into_used_memory", since(begun));
        sdp_dal_ref_free(ref);
    }
    close_store();
}

/* ---- a stream to another process ---- */

static const char *const signatures[] = {
    "take(payload: uint8[i]) -> (tag: int64[])",
};

static sdp_dal_status take_payload(sdp_dal_call *call, void *reads_all) {
    sdp_dal_tensor_view payload = {.struct_size = sizeof payload};
    void *tag = NULL;
    OK(sdp_dal_call_get_tensor(call, "payload", SDP_DAL_ORDER_ANY, &payload));
    const unsigned char *data = payload.data;
    sink = reads_all != NULL ? sum(data, large()) : data[0];
    OK(sdp_dal_call_create_tensor(call, "tag", 0, NULL, NULL, &tag));
    *(int64_t *)tag = 0;
    return SDP_DAL_OK;
}

static void process(int reads_all) {
    sdp_dal_processor *processor = NULL;
    pin(1);
    begin(WINDOW + 1);
    OK(sdp_dal_processor_open(store, NULL, &processor));
    OK(sdp_dal_processor_register(processor, signatures[0], NULL, take_payload,
                                  reads_all ? &bench : NULL, NULL));
    for (;;) OK(sdp_dal_processor_process(processor, SDP_DAL_WAIT_FOREVER));
}

static void wait_for(sdp_dal_results *results) {
    const sdp_dal_ref *tag = NULL;
    OK(sdp_dal_results_get_ref(results, "tag", &tag));
    OK(sdp_dal_ref_wait(tag, SDP_DAL_WAIT_FOREVER));
    sdp_dal_results_free(results);
}

/* 80 MB of this process go into the store with each call, three of them on their way at most. */
static void stream(const char *row, bool reads_all) {
    sdp_dal_caller_options options = {.struct_size = sizeof options};
    sdp_dal_caller *caller = NULL;
    sdp_dal_args *args = NULL;
    sdp_dal_results *on_their_way[WINDOW] = {NULL};
    pid_t processor = start(process, reads_all);
    pin(0);
    const sdp_dal_tensor_view view = begin(WINDOW + 1);
    options.timeout_ns = INT64_C(10000000000);
    OK(sdp_dal_caller_open(store, signatures, 1, &options, &caller));
    OK(sdp_dal_args_create(&args));
    OK(sdp_dal_args_set_tensor(args, "payload", &view));
    const int most = bench.check ? 8 : 1 << 20;
    sampling();
    uint64_t begun = now();
    for (int turn = 0; turn < most; turn++) {
        sdp_dal_results **place = &on_their_way[turn % WINDOW];
        if (*place != NULL) wait_for(*place);
        OK(sdp_dal_caller_call(caller, "take", args, place));
        /* A sample is taken of every four. The first ones get new memory. */
        if (turn % 4 != 3) continue;
        sample(row, since(begun) / 4);
        if (!sampling()) break;
        begun = now();
    }
    for (int i = 0; i < WINDOW; i++)
        if (on_their_way[i] != NULL) wait_for(on_their_way[i]);
    sdp_dal_args_free(args);
    sdp_dal_caller_close(caller);
    stop(processor);
    close_store();
}

static void stream_unread(void) { stream("stream_unread.payload", false); }
static void stream_read(void) { stream("stream_read.payload", true); }

/* ---- written where it is read ---- */

static void take_place(int number) {
    sdp_dal_buffer *buffer = NULL;
    sdp_dal_buffer_info info = {.struct_size = sizeof info};
    (void)number;
    pin(1);
    begin(1);
    for (uint32_t turn = 1;; turn++) {
        const struct id id = id_of(1, turn);
        say(&bench.shared->ready, turn);
        OK(sdp_dal_object_get(store, id.bytes, SDP_DAL_WAIT_FOREVER, &buffer));
        OK(sdp_dal_buffer_get_info(buffer, &info));
        sink = *(const unsigned char *)info.data;
        atomic_store(&bench.shared->stamp, now());
        sdp_dal_buffer_free(buffer);
        say(&bench.shared->pong, turn);
    }
}

/* From before the creation of 80 MB until the other process has them. */
static void in_place(const char *row, double silence) {
    sdp_dal_writer *writer = NULL;
    void *data = NULL;
    pid_t child = start(take_place, 0);
    pin(0);
    begin(1);
    const sdp_dal_object_spec spec = spec_of(large());
    for (uint32_t turn = 1; sampling(); turn++) {
        const struct id id = id_of(1, turn);
        watch(&bench.shared->ready, turn);
        if (silence > 0) pause_ms(silence);
        uint64_t begun = now();
        OK(sdp_dal_object_create(store, id.bytes, &spec, &data, &writer));
        *(unsigned char *)data = (unsigned char)turn;
        OK(sdp_dal_writer_seal(writer));
        watch(&bench.shared->pong, turn);
        sample(row, (double)(atomic_load(&bench.shared->stamp) - begun) * 1e-9);
        sdp_dal_writer_free(writer);
        delete_object(&id);
    }
    stop(child);
    close_store();
}

static void place_awake(void) { in_place("place_awake.reader_has_it", 0); }
static void place_asleep(void) { in_place("place_asleep.reader_has_it", 1); }

static const struct job jobs[] = {
    {"put_cold", put_cold},       {"put_warm", put_warm},       {"stream_unread", stream_unread},
    {"stream_read", stream_read}, {"place_awake", place_awake}, {"place_asleep", place_asleep},
};

int main(int argc, char **argv) { return bench_main(argc, argv, jobs, sizeof jobs / sizeof *jobs); }

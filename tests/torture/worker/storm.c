/* The storm: everything that can be done with a store and its objects, at random. */
#include "worker.h"

#include <string.h>

/* ---- objects under IDs that all workers know ------------------------------------------------- */

static void put_shared(struct thread *me) {
    uint8_t id[SDP_DAL_ID_SIZE];
    shared_id(me, id);
    begin(me, CREATE);
    sdp_dal_writer *writer =
        create(me, id, evicting ? SDP_DAL_OBJECT_EVICTABLE : 0, BIT(ALREADY_EXISTS));
    if (writer != NULL && below(me, 8) != 0) {
        went(CREATE, sdp_dal_writer_seal(writer), BIT(OBJECT_DELETED));
    } else if (writer != NULL) {
        /* Freed without having been sealed: given up. */
        add(COUNTS + ABORT, 1);
    }
    sdp_dal_writer_free(writer);
    done(me, CREATE);
}

static void hold(struct thread *me, sdp_dal_buffer *buffer, const uint8_t *id) {
    struct held *place = &me->held[below(me, HOLDS)];
    release(me, place);
    verify(buffer, id);
    place->buffer = buffer;
    memcpy(place->id, id, SDP_DAL_ID_SIZE);
}

static void get_shared(struct thread *me) {
    uint8_t id[SDP_DAL_ID_SIZE];
    sdp_dal_buffer *buffer = NULL;
    const enum operation operation = below(me, 4) == 0 ? WAIT : GET;
    shared_id(me, id);
    begin(me, operation);
    sdp_dal_status status = sdp_dal_object_get(
        me->store, id, operation == GET ? 0 : (int64_t)below(me, 30) * 1000000, &buffer);
    done(me, operation);
    if (went(operation, status, BIT(TIMEOUT) | BIT(OBJECT_DELETED))) hold(me, buffer, id);
}

static void get_many(struct thread *me) {
    enum { COUNT = 6 };
    uint8_t ids[COUNT][SDP_DAL_ID_SIZE];
    sdp_dal_buffer *buffers[COUNT] = {NULL};
    sdp_dal_status statuses[COUNT];
    for (int i = 0; i < COUNT; i++) shared_id(me, ids[i]);
    begin(me, MANY);
    sdp_dal_status status = sdp_dal_object_get_many(
        me->store, ids[0], COUNT, (int64_t)below(me, 10) * 1000000, buffers, statuses);
    done(me, MANY);
    if (!went(MANY, status, 0)) return;
    for (int i = 0; i < COUNT; i++) {
        if (went(MANY, statuses[i], BIT(TIMEOUT) | BIT(OBJECT_DELETED)))
            hold(me, buffers[i], ids[i]);
    }
}

static void delete_shared(struct thread *me) {
    uint8_t id[SDP_DAL_ID_SIZE];
    const int released = below(me, 2) == 0;
    const enum operation operation = released ? DELETE_WHEN_RELEASED : DELETE;
    shared_id(me, id);
    begin(me, operation);
    sdp_dal_status status = sdp_dal_object_delete(
        me->store, id, released ? SDP_DAL_DELETE_WHEN_RELEASED : SDP_DAL_DELETE_NOW);
    done(me, operation);
    went(operation, status, BIT(NOT_FOUND));
}

static void keep_shared(struct thread *me) {
    uint8_t id[SDP_DAL_ID_SIZE];
    shared_id(me, id);
    begin(me, KEEP);
    sdp_dal_status status = sdp_dal_object_set_keep(me->store, id, below(me, 4) != 0);
    done(me, KEEP);
    went(KEEP, status, BIT(NOT_FOUND) | BIT(OBJECT_DELETED));
}

/* ---- looking --------------------------------------------------------------------------------- */

static void look(struct thread *me) {
    uint8_t id[SDP_DAL_ID_SIZE];
    uint32_t numbers[64];
    size_t count = 64;
    bool there = false;
    sdp_dal_store_stat stat = {.struct_size = sizeof stat};
    sdp_dal_object_info info = {.struct_size = sizeof info};
    sdp_dal_clients *clients = NULL;
    size_t many = 0;
    shared_id(me, id);
    begin(me, LOOK);
    switch (below(me, 5)) {
    case 0:
        went(LOOK, sdp_dal_store_get_stat(me->store, &stat), 0);
        break;
    case 1:
        went(LOOK, sdp_dal_object_get_info(me->store, id, &info), BIT(NOT_FOUND));
        break;
    case 2:
        went(LOOK, sdp_dal_object_contains(me->store, id, &there), 0);
        break;
    case 3:
        went(LOOK, sdp_dal_store_list_clients(me->store, &clients, &many), 0);
        break;
    default:
        went(LOOK, sdp_dal_object_holders(me->store, id, (int32_t)below(me, 2), numbers, &count),
             BIT(NOT_FOUND));
    }
    sdp_dal_clients_free(clients);
    done(me, LOOK);
}

static void list(struct thread *me) {
    sdp_dal_list *objects = NULL;
    sdp_dal_namespaces *namespaces = NULL;
    size_t count = 0;
    begin(me, LIST);
    went(LIST, sdp_dal_store_list_objects(me->store, NULL, 0, &objects, &count), 0);
    went(LIST, sdp_dal_store_list_namespaces(me->store, &namespaces, &count), 0);
    sdp_dal_list_free(objects);
    sdp_dal_namespaces_free(namespaces);
    done(me, LIST);
}

static void read_events(struct thread *me) {
    sdp_dal_event event = {.struct_size = sizeof event};
    begin(me, EVENTS);
    if (me->events == NULL) {
        went(EVENTS, sdp_dal_store_subscribe(me->store, NULL, 0, &me->events), 0);
        me->last_event = 0;
    }
    for (int i = 0; me->events != NULL && i < 64; i++) {
        if (!went(EVENTS, sdp_dal_subscription_next(me->events, i == 0 ? 1000000 : 0, &event),
                  BIT(TIMEOUT)))
            break;
        if (event.kind == SDP_DAL_EVENT_RESYNC)
            me->last_event = 0;
        else if (!wild && (event.sequence <= me->last_event || event.kind < 1 ||
                           event.kind > SDP_DAL_EVENT_RESYNC)) {
            fail("events: one that was told before, or of no kind");
        } else
            me->last_event = event.sequence;
    }
    if (below(me, 16) == 0) {
        sdp_dal_subscription_free(me->events);
        me->events = NULL;
    }
    done(me, EVENTS);
}

static void descriptor(struct thread *me) {
    int file = -1;
    begin(me, DESCRIPTOR);
    if (went(DESCRIPTOR, sdp_dal_store_event_fd(me->store, &file), 0)) {
        went(DESCRIPTOR, sdp_dal_store_clear_event_fd(me->store), 0);
    }
    done(me, DESCRIPTOR);
}

static void give_memory_back(struct thread *me) {
    uint64_t bytes = 0;
    const enum operation operation = evicting && below(me, 2) == 0 ? EVICT : TRIM;
    begin(me, operation);
    went(operation,
         operation == TRIM ? sdp_dal_store_trim(me->store, &bytes)
                           : sdp_dal_store_evict(me->store, 100000, &bytes),
         0);
    done(me, operation);
}

/* ---- all of it ------------------------------------------------------------------------------- */

void storm(struct thread *me) {
    while (!told_to_end) {
        if (me->store == NULL && !open_store(me)) return;
        const uint64_t dice = below(me, 1000);
        if (dice < 220)
            put_shared(me);
        else if (dice < 480)
            get_shared(me);
        else if (dice < 520)
            get_many(me);
        else if (dice < 600)
            release(me, &me->held[below(me, HOLDS)]);
        else if (dice < 740)
            delete_shared(me);
        else if (dice < 820)
            put_own(me);
        else if (dice < 900)
            get_own(me);
        else if (dice < 920)
            keep_shared(me);
        else if (dice < 940)
            pass(me);
        else if (dice < 970)
            look(me);
        else if (dice < 985)
            read_events(me);
        else if (dice < 992)
            list(me);
        else if (dice < 995)
            give_memory_back(me);
        else if (dice < 997)
            descriptor(me);
        else if (comes_and_goes || dice == 999)
            close_store(me);
        if (comes_and_goes && below(me, 20) == 0 && me->store != NULL) close_store(me);
        if (below(me, 4) == 0) nap(200000);
    }
    if (me->store != NULL) close_store(me);
}

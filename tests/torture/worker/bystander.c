/* The bystander: how long its operations take while others are killed and stopped, beside a thread
 * that uses no library. */
#include "worker.h"

/* What the machine does to a thread that uses no library. */
static void *control(void *argument) {
    (void)argument;
    while (!told_to_end) {
        const int64_t began = now();
        while (now() - began < 50000) {
        }
        raise_to(CONTROL, (uint64_t)(now() - began - 50000));
        const int64_t slept = now();
        nap(1000000);
        raise_to(CONTROL, (uint64_t)(now() - slept - 1000000));
    }
    return NULL;
}

void stand_by(struct thread *me) {
    pthread_t other;
    largest = 3000;
    if (pthread_create(&other, NULL, control, NULL) != 0) fail("no thread");
    if (!open_store(me)) return;
    /* What it owns from the start must be there in the end. */
    while (!told_to_end) {
        for (int i = 0; i < OWNED && !told_to_end; i++) {
            const int64_t began = now();
            if (below(me, 4) == 0 || (me->owned[i].ref == NULL && me->owned[i].writer == NULL))
                put_own(me);
            else
                get_own(me);
            raise_to(STALL, (uint64_t)(now() - began));
            nap(500000);
        }
    }
    pthread_join(other, NULL);
    close_store(me);
}

/* Memory as a store has it, and the best copies into it: a file on a tmpfs, mapped by all who use
 * it, in huge pages if the kernel gives them. */
#ifndef BENCH_MEMORY_H
#define BENCH_MEMORY_H

#include "bench.h"

#include <fcntl.h>
#ifdef __x86_64__
#include <emmintrin.h>
#endif

/* They came with Linux 5.14 and 6.1; older headers lack them. */
enum { POPULATE = 23, COLLAPSE = 25 };
enum { HUGE_PAGE = 2 << 20 };

/* New bytes of a file, the file unlinked: mapped at a multiple of a huge page, not yet touched. */
static inline unsigned char *map_file(size_t size) {
    char path[4096];
    snprintf(path, sizeof path, "%s/memory-XXXXXX", bench.folder);
    int file = mkstemp(path);
    need(file >= 0, path);
    need(unlink(path) == 0 && ftruncate(file, (off_t)size) == 0, path);
    unsigned char *room =
        mmap(NULL, size + HUGE_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    need(room != MAP_FAILED, "addresses");
    room += HUGE_PAGE - (uintptr_t)room % HUGE_PAGE;
    need(mmap(room, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, 0) == room, path);
    close(file);
    return room;
}

static inline size_t whole_pages(size_t size) {
    return (size + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
}

/* Takes the memory from the system: in huge pages, of each of which the kernel wants to see one
 * page first, or in plain ones. */
static inline bool take(unsigned char *memory, size_t size, bool huge) {
    for (size_t i = 0; huge && i < size; i += HUGE_PAGE) memory[i] = 1;
    return madvise(memory, size, huge ? COLLAPSE : POPULATE) == 0;
}

/* Huge pages if there are any, all of it touched. */
static inline unsigned char *warm_memory(size_t size) {
    size = whole_pages(size);
    unsigned char *memory = map_file(size);
    take(memory, size, true);
    memset(memory, 1, size);
    return memory;
}

/* Bytes of this process, to be copied. */
static inline unsigned char *source(size_t size) {
    unsigned char *bytes = aligned_alloc(4096, whole_pages(size));
    need(bytes != NULL, "memory");
    memset(bytes, 7, size);
    return bytes;
}

typedef void (*copier)(unsigned char *to, const unsigned char *from, size_t size);

static inline void copy_libc(unsigned char *to, const unsigned char *from, size_t size) {
    memcpy(to, from, size);
}

#ifdef __x86_64__
static inline void copy_movsb(unsigned char *to, const unsigned char *from, size_t size) {
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
}

/* A cache line, past the cache. */
static inline void copy_line(unsigned char *to, const unsigned char *from) {
    for (int i = 0; i < 64; i += 16)
        _mm_stream_si128((__m128i *)(to + i), _mm_loadu_si128((const __m128i *)(from + i)));
}

static inline void copy_lines(unsigned char *to, const unsigned char *from, size_t size) {
    size_t i = 0;
    for (; i + 64 <= size; i += 64) copy_line(to + i, from + i);
    _mm_sfence();
    memcpy(to + i, from + i, size - i);
}

/* Four pages side by side, as memory has several banks. */
static inline void copy_pages(unsigned char *to, const unsigned char *from, size_t size) {
    enum { PAGE = 4096 };
    size_t i = 0;
    for (; i + 4 * PAGE <= size; i += 4 * PAGE)
        for (size_t line = 0; line < PAGE; line += 64)
            for (size_t page = 0; page < 4; page++)
                copy_line(to + i + page * PAGE + line, from + i + page * PAGE + line);
    copy_lines(to + i, from + i, size - i);
}
static const copier fast_copy = copy_pages;
#else
static const copier fast_copy = copy_libc;
#endif

static inline uint64_t sum(const unsigned char *data, size_t size) {
    uint64_t total = 0, word;
    for (size_t i = 0; i + sizeof word <= size; i += sizeof word) {
        memcpy(&word, data + i, sizeof word);
        total += word;
    }
    return total;
}

/* Where sums go, so that they are computed. */
static volatile uint64_t sink;

#endif

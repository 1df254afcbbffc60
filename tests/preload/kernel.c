/* To be preloaded: a kernel as a test wants it. By the environment:
 *
 * KERNEL_PAGE: bytes of a page, as far as sysconf(), mmap() and mprotect() can tell.
 *
 * KERNEL_MPROTECT: from this mprotect() on, those that make a megabyte or more writable fail.
 *
 * KERNEL_ROOM: the file system is full when fallocate() was asked for more bytes in all.
 *
 * KERNEL_HUGE: 0: there is no MADV_COLLAPSE. Else each takes so many milliseconds, and prints its
 * number of bytes to standard error. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

extern long __sysconf(int name);

static long setting(const char *name, long otherwise) {
    const char *text = getenv(name);
    return text != NULL ? atol(text) : otherwise;
}

static int refused(int error) {
    errno = error;
    return -1;
}

long sysconf(int name) {
    return name == _SC_PAGESIZE ? setting("KERNEL_PAGE", 4096) : __sysconf(name);
}

/* Where it may choose, at a multiple of its pages. */
void *mmap(void *address, size_t length, int access, int flags, int file, off_t offset) {
    const size_t page = (size_t)setting("KERNEL_PAGE", 4096);
    if (page <= 4096 || address != NULL) {
        return (void *)syscall(SYS_mmap, address, length, access, flags, file, offset);
    }
    char *room = (char *)syscall(SYS_mmap, NULL, length + page, PROT_NONE,
                                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (room == MAP_FAILED) return room;
    char *start = (char *)(((uintptr_t)room + page - 1) / page * page);
    return (void *)syscall(SYS_mmap, start, length, access, flags | MAP_FIXED, file, offset);
}

void *mmap64(void *address, size_t length, int access, int flags, int file, off_t offset) {
    return mmap(address, length, access, flags, file, offset);
}

int mprotect(void *address, size_t length, int access) {
    static int opened;
    const uintptr_t page = (uintptr_t)setting("KERNEL_PAGE", 4096);
    if ((uintptr_t)address % page != 0) return refused(EINVAL);
    if (access == (PROT_READ | PROT_WRITE) && length >= 1 << 20 &&
        ++opened >= setting("KERNEL_MPROTECT", 1 << 30)) {
        return refused(ENOMEM);
    }
    return (int)syscall(SYS_mprotect, address, (length + page - 1) / page * page, access);
}

int fallocate(int file, int mode, off_t offset, off_t length) {
    static long asked;
    if (mode == 0) asked += length;
    if (mode == 0 && asked > setting("KERNEL_ROOM", 1L << 60)) return refused(ENOSPC);
    return (int)syscall(SYS_fallocate, file, mode, offset, length);
}

int madvise(void *address, size_t length, int advice) {
    const long huge = setting("KERNEL_HUGE", -1);
    if (advice == 25 && huge == 0) return refused(EINVAL);
    if (advice == 25 && huge > 0) {
        const struct timespec wait = {huge / 1000, huge % 1000 * 1000000};
        fprintf(stderr, "collapse %zu\n", length);
        nanosleep(&wait, NULL);
    }
    return (int)syscall(SYS_madvise, address, length, advice);
}

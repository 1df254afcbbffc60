/* To be preloaded: a kernel as a test wants it. By the environment:
 *
 * KERNEL_PAGE: bytes of a page, a multiple of the real kernel's, as far as sysconf() and the calls
 * for memory can tell: they take whole pages of this size, and refuse where such a kernel does.
 *
 * KERNEL_HUGE_PAGE: bytes of a huge page.
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
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

static size_t page_size(void) { return (size_t)setting("KERNEL_PAGE", __sysconf(_SC_PAGESIZE)); }

static int begins_page(const void *address) { return (uintptr_t)address % page_size() == 0; }

/* Up to a whole page. */
static size_t pages(size_t length) {
    return (length + page_size() - 1) / page_size() * page_size();
}

long sysconf(int name) { return name == _SC_PAGESIZE ? (long)page_size() : __sysconf(name); }

int getpagesize(void) { return (int)page_size(); }

int open64(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    const mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    const char *huge = getenv("KERNEL_HUGE_PAGE");
    if (huge != NULL && strcmp(path, "/sys/kernel/mm/transparent_hugepage/hpage_pmd_size") == 0) {
        const int file = memfd_create("huge page", MFD_CLOEXEC);
        if (file >= 0) dprintf(file, "%s\n", huge);
        if (file >= 0) lseek(file, 0, SEEK_SET);
        return file;
    }
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

/* Where it may choose, at a multiple of its pages. */
void *mmap(void *address, size_t length, int access, int flags, int file, off_t offset) {
    if (!begins_page(address) || offset % (off_t)page_size() != 0) {
        errno = EINVAL;
        return MAP_FAILED;
    }
    if (address != NULL) {
        return (void *)syscall(SYS_mmap, address, pages(length), access, flags, file, offset);
    }
    char *room = (char *)syscall(SYS_mmap, NULL, pages(length) + page_size(), PROT_NONE,
                                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (room == MAP_FAILED) return room;
    char *start = (char *)pages((uintptr_t)room);
    return (void *)syscall(SYS_mmap, start, pages(length), access, flags | MAP_FIXED, file, offset);
}

void *mmap64(void *address, size_t length, int access, int flags, int file, off_t offset) {
    return mmap(address, length, access, flags, file, offset);
}

int mprotect(void *address, size_t length, int access) {
    static int opened;
    if (!begins_page(address)) return refused(EINVAL);
    if (access == (PROT_READ | PROT_WRITE) && length >= 1 << 20 &&
        ++opened >= setting("KERNEL_MPROTECT", 1 << 30)) {
        return refused(ENOMEM);
    }
    return (int)syscall(SYS_mprotect, address, pages(length), access);
}

int munmap(void *address, size_t length) {
    if (!begins_page(address)) return refused(EINVAL);
    return (int)syscall(SYS_munmap, address, pages(length));
}

int fallocate(int file, int mode, off_t offset, off_t length) {
    static long asked;
    if (mode == 0) asked += length;
    if (mode == 0 && asked > setting("KERNEL_ROOM", 1L << 60)) return refused(ENOSPC);
    const off_t end = (off_t)pages((size_t)(offset + length));
    const off_t start = offset / (off_t)page_size() * (off_t)page_size();
    /* Of a part of a page a kernel makes zeroes, and keeps it. That is never meant. */
    if (mode != 0 && (start != offset || end != offset + length)) return refused(EINVAL);
    return (int)syscall(SYS_fallocate, file, mode, start, end - start);
}

int madvise(void *address, size_t length, int advice) {
    if (!begins_page(address)) return refused(EINVAL);
    const long huge = setting("KERNEL_HUGE", -1);
    if (advice == 25 && huge == 0) return refused(EINVAL);
    if (advice == 25 && huge > 0) {
        const struct timespec wait = {huge / 1000, huge % 1000 * 1000000};
        fprintf(stderr, "collapse %zu\n", length);
        nanosleep(&wait, NULL);
    }
    return (int)syscall(SYS_madvise, address, pages(length), advice);
}

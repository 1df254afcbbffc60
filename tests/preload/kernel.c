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
 * KERNEL_SIGNALS: if not 0, a signal interrupts every second fallocate(), from the first on. (Newer
 * kernels let none do that.)
 *
 * KERNEL_HUGE: 0: there is no MADV_COLLAPSE. Else each takes so many milliseconds, and prints its
 * number of bytes to standard error.
 *
 * KERNEL_COLLAPSE: MADV_COLLAPSE prints that, too, makes nothing and says that it is done.
 *
 * KERNEL_FAILING: one in so many calls fails with an error that it may have: what opens, makes,
 * maps or names files on the file system of KERNEL_FOLDER, and locks and allocates in them;
 * madvise(), mprotect(), eventfd(); waits on futexes end early, and the clock of the day is set now
 * and then. KERNEL_TALLY: a file of words, in which the first counts the failures. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
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

typedef long (*system_call)(long number, ...);

/* The C library's: syscall() is ours. */
static system_call kernel(void) {
    static _Atomic(system_call) found;
    system_call call = found;
    if (call == NULL) {
        *(void **)&call = dlsym(RTLD_NEXT, "syscall");
        found = call;
    }
    return call;
}

static long failing(void) {
    static _Atomic long rate = -1;
    if (rate < 0) rate = setting("KERNEL_FAILING", 0);
    return rate;
}

static void count(void) {
    static _Atomic(_Atomic uint64_t *) tally;
    _Atomic uint64_t *words = tally;
    if (words == NULL) {
        const char *name = getenv("KERNEL_TALLY");
        const int file = name == NULL ? -1 : (int)kernel()(SYS_openat, AT_FDCWD, name, O_RDWR, 0);
        if (file < 0) return;
        words = (_Atomic uint64_t *)kernel()(SYS_mmap, NULL, 4096, PROT_READ | PROT_WRITE,
                                             MAP_SHARED, file, 0);
        kernel()(SYS_close, file);
        if (words == MAP_FAILED) return;
        tally = words;
    }
    atomic_fetch_add(words, 1);
}

/* Whether this call is one that fails; with one of these errors. */
static int unlucky(int one, int other) {
    static _Thread_local uint64_t random;
    const long rate = failing();
    if (rate == 0) return 0;
    if (random == 0) random = (uint64_t)kernel()(SYS_gettid) * 0x9e3779b97f4a7c15u | 1;
    random ^= random << 13;
    random ^= random >> 7;
    random ^= random << 17;
    if ((random >> 8) % (uint64_t)rate != 0) return 0;
    count();
    errno = (random >> 4) % 2 == 0 ? one : other;
    return 1;
}

/* Whether a file, or a path, is on the file system whose calls fail. */
static int concerned(int file) {
    static _Atomic dev_t device;
    struct stat found;
    const int before = errno;
    const char *folder = failing() == 0 ? NULL : getenv("KERNEL_FOLDER");
    if (folder == NULL || file < 0) return 0;
    if (device == 0 && stat(folder, &found) == 0) device = found.st_dev;
    const int is = fstat(file, &found) == 0 && found.st_dev == device;
    errno = before;
    return is;
}

static int named(const char *path) {
    const char *folder = failing() == 0 ? NULL : getenv("KERNEL_FOLDER");
    if (folder == NULL) return 0;
    return strncmp(path, folder, strlen(folder)) == 0 || strncmp(path, "/proc/self/fd/", 14) == 0;
}

/* Where it may choose, at a multiple of its pages. */
void *mmap(void *address, size_t length, int access, int flags, int file, off_t offset) {
    if (concerned(file) && unlucky(ENOMEM, EAGAIN)) return MAP_FAILED;
    if (!begins_page(address) || offset % (off_t)page_size() != 0) {
        errno = EINVAL;
        return MAP_FAILED;
    }
    if (address != NULL) {
        return (void *)kernel()(SYS_mmap, address, pages(length), access, flags, file, offset);
    }
    char *room = (char *)kernel()(SYS_mmap, NULL, pages(length) + page_size(), PROT_NONE,
                                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (room == MAP_FAILED) return room;
    char *start = (char *)pages((uintptr_t)room);
    return (void *)kernel()(SYS_mmap, start, pages(length), access, flags | MAP_FIXED, file,
                            offset);
}

void *mmap64(void *address, size_t length, int access, int flags, int file, off_t offset) {
    return mmap(address, length, access, flags, file, offset);
}

int mprotect(void *address, size_t length, int access) {
    static int opened;
    if (!begins_page(address)) return refused(EINVAL);
    if (unlucky(ENOMEM, ENOMEM)) return -1;
    if (access == (PROT_READ | PROT_WRITE) && length >= 1 << 20 &&
        ++opened >= setting("KERNEL_MPROTECT", 1 << 30)) {
        return refused(ENOMEM);
    }
    return (int)kernel()(SYS_mprotect, address, pages(length), access);
}

int munmap(void *address, size_t length) {
    if (!begins_page(address)) return refused(EINVAL);
    return (int)kernel()(SYS_munmap, address, pages(length));
}

int fallocate(int file, int mode, off_t offset, off_t length) {
    static long asked, calls;
    if (setting("KERNEL_SIGNALS", 0) != 0 && calls++ % 2 == 0) return refused(EINTR);
    if (concerned(file) && unlucky(ENOSPC, EINTR)) return -1;
    if (mode == 0) asked += length;
    if (mode == 0 && asked > setting("KERNEL_ROOM", 1L << 60)) return refused(ENOSPC);
    const off_t end = (off_t)pages((size_t)(offset + length));
    const off_t start = offset / (off_t)page_size() * (off_t)page_size();
    /* Of a part of a page a kernel makes zeroes, and keeps it. That is never meant. */
    if (mode != 0 && (start != offset || end != offset + length)) return refused(EINVAL);
    return (int)kernel()(SYS_fallocate, file, mode, start, end - start);
}

int madvise(void *address, size_t length, int advice) {
    if (!begins_page(address)) return refused(EINVAL);
    const long huge = setting("KERNEL_HUGE", -1);
    if (unlucky(ENOMEM, EAGAIN)) return -1;
    if (advice == 25 && huge == 0) return refused(EINVAL);
    const int free = getenv("KERNEL_COLLAPSE") != NULL;
    if (advice == 25 && (huge > 0 || free)) fprintf(stderr, "collapse %zu\n", length);
    if (advice == 25 && huge > 0) {
        const struct timespec wait = {huge / 1000, huge % 1000 * 1000000};
        nanosleep(&wait, NULL);
    }
    if (advice == 25 && free) return 0;
    return (int)kernel()(SYS_madvise, address, pages(length), advice);
}

static int opened(int folder, const char *path, int flags, mode_t mode) {
    const char *huge = getenv("KERNEL_HUGE_PAGE");
    if (huge != NULL && strcmp(path, "/sys/kernel/mm/transparent_hugepage/hpage_pmd_size") == 0) {
        const int file = memfd_create("huge page", MFD_CLOEXEC);
        if (file >= 0) dprintf(file, "%s\n", huge);
        if (file >= 0) lseek(file, 0, SEEK_SET);
        return file;
    }
    if (named(path) && unlucky(EMFILE, ENFILE)) return -1;
    return (int)kernel()(SYS_openat, folder, path, flags, mode);
}

static mode_t mode_of(int flags, va_list arguments) {
    const int made = (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
    return made ? va_arg(arguments, mode_t) : 0;
}

#define OPENS(name)                                                                                \
    int name(const char *path, int flags, ...) {                                                   \
        va_list arguments;                                                                         \
        va_start(arguments, flags);                                                                \
        const mode_t mode = mode_of(flags, arguments);                                             \
        va_end(arguments);                                                                         \
        return opened(AT_FDCWD, path, flags, mode);                                                \
    }
OPENS(open)
OPENS(open64)

/* Locks: no more memory for them. */
int fcntl(int file, int command, ...) {
    va_list arguments;
    va_start(arguments, command);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    const int locks = command == F_OFD_SETLK || command == F_OFD_GETLK;
    if (locks && concerned(file) && unlucky(ENOLCK, ENOLCK)) return -1;
    if (command == F_DUPFD_CLOEXEC && concerned(file) && unlucky(EMFILE, EMFILE)) return -1;
    return (int)kernel()(SYS_fcntl, file, command, argument);
}

int flock(int file, int operation) {
    if (concerned(file) && unlucky(ENOLCK, EINTR)) return -1;
    return (int)kernel()(SYS_flock, file, operation);
}

int ftruncate64(int file, off_t length) {
    if (concerned(file) && unlucky(EINTR, ENOSPC)) return -1;
    return (int)kernel()(SYS_ftruncate, file, length);
}

int linkat(int from, const char *path, int to, const char *name, int flags) {
    if (named(name) && unlucky(ENOSPC, ENOMEM)) return -1;
    return (int)kernel()(SYS_linkat, from, path, to, name, flags);
}

int symlink(const char *target, const char *name) {
    if (named(name) && unlucky(ENOSPC, ENOMEM)) return -1;
    return (int)kernel()(SYS_symlinkat, target, AT_FDCWD, name);
}

int rename(const char *from, const char *to) {
    if (named(to) && unlucky(ENOSPC, ENOMEM)) return -1;
    return (int)kernel()(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int unlink(const char *path) {
    if (named(path) && unlucky(EIO, ENOMEM)) return -1;
    return (int)kernel()(SYS_unlinkat, AT_FDCWD, path, 0);
}

int eventfd(unsigned value, int flags) {
    if (unlucky(EMFILE, ENFILE)) return -1;
    return (int)kernel()(SYS_eventfd2, value, flags);
}

/* Set to another hour. Programs that ask for another clock are told the truth. */
int clock_gettime(clockid_t clock, struct timespec *time) {
    static _Atomic time_t late;
    const int result = (int)kernel()(SYS_clock_gettime, clock, time);
    if (result != 0 || clock != CLOCK_REALTIME || failing() == 0) return result;
    const int before = errno;
    if (unlucky(1, 2)) late = errno == 1 ? 3600 : -3600;
    errno = before;
    time->tv_sec += late;
    return 0;
}

/* Futexes are not waited for through a function of their own. */
long syscall(long number, ...) {
    long a[6];
    va_list arguments;
    va_start(arguments, number);
    for (int i = 0; i < 6; i++) a[i] = va_arg(arguments, long);
    va_end(arguments);
    const long operation = a[1] & FUTEX_CMD_MASK;
    const int waits = operation == FUTEX_WAIT || operation == FUTEX_WAIT_BITSET;
    if (number == SYS_futex && waits && unlucky(EINTR, EAGAIN)) return -1;
    return kernel()(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

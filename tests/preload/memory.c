/*
 * memory: one allocation of the program fails, as tests say. Loaded before the C library (LD_PRELOAD).
 *
 * AGENTD_TEST_MEMORY names a file with an int64: how many allocations of the program's first thread
 * succeed until one fails, once. Below 0: none fails. What libraries allocate is not counted: how they
 * do without is theirs.
 */
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);

static volatile int64_t *left;
static uintptr_t program, program_end;

static bool fails(const void *caller)
{
	uintptr_t at = (uintptr_t)caller;
	if (!left || *left < 0 || at < program || at >= program_end)
		return false;
	if (syscall(SYS_gettid) != getpid() || (*left)-- > 0)
		return false;
	errno = ENOMEM;
	return true; /* and it is -1 now */
}

void *malloc(size_t size)
{
	return fails(__builtin_return_address(0)) ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	return fails(__builtin_return_address(0)) ? NULL : __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
	return fails(__builtin_return_address(0)) ? NULL : __libc_realloc(old, size);
}

/* The program is the first of what is loaded. */
static int find_program(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size;
	(void)arg;
	program = info->dlpi_addr;
	for (size_t i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_LOAD)
			program_end =
			    program + info->dlpi_phdr[i].p_vaddr + info->dlpi_phdr[i].p_memsz;
	return 1;
}

__attribute__((constructor)) static void start(void)
{
	const char *path = getenv("AGENTD_TEST_MEMORY");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	if (fd < 0)
		return;
	void *mapped = mmap(NULL, sizeof(*left), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (mapped == MAP_FAILED)
		abort();
	dl_iterate_phdr(find_program, NULL);
	left = mapped;
}

/*
 * head: one strict look at the raw head of a request, before any other parser sees it.
 *
 * Two parsers that read one byte stream differently are how requests are smuggled past a proxy. So
 * whatever may be read in two ways is refused here, with one 400 and a closed connection: the
 * grammar is RFC 9112 without its leniencies.
 *
 * Pure: bytes in, verdict out. Fuzzed (fuzz/fuzz_head.c).
 */
#ifndef AGENTD_HTTP_HEAD_H
#define AGENTD_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum head_verdict {
	HEAD_MORE, /* the head is not whole yet, and good so far */
	HEAD_GOOD,
	HEAD_BAD,
};

struct head_limits {
	size_t bytes; /* of the whole head */
	size_t fields;
};

struct head {
	size_t length;           /* of the head, with the empty line that ends it */
	uint64_t content_length; /* 0 without a body, and for a chunked one */
	bool knows_method;       /* else it is one that no route takes */
	bool chunked;            /* the body is */
	bool has_length, expects_continue;
	/* Where the Transfer-Encoding and Expect lines are, with their line ends; 0, 0: none. */
	size_t coding_at, coding_length, expect_at, expect_length;
};

/* Looks at the first n bytes of a request. `ret` is filled for HEAD_GOOD, `ret_reason` (a constant
 * text for people) for HEAD_BAD; either is else untouched. */
enum head_verdict head_scan(const char *bytes, size_t n, const struct head_limits *limits,
    struct head *ret, const char **ret_reason);

/*
 * The lines between the data of a chunked body (RFC 9112, section 7.1). Both return the length of the
 * line with its CRLF; 0: more bytes are needed; -1: bad.
 *
 * A size line has its extensions ignored; a trailer field is checked like any field, and is for nobody
 * to read. *ret_size is at most 2^32 - 1; *ret_last is set for the empty line behind the trailers.
 */
int head_scan_chunk(const char *bytes, size_t n, uint64_t *ret_size);
int head_scan_trailer(const char *bytes, size_t n, bool *ret_last);

/* 0 to 15, or -1. */
int head_hex_digit(char c);

/* No such line is longer. */
#define HEAD_CHUNK_LINE_MAX 1024u

#endif

// SPDX-License-Identifier: BSD-2-Clause
// Refuse whole numbers beyond 32 bits, of which libconfig 1.5 silently keeps the low half.
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config_schema.h"

#define WORD_SIZE 64

struct scan {
	FILE *in;
	int line;
};

static int next(struct scan *s) {
	int c = fgetc(s->in);

	s->line += c == '\n';
	return c;
}

static int peek(struct scan *s) {
	int c = fgetc(s->in);

	if (c != EOF)
		ungetc(c, s->in);
	return c;
}

static void skip_string(struct scan *s) {
	for (int c = next(s); c != EOF && c != '"'; c = next(s)) {
		if (c == '\\')
			next(s);
	}
}

static void skip_line(struct scan *s) {
	for (int c = next(s); c != EOF && c != '\n'; c = next(s))
		;
}

static void skip_block(struct scan *s) {
	int before = 0;

	for (int c = next(s); c != EOF && (before != '*' || c != '/'); c = next(s))
		before = c;
}

static bool is_word_character(int c) {
	return c != EOF && (isalnum(c) || strchr("._*-", c) != NULL);
}

// A name or number that begins with `first`; what is too long is cut.
static void read_word(struct scan *s, int first, char word[WORD_SIZE]) {
	size_t len = 0;

	word[len++] = (char)first;
	while (is_word_character(peek(s))) {
		int c = next(s);

		if (len + 1 < WORD_SIZE)
			word[len++] = (char)c;
	}
	word[len] = '\0';
}

// A number with the suffix L keeps its 64 bits; one with a point is no whole number.
static bool is_too_large(const char *word) {
	bool hex = word[0] == '0' && (word[1] == 'x' || word[1] == 'X');
	unsigned long long value;
	char *end;

	if (!isdigit((unsigned char)word[0]))
		return false;
	value = strtoull(word, &end, hex ? 16 : 10); // at its limit when beyond 64 bits
	return *end == '\0' && value > (hex ? UINT32_MAX : INT32_MAX);
}

int rr_config_check_numbers(FILE *in, const char *path, FILE *err) {
	struct scan s = {.in = in, .line = 1};
	char word[WORD_SIZE];

	for (int c = next(&s); c != EOF; c = next(&s)) {
		if (c == '"') {
			skip_string(&s);
		} else if (c == '#' || (c == '/' && peek(&s) == '/')) {
			skip_line(&s);
		} else if (c == '/' && peek(&s) == '*') {
			next(&s);
			skip_block(&s);
		} else if (is_word_character(c) && c != '-') {
			read_word(&s, c, word);
			if (is_too_large(word)) {
				fprintf(err, "%s:%d: number %s is too large, expected at most %d\n",
					path, s.line, word, INT32_MAX);
				return -EINVAL;
			}
		}
	}
	return 0;
}

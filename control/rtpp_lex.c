// SPDX-License-Identifier: BSD-2-Clause
// Cuts the bytes of one command into words: slices of the input, nothing copied or allocated.
#include "rtpp_lex.h"

#include <string.h>

static bool is_space(char c) {
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

// Take the next word off text. False when there is none.
static bool next_token(struct slice *text, struct slice *token) {
	const char *p = text->p;
	const char *end = text->p + text->len;

	while (p < end && is_space(*p))
		p++;
	token->p = p;
	while (p < end && !is_space(*p))
		p++;
	token->len = (size_t)(p - token->p);
	text->p = p;
	text->len = (size_t)(end - p);
	return token->len > 0;
}

static bool is_separator(struct slice token) {
	return token.len == 2 && token.p[0] == '&' && token.p[1] == '&';
}

// The words up to `&&` or the end of text; *more says which.
static enum rtpp_error lex_words(struct rtpp_words *words, struct slice *text, bool *more) {
	struct slice token;

	*more = false;
	words->n_tokens = 0;
	while (next_token(text, &token)) {
		if (is_separator(token)) {
			*more = true;
			break;
		}
		if (words->n_tokens == RTPP_MAX_TOKENS)
			return RTPP_E_SYNTAX;
		words->token[words->n_tokens++] = token;
	}
	return words->n_tokens > 0 ? RTPP_OK : RTPP_E_SYNTAX;
}

enum rtpp_error rtpp_lex(struct rtpp_line *line, struct slice text) {
	enum rtpp_error error;
	bool more;

	line->n_sub = 0;
	if (text.len == 0 || memchr(text.p, '\0', text.len))
		return RTPP_E_SYNTAX;
	error = lex_words(&line->main, &text, &more);
	while (error == RTPP_OK && more) {
		if (line->n_sub == RTPP_MAX_SUBCOMMANDS)
			return RTPP_E_SYNTAX;
		error = lex_words(&line->sub[line->n_sub++], &text, &more);
	}
	return error;
}

void rtpp_lex_cookie(struct slice datagram, struct slice *cookie, struct slice *rest) {
	*rest = datagram;
	if (!next_token(rest, cookie))
		*cookie = (struct slice){NULL, 0};
}

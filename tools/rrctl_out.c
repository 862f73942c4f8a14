// SPDX-License-Identifier: BSD-2-Clause
// Results of rrctl as tables for people or JSON for programs.
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "rrctl.h"

#define CELL_SIZE 256
#define MAX_COLUMNS 48

int rrctl_refuse(const char *fmt, ...) {
	va_list args;

	fputs("rrctl: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	return RRCTL_REFUSED;
}

int rrctl_show(const struct rrctl *ctl, json_t *result, void (*draw)(const json_t *result)) {
	if (!ctl->json) {
		draw(result);
	} else {
		json_dumpf(result, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
		putchar('\n');
	}
	json_decref(result);
	return RRCTL_DONE;
}

static void join_array(const json_t *array, char *cell, size_t size) {
	size_t len = 0;
	size_t i;
	const json_t *elem;

	cell[0] = '\0';
	json_array_foreach((json_t *)array, i, elem) {
		const char *text = json_string_value(elem);

		if (len < size)
			len += (size_t)snprintf(cell + len, size - len, "%s%s", i > 0 ? "," : "",
				text != NULL ? text : "?");
	}
	if (json_array_size(array) == 0)
		snprintf(cell, size, "-");
}

static const char *format_cell(const json_t *value, char *cell, size_t size) {
	if (json_is_string(value))
		snprintf(cell, size, "%s", json_string_value(value));
	else if (json_is_integer(value))
		snprintf(cell, size, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	else if (json_is_real(value))
		snprintf(cell, size, "%.3f", json_real_value(value));
	else if (json_is_boolean(value))
		snprintf(cell, size, "%s", json_is_true(value) ? "yes" : "no");
	else if (json_is_array(value))
		join_array(value, cell, size);
	else
		snprintf(cell, size, "-");
	return cell;
}

static void measure(const json_t *rows, const struct rrctl_column *column, size_t *width) {
	char cell[CELL_SIZE];
	size_t i;
	const json_t *row;

	*width = strlen(column->title);
	json_array_foreach((json_t *)rows, i, row) {
		size_t len =
			strlen(format_cell(json_object_get(row, column->key), cell, sizeof(cell)));

		if (len > *width)
			*width = len;
	}
}

// The last column is not filled up, so that lines end with what they say.
static void print_cell(const char *cell, size_t width, bool number, bool last) {
	if (number)
		printf("%*s", (int)width, cell);
	else
		printf("%-*s", last ? 0 : (int)width, cell);
	fputs(last ? "\n" : "  ", stdout);
}

static bool is_number_column(const json_t *rows, const char *key) {
	size_t i;
	const json_t *row;

	json_array_foreach((json_t *)rows, i, row) {
		if (json_is_number(json_object_get(row, key)))
			return true;
	}
	return false;
}

void rrctl_table(const json_t *rows, const struct rrctl_column *columns, size_t n_columns) {
	size_t width[MAX_COLUMNS];
	bool number[MAX_COLUMNS];
	char cell[CELL_SIZE];
	size_t i;
	const json_t *row;

	if (n_columns > MAX_COLUMNS)
		n_columns = MAX_COLUMNS;
	for (size_t k = 0; k < n_columns; k++) {
		measure(rows, &columns[k], &width[k]);
		number[k] = is_number_column(rows, columns[k].key);
		print_cell(columns[k].title, width[k], number[k], k + 1 == n_columns);
	}
	json_array_foreach((json_t *)rows, i, row) {
		for (size_t k = 0; k < n_columns; k++)
			print_cell(format_cell(json_object_get(row, columns[k].key), cell,
					   sizeof(cell)),
				width[k], number[k], k + 1 == n_columns);
	}
}

void rrctl_lines(const json_t *object, const struct rrctl_column *lines, size_t n_lines) {
	size_t width = 0;
	char cell[CELL_SIZE];

	for (size_t i = 0; i < n_lines; i++) {
		if (strlen(lines[i].title) > width)
			width = strlen(lines[i].title);
	}
	for (size_t i = 0; i < n_lines; i++)
		printf("%-*s  %s\n", (int)width, lines[i].title,
			format_cell(json_object_get(object, lines[i].key), cell, sizeof(cell)));
}

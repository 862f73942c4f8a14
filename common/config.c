// SPDX-License-Identifier: BSD-2-Clause
// Read rtprelay.conf: parse it, walk the table of options over it, then check what they mean
// together. The first thing wrong ends it with one line.
#include "config.h"

#include <errno.h>
#include <libconfig.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "config_schema.h"

// Name of an option from the root, "realms[0].ipv4.pool[1]".
static void print_setting_path(FILE *out, const config_setting_t *s) {
	const config_setting_t *parent = config_setting_parent(s);

	if (parent == NULL)
		return;
	print_setting_path(out, parent);
	if (config_setting_name(s) == NULL)
		fprintf(out, "[%d]", config_setting_index(s));
	else
		fprintf(out, "%s%s", config_setting_is_root(parent) ? "" : ".",
			config_setting_name(s));
}

static void print_place(struct rr_config_reader *r, const config_setting_t *s) {
	const char *file = config_setting_source_file(s);
	unsigned int line = config_setting_source_line(s);

	fprintf(r->err, "%s:%u: ", file != NULL ? file : r->path, line > 0 ? line : 1);
}

int rr_config_fail(
	struct rr_config_reader *r, const struct config_setting_t *s, const char *fmt, ...) {
	va_list args;

	print_place(r, s);
	print_setting_path(r->err, s);
	fputs(config_setting_is_root(s) ? "the file " : " ", r->err);
	va_start(args, fmt);
	vfprintf(r->err, fmt, args);
	va_end(args);
	fputc('\n', r->err);
	return -EINVAL;
}

// The setting at a path such as "realms.[1].vlan", or the nearest one around it.
static const config_setting_t *find_nearest(const config_t *file, const char *path) {
	char text[256];

	snprintf(text, sizeof(text), "%s", path);
	for (;;) {
		const config_setting_t *s = config_lookup(file, text);
		char *last = strrchr(text, '.');

		if (s != NULL)
			return s;
		if (last == NULL)
			return config_root_setting(file);
		*last = '\0';
	}
}

int rr_config_fail_at(struct rr_config_reader *r, const char *path, const char *fmt, ...) {
	va_list args;

	print_place(r, find_nearest(r->file, path));
	// "realms.[1].vlan" is libconfig's spelling of realms[1].vlan
	for (const char *p = path; *p != '\0'; p++) {
		if (p[0] != '.' || p[1] != '[')
			fputc(*p, r->err);
	}
	fputc(' ', r->err);
	va_start(args, fmt);
	vfprintf(r->err, fmt, args);
	va_end(args);
	fputc('\n', r->err);
	return -EINVAL;
}

static const struct rr_option *find_option(const struct rr_option_table *table, const char *name) {
	for (size_t i = 0; i < table->n_rows; i++) {
		if (strcmp(table->rows[i].name, name) == 0)
			return &table->rows[i];
	}
	return NULL;
}

static int refuse_unknown(struct rr_config_reader *r, const struct rr_option_table *table,
	const config_setting_t *s) {
	char names[512] = "";
	size_t len = 0;

	for (size_t i = 0; i < table->n_rows && len < sizeof(names); i++)
		len += (size_t)snprintf(names + len, sizeof(names) - len, "%s%s", i > 0 ? ", " : "",
			table->rows[i].name);
	return rr_config_fail(r, s, "is no option, expected one of %s", names);
}

static int check_names(struct rr_config_reader *r, const struct rr_option_table *table,
	const config_setting_t *group) {
	for (int i = 0; i < config_setting_length(group); i++) {
		const config_setting_t *s = config_setting_get_elem(group, (unsigned int)i);

		if (find_option(table, config_setting_name(s)) == NULL)
			return refuse_unknown(r, table, s);
	}
	return 0;
}

// A default is written as in the file and read by the same function.
static int read_fallback(struct rr_config_reader *r, const struct rr_option *opt, void *base) {
	char text[256];
	config_t file;
	int rc = -EINVAL;

	snprintf(text, sizeof(text), "%s = %s;", opt->name, opt->fallback);
	config_init(&file);
	if (config_read_string(&file, text) == CONFIG_TRUE)
		rc = opt->type->read(r, opt, config_lookup(&file, opt->name), base);
	config_destroy(&file);
	return rc;
}

static int read_option(struct rr_config_reader *r, const struct rr_option *opt,
	const config_setting_t *group, void *base) {
	const config_setting_t *s = config_setting_get_member(group, opt->name);

	if (s != NULL)
		return opt->type->read(r, opt, s, base);
	if (opt->fallback == NULL)
		return rr_config_fail(r, group, "has no %s, expected %s: %s", opt->name,
			opt->type->expected, opt->help);
	return opt->fallback[0] == '\0' ? 0 : read_fallback(r, opt, base);
}

int rr_config_read_group(struct rr_config_reader *r, const struct rr_option_table *table,
	const struct config_setting_t *s, void *base) {
	int rc;

	if (!config_setting_is_group(s))
		return rr_config_fail(r, s, "is no group, expected { ... }");
	rc = check_names(r, table, s);
	for (size_t i = 0; rc == 0 && i < table->n_rows; i++)
		rc = read_option(r, &table->rows[i], s, base);
	return rc;
}

static int parse_stream(config_t *file, const char *path, FILE *in, FILE *err) {
	const char *slash = strrchr(path, '/');
	const char *where;

	if (slash != NULL) {
		char *dir = strndup(path, (size_t)(slash - path) + 1);

		config_set_include_dir(file, dir);
		free(dir);
	}
	if (config_read(file, in) == CONFIG_TRUE)
		return 0;
	where = config_error_file(file);
	fprintf(err, "%s:%d: %s, expected NAME = VALUE; or NAME = { ... };\n",
		where != NULL ? where : path, config_error_line(file), config_error_text(file));
	return -EINVAL;
}

static int parse_file(config_t *file, const char *path, FILE *err) {
	FILE *in = fopen(path, "re");
	struct stat st;
	int rc;

	if (in == NULL) {
		rc = -errno;
		fprintf(err, "%s:0: %s, expected a readable file\n", path, strerror(-rc));
		return rc;
	}
	// libconfig's scanner ends the program when a read fails, as it does on a folder
	if (fstat(fileno(in), &st) == 0 && S_ISDIR(st.st_mode)) {
		fprintf(err, "%s:0: is a folder, expected a readable file\n", path);
		rc = -EISDIR;
	} else {
		rc = parse_stream(file, path, in, err);
		// a pipe can not be read twice
		if (rc == 0 && fseek(in, 0, SEEK_SET) == 0)
			rc = rr_config_check_numbers(in, path, err);
	}
	fclose(in);
	return rc;
}

int rr_config_load(struct rr_config *cfg, const char *path, FILE *err) {
	struct rr_config_reader r = {.cfg = cfg, .path = path, .err = err};
	config_t file;
	int rc;

	memset(cfg, 0, sizeof(*cfg));
	snprintf(cfg->path, sizeof(cfg->path), "%s", path);
	config_init(&file);
	r.file = &file;
	rc = parse_file(&file, path, err);
	if (rc == 0)
		rc = rr_config_read_group(&r, &rr_config_table, config_root_setting(&file), cfg);
	if (rc == 0)
		rc = rr_config_check(&r);
	config_destroy(&file);
	return rc;
}

// FNV-1a, 64 bits.
uint64_t rr_realm_key(const char *name) {
	uint64_t key = UINT64_C(0xcbf29ce484222325);

	for (const char *p = name; *p != '\0'; p++)
		key = (key ^ (uint8_t)*p) * UINT64_C(0x100000001b3);
	return key;
}

struct rr_endpoint rr_addr_endpoint(const struct rr_shm_addr *addr) {
	struct rr_endpoint ep = {.family = addr->family};

	memcpy(ep.addr, addr->addr, sizeof(ep.addr));
	return ep;
}

int rr_config_find_addr(const struct rr_config *cfg, const struct rr_endpoint *addr) {
	if (addr->family == RR_FAMILY_NONE)
		return -1;
	for (uint32_t i = 0; i < cfg->n_addrs; i++)
		if (cfg->addr[i].family == addr->family &&
			memcmp(cfg->addr[i].addr, addr->addr, sizeof(addr->addr)) == 0)
			return (int)i;
	return -1;
}

const struct rr_net_config *rr_realm_net(
	const struct rr_realm_config *realm, enum rr_family family) {
	return family == RR_FAMILY_IPV6 ? &realm->ipv6 : &realm->ipv4;
}

// SPDX-License-Identifier: BSD-2-Clause
// What rrctl asks of control over its channel (common/operator_channel.h).
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "operator_channel.h"
#include "rrctl.h"

// A worker that died is replaced within this time, and the dataplane given up on.
#define PATIENCE_S 20

static const char *connect_error(int error) {
	if (error == ENOENT || error == ECONNREFUSED)
		return "control is down, start rtprelayd";
	if (error == EACCES)
		return "control serves its owner and instance.group only";
	return strerror(error);
}

// Returns a connected socket, or -1, having said why.
static int connect_control(const struct rrctl *ctl, const char *verb) {
	struct timeval patience = {.tv_sec = PATIENCE_S};
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	int len = snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/%s", ctl->cfg.run_dir,
		RR_OPERATOR_SOCKET);

	if (fd >= 0 && len < (int)sizeof(addr.sun_path) &&
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == 0 &&
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) == 0 &&
		connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
		return fd;
	rrctl_refuse("%s: %s (%s)", verb, connect_error(errno), addr.sun_path);
	if (fd >= 0)
		close(fd);
	return -1;
}

// Append a word and its zero. Returns false when it does not fit.
static bool add_word(char *request, size_t *len, const char *word) {
	size_t n = strlen(word) + 1;

	if (*len + n > RR_OPERATOR_MAX_REQUEST)
		return false;
	memcpy(request + *len, word, n);
	*len += n;
	return true;
}

static ssize_t send_with(int fd, char *text, size_t len, int passed_fd) {
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} passed = {.header = {.cmsg_level = SOL_SOCKET,
			    .cmsg_type = SCM_RIGHTS,
			    .cmsg_len = CMSG_LEN(sizeof(int))}};
	struct iovec part = {.iov_base = text, .iov_len = len};
	struct msghdr msg = {.msg_iov = &part, .msg_iovlen = 1};

	if (passed_fd >= 0) {
		memcpy(CMSG_DATA(&passed.header), &passed_fd, sizeof(passed_fd));
		msg.msg_control = passed.bytes;
		msg.msg_controllen = sizeof(passed.bytes);
	}
	return sendmsg(fd, &msg, MSG_NOSIGNAL);
}

static bool send_request(int fd, const struct rrctl_request *request) {
	char text[RR_OPERATOR_MAX_REQUEST];
	size_t len = 0;
	bool fits = request->argc < RR_OPERATOR_MAX_WORDS && add_word(text, &len, request->verb);

	for (int i = 0; fits && i < request->argc; i++)
		fits = add_word(text, &len, request->argv[i]);
	if (!fits) {
		rrctl_refuse("%s: more than fits a request", request->verb);
		return false;
	}
	if (send_with(fd, text, len, request->fd) < 0) {
		rrctl_refuse("%s: control does not listen: %s", request->verb, strerror(errno));
		return false;
	}
	return true;
}

// A refusal, or JSON.
static int read_answer(const char *verb, const char *text, size_t len, json_t **answer) {
	size_t n_error = strlen(RR_OPERATOR_ERROR);

	if (len >= n_error && memcmp(text, RR_OPERATOR_ERROR, n_error) == 0)
		return rrctl_refuse("%s: %.*s", verb, (int)(len - n_error), text + n_error);
	*answer = json_loadb(text, len, JSON_DECODE_ANY, NULL);
	if (*answer == NULL)
		return rrctl_refuse("%s: control's answer cannot be read", verb);
	return RRCTL_DONE;
}

static int receive_answer(int fd, const char *verb, json_t **answer) {
	char *text = malloc(RR_OPERATOR_MAX_ANSWER);
	ssize_t n = text != NULL ? recv(fd, text, RR_OPERATOR_MAX_ANSWER, 0) : -1;
	int rc;

	if (n > 0)
		rc = read_answer(verb, text, (size_t)n, answer);
	else if (n < 0 && errno == EAGAIN)
		rc = rrctl_refuse("%s: control does not answer", verb);
	else
		rc = rrctl_refuse("%s: control ended before it answered, it may be done", verb);
	free(text);
	return rc;
}

int rrctl_ask_with(const struct rrctl *ctl, const struct rrctl_request *request, json_t **answer) {
	int fd = connect_control(ctl, request->verb);
	int rc = RRCTL_REFUSED;

	if (fd < 0)
		return rc;
	if (send_request(fd, request))
		rc = receive_answer(fd, request->verb, answer);
	close(fd);
	return rc;
}

int rrctl_ask(const struct rrctl *ctl, const char *verb, int argc, char **argv, json_t **answer) {
	struct rrctl_request request = {.verb = verb, .argc = argc, .argv = argv, .fd = -1};

	return rrctl_ask_with(ctl, &request, answer);
}

// ---- commands
// ------------------------------------------------------------------------------------

static void draw_cleared(const json_t *result) {
	printf("calls ended: %" JSON_INTEGER_FORMAT "\n",
		json_integer_value(json_object_get(result, "sessions")));
}

int rrctl_session_clear(struct rrctl *ctl, int argc, char **argv) {
	json_t *answer;
	int rc = rrctl_ask(ctl, "session-clear", argc, argv, &answer);

	return rc == RRCTL_DONE ? rrctl_show(ctl, answer, draw_cleared) : rc;
}

static void draw_admission(const json_t *result) {
	printf("new calls: %s, %" JSON_INTEGER_FORMAT " go on\n",
		json_string_value(json_object_get(result, "admission")),
		json_integer_value(json_object_get(result, "sessions")));
}

static int change_admission(struct rrctl *ctl, const char *verb) {
	json_t *answer;
	int rc = rrctl_ask(ctl, verb, 0, NULL, &answer);

	return rc == RRCTL_DONE ? rrctl_show(ctl, answer, draw_admission) : rc;
}

int rrctl_drain(struct rrctl *ctl, RR_UNUSED int argc, RR_UNUSED char **argv) {
	return change_admission(ctl, "drain");
}

int rrctl_pause(struct rrctl *ctl, RR_UNUSED int argc, RR_UNUSED char **argv) {
	return change_admission(ctl, "pause");
}

int rrctl_resume(struct rrctl *ctl, RR_UNUSED int argc, RR_UNUSED char **argv) {
	return change_admission(ctl, "resume");
}

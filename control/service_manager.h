// SPDX-License-Identifier: BSD-2-Clause
// What the service manager that started us is told: systemd's Type=notify, by a plain datagram.
#pragma once

#include "compiler.h"

RR_BEGIN_DECLS

// "READY=1", "STOPPING=1"; nothing where nobody asked for it (NOTIFY_SOCKET, sd_notify(3)).
void service_manager_tell(const char *state);

RR_END_DECLS

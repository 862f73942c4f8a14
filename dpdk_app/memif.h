// SPDX-License-Identifier: BSD-2-Clause
// The socket file of a net_memif device: one that a killed dataplane left is in the way of the
// next, since the driver's bind() fails where a file lies.
#pragma once

// Remove what lies at the socket path of a device of role server, as named by the configuration,
// when it is a socket at which nobody listens. All else stays, and every other device is none of
// this function's business. Before the device is made.
void memif_remove_dead_socket(const char *device);

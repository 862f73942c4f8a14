// SPDX-License-Identifier: BSD-2-Clause
// The multicast listener report, compared whole with one of another implementation.
#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

extern "C" {
#include "mld.h"
}

namespace {

using Bytes = std::vector<uint8_t>;

Bytes unhex(const std::string &text) {
	Bytes out;

	for (size_t i = 0; i + 1 < text.size(); i += 2)
		out.push_back((uint8_t)std::stoi(text.substr(i, 2), nullptr, 16));
	return out;
}

// From scapy: :: to ff02::16, router alert, one record MODE_IS_EXCLUDE for ff02::1:ff00:10.
const Bytes report =
	unhex("600000000024000100000000000000000000000000000000ff0200000000000000000000000000163a00"
	      "0502000001008f00717a0000000102000000ff0200000000000000000001ff000010");

TEST(Mld, ReportIsTheExpectedPacket) {
	const Bytes group = unhex("ff0200000000000000000001ff000010");
	Bytes out(MLD_LEN);

	mld_report_write(out.data(), group.data());
	EXPECT_EQ(report, out);
}

TEST(Mld, ReportsGoToAllRouters) {
	rte_ether_addr mac;

	mld_report_mac(&mac);
	EXPECT_EQ(unhex("333300000016"), Bytes(mac.addr_bytes, mac.addr_bytes + 6));
}

} // namespace

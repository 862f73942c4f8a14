// SPDX-License-Identifier: BSD-2-Clause
// Cutting datagrams on mbufs: pieces that fit, one buffer each, and what happens without buffers.
//
// What whole frames look like on the wire is tested in tests/packets/fragments.py.
#include <gtest/gtest.h>

#include <set>
#include <vector>

#include <rte_eal.h>
#include <rte_ip.h>

#include "dp_fixture.h"

extern "C" {
#include "fragmenter.h"
#include "rtp.h"
}

using namespace dp;

namespace {

const uint32_t N_BUFFERS = 63;
const uint32_t TO4 = 3, TO6 = 4; // addresses of the inner port

class Cutting : public testing::Test {
      protected:
	static void SetUpTestSuite() {
		const char *args[] = {"test", "--no-huge", "--no-shconf", "--no-pci", "-m", "64",
			"--log-level=error", "--no-telemetry"};

		ASSERT_LE(0, rte_eal_init(RR_ARRAY_LEN(args), const_cast<char **>(args)));
		pool = rte_pktmbuf_pool_create("test", N_BUFFERS, 0, 0, 128 + 2048, 0);
		ASSERT_NE(nullptr, pool);
	}

	static void TearDownTestSuite() {
		rte_mempool_free(pool);
		rte_eal_cleanup();
	}

	Cutting() : fragmenter(1) {
		init(0, 1);
	}

	void init(uint32_t worker, uint32_t n_workers) {
		fragmenter_init(fragmenter.get(), world.addrs.get(), pool, worker, n_workers);
	}

	void TearDown() override {
		EXPECT_EQ(N_BUFFERS, rte_mempool_avail_count(pool)) << "every buffer came back";
	}

	// A frame with a tag as rewrite leaves it, spread over buffers.
	struct rte_mbuf *frame(uint32_t to, size_t n_payload, size_t part = 1000) {
		Bytes data = udp(1, 2, Bytes(n_payload, 0x55));
		Bytes tag = mac_bytes(ext_mac) + mac_bytes(int_mac) + be16(0x8100) + be16(INT_VLAN);
		Bytes bytes =
			to == TO4
				? tag + be16(0x0800) + ip4("10.1.0.1", "10.9.9.9", data, 17, 0x4000)
				: tag + be16(0x86dd) + ip6("2001:db8:2::1", "2001:db8::9", data);
		struct rte_mbuf *head = nullptr;

		for (size_t at = 0; at < bytes.size(); at += part) {
			size_t n = std::min(part, bytes.size() - at);
			struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

			memcpy(rte_pktmbuf_append(m, (uint16_t)n), bytes.data() + at, n);
			if (head == nullptr)
				head = m;
			else
				rte_pktmbuf_chain(head, m);
		}
		view.m = head;
		view.out_addr = (uint16_t)to;
		return head;
	}

	uint32_t cut() {
		return fragmenter_cut(fragmenter.get(), &view, out);
	}

	uint32_t id_of(const struct rte_mbuf *m, uint32_t to) {
		const uint8_t *ip = rte_pktmbuf_mtod_offset(m, const uint8_t *, 18);

		return to == TO4 ? rr_load_be16(ip + 4)
				 : (uint32_t)rr_load_be16(ip + 44) << 16 | rr_load_be16(ip + 46);
	}

	World world;
	Zeroed<struct fragmenter> fragmenter;
	struct pkt view = {};
	struct rte_mbuf *out[FRAGMENTER_MAX];
	static struct rte_mempool *pool;
};

struct rte_mempool *Cutting::pool;

TEST_F(Cutting, PiecesFitAndFillOneBufferEach) {
	for (uint32_t to : {TO4, TO6})
		for (size_t n_payload : {1473u, 2000u, 8192u}) {
			uint32_t head = to == TO4 ? 20 : 48;
			uint32_t step = (1500 - head) / 8 * 8;
			uint32_t total = (uint32_t)n_payload + 8;

			frame(to, n_payload);
			uint32_t n = cut();
			EXPECT_EQ((total + step - 1) / step, n);
			for (uint32_t i = 0; i < n; i++) {
				EXPECT_EQ(1, out[i]->nb_segs);
				EXPECT_EQ(0u, out[i]->ol_flags);
				EXPECT_EQ(18 + head + (i + 1 < n ? step : total - step * i),
					out[i]->pkt_len);
				EXPECT_EQ(id_of(out[0], to), id_of(out[i], to));
				rte_mbuf_sanity_check(out[i], 1);
			}
			rte_pktmbuf_free_bulk(out, n);
		}
}

TEST_F(Cutting, IdentificationsOfAllWorkersDiffer) {
	for (uint32_t to : {TO4, TO6}) {
		std::set<uint32_t> seen;

		for (uint32_t worker = 0; worker < 3; worker++) {
			init(worker, 3);
			for (int i = 0; i < 100; i++) {
				frame(to, 2000);
				uint32_t n = cut();
				EXPECT_TRUE(seen.insert(id_of(out[0], to)).second);
				rte_pktmbuf_free_bulk(out, n);
			}
		}
	}
}

// Whichever buffer is the one that is missing, nothing is sent and nothing is lost but the packet.
TEST_F(Cutting, WithoutBuffers) {
	for (uint32_t to : {TO4, TO6}) {
		std::vector<struct rte_mbuf *> taken;
		uint32_t n_refused = 0;

		for (uint32_t n_free = 0;; n_free++) {
			struct rte_mbuf *m = frame(to, 4000);

			while (rte_mempool_avail_count(pool) > n_free)
				taken.push_back(rte_pktmbuf_alloc(pool));
			uint32_t n = cut();
			rte_pktmbuf_free_bulk(taken.data(), (unsigned int)taken.size());
			taken.clear();
			if (n != 0) {
				rte_pktmbuf_free_bulk(out, n);
				break;
			}
			n_refused++;
			rte_pktmbuf_free(m);
			ASSERT_EQ(N_BUFFERS, rte_mempool_avail_count(pool)) << n_free;
		}
		EXPECT_LT(6u, n_refused);
	}
}

} // namespace

// SPDX-License-Identifier: BSD-2-Clause
// The order of a turn: what a command did is in the store before the dataplane hears of it, and the
// dataplane has acknowledged it before the controller does.
//
// The store's commit is wrapped, and looks at the rings and the replies of that moment.
#include "control_fixture.h"

#include <functional>

using namespace ctltest;

namespace {

std::function<void()> at_commit;

} // namespace

extern "C" {

int __real_store_commit(struct store *st, uint64_t now_ns);

int __wrap_store_commit(struct store *st, uint64_t now_ns) {
	if (at_commit)
		at_commit();
	return __real_store_commit(st, now_ns);
}
}

namespace {

class TurnTest : public ControlTest {
      protected:
	// Messages that were ever put into the rings towards the dataplane.
	uint32_t n_told() {
		uint32_t n = 0;

		for (uint32_t i = 0; i < dp.region.n_workers; i++)
			n += rr_load_relaxed(&dp.region.workers[i].request_ring.tail);
		return n;
	}

	// Carry a command of n_requests from execution to reply, and look at every step.
	void walk(const std::string &text, uint32_t n_requests) {
		uint32_t before = n_told();
		unsigned int n_commits = 0;
		struct job *job = execute(text, "cookie-of-" + text.substr(0, 1) + " ");

		at_commit = [&] {
			EXPECT_EQ(before, n_told()) << text << ": told before it was stored";
			EXPECT_FALSE(replied(job)) << text << ": answered before it was stored";
			n_commits++;
		};
		control_turn_commit(&ctl);
		at_commit = nullptr;
		EXPECT_EQ(1U, n_commits) << text;
		EXPECT_EQ(before + n_requests, n_told()) << text;
		control_poll(&ctl, now);
		EXPECT_FALSE(replied(job)) << text << ": answered before the dataplane did";
		settle();
		EXPECT_TRUE(replied(job)) << text;
	}
};

TEST_F(TurnTest, StoreThenDataplaneThenController) {
	walk("U call 198.18.1.1 4000 from", 2);
	walk("L call 198.18.1.2 5000 from to", 4);
	walk("U call 198.18.1.3 4000 from to", 2);
	walk("D call from to", 4);
}

// Nothing was changed, so nothing is to be stored or told.
TEST_F(TurnTest, QuestionsAreAnsweredAtOnce) {
	uint32_t before = n_told();
	struct job *job = execute("I");

	control_turn_commit(&ctl);
	EXPECT_TRUE(replied(job));
	EXPECT_EQ(before, n_told());
}

} // namespace

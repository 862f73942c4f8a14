// SPDX-License-Identifier: BSD-2-Clause
// Every cell of the learning tables against the page that explains them, docs/learning.md.
//
// The page is read from the working directory, the top of the tree. What the cells do to a flow is
// tested in test_relay.cc.
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

extern "C" {
#include "learn.h"
}

namespace {

const std::map<std::string, uint32_t> words = {
	{"reject", 0},
	{"stay", 0},
	{"accept", LEARN_ACCEPT},
	{"move", LEARN_ACCEPT | LEARN_MOVE},
	{"latch", LEARN_LATCH},
	{"blind", LEARN_LATCH_BLIND},
	{"record", LEARN_RECORD},
	{"refresh", LEARN_REFRESH},
	{"set", LEARN_SET},
	{"unlatch", LEARN_UNLATCH},
	{"updated", LEARN_UPDATED},
	{"begin", LEARN_BEGIN},
	{"count", LEARN_COUNT},
	{"recount", LEARN_RECOUNT},
};

const std::vector<std::string> compat_states = {"unknown", "open", "open updated", "ssrc",
	"ssrc updated", "blind", "blind updated", "asymmetric"};
const std::vector<std::string> compat_events = {"same opaque", "same ssrc", "same new ssrc",
	"same zero ssrc", "other opaque", "other continues", "other ssrc", "other zero ssrc",
	"signalled", "guessed"};
const std::vector<std::string> safe_states = {
	"unknown", "signalled", "previous", "stranger", "host", "locked", "asymmetric"};
const std::vector<std::string> safe_events = {"from current", "from exact", "from host",
	"from stranger", "from previous", "exact opaque", "continues", "window over",
	"signalled same", "signalled current", "signalled new", "guessed"};

struct Cell {
	std::string state, event, text;
};

std::string trim(const std::string &s) {
	size_t first = s.find_first_not_of(' ');

	return first == std::string::npos ? ""
					  : s.substr(first, s.find_last_not_of(' ') - first + 1);
}

std::vector<std::string> split(const std::string &line) {
	std::vector<std::string> cells;
	std::istringstream in(line.substr(1));
	std::string cell;

	while (std::getline(in, cell, '|'))
		cells.push_back(trim(cell));
	return cells;
}

// The rows of the table whose first column is called "event", in the named section.
std::vector<Cell> read_table(const std::string &section) {
	std::ifstream page("docs/learning.md");
	std::vector<std::string> header;
	std::vector<Cell> cells;
	std::string line;
	bool inside = false;

	while (std::getline(page, line)) {
		if (line.rfind("## ", 0) == 0)
			inside = line == "## " + section;
		if (!inside || line.empty() || line[0] != '|') {
			header.clear();
			continue;
		}
		std::vector<std::string> row = split(line);
		if (row[0] == "event")
			header = row;
		else if (!header.empty() && row[0].rfind("---", 0) != 0)
			for (size_t i = 1; i < header.size() && i < row.size(); i++)
				cells.push_back({header[i], row[0], row[i]});
	}
	return cells;
}

uint32_t index_of(const std::vector<std::string> &names, const std::string &name) {
	for (size_t i = 0; i < names.size(); i++)
		if (names[i] == name)
			return (uint32_t)i;
	ADD_FAILURE() << "unknown name " << name;
	return 0;
}

uint32_t actions_of(const std::string &text) {
	std::istringstream in(text.substr(0, text.find("→")));
	uint32_t actions = 0;
	std::string word;

	while (in >> word) {
		EXPECT_EQ(1u, words.count(word)) << "unknown word " << word;
		actions |= words.count(word) ? words.at(word) : 0;
	}
	return actions;
}

std::string next_of(const std::string &text) {
	const std::string arrow = "→";
	size_t at = text.find(arrow);

	return at == std::string::npos ? "" : trim(text.substr(at + arrow.size()));
}

std::string test_name(const testing::TestParamInfo<Cell> &info) {
	std::string name = info.param.state + "__" + info.param.event;

	for (char &c : name)
		c = c == ' ' ? '_' : c;
	return name;
}

class Compat : public testing::TestWithParam<Cell> {};
class Safe : public testing::TestWithParam<Cell> {};

TEST_P(Compat, Cell) {
	const Cell &cell = GetParam();

	EXPECT_EQ(actions_of(cell.text),
		learn_compat((enum compat_state)index_of(compat_states, cell.state),
			(enum compat_event)index_of(compat_events, cell.event)));
}

TEST_P(Safe, Cell) {
	const Cell &cell = GetParam();
	struct learn_step step = learn_safe((enum safe_state)index_of(safe_states, cell.state),
		(enum safe_event)index_of(safe_events, cell.event));

	EXPECT_EQ(actions_of(cell.text), step.actions);
	EXPECT_EQ(next_of(cell.text), safe_states[step.next]);
}

INSTANTIATE_TEST_SUITE_P(Learning, Compat, testing::ValuesIn(read_table("compat")), test_name);
INSTANTIATE_TEST_SUITE_P(Learning, Safe, testing::ValuesIn(read_table("safe")), test_name);

// A page without tables would test nothing.
TEST(Learning, PageHasEveryCell) {
	EXPECT_EQ((size_t)COMPAT_STATES * COMPAT_EVENTS, read_table("compat").size());
	EXPECT_EQ((size_t)SAFE_STATES * SAFE_EVENTS, read_table("safe").size());
	EXPECT_EQ((size_t)COMPAT_STATES, compat_states.size());
	EXPECT_EQ((size_t)SAFE_STATES, safe_states.size());
}

// What the design promises, whatever the tables look like.
TEST(Learning, LockedSafeFlowMovesOnContinuityAlone) {
	for (uint32_t e = SAFE_FROM_EXACT; e <= SAFE_WINDOW_OVER; e++)
		EXPECT_EQ(e == SAFE_CONTINUES,
			(learn_safe(SAFE_LOCKED, (enum safe_event)e).actions & LEARN_MOVE) != 0);
}

TEST(Learning, SignalledAddressWinsWhileUnlocked) {
	for (uint32_t s = SAFE_SIGNALLED; s < SAFE_LOCKED; s++)
		EXPECT_EQ(SAFE_LOCKED, learn_safe((enum safe_state)s, SAFE_FROM_EXACT).next);
}

TEST(Learning, AsymmetricAddressIsNeverMovedByPackets) {
	for (uint32_t e = 0; e < COMPAT_SIGNALLED; e++)
		EXPECT_FALSE(learn_compat(COMPAT_ASYMMETRIC, (enum compat_event)e) & LEARN_MOVE);
	for (uint32_t e = 0; e <= SAFE_WINDOW_OVER; e++)
		EXPECT_FALSE(learn_safe(SAFE_ASYMMETRIC, (enum safe_event)e).actions & LEARN_MOVE);
}

} // namespace

// SPDX-License-Identifier: BSD-2-Clause
// rtprelay.conf: what is read, what is refused and in which words, and that the printed form and
// the sample file agree with the table of options.
//
// A refusal is tested by changing one place of a file that is right. Not covered here: errors of
// the file system beyond a missing file and a folder.
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <unistd.h>

#include <gtest/gtest.h>

#include "config.h"
#include "config_schema.h"
#include "log.h"

namespace {

const char good[] = R"(dataplane = { cores = [ 1, 2 ]; };
ports = (
 { name = "a"; device = "net_null0"; },
 { name = "b"; device = "net_null1"; } );
realms = (
 { name = "ext"; port = "a";
   ipv4 = { prefix = "198.18.0.0/24";
            gateway = "198.18.0.1";
            pool = [ "198.18.0.10-198.18.0.12" ];
            neighbours = ( { address = "198.18.0.2"; mac = "02:00:00:00:00:0a"; } ); };
   ipv6 = { prefix = "2001:db8::/64";
            pool = [ "2001:db8::10", "2001:db8::ffff-2001:db8::1:0" ]; }; },
 { name = "int"; port = "b";
   ipv4 = { prefix = "198.19.0.0/24"; pool = [ "198.19.0.10" ]; }; } );
bridge = { internal = "int"; external = "ext"; };
media = { port_min = 35000; port_max = 65000; };
control = { sockets = [ "unix:/tmp/x" ]; };
)";

class TempFile {
      public:
	explicit TempFile(const std::string &text) {
		int fd = mkstemp(path_);

		EXPECT_GE(fd, 0);
		EXPECT_EQ(write(fd, text.data(), text.size()), static_cast<ssize_t>(text.size()));
		close(fd);
	}
	~TempFile() {
		unlink(path_);
	}
	const char *path() const {
		return path_;
	}

      private:
	char path_[32] = "/tmp/rr_config_XXXXXX";
};

struct Loaded {
	std::unique_ptr<rr_config> cfg = std::make_unique<rr_config>();
	int rc = 0;
	std::string err;
};

Loaded load_path(const char *path) {
	Loaded l;
	char *text = nullptr;
	size_t size = 0;
	FILE *err = open_memstream(&text, &size);

	memset(l.cfg.get(), 0xa5, sizeof(rr_config));
	l.rc = rr_config_load(l.cfg.get(), path, err);
	fclose(err);
	l.err.assign(text, size);
	free(text);
	return l;
}

// The file's own name in a message becomes FILE.
Loaded load(const std::string &text) {
	TempFile file(text);
	Loaded l = load_path(file.path());
	size_t at = l.err.find(file.path());

	if (at != std::string::npos)
		l.err.replace(at, strlen(file.path()), "FILE");
	memset(l.cfg->path, 0, sizeof(l.cfg->path));
	return l;
}

std::string print(const rr_config &cfg) {
	char *text = nullptr;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	rr_config_print(&cfg, out);
	fclose(out);
	std::string result(text, size);
	free(text);
	return result;
}

std::string changed(const std::string &from, const std::string &to) {
	std::string text = good;
	size_t at = text.find(from);

	EXPECT_NE(at, std::string::npos) << from;
	if (at != std::string::npos)
		text.replace(at, from.size(), to);
	return text;
}

std::string addr_text(const rr_config &cfg, uint32_t i) {
	struct rr_endpoint ep = {};
	char buf[RR_ENDPOINT_STRLEN];

	memcpy(ep.addr, cfg.addr[i].addr, sizeof(ep.addr));
	ep.family = cfg.addr[i].family;
	return rr_endpoint_format_addr(&ep, buf, sizeof(buf));
}

std::string read_file(const char *path) {
	std::ifstream in(path);
	std::stringstream text;

	EXPECT_TRUE(in.good()) << path;
	text << in.rdbuf();
	return text.str();
}

} // namespace

// ---- what is read

TEST(Config, ReadsPortsRealmsAndTheirAddresses) {
	Loaded l = load(good);
	const rr_config &cfg = *l.cfg;

	ASSERT_EQ(l.rc, 0) << l.err;
	EXPECT_EQ(l.err, "");
	ASSERT_EQ(cfg.n_ports, 2u);
	EXPECT_STREQ(cfg.port[1].name, "b");
	EXPECT_STREQ(cfg.port[1].device, "net_null1");
	ASSERT_EQ(cfg.n_realms, 2u);
	EXPECT_STREQ(cfg.realm[0].name, "ext");
	EXPECT_EQ(cfg.realm[0].port, 0u);
	EXPECT_EQ(cfg.realm[1].port, 1u);
	EXPECT_EQ(cfg.realm[0].ipv4.prefix_len, 24u);
	EXPECT_EQ(cfg.realm[0].ipv4.gateway.family, RR_FAMILY_IPV4);
	EXPECT_EQ(cfg.realm[0].ipv6.gateway.family, RR_FAMILY_NONE);
	ASSERT_EQ(cfg.realm[0].ipv4.n_neighbours, 1u);
	EXPECT_EQ(cfg.realm[0].ipv4.neighbours[0].mac[0], 2);
	EXPECT_EQ(cfg.realm[0].ipv4.neighbours[0].mac[5], 0x0a);
	EXPECT_EQ(cfg.n_workers, 2u);
	EXPECT_EQ(cfg.worker_core[1], 2u);
	EXPECT_EQ(cfg.bridge_internal, 1);
	EXPECT_EQ(cfg.bridge_external, 0);
}

TEST(Config, AddressesStandRealmByRealmIpv4First) {
	static const char *const expected[] = {"198.18.0.10", "198.18.0.11", "198.18.0.12",
		"2001:db8::10", "2001:db8::ffff", "2001:db8::1:0", "198.19.0.10"};
	Loaded l = load(good);
	const rr_config &cfg = *l.cfg;

	ASSERT_EQ(l.rc, 0) << l.err;
	ASSERT_EQ(cfg.n_addrs, RR_ARRAY_LEN(expected));
	for (uint32_t i = 0; i < cfg.n_addrs; i++) {
		EXPECT_EQ(addr_text(cfg, i), expected[i]);
		EXPECT_EQ(cfg.addr[i].realm, i < 6 ? 0 : 1);
		EXPECT_EQ(cfg.addr[i].port, i < 6 ? 0 : 1);
	}
	EXPECT_EQ(cfg.realm[0].ipv4.first_addr, 0u);
	EXPECT_EQ(cfg.realm[0].ipv4.n_pool, 3u);
	EXPECT_EQ(cfg.realm[0].ipv6.first_addr, 3u);
	EXPECT_EQ(cfg.realm[0].ipv6.n_pool, 3u);
	EXPECT_EQ(cfg.realm[1].ipv4.first_addr, 6u);
	EXPECT_EQ(cfg.realm[1].ipv6.n_pool, 0u);
	EXPECT_EQ(rr_realm_net(&cfg.realm[0], RR_FAMILY_IPV4), &cfg.realm[0].ipv4);
	EXPECT_EQ(rr_realm_net(&cfg.realm[0], RR_FAMILY_IPV6), &cfg.realm[0].ipv6);
}

TEST(Config, OrderInTheFileDoesNotMatter) {
	Loaded a = load(good);
	std::string text = good;
	size_t ports = text.find("ports = (");
	size_t realms = text.find("realms = (");
	std::string moved =
		text.substr(0, ports) + text.substr(realms) + text.substr(ports, realms - ports);
	Loaded b = load(moved);

	ASSERT_EQ(b.rc, 0) << b.err;
	EXPECT_EQ(memcmp(a.cfg.get(), b.cfg.get(), sizeof(rr_config)), 0);
}

TEST(Config, DefaultsFollowRtpproxyWhereItHasOne) {
	Loaded l = load(changed("media = { port_min = 35000; port_max = 65000; };\n"
				"control = { sockets = [ \"unix:/tmp/x\" ]; };\n",
		""));
	const rr_config &cfg = *l.cfg;

	ASSERT_EQ(l.rc, 0) << l.err;
	EXPECT_EQ(cfg.media_port_min, 35000u);
	EXPECT_EQ(cfg.media_port_max, 64999u);
	EXPECT_EQ(cfg.media_ttl_s, 60u);
	EXPECT_EQ(cfg.n_addr_places, (cfg.n_addrs + 31) / 16 * 16);
	EXPECT_EQ(cfg.setup_ttl_s, 60u);
	EXPECT_EQ(cfg.tos, 0xb8);
	EXPECT_EQ(cfg.learning, RR_LEARN_SAFE);
	EXPECT_FALSE(cfg.sequential_ports);
	ASSERT_EQ(cfg.n_sockets, 1u);
	EXPECT_STREQ(cfg.socket[0], "unix:/var/run/rtpproxy.sock");
	EXPECT_EQ(cfg.socket_mode, 0660u);
	EXPECT_EQ(cfg.log_level, RR_LOG_INFO);
	EXPECT_EQ(cfg.port[0].mtu, 1500u);
	EXPECT_FALSE(cfg.port[0].start_held);
}

TEST(Config, NoBridgeUnlessBothRealmsAreNamed) {
	Loaded l = load(changed("bridge = { internal = \"int\"; external = \"ext\"; };", ""));

	ASSERT_EQ(l.rc, 0) << l.err;
	EXPECT_EQ(l.cfg->bridge_internal, -1);
	EXPECT_EQ(l.cfg->bridge_external, -1);
}

TEST(Config, OverloadEndsWhereItBeganUnlessGiven) {
	Loaded same = load(changed("control = {", "control = { overload_high_pct = 80;"));
	Loaded other = load(changed(
		"control = {", "control = { overload_high_pct = 80; overload_low_pct = 60;"));
	Loaded off = load(good);

	EXPECT_EQ(same.cfg->overload_low_pct, 80u);
	EXPECT_EQ(other.cfg->overload_low_pct, 60u);
	EXPECT_EQ(off.cfg->overload_high_pct, 0u);
}

TEST(Config, SetupTtlIsTheMediaTtlUnlessGiven) {
	Loaded same = load(changed("control = {", "control = { media_ttl_s = 33;"));
	Loaded other =
		load(changed("control = {", "control = { media_ttl_s = 33; setup_ttl_s = 5;"));

	EXPECT_EQ(same.cfg->setup_ttl_s, 33u);
	EXPECT_EQ(other.cfg->setup_ttl_s, 5u);
}

struct Range {
	int min, max;
	uint32_t first, last;
};

class MediaRange : public testing::TestWithParam<Range> {};

TEST_P(MediaRange, BeginsEvenAndEndsOdd) {
	const Range &r = GetParam();
	Loaded l = load(changed("port_min = 35000; port_max = 65000;",
		"port_min = " + std::to_string(r.min) + "; port_max = " + std::to_string(r.max) +
			";"));

	ASSERT_EQ(l.rc, 0) << l.err;
	EXPECT_EQ(l.cfg->media_port_min, r.first);
	EXPECT_EQ(l.cfg->media_port_max, r.last);
}

INSTANTIATE_TEST_SUITE_P(Config, MediaRange,
	testing::Values(Range{20000, 20009, 20000, 20009}, Range{20000, 20010, 20000, 20009},
		Range{20001, 20010, 20002, 20009}, Range{20000, 20001, 20000, 20001},
		Range{20000, 20002, 20000, 20001}, Range{1, 65535, 2, 65535},
		Range{65533, 65535, 65534, 65535}));

TEST(Config, SocketsAreBroughtIntoOneSpelling) {
	static const char *const expected[] = {"unix:/run/a", "unix:/run/b", "cunix:/run/c",
		"udp:0.0.0.0:22222", "udp:127.0.0.1:5000", "udp6:::1:9000", "udp6:::1:22222",
		"udp6:2001:db8::7:22222", "udp6::::22222", "udp6:2001:db8::1:5",
		"tcp:0.0.0.0:22222", "tcp:127.0.0.1:5000", "tcp6:::1:9000", "tcp6:::1:22222",
		"tcp6::::22222", "tcp6:2001:db8::1:5", "stdioc:", "systemd:", "shm:/run/d"};
	Loaded l = load(changed("[ \"unix:/tmp/x\" ]",
		"[ \"/run/a\", \"unix:/run/b\", \"cunix:/run/c\", \"udp:*\", "
		"\"udp:127.0.0.1:5000\", "
		"\"udp6:::1:9000\", \"udp6:::1\", \"udp6:2001:db8:0:0:0:0:0:7\", \"udp6:*\", "
		"\"udp6:[2001:db8::1]:5\", \"tcp:*\", \"tcp:127.0.0.1:5000\", "
		"\"tcp6:::1:9000\", \"tcp6:::1\", \"tcp6:*\", \"tcp6:[2001:db8::1]:5\", "
		"\"stdioc:\", \"systemd:\", \"shm:/run/d\" ]"));

	ASSERT_EQ(l.rc, 0) << l.err;
	ASSERT_EQ(l.cfg->n_sockets, RR_ARRAY_LEN(expected));
	for (uint32_t i = 0; i < l.cfg->n_sockets; i++)
		EXPECT_STREQ(l.cfg->socket[i], expected[i]);
}

TEST(Config, NotificationTargetsKeepTheirSpelling) {
	static const char *const expected[] = {
		"/run/n", "unix:/run/m", "tcp:127.0.0.1:9", "tcp:%%CC_SELF%%:10"};
	Loaded l =
		load(changed("control = {", "control = { notify = [ \"/run/n\", \"unix:/run/m\", "
					    "\"tcp:127.0.0.1:9\", \"tcp:%%CC_SELF%%:10\" ];"));

	ASSERT_EQ(l.rc, 0) << l.err;
	ASSERT_EQ(l.cfg->n_notify, RR_ARRAY_LEN(expected));
	for (uint32_t i = 0; i < l.cfg->n_notify; i++)
		EXPECT_STREQ(l.cfg->notify[i], expected[i]);
}

TEST(Config, LargeNumbersInTextsNamesAndCommentsAreNone) {
	Loaded l = load(changed("{ name = \"a\"; device = \"net_null0\"; }",
		"{ name = \"a\"; device = \"4294967297 \\\" 4294967297\"; /* 4294967297 **/ "
		"rx_desc = "
		"0x100; } // 4294967297\n"));

	EXPECT_EQ(l.rc, 0) << l.err;
	EXPECT_EQ(l.cfg->port[0].n_rx_desc, 256u);
}

TEST(Config, SmallPrefixesHaveNoReservedAddresses) {
	Loaded l31 = load(changed("prefix = \"198.19.0.0/24\"; pool = [ \"198.19.0.10\" ]",
		"prefix = \"198.19.0.0/31\"; pool = [ \"198.19.0.0-198.19.0.1\" ]"));
	Loaded l32 = load(changed("prefix = \"198.19.0.0/24\"; pool = [ \"198.19.0.10\" ]",
		"prefix = \"198.19.0.7/32\"; pool = [ \"198.19.0.7\" ]"));

	EXPECT_EQ(l31.rc, 0) << l31.err;
	EXPECT_EQ(l32.rc, 0) << l32.err;
}

TEST(Config, Ipv6GatewayMayBeLinkLocal) {
	Loaded l = load(changed("prefix = \"2001:db8::/64\";",
		"prefix = \"2001:db8::/64\"; gateway = \"fe80::1\";"));

	EXPECT_EQ(l.rc, 0) << l.err;
}

TEST(Config, RealmsMayShareALinkAndItsPrefix) {
	Loaded l = load(changed("\"int\"; port = \"b\";\n   ipv4 = { prefix = \"198.19.0.0/24\"; "
				"pool = [ \"198.19.0.10\" ]",
		"\"int\"; port = \"a\";\n   ipv4 = { prefix = \"198.18.0.0/24\"; "
		"pool = [ \"198.18.0.40\" ]"));

	EXPECT_EQ(l.rc, 0) << l.err;
}

TEST(Config, WorkersThatSleepMayShareTheirCores) {
	Loaded l = load(changed("cores = [ 1, 2 ]", "cores = [ 1, 1, 0 ]; poll = \"adaptive\""));

	EXPECT_EQ(l.rc, 0) << l.err;
	EXPECT_EQ(l.cfg->n_workers, 3u);
}

TEST(Config, SamePrefixOnAnotherVlanIsAnotherNetwork) {
	Loaded l = load(changed("\"int\"; port = \"b\";\n   ipv4 = { prefix = \"198.19.0.0/24\"; "
				"pool = [ \"198.19.0.10\" ]",
		"\"int\"; port = \"a\"; vlan = 7;\n   ipv4 = { prefix = \"198.18.0.0/24\"; "
		"pool = [ \"198.18.0.40\" ]"));

	EXPECT_EQ(l.rc, 0) << l.err;
}

TEST(Config, IncludedFileIsFoundBesideTheFileAndNamedInErrors) {
	TempFile included("media = { tos = 256; };\n");
	std::string name = strrchr(included.path(), '/') + 1;
	Loaded l = load(changed(
		"media = { port_min = 35000; port_max = 65000; };", "@include \"" + name + "\""));

	EXPECT_EQ(l.rc, -EINVAL);
	EXPECT_NE(l.err.find(name), std::string::npos) << l.err;
	EXPECT_NE(l.err.find(":1: media.tos is 256, expected 0..255\n"), std::string::npos)
		<< l.err;
}

// ---- what is refused

TEST(Config, MissingFileIsRefusedByItsErrno) {
	Loaded l = load_path("/nonexistent/rtprelay.conf");

	EXPECT_EQ(l.rc, -ENOENT);
	EXPECT_EQ(l.err, "/nonexistent/rtprelay.conf:0: No such file or directory, expected a "
			 "readable file\n");
}

TEST(Config, FolderIsRefused) {
	Loaded l = load_path("/tmp");

	EXPECT_EQ(l.rc, -EISDIR);
	EXPECT_EQ(l.err, "/tmp:0: is a folder, expected a readable file\n");
}

struct Refusal {
	const char *from; // in the good file, replaced by
	const char *to;
	const char *message; // after FILE:
};

void PrintTo(const Refusal &r, std::ostream *os) {
	*os << r.to;
}

class ConfigRefusal : public testing::TestWithParam<Refusal> {};

TEST_P(ConfigRefusal, NamesFileLineAndWhatWasExpected) {
	const Refusal &r = GetParam();
	Loaded l = load(changed(r.from, r.to));

	EXPECT_EQ(l.rc, -EINVAL);
	EXPECT_EQ(l.err, std::string("FILE:") + r.message + "\n");
}

#define SOCKET_SYNTAX \
	"expected unix:PATH, cunix:PATH or shm:PATH, absolute and up to 107 characters, or udp:, " \
	"udp6:, " \
	"tcp: or tcp6: before ADDRESS[:PORT], or stdio:, stdioc: or systemd:"

static const Refusal refusals[] = {
	// syntax, names, types
	{"bridge = {", "bridge = (", "15: syntax error, expected NAME = VALUE; or NAME = { ... };"},
	{"media = {", "media = { port_min = 1;",
		"16: duplicate setting name, expected NAME = VALUE; or NAME = { ... };"},
	{"media = {", "medium = {",
		"16: medium is no option, expected one of instance, dataplane, ports, realms, "
		"bridge, "
		"media, control"},
	{"{ address = ", "{ addr = ",
		"10: realms[0].ipv4.neighbours[0].addr is no option, expected one of address, mac"},
	{"name = \"a\"; ", "",
		"3: ports[0] has no name, expected a name \"...\": what realms and rrctl call the "
		"port"},
	{"prefix = \"198.18.0.0/24\";", "",
		"7: realms[0].ipv4 has no prefix, expected a prefix \"ADDRESS/LENGTH\": network on "
		"the "
		"wire, ADDRESS/LENGTH"},
	{"media = { port_min = 35000; port_max = 65000; };", "media = 7;",
		"16: media is no group, expected { ... }"},
	{"{ name = \"a\"; device = \"net_null0\"; }", "7",
		"3: ports[0] is no group, expected { ... }"},
	{"35000", "\"35000\"", "16: media.port_min is of the wrong type, expected a whole number"},
	{"35000", "35000.0", "16: media.port_min is of the wrong type, expected a whole number"},
	{"media = {", "media = { asymmetric = 1;",
		"16: media.asymmetric is of the wrong type, expected true or false"},
	{"device = \"net_null0\"", "device = 7",
		"3: ports[0].device is of the wrong type, expected a text \"...\""},
	{"media = {", "media = { learning = 7;",
		"16: media.learning is of the wrong type, expected a text \"...\""},
	{"control = {", "control = { socket_mode = 432;",
		"17: control.socket_mode is of the wrong type, expected an octal text \"0660\""},
	{"cores = [ 1, 2 ]", "cores = 1",
		"1: dataplane.cores is of the wrong type, expected an array of whole numbers [ 1, "
		"2 ]"},
	{"cores = [ 1, 2 ]", "cores = [ \"1\" ]",
		"1: dataplane.cores[0] is of the wrong type, expected an array of whole numbers [ "
		"1, 2 ]"},
	{"[ \"unix:/tmp/x\" ]", "\"unix:/tmp/x\"",
		"17: control.sockets is of the wrong type, expected an array of texts [ \"...\", "
		"\"...\" ]"},
	{"[ \"unix:/tmp/x\" ]", "[ 7 ]",
		"17: control.sockets[0] is of the wrong type, expected an array of texts [ "
		"\"...\", "
		"\"...\" ]"},
	{"[ \"198.19.0.10\" ]", "\"198.19.0.10\"",
		"14: realms[1].ipv4.pool is of the wrong type, expected an array of addresses [ "
		"\"A\", "
		"\"A-B\" ]"},
	{"[ \"198.19.0.10\" ]", "[ 7 ]",
		"14: realms[1].ipv4.pool[0] is of the wrong type, expected an array of addresses [ "
		"\"A\", \"A-B\" ]"},
	{"\"198.18.0.0/24\"", "7",
		"7: realms[0].ipv4.prefix is of the wrong type, expected a prefix "
		"\"ADDRESS/LENGTH\""},
	{"\"198.18.0.1\"", "7",
		"8: realms[0].ipv4.gateway is of the wrong type, expected an address \"...\""},
	{"\"198.18.0.2\"", "7",
		"10: realms[0].ipv4.neighbours[0].address is of the wrong type, expected an "
		"address "
		"\"...\""},
	{"\"02:00:00:00:00:0a\"", "7",
		"10: realms[0].ipv4.neighbours[0].mac is of the wrong type, expected a MAC address "
		"\"...\""},
	{"port = \"b\"", "port = 1",
		"13: realms[1].port is of the wrong type, expected a port's name \"...\""},
	{"internal = \"int\"", "internal = 1",
		"15: bridge.internal is of the wrong type, expected a realm's name \"...\""},

	// ranges and lengths
	{"35000", "0", "16: media.port_min is 0, expected 1..65535"},
	{"65000", "65536", "16: media.port_max is 65536, expected 1..65535"},
	{"35000", "-1", "16: media.port_min is -1, expected 1..65535"},
	{"35000", "2147483648", "16: number 2147483648 is too large, expected at most 2147483647"},
	{"35000", "4294967297", "16: number 4294967297 is too large, expected at most 2147483647"},
	{"35000", "-4294967297", "16: number 4294967297 is too large, expected at most 2147483647"},
	{"35000", "0x1000088b8",
		"16: number 0x1000088b8 is too large, expected at most 2147483647"},
	{"35000", "99999999999999999999999",
		"16: number 99999999999999999999999 is too large, expected at most 2147483647"},
	{"media = {",
		"/* 4294967297 \n * \\\" */ # 4294967297\n// 4294967297 \"\nmedia = { tos = "
		"4294967297;",
		"19: number 4294967297 is too large, expected at most 2147483647"},
	{"35000", "1111111111111111111111111111111111111111111111111111111111111111111111",
		"16: number 1111111111111111111111111111111111111111"
		"11111111111111111111111 is too large, expected at most 2147483647"},
	{"35000", "4294967297L", "16: media.port_min is 4294967297, expected 1..65535"},
	{"35000", "2147483647", "16: media.port_min is 2147483647, expected 1..65535"},
	{"media = {", "media = { port_rest_ms = 600001;",
		"16: media.port_rest_ms is 600001, expected 0..600000 ms"},
	{"media = {", "media = { tos = 256;", "16: media.tos is 256, expected 0..255"},
	{"media = {", "media = { hop_limit = 0;", "16: media.hop_limit is 0, expected 1..255"},
	{"control = {", "control = { overload_low_pct = 81; overload_high_pct = 80;",
		"17: control.overload_low_pct is 81, expected at most overload_high_pct, 80"},
	{"control = {", "control = { overload_low_pct = 1;",
		"17: control.overload_low_pct is 1, expected at most overload_high_pct, 0"},
	{"control = {", "control = { media_ttl_s = 0;",
		"17: control.media_ttl_s is 0, expected 1..86400 s"},
	{"device = \"net_null0\";", "device = \"net_null0\"; rx_queues = 33;",
		"3: ports[0].rx_queues is 33, expected 0..32 queues"},
	{"port = \"b\";", "port = \"b\"; vlan = 4095;",
		"13: realms[1].vlan is 4095, expected 0..4094"},
	{"cores = [ 1, 2 ]", "cores = [ ]", "1: dataplane.cores has 0 entries, expected 1..32"},
	{"cores = [ 1, 2 ]", "cores = [ 1, 1024 ]",
		"1: dataplane.cores[1] is 1024, expected 0..1023"},
	{"cores = [ 1, 2 ]", "cores = [ -1 ]", "1: dataplane.cores[0] is -1, expected 0..1023"},
	{"name = \"a\"", "name = \"\"", "3: ports[0].name has 0 characters, expected 1..31"},
	{"name = \"a\"", "name = \"0123456789012345678901234567890x\"",
		"3: ports[0].name has 32 characters, expected 1..31"},
	{"[ \"unix:/tmp/x\" ]", "[ ]", "17: control.sockets has 0 entries, expected 1..32"},
	{"[ \"198.19.0.10\" ]", "[ ]", "14: realms[1].ipv4.pool has 0 entries, expected 1..512"},

	// texts
	{"name = \"a\"", "name = \"a b\"",
		"3: ports[0].name has character 2 wrong, expected letters, digits, . - _"},
	{"name = \"int\"", "name = \"in}\"",
		"13: realms[1].name has character 3 wrong, expected letters, digits, . - _"},
	{"device = \"net_null0\"", "device = \"net\\nnull\"",
		"3: ports[0].device has character 4 wrong, expected printable ones"},
	{"gateway = \"198.18.0.1\";", "advertised = \"a b\";",
		"8: realms[0].ipv4.advertised has character 2 wrong, expected ASCII without "
		"blanks"},
	{"control = {", "control = { store_dir = \"here\";",
		"17: control.store_dir is \"here\", expected an absolute path"},
	{"media = {", "media = { learning = \"fast\";",
		"16: media.learning is \"fast\", expected one of safe, compat"},
	{"control = {", "control = { socket_mode = \"0888\";",
		"17: control.socket_mode is \"0888\", expected octal permissions up to 0777"},
	{"control = {", "control = { socket_mode = \"1777\";",
		"17: control.socket_mode is \"1777\", expected octal permissions up to 0777"},
	{"control = {", "control = { socket_mode = \"\";",
		"17: control.socket_mode is \"\", expected octal permissions up to 0777"},
	{"dataplane = {", "dataplane = { eal = [ \"\" ];",
		"1: dataplane.eal[0] has 0 characters, expected 1..255"},

	// addresses
	{"\"198.18.0.0/24\"", "\"198.18.0.0\"",
		"7: realms[0].ipv4.prefix is \"198.18.0.0\", expected ADDRESS/LENGTH"},
	{"\"198.18.0.0/24\"", "\"198.18.0.0/x\"",
		"7: realms[0].ipv4.prefix is \"198.18.0.0/x\", expected ADDRESS/LENGTH"},
	{"\"198.18.0.0/24\"", "\"198.18.0.0/33\"",
		"7: realms[0].ipv4.prefix is \"198.18.0.0/33\", expected a length of 1..32"},
	{"\"198.18.0.0/24\"", "\"198.18.0.0/0\"",
		"7: realms[0].ipv4.prefix is \"198.18.0.0/0\", expected a length of 1..32"},
	{"\"2001:db8::/64\"", "\"2001:db8::/129\"",
		"11: realms[0].ipv6.prefix is \"2001:db8::/129\", expected a length of 1..128"},
	{"\"198.18.0.0/24\"", "\"198.18.0.0/2x\"",
		"7: realms[0].ipv4.prefix is \"198.18.0.0/2x\", expected a length of 1..32"},
	{"\"198.18.0.0/24\"", "\"198.18.0.9/24\"",
		"7: realms[0].ipv4.prefix is \"198.18.0.9/24\", expected \"198.18.0.0/24\" without "
		"host "
		"bits"},
	{"\"198.18.0.0/24\"", "\"224.0.0.0/24\"",
		"7: realms[0].ipv4.prefix is \"224.0.0.0/24\", expected a unicast network"},
	{"\"198.18.0.0/24\"", "\"127.0.0.0/8\"",
		"7: realms[0].ipv4.prefix is \"127.0.0.0/8\", expected a unicast network"},
	{"\"198.18.0.0/24\"", "\"0.0.0.0/8\"",
		"7: realms[0].ipv4.prefix is \"0.0.0.0/8\", expected a unicast network"},
	{"\"2001:db8::/64\"", "\"ff02::/64\"",
		"11: realms[0].ipv6.prefix is \"ff02::/64\", expected a unicast network"},
	{"\"2001:db8::/64\"", "\"::/64\"",
		"11: realms[0].ipv6.prefix is \"::/64\", expected a unicast network"},
	{"\"198.18.0.0/24\"", "\"2001:db8::/24\"",
		"7: realms[0].ipv4.prefix is \"2001:db8::\", expected an IPv4 address"},
	{"\"2001:db8::/64\"", "\"198.18.0.0/24\"",
		"11: realms[0].ipv6.prefix is \"198.18.0.0\", expected an IPv6 address"},
	{"\"198.18.0.1\"", "\"2001:db8::1\"",
		"8: realms[0].ipv4.gateway is \"2001:db8::1\", expected an IPv4 address"},
	{"\"198.18.0.1\"", "\"198.18.1.1\"",
		"8: realms[0].ipv4.gateway is \"198.18.1.1\", expected an address inside "
		"198.18.0.0/24"},
	{"\"198.18.0.1\"", "\"198.18.0.0\"",
		"8: realms[0].ipv4.gateway is \"198.18.0.0\", expected a host address of "
		"198.18.0.0/24"},
	{"\"198.18.0.2\"", "\"198.18.0.255\"",
		"10: realms[0].ipv4.neighbours[0].address is \"198.18.0.255\", expected a host "
		"address of 198.18.0.0/24"},
	{"\"198.18.0.1\"", "\"198.18.0.11\"",
		"8: realms[0].ipv4.gateway is 198.18.0.11 of a pool, expected another host's "
		"address"},
	{"\"198.18.0.2\"", "\"198.18.0.12\"",
		"10: realms[0].ipv4.neighbours[0].address is 198.18.0.12 of a pool, expected "
		"another "
		"host's address"},
	{"\"198.18.0.2\"", "\"198.18.1.2\"",
		"10: realms[0].ipv4.neighbours[0].address is \"198.18.1.2\", expected an address "
		"inside "
		"198.18.0.0/24"},
	{"\"02:00:00:00:00:0a\"; }",
		"\"02:00:00:00:00:0a\"; }, { address = \"198.18.0.2\"; mac = "
		"\"02:00:00:00:00:0b\"; }",
		"10: realms[0].ipv4.neighbours[1].address is \"198.18.0.2\" again, expected each "
		"neighbour once"},
	{"02:00:00:00:00:0a", "02:00:00:00:00",
		"10: realms[0].ipv4.neighbours[0].mac is \"02:00:00:00:00\", expected six hex "
		"pairs as "
		"in 02:00:00:00:00:01"},
	{"02:00:00:00:00:0a", "02:00:00:00:00:0a:0b",
		"10: realms[0].ipv4.neighbours[0].mac is \"02:00:00:00:00:0a:0b\", expected six "
		"hex "
		"pairs as in 02:00:00:00:00:01"},
	{"02:00:00:00:00:0a", "02:00:00:00:00:0g",
		"10: realms[0].ipv4.neighbours[0].mac is \"02:00:00:00:00:0g\", expected six hex "
		"pairs "
		"as in 02:00:00:00:00:01"},
	{"02:00:00:00:00:0a", "01:00:5e:00:00:01",
		"10: realms[0].ipv4.neighbours[0].mac is \"01:00:5e:00:00:01\", expected a unicast "
		"MAC "
		"address"},
	{"02:00:00:00:00:0a", "00:00:00:00:00:00",
		"10: realms[0].ipv4.neighbours[0].mac is \"00:00:00:00:00:00\", expected a unicast "
		"MAC "
		"address"},
	{"198.19.0.10\"", "198.19.0.1O\"",
		"14: realms[1].ipv4.pool[0] is \"198.19.0.1O\", expected an IPv4 address"},
	{"198.19.0.10\"", "198.19.0.10-\"",
		"14: realms[1].ipv4.pool[0] is \"\", expected an IPv4 address"},
	{"198.19.0.10\"", "2001:db8::1\"",
		"14: realms[1].ipv4.pool[0] is \"2001:db8::1\", expected an IPv4 address"},
	{"198.19.0.10\"", "198.19.0.10-198.19.0.9\"",
		"14: realms[1].ipv4.pool[0] is \"198.19.0.10-198.19.0.9\", expected the lower "
		"address "
		"of the range first"},
	{"198.19.0.10\"", "198.19.0.254-198.19.1.5\"",
		"14: realms[1].ipv4.pool[0] holds 198.19.0.255, expected a host address of "
		"198.19.0.0/24"},
	{"198.19.0.10\"", "198.19.0.0\"",
		"14: realms[1].ipv4.pool[0] holds 198.19.0.0, expected a host address of "
		"198.19.0.0/24"},
	{"\"2001:db8::10\"", "\"2001:db8::\"",
		"12: realms[0].ipv6.pool[0] holds 2001:db8::, expected a host address of "
		"2001:db8::/64"},
	{"198.19.0.10\"", "198.20.0.10\"",
		"14: realms[1].ipv4.pool[0] holds 198.20.0.10, expected an address inside "
		"198.19.0.0/24"},
	{"198.18.0.10-198.18.0.12\"", "198.18.0.10-198.18.0.12\", \"198.18.0.11\"",
		"9: realms[0].ipv4.pool[1] holds 198.18.0.11 again, expected each address in one "
		"pool "
		"once"},
	{"\"int\"; port = \"b\";\n   ipv4 = { prefix = \"198.19.0.0/24\"; pool = [ \"198.19.0.10\"",
		"\"int\"; port = \"b\";\n   ipv4 = { prefix = \"198.18.0.0/24\"; pool = [ "
		"\"198.18.0.12\"",
		"14: realms[1].ipv4.pool[0] holds 198.18.0.12 again, expected each address in one "
		"pool "
		"once"},
	{"\"2001:db8::10\"", "\"2001:db8::10-2001:db8::ffff:ffff\"",
		"12: realms[0].ipv6.pool[0] holds 2001:db8::20d as number 513, expected at most "
		"512 "
		"addresses"},

	// users and groups
	{"media = {", "instance = { user = \"no such\"; }; media = {",
		"16: instance.user has character 3 wrong, expected ASCII without blanks"},
	{"media = {", "instance = { user = \"no-such-user\"; }; media = {",
		"16: instance.user is \"no-such-user\", expected a user of this machine"},
	{"media = {", "instance = { group = \"no-such-group\"; }; media = {",
		"16: instance.group is \"no-such-group\", expected a group of this machine"},

	// sockets and targets
	{"unix:/tmp/x", "sctp:127.0.0.1:5",
		"17: control.sockets[0] is \"sctp:127.0.0.1:5\", " SOCKET_SYNTAX},
	{"unix:/tmp/x", "unix:tmp/x", "17: control.sockets[0] is \"unix:tmp/x\", " SOCKET_SYNTAX},
	{"unix:/tmp/x", "udp:localhost",
		"17: control.sockets[0] is \"udp:localhost\", " SOCKET_SYNTAX},
	{"unix:/tmp/x", "udp:127.0.0.1:65536",
		"17: control.sockets[0] is \"udp:127.0.0.1:65536\", " SOCKET_SYNTAX},
	{"unix:/tmp/x", "udp:127.0.0.1:0",
		"17: control.sockets[0] is \"udp:127.0.0.1:0\", " SOCKET_SYNTAX},
	{"unix:/tmp/x", "udp::5", "17: control.sockets[0] is \"udp::5\", " SOCKET_SYNTAX},
	{"unix:/tmp/x", "udp6:127.0.0.1:5",
		"17: control.sockets[0] is \"udp6:127.0.0.1:5\", " SOCKET_SYNTAX},
	{"unix:/tmp/x", "udp6:[::1", "17: control.sockets[0] is \"udp6:[::1\", " SOCKET_SYNTAX},
	{"unix:/tmp/x", "udp:[127.0.0.1]:5",
		"17: control.sockets[0] is \"udp:[127.0.0.1]:5\", " SOCKET_SYNTAX},
	{"unix:/tmp/x", "udp:", "17: control.sockets[0] is \"udp:\", " SOCKET_SYNTAX},
	{"unix:/tmp/x", "udp6:127.0.0.1",
		"17: control.sockets[0] is \"udp6:127.0.0.1\", " SOCKET_SYNTAX},
	{"unix:/tmp/x", "tcp:localhost:22222",
		"17: control.sockets[0] is \"tcp:localhost:22222\", " SOCKET_SYNTAX},
	{"unix:/tmp/x", "tcp:127.0.0.1:0",
		"17: control.sockets[0] is \"tcp:127.0.0.1:0\", " SOCKET_SYNTAX},
	{"unix:/tmp/x", "tcp:::1", "17: control.sockets[0] is \"tcp:::1\", " SOCKET_SYNTAX},
	{"unix:/tmp/x", "tcp:", "17: control.sockets[0] is \"tcp:\", " SOCKET_SYNTAX},
	{"unix:/tmp/x", "tcp6:127.0.0.1:5",
		"17: control.sockets[0] is \"tcp6:127.0.0.1:5\", " SOCKET_SYNTAX},
	{"unix:/tmp/x",
		"/0123456789/0123456789/0123456789/0123456789/0123456789"
		"/0123456789/0123456789/0123456789/0123456789/01234567",
		"17: control.sockets[0] is "
		"\"/0123456789/0123456789/0123456789/0123456789/0123456789"
		"/0123456789/0123456789/0123456789/0123456789/01234567\", " SOCKET_SYNTAX},
	{"\"unix:/tmp/x\"", "\"unix:/tmp/x\", \"/tmp/x\"",
		"17: control.sockets[1] is \"/tmp/x\" again, expected each once"},
	{"\"unix:/tmp/x\"", "\"stdio:\", \"stdioc:\"",
		"17: control.sockets[1] is \"stdioc:\" again, expected each once"},
	{"\"unix:/tmp/x\"", "\"systemd:\", \"systemd:\"",
		"17: control.sockets[1] is \"systemd:\" again, expected each once"},
	{"unix:/tmp/x", "shm:d", "17: control.sockets[0] is \"shm:d\", " SOCKET_SYNTAX},
	{"unix:/tmp/x", "shm:", "17: control.sockets[0] is \"shm:\", " SOCKET_SYNTAX},
	{"unix:/tmp/x", "systemd:3", "17: control.sockets[0] is \"systemd:3\", " SOCKET_SYNTAX},
	{"unix:/tmp/x", "stdio:x", "17: control.sockets[0] is \"stdio:x\", " SOCKET_SYNTAX},
	{"control = {", "control = { notify = [ \"tcp:127.0.0.1\" ];",
		"17: control.notify[0] is \"tcp:127.0.0.1\", expected unix:PATH, tcp:HOST:PORT or "
		"tcp:%%CC_SELF%%:PORT"},
	{"control = {", "control = { notify = [ \"tcp:*:5\" ];",
		"17: control.notify[0] is \"tcp:*:5\", expected unix:PATH, tcp:HOST:PORT or "
		"tcp:%%CC_SELF%%:PORT"},
	{"control = {", "control = { notify = [ \"tcp:%%CC_SELF%%\" ];",
		"17: control.notify[0] is \"tcp:%%CC_SELF%%\", expected unix:PATH, tcp:HOST:PORT "
		"or "
		"tcp:%%CC_SELF%%:PORT"},
	{"control = {", "control = { notify = [ \"udp:127.0.0.1:5\" ];",
		"17: control.notify[0] is \"udp:127.0.0.1:5\", expected unix:PATH, tcp:HOST:PORT "
		"or "
		"tcp:%%CC_SELF%%:PORT"},

	// what options must be to each other
	{"cores = [ 1, 2 ]", "cores = [ 2, 1, 2 ]",
		"1: dataplane.cores[2] is 2 again, expected another core or poll = \"adaptive\""},
	{"cores = [ 1, 2 ]", "cores = [ 1, 0 ]",
		"1: dataplane.cores[1] is 0 as main_core, expected another core or poll = "
		"\"adaptive\""},
	{"{ name = \"b\"; device = \"net_null1\"; }",
		"{ name = \"b\"; device = \"net_null1\"; }, { name = \"b\"; device = \"c\"; }",
		"4: ports[2].name is \"b\" again, expected another name"},
	{"device = \"net_null1\"", "device = \"net_null0\"",
		"4: ports[1].device is \"net_null0\" again, expected another device"},
	{"device = \"net_null1\";", "device = \"net_null1\"; io = \"af_xdp\";",
		"4: ports[1].io is set, expected mode = \"shared\" for it"},
	{"device = \"net_null1\";", "device = \"net_af_xdp0,iface=e\"; mode = \"shared\";",
		"4: ports[1].device is \"net_af_xdp0,iface=e\", expected the kernel's name of an "
		"interface in mode shared"},
	{"device = \"net_null1\";", "device = \"e\"; mode = \"shared\"; rx_queues = 1;",
		"4: ports[1].rx_queues is set, expected nothing in mode shared: the interface has "
		"its own"},
	{"device = \"net_null1\";", "device = \"interface0123456\"; mode = \"shared\";",
		"4: ports[1].device is \"interface0123456\", expected the kernel's name of an "
		"interface in mode shared"},
	{"device = \"net_null0\";", "device = \"eth0\"; mode = \"shared\";",
		"8: realms[0].ipv4.gateway is set, expected nothing on the shared port \"a\": the "
		"kernel routes"},
	{"device = \"net_null1\";", "device = \"net_null1\"; rx_queues = 3;",
		"4: ports[1].rx_queues is 3, expected at most one per worker, 2"},
	{"[ \"198.19.0.10\" ]; }; }",
		"[ \"198.19.0.10\" ]; }; }, { name = \"ext\"; port = \"b\"; "
		"ipv4 = { prefix = \"10.0.0.0/8\"; pool = [ \"10.0.0.1\" ]; }; }",
		"14: realms[2].name is \"ext\" again, expected another name"},
	{"port = \"b\"", "port = \"c\"",
		"13: realms[1].port is \"c\", expected the name of one of the ports"},
	{"internal = \"int\"", "internal = \"in\"",
		"15: bridge.internal is \"in\", expected the name of one of the realms"},
	{"external = \"ext\";", "",
		"15: bridge.external is empty, expected a realm as for internal"},
	{"internal = \"int\";", "",
		"15: bridge.internal is empty, expected a realm as for external"},
	{"internal = \"int\"", "internal = \"ext\"",
		"15: bridge.external is \"ext\" again, expected another realm than internal"},
	{"\n   ipv4 = { prefix = \"198.19.0.0/24\"; pool = [ \"198.19.0.10\" ]; };", "",
		"13: realms[1] has no address, expected ipv4, ipv6 or both"},
	{"\"int\"; port = \"b\";\n   ipv4 = { prefix = \"198.19.0.0/24\"; pool = [ \"198.19.0.10\"",
		"\"int\"; port = \"a\";\n   ipv4 = { prefix = \"198.18.0.0/15\"; pool = [ "
		"\"198.19.0.10\"",
		"14: realms[1].ipv4.prefix overlaps that of realm \"ext\", expected the same "
		"prefix or another port or vlan"},
	{"\"int\"; port = \"b\";\n   ipv4 = { prefix = \"198.19.0.0/24\"; pool = [ \"198.19.0.10\"",
		"\"int\"; port = \"a\";\n   ipv6 = { prefix = \"2001:db8::/61\"; pool = [ "
		"\"2001:db8::9\"",
		"14: realms[1].ipv6.prefix overlaps that of realm \"ext\", expected the same "
		"prefix or another port or vlan"},
	{"device = \"net_null0\";", "device = \"net_null0\"; mtu = 1279;",
		"3: ports[0].mtu is 1279, expected at least 1280 for IPv6 of realm \"ext\""},
	{"port_max = 65000", "port_max = 35000",
		"16: media.port_max leaves no pair of ports, expected at least port_min rounded up "
		"plus "
		"1, 35001"},
	{"port_min = 35000; port_max = 65000", "port_min = 64999",
		"16: media.port_max leaves no pair of ports, expected at least port_min rounded up "
		"plus "
		"1, 65001"},
};

INSTANTIATE_TEST_SUITE_P(Config, ConfigRefusal, testing::ValuesIn(refusals));

TEST(Config, SharedPortNamesAKernelInterface) {
	Loaded l =
		load(changed("device = \"net_null1\";", "device = \"eth0.5\"; mode = \"shared\";"));

	ASSERT_EQ(l.rc, 0) << l.err;
	EXPECT_EQ(l.cfg->port[1].mode, RR_PORT_SHARED);
	EXPECT_EQ(l.cfg->port[1].io, RR_IO_AUTO);
	l = load(changed("device = \"net_null1\";",
		"device = \"eth0.5\"; mode = \"shared\"; io = \"af_xdp\";"));
	ASSERT_EQ(l.rc, 0) << l.err;
	EXPECT_EQ(l.cfg->port[1].io, RR_IO_AF_XDP);
}

// The kernel of a shared port tags and resolves: what would say otherwise is refused.
TEST(Config, SharedPortLeavesNeighboursAndVlanToTheKernel) {
	std::string text = changed("device = \"net_null0\";", "device = \"e\"; mode = \"shared\";");
	size_t gateway = text.find("gateway =");

	text.replace(gateway, text.find(';', gateway) + 1 - gateway, "");
	EXPECT_EQ(load(text).err,
		"FILE:10: realms[0].ipv4.neighbours is set, expected nothing on the shared port "
		"\"a\": the kernel knows its neighbours\n");
	text = changed("port = \"b\";", "port = \"b\"; vlan = 7;");
	text.replace(text.find("net_null1\";"), strlen("net_null1\";"), "e\"; mode = \"shared\";");
	EXPECT_EQ(load(text).err,
		"FILE:13: realms[1].vlan is set, expected nothing on the shared port \"b\": name "
		"the VLAN's own interface as its device\n");
}

TEST(Config, FileWithoutPortsIsRefused) {
	EXPECT_EQ(load("realms = ( );\n").err, "FILE:1: the file has no ports, expected a list ( { "
					       "... }, { ... } ): Ethernet ports\n");
	EXPECT_EQ(load("").err, "FILE:1: the file has no ports, expected a list ( { ... }, { ... } "
				"): Ethernet ports\n");
	EXPECT_EQ(load("\nports = ( );\nrealms = ( );\n").err,
		"FILE:2: ports has 0 entries, expected 1..8\n");
}

TEST(Config, MoreEntriesThanThereIsRoomForAreRefused) {
	std::string cores;
	std::string targets;

	for (int i = 1; i <= RR_MAX_WORKERS + 1; i++)
		cores += (i > 1 ? ", " : "") + std::to_string(i);
	for (int i = 1; i <= RR_MAX_NOTIFY + 1; i++)
		targets += (i > 1 ? ", \"/n" : "\"/n") + std::to_string(i) + "\"";
	EXPECT_EQ(load(changed("1, 2", cores)).err,
		"FILE:1: dataplane.cores has 33 entries, expected 1..32\n");
	EXPECT_EQ(load(changed("control = {", "control = { notify = [ " + targets + " ];")).err,
		"FILE:17: control.notify has 67 entries, expected 0..66\n");
}

// ---- the printed form

// Every option at a value that is not its default.
static const char everything[] = R"(
instance = { run_dir = "/tmp/run"; hugepage_dir = "/dev/hugepages"; log_level = "debug";
	user = "root"; group = "daemon"; };
dataplane = { cores = [ 4, 5, 7 ]; main_core = 3; poll = "adaptive"; simd = "off";
	hugepages = "require"; memory_mb = 64; mbufs = 4096; reassembly_datagrams = 5;
	reassembly_per_source = 6; reassembly_ms = 7; eal = [ "--no-pci", "say \"a\\b\"" ]; };
ports = ( { name = "a"; device = "0000:01:00.0"; mode = "exclusive"; checksum = "incremental";
	rx_queues = 2; rx_desc = 256; tx_desc = 512; mtu = 9000; start = "held";
	promiscuous = true; },
	{ name = "b"; device = "eth0.5"; mode = "shared"; io = "af_packet";
	checksum = "full"; rx_desc = 128; tx_desc = 128; mtu = 1400;
	start = "held"; promiscuous = true; } );
realms = ( { name = "r"; port = "a"; vlan = 4094; hide_address = true;
	ipv4 = { prefix = "10.0.0.0/8"; pool = [ "10.0.0.255-10.0.1.1", "10.0.0.9" ];
		gateway = "10.9.9.9"; advertised = "192.0.2.1";
		neighbours = ( { address = "10.1.1.1"; mac = "aa:bb:cc:dd:ee:ff"; } ); };
	ipv6 = { prefix = "2001:db8::/32"; pool = [ "2001:db8::9" ]; gateway = "fe80::1";
		advertised = "2001:db8:1::1";
		neighbours = ( { address = "fe80::1"; mac = "02:00:00:00:00:01"; } ); }; },
	{ name = "s"; port = "a"; ipv4 = { prefix = "192.0.2.0/24"; pool = [ "192.0.2.1" ]; }; } );
bridge = { internal = "r"; external = "s"; };
media = { port_min = 2; port_max = 65535; max_addresses = 40; sequential_ports = true;
	port_rest_ms = 1;
	learning = "compat"; safe_learn_ms = 11; safe_learn_packets = 12; safe_silence_ms = 13;
	tos = 0; hop_limit = 255; asymmetric = true; bridge_symmetric = true; };
control = { sockets = [ "cunix:/tmp/c", "udp6:*:9" ]; socket_mode = "0600";
	notify = [ "tcp:127.0.0.1:5" ]; notify_retry_s = 22;
	store_dir = "/tmp/store"; store_mb = 17;
	max_sessions = 18; ack_timeout_ms = 19; media_ttl_s = 20; setup_ttl_s = 21;
	independent_ttl = true; overload_high_pct = 24; overload_low_pct = 23; };
)";

// Options that stand in two realms or have one value only; EveryOptionIsPrinted looks for them.
static bool may_be_default(const rr_option &opt) {
	static const std::set<std::string> names = {
		"mode", "io", "rx_queues", "vlan", "hide_address", "gateway", "advertised"};

	return opt.fallback == nullptr || opt.table != nullptr || names.count(opt.name) != 0;
}

static void expect_no_default(const rr_option_table &table, const std::string &printed) {
	for (size_t i = 0; i < table.n_rows; i++) {
		const rr_option &opt = table.rows[i];

		if (opt.table != nullptr)
			expect_no_default(*opt.table, printed);
		if (may_be_default(opt))
			continue;
		std::string text = std::string("\t") + opt.name + " = ";
		EXPECT_NE(printed.find(text), std::string::npos) << text;
		EXPECT_EQ(printed.find(text + opt.fallback + ";"), std::string::npos) << text;
	}
}

TEST(ConfigPrint, LoadsBackToTheSameStruct) {
	std::string texts[] = {good, everything, read_file("conf/rtprelay.conf"),
		read_file("conf/one-leg.conf"), read_file("conf/two-legs.conf")};

	for (const std::string &text : texts) {
		Loaded first = load(text);
		ASSERT_EQ(first.rc, 0) << first.err;
		std::string printed = print(*first.cfg);
		Loaded second = load(printed);
		ASSERT_EQ(second.rc, 0) << second.err << printed;
		EXPECT_EQ(memcmp(first.cfg.get(), second.cfg.get(), sizeof(rr_config)), 0)
			<< printed;
	}
}

TEST(ConfigPrint, EveryOptionIsPrinted) {
	Loaded l = load(everything);

	ASSERT_EQ(l.rc, 0) << l.err;
	std::string printed = print(*l.cfg);
	expect_no_default(rr_config_table, printed);
	EXPECT_NE(printed.find("\tpool = [ \"10.0.0.255-10.0.1.1\", \"10.0.0.9\" ];\n"),
		std::string::npos)
		<< printed;
	EXPECT_NE(printed.find("\tgateway = \"10.9.9.9\";\n"), std::string::npos);
	EXPECT_NE(printed.find("\tadvertised = \"192.0.2.1\";\n"), std::string::npos);
	EXPECT_NE(printed.find("\tvlan = 4094;\n"), std::string::npos);
	EXPECT_NE(printed.find("\thide_address = true;\n"), std::string::npos);
	EXPECT_NE(printed.find("\"say \\\"a\\\\b\\\"\""), std::string::npos);
}

// ---- what differs

static std::string diff(const rr_config &a, const rr_config &b) {
	char *text = nullptr;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	int n = rr_config_diff(&a, &b, out);

	fclose(out);
	std::string result(text, size);
	free(text);
	return std::to_string(n) + " " + result;
}

TEST(ConfigDiff, NamesWhatIsNotThePools) {
	const struct {
		const char *from;
		const char *to;
		const char *names;
	} cases[] = {
		{"media = {", "media = {", "0 "},
		{"pool = [ \"198.19.0.10\" ]", "pool = [ \"198.19.0.11-198.19.0.14\" ]", "0 "},
		{"65000;", "65000; tos = 1;", "1 media.tos"},
		{"cores = [ 1, 2 ];", "cores = [ 1, 3 ]; mbufs = 1024;",
			"2 dataplane.cores, dataplane.mbufs"},
		{"\"int\"; port = \"b\";", "\"int\"; port = \"b\"; vlan = 7;", "1 realms[1].vlan"},
		{"02:00:00:00:00:0a", "02:00:00:00:00:0b", "1 realms[0].ipv4.neighbours[0].mac"},
		{"gateway = \"198.18.0.1\";", "", "1 realms[0].ipv4.gateway"},
		{"device = \"net_null1\"; }",
			"device = \"net_null1\"; }, "
			"{ name = \"c\"; device = \"net_null2\"; }",
			"1 ports"},
		{"pool = [ \"198.19.0.10\" ]; };",
			"pool = [ \"198.19.0.10\" ]; }; ipv6 = { prefix = \"2001:db8:9::/64\"; "
			"pool = [ \"2001:db8:9::1\" ]; };",
			"1 realms[1].ipv6"},
	};
	Loaded is = load(good);

	for (const auto &c : cases) {
		Loaded other = load(changed(c.from, c.to));

		ASSERT_EQ(other.rc, 0) << other.err;
		EXPECT_EQ(diff(*is.cfg, *other.cfg), c.names);
		EXPECT_EQ(diff(*other.cfg, *is.cfg), c.names);
	}
}

// Each option of the file that says something else everywhere is named, but for the pools.
TEST(ConfigDiff, EveryGroupIsLookedAt) {
	std::string names = diff(*load(good).cfg, *load(everything).cfg);

	for (size_t i = 0; i < rr_config_table.n_rows; i++)
		EXPECT_NE(names.find(rr_config_table.rows[i].name), std::string::npos) << names;
	EXPECT_EQ(names.find("pool"), std::string::npos) << names;
}

// ---- the sample

// Comment signs and line ends out, so that wrapping does not matter.
static std::string flatten(const std::string &text) {
	std::istringstream in(text);
	std::string flat;
	std::string word;

	while (in >> word) {
		if (word != "#")
			flat += word + " ";
	}
	return flat;
}

static void expect_in_sample(const rr_option_table &table, const std::string &sample) {
	for (size_t i = 0; i < table.n_rows; i++) {
		const rr_option &opt = table.rows[i];
		char what[512];
		std::string text = std::string(opt.help) + " " +
				   rr_option_describe(&opt, what, sizeof(what)) + " " + opt.name +
				   " = ";

		if (opt.table != nullptr)
			expect_in_sample(*opt.table, sample);
		else if (opt.fallback != nullptr)
			text += std::string(opt.fallback) + ";";
		EXPECT_NE(sample.find(text), std::string::npos) << text;
	}
}

TEST(ConfigSample, HoldsEveryOptionWithItsHelpRangeAndDefault) {
	expect_in_sample(rr_config_table, flatten(read_file("conf/rtprelay.conf")));
}

static void expect_documented(const rr_option_table &table) {
	for (size_t i = 0; i < table.n_rows; i++) {
		const rr_option &opt = table.rows[i];

		ASSERT_NE(opt.help, nullptr) << opt.name;
		EXPECT_GT(strlen(opt.help), 0u) << opt.name;
		EXPECT_LT(strlen(opt.help), 200u) << opt.name;
		if (opt.table != nullptr)
			expect_documented(*opt.table);
	}
}

TEST(ConfigTable, EveryOptionHasHelp) {
	expect_documented(rr_config_table);
}

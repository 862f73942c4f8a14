# SPDX-License-Identifier: BSD-2-Clause
# Builds the programs and a library for controllers, and runs every check. `make help` lists the targets.
#
#   make SANITIZE=address,undefined check      a sanitized build, in a folder of its own
#   make CC=clang CXX=clang++ all              another compiler

SHELL := /bin/bash

CC := gcc
CXX := g++
PYTHON := /usr/bin/python3
SANITIZE ?=
DEBUG ?=
FUZZ_TIME ?= 20

comma := ,
VARIANT := $(if $(SANITIZE),-$(subst $(comma),-,$(SANITIZE)))$(if $(DEBUG),-debug)
BUILD ?= build$(if $(VARIANT),/variant$(VARIANT))

# Commands are shown in short; V=1 shows them whole.
V ?=
say = $(if $(V),,@printf '  %-5s %s\n' $(1) $@;)

# ---- sources -------------------------------------------------------------------------------------

COMMON_SRC := counters.c endpoint.c log.c ring.c shm_region.c shm_addrs.c config.c config_schema.c \
	config_value.c config_number.c config_net.c config_socket.c config_check.c config_print.c flow_totals.c \
	config_diff.c session_record.c msg_ring.c folder.c


DP_SRC := main.c eal.c memif.c port.c steering.c worker.c io.c parse.c parse_wide.c addr_table.c flow.c \
	flow_table.c forward.c relay.c learn.c latch.c rtp_stats.c rewrite.c fragment_set.c reassembly.c \
	fragmenter.c packet_ring.c handoff.c punt.c neighbour.c arp.c nd.c mld.c icmp.c command.c upkeep.c \
	addr_command.c shared_port.c media_filter.c kernel_hops.c netlink_message.c
# Programs for the kernel, linked into rtprelay-dp as they are.
BPF_SRC := media_xdp.c media_tc.c

CONTROL_SRC := main.c supervisor.c passed_sockets.c command_socket.c privdrop.c loop.c \
	listener.c stdio_bridge.c datagram_socket.c stream_conn.c job.c retrans.c keyed_hash.c \
	rtpp_lex.c rtpp_parse.c rtpp_media.c rtpp_reply.c capabilities.c port_alloc.c \
	port_rest.c control.c command.c session.c session_index.c session_match.c \
	session_change.c session_flow.c session_media.c session_store.c realm_select.c \
	cmd_update.c cmd_lookup.c cmd_delete.c cmd_query.c cmd_info.c cmd_stats.c cmd_media.c \
	subcommand.c dp_client.c dp_lane.c dp_region.c dp_request.c store.c store_boot.c \
	resync.c expiry.c stats.c notice_target.c outbox.c notifier.c clearance.c \
	operator.c operator_socket.c admission.c load.c service_manager.c cookies.c shm_conn.c \
	address_pool.c address.c address_reload.c recall.c turn_rows.c
RRCTL_SRC := rrctl.c rrctl_out.c rrctl_region.c rrctl_store.c rrctl_status.c rrctl_port.c \
	rrctl_stats.c rrctl_flow.c rrctl_session.c rrctl_config.c rrctl_operator.c \
	rrctl_address.c rrctl_reload.c
RTPPLOAD_SRC := rtppload.c load_link.c load_book.c load_figures.c
# In tools/audio: recordings and sound, and the two programs that only they are for.
CODEC_SRC := codec.c codec_g711.c codec_g722.c codec_gsm.c codec_g729.c codec_opus.c
RECORDING_SRC := datagram.c recording.c routes.c stream.c playout.c track.c call.c
EXTRACTAUDIO_SRC := extractaudio.c extract_options.c mixer.c sound_file.c $(RECORDING_SRC) $(CODEC_SRC)
MAKEPROMPT_SRC := makeprompt.c prompt.c source.c $(CODEC_SRC)

# Unit tests: a name here is tests/unit/test_NAME.cc; test_NAME_OBJ names what it links.
UNIT_TESTS := counters endpoint log config rrctl ring region arp nd mld icmp steering neighbour \
	rtpp_lex rtpp_parse rtpp_reply port_alloc retrans command_socket listener stdio_bridge \
	session session_change no_memory commands turn realm_select store expiry resync \
	dp_client eal memif side_doors learn parse flow_table flow_read rtp_stats relay rewrite forward \
	command fragment_set fragmenter notice_target outbox notifier clearance operator \
	operator_socket load msg_ring shm_conn rtpp_shm netlink_message media_match address addr_command \
	media_filter bench_generator load_link stream datagram
STRESS_TESTS := ring region flow msg_ring
FUZZ_TARGETS := rtpp stdio parse rtp dp_msg shm stream datagram recording
# Scripts: tests/golden/NAME, tests/packets/NAME.py, tests/smoke/NAME.sh, tests/sip/NAME.sh,
# tests/crash/NAME.py.
GOLDEN_TESTS := transcripts vectors supervision notices full_pool operator cluster command_line front bench \
	extractaudio makeprompt
PACKET_TESTS := relay fragments drops learning slow_path turns workers start_stop hostile_region \
	addresses flowgen generator
SMOKE_TESTS := call_test families_test many_calls_test reinvite_test spoof_test ttl_test \
	control_restart_test dataplane_restart_test second_instance_test tcp_controller_test \
	stdio_controller_test overload_test shm_controller_test instances_test shared_test \
	front_test front_shared_test addresses_test reload_test
SIP_TESTS := calls_test hold_test cancel_test unanswered_test ipv6_test late_offer_test \
	refused_test
CRASH_TESTS := model_test crash_points random_kills

test_counters_OBJ := common/counters.o
test_endpoint_OBJ := common/endpoint.o
test_log_OBJ := common/log.o
CONFIG_OBJ := $(patsubst %.c,common/%.o,$(filter config%,$(COMMON_SRC))) common/endpoint.o common/log.o
test_config_OBJ = $(CONFIG_OBJ)
test_config_LIBS = $(COMMON_LIBS)
REGION_OBJ := common/shm_region.o common/shm_addrs.o common/folder.o common/counters.o $(CONFIG_OBJ)
# Runs the program, and makes the region and the store that it looks at.
test_rrctl_OBJ = $(REGION_OBJ)
test_rrctl_LIBS = $(RRCTL_LIBS)
$(BUILD)/tests/test_rrctl: | $(BUILD)/rrctl
test_ring_OBJ := common/ring.o
test_msg_ring_OBJ := common/msg_ring.o
test_region_OBJ = $(REGION_OBJ)
test_region_LIBS = $(COMMON_LIBS) -Wl,--wrap=madvise
test_arp_OBJ := dpdk_app/arp.o
test_nd_OBJ := dpdk_app/nd.o
test_mld_OBJ := dpdk_app/mld.o
test_icmp_OBJ := dpdk_app/icmp.o
test_eal_OBJ := dpdk_app/eal.o dpdk_app/port.o dpdk_app/steering.o dpdk_app/shared_port.o \
	dpdk_app/media_filter.o dpdk_app/bpf/programs.o $(REGION_OBJ)
test_eal_LIBS = $(DP_LIBS) $(COMMON_LIBS)
test_netlink_message_OBJ := dpdk_app/netlink_message.o
test_netlink_message_LIBS = -lmnl
test_bench_generator_OBJ := $(addprefix tests/bench/generator/,frame.o streams.o histogram.o meter.o search.o)
test_bench_generator_LIBS = $(DP_LIBS) -lpcap
test_media_match_OBJ := dpdk_app/addr_table.o
test_media_filter_OBJ := dpdk_app/media_filter.o dpdk_app/bpf/programs.o common/log.o
test_media_filter_LIBS = $(DP_LIBS)
test_memif_OBJ := dpdk_app/memif.o common/log.o
test_memif_LIBS = $(DP_LIBS)
test_side_doors_OBJ := dpdk_app/handoff.o dpdk_app/punt.o dpdk_app/packet_ring.o dpdk_app/arp.o \
	dpdk_app/nd.o dpdk_app/mld.o dpdk_app/icmp.o dpdk_app/neighbour.o dpdk_app/addr_table.o
test_side_doors_LIBS = $(DP_LIBS)
test_steering_OBJ := dpdk_app/steering.o
test_steering_LIBS = $(DP_LIBS)
test_neighbour_OBJ := dpdk_app/neighbour.o dpdk_app/addr_table.o
test_neighbour_LIBS = $(DP_LIBS)
test_rtpp_lex_OBJ := control/rtpp_lex.o
test_rtpp_parse_OBJ := control/rtpp_lex.o control/rtpp_parse.o control/rtpp_media.o \
	control/capabilities.o common/endpoint.o
test_rtpp_reply_OBJ := control/rtpp_reply.o
fuzz_rtpp_SRC := control/rtpp_lex.c control/rtpp_parse.c control/rtpp_media.c control/rtpp_reply.c \
	common/endpoint.c
fuzz_stdio_SRC := control/stdio_bridge.c common/log.c
test_port_alloc_OBJ := control/port_alloc.o
test_retrans_OBJ := control/retrans.o control/keyed_hash.o control/job.o
test_command_socket_OBJ := control/command_socket.o control/passed_sockets.o common/log.o
test_listener_OBJ := control/listener.o control/cookies.o control/datagram_socket.o control/stream_conn.o \
	control/shm_conn.o common/msg_ring.o \
	control/command_socket.o control/retrans.o control/keyed_hash.o control/job.o \
	control/rtpp_lex.o common/log.o common/endpoint.o
test_listener_LIBS := -levent_core
test_shm_conn_OBJ = $(test_listener_OBJ)
test_shm_conn_LIBS := -levent_core -Wl,--wrap=getsockopt
test_rtpp_shm_OBJ = $(test_listener_OBJ) tools/rtpp_shm.o
test_rtpp_shm_LIBS := -levent_core -Wl,--wrap=rr_msg_ring_wait
test_load_link_OBJ = $(test_listener_OBJ) tools/load_link.o tools/rtpp_shm.o
test_load_link_LIBS := -levent_core
LISTENER_SRC := control/listener.c control/cookies.c control/datagram_socket.c control/stream_conn.c \
	control/shm_conn.c common/msg_ring.c control/retrans.c \
	control/keyed_hash.c control/job.c control/rtpp_lex.c control/rtpp_parse.c control/rtpp_media.c \
	common/log.c common/endpoint.c
fuzz_shm_SRC := $(LISTENER_SRC)
fuzz_shm_LIBS := -levent_core
fuzz_stream_SRC := $(LISTENER_SRC)
fuzz_stream_LIBS := -levent_core
fuzz_datagram_SRC := $(LISTENER_SRC)
fuzz_datagram_LIBS := -levent_core
test_stdio_bridge_OBJ := control/stdio_bridge.o common/log.o
# Control without its sockets; tests/unit/control_fixture.h brings a dataplane along.
CORE_OBJ = $(REGION_OBJ) $(addprefix common/,ring.o flow_totals.o \
	session_record.o) $(patsubst %.c,control/%.o,$(filter-out main.c supervisor.c \
	passed_sockets.c command_socket.c privdrop.c loop.c listener.c datagram_socket.c \
	stream_conn.c stdio_bridge.c notifier.c operator_socket.c service_manager.c cookies.c \
	shm_conn.c,$(CONTROL_SRC)))
CORE_LIBS = $(COMMON_LIBS) -llmdb
test_session_OBJ = $(CORE_OBJ)
test_session_LIBS = $(CORE_LIBS)
test_learn_OBJ := dpdk_app/learn.o
test_parse_OBJ := dpdk_app/parse.o dpdk_app/parse_wide.o dpdk_app/addr_table.o
test_parse_LIBS = $(DP_LIBS)
test_flow_table_OBJ := dpdk_app/flow_table.o dpdk_app/flow.o dpdk_app/addr_table.o
test_rtp_stats_OBJ := dpdk_app/rtp_stats.o dpdk_app/addr_table.o common/flow_totals.o
test_flow_read_LIBS = $(COMMON_LIBS)
test_flow_read_OBJ := $(REGION_OBJ) common/flow_totals.o dpdk_app/addr_table.o
LEARNING_OBJ := common/endpoint.o dpdk_app/latch.o dpdk_app/learn.o dpdk_app/rtp_stats.o dpdk_app/command.o \
	dpdk_app/flow.o
test_relay_OBJ := dpdk_app/relay.o $(LEARNING_OBJ) dpdk_app/addr_table.o common/ring.o
test_command_OBJ := $(LEARNING_OBJ) dpdk_app/addr_table.o common/ring.o common/flow_totals.o
test_addr_command_OBJ = dpdk_app/addr_command.o dpdk_app/addr_table.o common/ring.o $(REGION_OBJ)
test_addr_command_LIBS = $(DP_LIBS) $(COMMON_LIBS)
test_rewrite_OBJ := dpdk_app/rewrite.o dpdk_app/flow.o dpdk_app/addr_table.o
test_rewrite_LIBS = $(DP_LIBS)
test_forward_OBJ := $(test_relay_OBJ) dpdk_app/forward.o dpdk_app/flow_table.o dpdk_app/parse.o \
	dpdk_app/parse_wide.o dpdk_app/rewrite.o
test_forward_LIBS = $(DP_LIBS)
test_fragment_set_OBJ := dpdk_app/fragment_set.o
test_fragmenter_OBJ := dpdk_app/fragmenter.o dpdk_app/addr_table.o
test_fragmenter_LIBS = $(DP_LIBS)
# Frames before and after the relay, as scapy builds them.
$(BUILD)/tests/rewrite_vectors.inc: tests/unit/make_vectors.py
	@mkdir -p $(@D)
	$(call say,GEN)$(PYTHON) $< $@
$(BUILD)/obj/tests/unit/test_rewrite.o: $(BUILD)/tests/rewrite_vectors.inc

test_stream_OBJ := $(patsubst %.c,tools/audio/%.o,stream.c playout.c track.c $(CODEC_SRC))
test_stream_LIBS = $(CODEC_LIBS)
test_datagram_OBJ := tools/audio/datagram.o tools/audio/routes.o common/endpoint.o
test_realm_select_OBJ = $(CORE_OBJ)
test_realm_select_LIBS = $(CORE_LIBS)
test_commands_OBJ = $(CORE_OBJ)
test_commands_LIBS = $(CORE_LIBS)
test_turn_OBJ = $(CORE_OBJ)
test_turn_LIBS = $(CORE_LIBS) -Wl,--wrap=store_commit
test_expiry_OBJ = $(CORE_OBJ)
test_expiry_LIBS = $(CORE_LIBS)
test_store_OBJ = $(CORE_OBJ)
test_store_LIBS = $(CORE_LIBS)
test_dp_client_OBJ = $(CORE_OBJ)
test_dp_client_LIBS = $(CORE_LIBS)
test_resync_OBJ = $(CORE_OBJ)
test_resync_LIBS = $(CORE_LIBS)
test_no_memory_OBJ = $(CORE_OBJ)
test_no_memory_LIBS = $(CORE_LIBS) -Wl,--wrap=malloc,--wrap=calloc
test_session_change_OBJ = $(CORE_OBJ)
test_session_change_LIBS = $(CORE_LIBS)
test_notice_target_OBJ = control/notice_target.o $(CONFIG_OBJ)
test_notice_target_LIBS = $(COMMON_LIBS)
test_outbox_OBJ = $(CORE_OBJ)
test_outbox_LIBS = $(CORE_LIBS)
test_notifier_OBJ = $(CORE_OBJ) control/notifier.o
test_notifier_LIBS = $(CORE_LIBS) -levent_core
test_clearance_OBJ = $(CORE_OBJ)
test_clearance_LIBS = $(CORE_LIBS)
test_address_OBJ = $(CORE_OBJ)
test_address_LIBS = $(CORE_LIBS)
test_operator_OBJ = $(CORE_OBJ)
test_operator_LIBS = $(CORE_LIBS) -Wl,--wrap=store_commit
test_load_OBJ = $(CORE_OBJ)
test_load_LIBS = $(CORE_LIBS)
test_operator_socket_OBJ = $(CORE_OBJ) control/operator_socket.o control/command_socket.o
test_operator_socket_LIBS = $(CORE_LIBS) -levent_core
stress_ring_OBJ := common/ring.o
stress_msg_ring_OBJ := common/msg_ring.o
stress_region_OBJ := $(REGION_OBJ)
stress_region_LIBS = $(COMMON_LIBS)
stress_flow_OBJ = $(filter-out common/endpoint.o,$(LEARNING_OBJ)) dpdk_app/relay.o common/ring.o $(REGION_OBJ) \
	common/flow_totals.o
stress_flow_LIBS = $(COMMON_LIBS)
stress_flow_CFLAGS = $(DPDK_CFLAGS)

fuzz_parse_SRC := dpdk_app/parse.c dpdk_app/parse_wide.c dpdk_app/addr_table.c common/counters.c
fuzz_parse_CFLAGS = $(DPDK_CFLAGS)
fuzz_parse_LIBS = $(DP_LIBS)
fuzz_rtp_SRC := dpdk_app/rtp_stats.c common/flow_totals.c
fuzz_dp_msg_SRC := dpdk_app/command.c dpdk_app/flow.c dpdk_app/latch.c dpdk_app/learn.c \
	dpdk_app/rtp_stats.c common/endpoint.c
fuzz_dp_msg_CFLAGS = $(DPDK_CFLAGS)
fuzz_recording_SRC := $(addprefix tools/audio/,$(RECORDING_SRC) $(CODEC_SRC)) common/endpoint.c
fuzz_recording_CFLAGS = $(AUDIO_INCLUDES)
fuzz_recording_LIBS = $(CODEC_LIBS) -lpcap -lm

# ---- flags ---------------------------------------------------------------------------------------

WARN := -Wall -Wextra -Werror -Wshadow -Wpointer-arith -Wvla -Wwrite-strings -Wundef
CWARN := $(WARN) -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition
OPT := $(if $(DEBUG),-O0,-O2)
SAN := $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-sanitize-recover=all)
TEST_BUILD := -DRR_CRASH_POINTS

BASE_FLAGS := $(OPT) -g -fno-omit-frame-pointer $(SAN) -D_GNU_SOURCE -MMD -MP
COMMON_CFLAGS = -std=gnu11 $(CWARN) $(BASE_FLAGS) -Icommon $(shell pkg-config --cflags libconfig)
DPDK_CFLAGS = $(patsubst -I%,-isystem %,$(shell pkg-config --cflags libdpdk))
DP_CFLAGS = $(COMMON_CFLAGS) -Idpdk_app $(DPDK_CFLAGS)
CONTROL_CFLAGS = $(COMMON_CFLAGS) -Icontrol
TOOLS_CFLAGS = $(COMMON_CFLAGS) -Itools
# In C++ a function hides the constructor of a struct of its name, which C permits.
# What is tested is optimised, the tests are not: that took longer than they run.
TEST_CXXFLAGS = -std=c++17 $(WARN) -Wno-shadow $(BASE_FLAGS) -O0 $(TEST_BUILD) -Icommon -Idpdk_app -Icontrol -Itools \
	-I$(BUILD)/tests -Itests $(DPDK_CFLAGS)

COMMON_LIBS = $(shell pkg-config --libs libconfig)
DP_LIBS = $(COMMON_LIBS) $(shell pkg-config --libs libdpdk libbpf libmnl)
# The kernel's headers lie where the host's compiler has them.
BPF_CFLAGS = -target bpf -O2 -g -Wall -Wextra -Werror -I/usr/include/$(shell $(CC) -print-multiarch)
CONTROL_LIBS = $(COMMON_LIBS) -levent_core -llmdb -lcap
RRCTL_LIBS = $(COMMON_LIBS) -ljansson -llmdb
CODEC_LIBS = -lspandsp -lgsm -lbcg729 -lopus
AUDIO_INCLUDES = -Itools/audio $(patsubst -I%,-isystem %,$(shell pkg-config --cflags opus))
AUDIO_CFLAGS = $(COMMON_CFLAGS) $(AUDIO_INCLUDES)
TEST_LIBS = -lgtest -lgtest_main -lpthread

# ---- programs ------------------------------------------------------------------------------------

PROGRAMS := $(BUILD)/rtprelay-dp $(BUILD)/rtprelayd $(BUILD)/rrctl
PROGRAMS += $(BUILD)/rtppload $(BUILD)/flowgen
PROGRAMS += $(BUILD)/extractaudio $(BUILD)/makeprompt $(BUILD)/makeann
# What a controller links to speak over shared memory, and how it does.
PROGRAMS += $(BUILD)/librtpp_shm.a $(BUILD)/rtpp-shm-example
# The same with crash points compiled in, for the crash tests only.
CRASH_PROGRAMS := $(BUILD)/crash/rtprelay-dp $(BUILD)/crash/rtprelayd

.PHONY: all help deps run check test bench bench-check bench-publish smoke sip packets stress crash fuzz lint format debug clean unit \
	load golden crash-programs corpus check-build stress-build smoke-build sip-build crash-build fuzz-build lint-build
.DEFAULT_GOAL := all

#: make            build all into build/: rtprelay-dp, rtprelayd, rrctl; rtppload, flowgen;
#:                 librtpp_shm.a and rtpp-shm-example, for controllers that speak over shared memory;
#:                 extractaudio and makeprompt, for recordings and prompts (docs/media.md)
all: $(PROGRAMS)

help:
	@sed -n 's/^#: //p' Makefile

objs = $(patsubst %.c,$(BUILD)/obj/$(1)/%.o,$(2))
COMMON_OBJ := $(call objs,common,$(COMMON_SRC))
DP_OBJ := $(call objs,dpdk_app,$(DP_SRC))
BPF_OBJ := $(BPF_SRC:%.c=$(BUILD)/obj/dpdk_app/bpf/%.o)
BPF_PROGRAMS := $(BUILD)/obj/dpdk_app/bpf/programs.o
CONTROL_OBJ := $(call objs,control,$(CONTROL_SRC))
RRCTL_OBJ := $(call objs,tools,$(RRCTL_SRC))
RTPPLOAD_OBJ := $(call objs,tools,$(RTPPLOAD_SRC))
FLOWGEN_OBJ := $(call objs,tools,flowgen.c)

crash_of = $(patsubst $(BUILD)/obj/%,$(BUILD)/obj-crash/%,$(1))

$(BUILD)/rtprelay-dp: $(DP_OBJ) $(COMMON_OBJ) $(BPF_PROGRAMS)
	$(call say,LINK)$(CC) $(SAN) -o $@ $^ $(DP_LIBS)
$(BUILD)/rtprelayd: $(CONTROL_OBJ) $(COMMON_OBJ)
	$(call say,LINK)$(CC) $(SAN) -o $@ $^ $(CONTROL_LIBS)
$(BUILD)/rrctl: $(RRCTL_OBJ) $(COMMON_OBJ)
	$(call say,LINK)$(CC) $(SAN) -o $@ $^ $(RRCTL_LIBS)
$(BUILD)/rtppload: $(RTPPLOAD_OBJ) $(BUILD)/obj/common/endpoint.o $(BUILD)/librtpp_shm.a
	$(call say,LINK)$(CC) $(SAN) -o $@ $^ -ljansson
$(BUILD)/flowgen: $(FLOWGEN_OBJ) $(COMMON_OBJ)
	$(call say,LINK)$(CC) $(SAN) -o $@ $^ $(COMMON_LIBS)
$(BUILD)/extractaudio: $(call objs,tools/audio,$(EXTRACTAUDIO_SRC)) $(BUILD)/obj/common/endpoint.o
	$(call say,LINK)$(CC) $(SAN) -o $@ $^ $(CODEC_LIBS) -lsndfile -lpcap -lm
$(BUILD)/makeprompt: $(call objs,tools/audio,$(MAKEPROMPT_SRC))
	$(call say,LINK)$(CC) $(SAN) -o $@ $^ $(CODEC_LIBS) -lsndfile -lsamplerate -lm
# Under this name it is rtpproxy's.
$(BUILD)/makeann: $(BUILD)/makeprompt
	$(call say,LN)ln -sf $(<F) $@
SHM_CLIENT_OBJ := $(call objs,tools,rtpp_shm.c) $(call objs,common,msg_ring.c)
$(BUILD)/librtpp_shm.a: $(SHM_CLIENT_OBJ)
	$(call say,AR)rm -f $@; ar rcs $@ $^
# Stands on the other side of a device under test; the benchmarks and their tests start it.
GENERATOR_SRC := main.c options.c frame.c streams.c histogram.c meter.c search.c trial.c report.c
GENERATOR_OBJ := $(call objs,tests/bench/generator,$(GENERATOR_SRC))
GENERATOR_CFLAGS = $(COMMON_CFLAGS) $(DPDK_CFLAGS)
$(BUILD)/bench-generator: $(GENERATOR_OBJ)
	$(call say,LINK)$(CC) $(SAN) -o $@ $^ $(DP_LIBS) -ljansson -lpcap
$(BUILD)/rtpp-shm-example: $(call objs,tools,rtpp_shm_example.c) $(BUILD)/librtpp_shm.a
	$(call say,LINK)$(CC) $(SAN) -o $@ $^
$(BUILD)/crash/rtprelay-dp: $(call crash_of,$(DP_OBJ) $(COMMON_OBJ)) $(BPF_PROGRAMS)
	@mkdir -p $(@D)
	$(call say,LINK)$(CC) $(SAN) -o $@ $^ $(DP_LIBS)
$(BUILD)/crash/rtprelayd: $(call crash_of,$(CONTROL_OBJ) $(COMMON_OBJ))
	@mkdir -p $(@D)
	$(call say,LINK)$(CC) $(SAN) -o $@ $^ $(CONTROL_LIBS)

crash-programs: $(CRASH_PROGRAMS)

# The linker names its symbols after the files, so that it must stand beside them.
$(BPF_OBJ): $(BUILD)/obj/dpdk_app/bpf/%.o: dpdk_app/bpf/%.c $(wildcard dpdk_app/bpf/*.h)
	@mkdir -p $(@D)
	$(call say,BPF)clang $(BPF_CFLAGS) -c -o $@ $<
$(BPF_PROGRAMS): $(BPF_OBJ)
	$(call say,LD)cd $(@D) && $(LD) -r -b binary -z noexecstack -o $(@F) $(notdir $^)

# Flags by folder: who may include whom is enforced here first (CONTRIBUTING.md).
define compile_rule
$(BUILD)/obj/$(1)/%.o: $(1)/%.c
	@mkdir -p $$(@D)
	$$(call say,CC)$$(CC) $$($(2)) -c -o $$@ $$<
$(BUILD)/obj-crash/$(1)/%.o: $(1)/%.c
	@mkdir -p $$(@D)
	$$(call say,CC)$$(CC) $$($(2)) $$(TEST_BUILD) -c -o $$@ $$<
endef
$(eval $(call compile_rule,common,COMMON_CFLAGS))
$(eval $(call compile_rule,dpdk_app,DP_CFLAGS))
$(eval $(call compile_rule,control,CONTROL_CFLAGS))
$(eval $(call compile_rule,tools,TOOLS_CFLAGS))
$(eval $(call compile_rule,tools/audio,AUDIO_CFLAGS))
$(eval $(call compile_rule,tests/bench/generator,GENERATOR_CFLAGS))

# ---- tests ---------------------------------------------------------------------------------------

UNIT_BIN := $(UNIT_TESTS:%=$(BUILD)/tests/test_%)
STRESS_BIN := $(STRESS_TESTS:%=$(BUILD)/tests/stress_%)

$(BUILD)/obj/tests/unit/%.o: tests/unit/%.cc
	@mkdir -p $(@D)
	$(call say,CXX)$(CXX) $(TEST_CXXFLAGS) -c -o $@ $<

# What a test links: its own object, the objects it names, and the libraries it names.
define unit_rule
$(BUILD)/tests/test_$(1): $(BUILD)/obj/tests/unit/test_$(1).o \
		$(test_$(1)_OBJ:%=$(BUILD)/obj/%)
	@mkdir -p $$(@D)
	$$(call say,LINK)$$(CXX) $$(SAN) -o $$@ $$^ $$(TEST_LIBS) $$(test_$(1)_LIBS)
endef
$(foreach t,$(UNIT_TESTS),$(eval $(call unit_rule,$(t))))

# Compiled and linked in one step, without a file of dependencies: any header may be one.
HEADERS := $(wildcard common/*.h dpdk_app/*.h control/*.h tools/audio/*.h)

define stress_rule
$(BUILD)/tests/stress_$(1): tests/stress/stress_$(1).c $(HEADERS) $(stress_$(1)_OBJ:%=$(BUILD)/obj/%)
	@mkdir -p $$(@D)
	$$(call say,CC)$$(CC) $$(COMMON_CFLAGS) -Idpdk_app -Icontrol $$(stress_$(1)_CFLAGS) -o $$@ \
		$$(filter %.c %.o,$$^) -lpthread $$(stress_$(1)_LIBS)
endef
$(foreach t,$(STRESS_TESTS),$(eval $(call stress_rule,$(t))))

# Fuzz targets: tests/fuzz/fuzz_NAME.c with fuzz_NAME_SRC, built with clang's libFuzzer; the corpus in
# tests/fuzz/corpus/NAME is replayed by `make check`.
FUZZ_BIN := $(FUZZ_TARGETS:%=$(BUILD)/tests/fuzz_%)
# The same programs whatever CC and SANITIZE are, so that one build has them.
HAS_CORPUS := $(if $(SANITIZE)$(findstring clang,$(CC)),,yes)

define fuzz_rule
$(BUILD)/tests/fuzz_$(1): tests/fuzz/fuzz_$(1).c $(fuzz_$(1)_SRC) $(HEADERS) tests/fuzz/input.h
	@mkdir -p $$(@D)
	$$(call say,FUZZ)clang -std=gnu11 -g -O1 -D_GNU_SOURCE -fsanitize=fuzzer,address,undefined \
		-fno-sanitize-recover=all -Icommon -Idpdk_app -Icontrol $$(fuzz_$(1)_CFLAGS) -o $$@ \
		$$(filter %.c,$$^) $$(fuzz_$(1)_LIBS)
endef
$(foreach t,$(FUZZ_TARGETS),$(eval $(call fuzz_rule,$(t))))

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

# $(call run_each,SUITE,NAMES,COMMAND): COMMAND for each name $$t; all of them, also past a failure.
run_each = @bad=0; for t in $(2); do BUILD=$(BUILD) tests/run $(1)/$$t $(3) || bad=1; done; exit $$bad

# The same, all at once: for programs that wait more than they work.
run_at_once = @for t in $(2); do BUILD=$(BUILD) tests/run $(1)/$$t $(3) & pids+=" $$!"; done; \
	for pid in $$pids; do wait $$pid || bad=1; done; exit $${bad:-0}

# The same, as many as there are cores: for programs that work, or whose calls are counted.
run_on_cores = @printf '%s\n' $(2) | xargs -P $$(nproc) -I NAME bash -c \
	't=NAME; BUILD=$(BUILD) tests/run $(1)/$$t $(3)'

#: make deps       install the Debian packages that are missing (root)
deps:
	@tools/deps

#: make run        install, build, set the lab up, play calls, stay up (ONCE=1: exit after the table)
run:
	@BUILD=$(BUILD) tools/run

#: make check      the quick tests: no root, no hugepages, two minutes
#:                 its parts are unit, golden, packets and corpus
unit: $(UNIT_BIN)
	$(call run_each,unit,$(UNIT_TESTS),$(BUILD)/tests/test_$$t)

corpus: $(FUZZ_BIN)
	$(call run_each,corpus,$(FUZZ_TARGETS),\
		$(BUILD)/tests/fuzz_$$t -runs=0 tests/fuzz/corpus/$$t)

golden: $(PROGRAMS)
	$(call run_at_once,golden,$(GOLDEN_TESTS),tests/golden/$$t)

# The packet tests take the region's layout from a program built from the same headers.
$(eval $(call compile_rule,tests/packets,COMMON_CFLAGS))
$(BUILD)/tests/layout_dump: $(BUILD)/obj/tests/packets/layout_dump.o $(BUILD)/obj/common/counters.o
	@mkdir -p $(@D)
	$(call say,LINK)$(CC) $(SAN) -o $@ $^

packets: $(PROGRAMS) $(BUILD)/tests/layout_dump $(BUILD)/bench-generator
	$(call run_on_cores,packets,$(PACKET_TESTS),$(PYTHON) tests/packets/$$t.py)

# What the tests of a variant need, to be built with -j before they run.
check-build: $(PROGRAMS) $(BUILD)/bench-generator $(UNIT_BIN) $(BUILD)/tests/layout_dump \
		$(if $(HAS_CORPUS),$(FUZZ_BIN))
stress-build: $(STRESS_BIN)
smoke-build: $(PROGRAMS)
sip-build: $(PROGRAMS)
crash-build: $(PROGRAMS) $(CRASH_PROGRAMS)
fuzz-build: $(FUZZ_BIN)
lint-build:

check: unit golden packets $(if $(HAS_CORPUS),corpus)

#: make stress     concurrent parts under load; SANITIZE=thread is what it is for
stress: export TSAN_OPTIONS = halt_on_error=1
stress: $(STRESS_BIN)
	$(call run_each,stress,$(STRESS_TESTS),$(BUILD)/tests/stress_$$t)

#: make fuzz       libFuzzer on every parser, FUZZ_TIME=20 seconds each
fuzz: $(FUZZ_BIN)
	@mkdir -p $(FUZZ_TARGETS:%=$(BUILD)/fuzz/%)
	$(call run_on_cores,fuzz,$(FUZZ_TARGETS),\
		$(BUILD)/tests/fuzz_$$t -max_total_time=$(FUZZ_TIME) -artifact_prefix=$(BUILD)/fuzz/ \
		$(BUILD)/fuzz/$$t tests/fuzz/corpus/$$t)

#: make smoke      whole calls through both programs in network namespaces (root)
smoke: $(PROGRAMS)
	$(call run_each,smoke,$(SMOKE_TESTS),tests/smoke/$$t.sh)

#: make sip        calls of a Kamailio and SIPp through both programs (root)
sip: $(PROGRAMS)
	$(call run_on_cores,sip,$(SIP_TESTS),tests/sip/$$t.sh)

#: make crash      kill either program at named points and at random (root)
crash: $(PROGRAMS) $(CRASH_PROGRAMS)
	$(call run_at_once,crash,$(CRASH_TESTS),$(PYTHON) tests/crash/$$t.py)

#: make load       250,000 calls in one process, CPU time and memory as a table; two minutes
load: $(PROGRAMS)
	BUILD=$(BUILD) tests/load/calls

#: make bench      how fast it is beside testpmd (root; 20 minutes; leaves build/bench/report.md)
#:                 CASE=cost,small for these cases alone, ROUNDS=N, QUICK=1 for the smallest sizes
bench:
	@tools/deps bench
	@$(MAKE) --no-print-directory -j$$(nproc) all $(BUILD)/bench-generator
	@BUILD=$(BUILD) tests/bench/run $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(QUICK),--quick) \
		$(subst $(comma), ,$(CASE))

#: make bench-check  which ratio of the last report is worse than tests/bench/baseline.json says
bench-check:
	@BUILD=$(BUILD) tests/bench/check

#: make bench-publish  the last full report into docs/, its plot and first figures into README.md
bench-publish:
	@BUILD=$(BUILD) tests/bench/publish

#: make test       everything, on a bare machine, as root
test:
	@tests/run-all

#: make debug      a build without optimisation, in build/variant-debug
debug:
	$(MAKE) DEBUG=1 all

#: make lint       format, spelling, headers, includes, banned calls
lint:
	@tools/lint

#: make format     apply .clang-format
format:
	clang-format -i $$(git ls-files '*.c' '*.h' '*.cc')

#: make clean      remove build/
clean:
	rm -rf $(BUILD)

#:
#: any of them     CC=clang CXX=clang++, SANITIZE=address,undefined or thread, DEBUG=1,
#:                 BUILD=FOLDER for another one than build/, V=1 to see whole commands

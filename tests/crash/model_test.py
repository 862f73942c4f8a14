#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""The model of the crash tests against the session rules of the protocol, told by hand."""

import unittest

from model import CALLEE, CALLER, Mismatch, Model

A, B, C = "20000 192.0.2.1", "20002 192.0.2.1", "20004 192.0.2.1"
LOCAL_A, LOCAL_B, LOCAL_C = (("192.0.2.1", port) for port in (20000, 20002, 20004))


class ModelTest(unittest.TestCase):
    def setUp(self):
        self.model = Model()

    def tell(self, *pairs, trouble=False):
        for text, reply in pairs:
            self.model.apply(text, reply, trouble)

    def refuse(self, text, reply, trouble=False):
        flows = self.model.flows()
        with self.assertRaises(Mismatch):
            self.model.apply(text, reply, trouble)
        self.assertEqual(self.model.flows(), flows)

    def call(self):
        self.tell(("U c 198.51.100.1 4000 ft", A), ("L c 198.51.100.2 5000 ft tt", B))
        return self.model.sessions["c"]

    def test_offer_and_answer_make_a_complete_call(self):
        session = self.call()
        self.assertEqual(session.local[CALLEE], LOCAL_A)
        self.assertEqual(session.local[CALLER], LOCAL_B)
        self.assertEqual(session.remote[CALLER], ("198.51.100.1", 4000))
        self.assertEqual(session.remote[CALLEE], ("198.51.100.2", 5000))
        self.assertTrue(session.is_complete)
        self.assertEqual(self.model.flows(),
                         {("192.0.2.1", port) for port in range(20000, 20004)})

    def test_repeated_commands_keep_their_ports(self):
        self.call()
        self.tell(("U c 198.51.100.1 4000 ft", A), ("U c 198.51.100.1 4000 ft tt", A),
                  ("L c 198.51.100.2 5000 ft tt", B))
        self.refuse("U c 198.51.100.1 4000 ft", C)
        self.refuse("L c 198.51.100.2 5000 ft tt", A)
        self.assertEqual((self.model.n_created, self.model.n_complete), (1, 1))

    def test_the_other_party_addresses_the_other_leg(self):
        session = self.call()
        self.tell(("U c 198.51.100.2 5002 tt ft", B), ("L c 198.51.100.1 4002 tt ft", A))
        self.assertEqual(session.remote[CALLEE], ("198.51.100.2", 5002))
        self.assertEqual(session.remote[CALLER], ("198.51.100.1", 4002))

    def test_callee_update_before_any_answer_makes_leg_1(self):
        self.tell(("U c 198.51.100.1 4000 ft", A), ("U c 198.51.100.2 5000 tt ft", B))
        self.assertTrue(self.model.sessions["c"].is_complete)

    def test_hold_keeps_the_known_address(self):
        session = self.call()
        self.tell(("U c 0.0.0.0 4000 ft tt", A))
        self.assertEqual(session.remote[CALLER], ("198.51.100.1", 4000))

    def test_new_port_moves_the_leg_and_frees_the_old_one(self):
        session = self.call()
        self.refuse("Un c 198.51.100.1 4000 ft tt", A)
        self.tell(("Un c 198.51.100.1 4000 ft tt", C))
        self.assertEqual(session.local[CALLEE], LOCAL_C)
        self.tell(("U d 198.51.100.1 4000 ft", A))
        self.assertEqual(self.model.users, {LOCAL_A: "d", LOCAL_B: "c", LOCAL_C: "c"})

    def test_a_port_has_one_user(self):
        self.call()
        self.refuse("U d 198.51.100.1 4000 ft", A)
        self.tell(("U d 198.51.100.1 4000 ft", C))
        self.refuse("L d 198.51.100.2 5000 ft tt", B)

    def test_a_port_given_up_may_have_its_next_user_already(self):
        self.call()
        self.model.begin("D c ft tt")
        self.tell(("U d 198.51.100.1 4000 ft", A), ("D c ft tt", "0"))
        self.assertEqual(self.model.users, {LOCAL_A: "d"})
        self.refuse("U e 198.51.100.1 4000 ft", A)
        self.model.begin("Un d 198.51.100.1 4000 ft")
        self.tell(("U e 198.51.100.1 4000 ft", A))
        self.refuse("Un d 198.51.100.1 4000 ft", "E71", trouble=True)

    def test_delete_by_either_tag_works_once(self):
        for tags in ("ft", "ft tt", "tt ft"):
            self.call()
            self.refuse(f"D c {tags}", "E50")
            self.tell((f"D c {tags}", "0"), (f"D c {tags}", "E50"))
            self.refuse(f"D c {tags}", "0")
            self.assertEqual(self.model.flows(), set())
        self.assertEqual(self.model.n_destroyed, 3)

    def test_foreign_tags_find_nothing(self):
        self.call()
        self.tell(("D c xx", "E50"), ("Q c xx yy", "E50"), ("L c 198.51.100.9 1 xx yy", "0"))
        self.refuse("D c xx", "0")

    def test_lookup_of_an_unknown_call_is_zero(self):
        self.tell(("L c 198.51.100.2 5000 ft tt", "0"))
        self.refuse("L c 198.51.100.2 5000 ft tt", A)
        self.assertEqual(self.model.sessions, {})

    def test_query_needs_figures(self):
        self.call()
        self.tell(("Q c ft tt", "60 1 2 3 0"))
        self.refuse("Q c ft tt", "E50")
        self.refuse("Q c ft tt", "")

    def test_delete_all(self):
        self.call()
        self.tell(("X", "0"))
        self.assertEqual(self.model.flows(), set())

    def test_no_port_is_permitted_in_trouble_only_and_changes_nothing(self):
        self.refuse("U c 198.51.100.1 4000 ft", "E72")
        self.tell(("U c 198.51.100.1 4000 ft", "E72"), trouble=True)
        self.assertEqual(self.model.sessions, {})
        self.tell(("U c 198.51.100.1 4000 ft", A))
        self.refuse("L c 198.51.100.2 5000 ft tt", "E71")
        self.tell(("L c 198.51.100.2 5000 ft tt", "E71"), trouble=True)
        self.assertFalse(self.model.sessions["c"].is_complete)
        self.refuse("L c 198.51.100.2 5000 ft tt", "E72", trouble=True)
        self.tell(("Un c 198.51.100.9 4000 ft tt", "E71"), trouble=True)
        self.assertEqual(self.model.sessions["c"].local[CALLEE], LOCAL_A)
        self.assertEqual(self.model.sessions["c"].remote[CALLER], ("198.51.100.1", 4000))
        self.refuse("D c ft", "E72", trouble=True)

    def test_malformed_tuples(self):
        for reply in ("20000", "20001 192.0.2.1", "20000 192.0.2.1 6", "20000 2001:db8::1", "0"):
            self.refuse("U c 198.51.100.1 4000 ft", reply)
        self.tell(("U6r[2001:db8::9] c 2001:db8::5 4000 ft", "20000 2001:db8::1 6"))
        self.assertEqual(self.model.flows(), {("2001:db8::1", 20000), ("2001:db8::1", 20001)})

    def test_unknown_modifiers_and_second_sessions_are_misuse(self):
        self.call()
        with self.assertRaises(ValueError):
            self.model.apply("Uw c 198.51.100.1 4000 ft", A)
        with self.assertRaises(ValueError):
            self.model.apply("U c 198.51.100.1 4000 other", C)


if __name__ == "__main__":
    unittest.main()

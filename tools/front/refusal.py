# SPDX-License-Identifier: BSD-2-Clause
"""What the front cannot do as asked, in one sentence for the operator."""


class Refusal(Exception):
    """Ends the start with its sentence on stderr and exit status 1."""

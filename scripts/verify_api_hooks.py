"""For schemathesis: its check `ignored_auth` sends every operation a wrong token, and the eleventh of a
minute gets 429 as the contract says. That is as good a refusal as 401 and 403."""

from schemathesis.specs.openapi import checks

checks.AUTH_REJECTION_STATUSES = frozenset({*checks.AUTH_REJECTION_STATUSES, 429})

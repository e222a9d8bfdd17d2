"""The ids of what the gate decides without the policy, and the page that each gives.

In: nothing. Out: constants. The same id stands in the log, on the page, in metrics and in the
documentation; policy.model.RESERVED_RULES keeps them from the policy.
Must never: clash with an id of `policy.yaml`.
"""

from __future__ import annotations

RULE_LOG_UNAVAILABLE = "log-unavailable"
RULE_INDEX_MISSING = "index-missing"
RULE_UNDECIDED = "undecided"
RULE_BAD_REQUEST = "bad-request"
RULE_PORT_DENIED = "port-denied"
RULE_DESTINATION_DENIED = "destination-denied"
RULE_UPSTREAM_FAILED = "upstream-failed"
RULE_NOT_TLS = "not-tls-in-tunnel"
RULE_TUNNEL_WITHOUT_REQUEST = "tunnel-without-request"
RULE_OVERLOADED = "overloaded"
RULE_INNER_ADDRESS = "inner-address"
RULE_METHOD_DENIED = "method-denied"
RULE_LOOP = "loop"
RULE_SIGN_IN_REQUIRED = "sign-in-required"
RULE_SIGN_IN_FAILED = "sign-in-failed"
RULE_SIGN_IN_UNAVAILABLE = "sign-in-unavailable"
RULE_STANDING_UNAVAILABLE = "standing-unavailable"
RULE_GATEWAY_ACTION = "gateway-action"
RULE_BREAK_UNAVAILABLE = "break-unavailable"
RULE_NOT_ACKNOWLEDGED = "not-acknowledged"
RULE_REVIEW_ALLOWED = "review-allowed"
RULE_MARKED_IN_CLEAR = "marked-in-clear"

# The page of each refusal (refusal.Kind).
KINDS = {
    RULE_LOG_UNAVAILABLE: "log-unavailable",
    RULE_INDEX_MISSING: "undecided",
    RULE_UNDECIDED: "undecided",
    RULE_BAD_REQUEST: "bad-request",
    RULE_PORT_DENIED: "port-denied",
    RULE_DESTINATION_DENIED: "destination-denied",
    RULE_NOT_TLS: "bad-request",
    RULE_OVERLOADED: "overloaded",
    RULE_INNER_ADDRESS: "bad-request",
    RULE_METHOD_DENIED: "method-denied",
    RULE_LOOP: "loop",
    RULE_SIGN_IN_REQUIRED: "sign-in-ended",
    RULE_STANDING_UNAVAILABLE: "standing-unavailable",
}

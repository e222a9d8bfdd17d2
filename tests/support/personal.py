"""A policy with breaks, allowances and coaching, and the people it is tried on."""

from __future__ import annotations

from proxy_addons.standing.statement import Statement

POLICY = """
version: 1
time_zone: Europe/London
profiles:
  standard: {description: Officers and staff.}
  unrestricted: {description: Exempt., without_exemption: standard}
  withdrawn: {description: Nobody we know., strictest: true}
exemptions: {by_name_only: [malware]}
category_groups:
  personal: [shopping]
  social: [social-networks]
personal_use: {categories: [personal, social], social: [social]}
rules:
  - {id: threats, clause: Inf/27 3.1, reason: A threat., action: block, when: {categories: malware}}
  - {id: withdrawn, clause: Inf/27 2.3.2, reason: Access is withdrawn., action: block,
     when: {profiles: withdrawn}}
  - {id: unrestricted, clause: Inf/27 5.1, reason: Unrestricted., action: allow,
     when: {profiles: unrestricted}}
  - {id: webmail, clause: Inf/27 2.10.1, reason: No webmail., action: block,
     when: {categories: webmail}}
  - {id: allowance-used, clause: Inf/27 2.10.1, reason: Today's minutes are used., action: block,
     when: {categories: [personal, social], state: allowance-used}}
  - {id: assistants, clause: Inf/27 2.12.1, reason: What is typed here leaves the force.,
     action: coach, when: {categories: ai-assistants}}
  - {id: in-a-break, clause: Inf/27 2.9.1, reason: Allowed in breaks., action: allow,
     when: {categories: [personal, social], state: on-break}}
  - {id: off-duty, clause: Inf/27 2.9.1, reason: Allowed off duty., action: allow,
     when: {categories: [personal, social], state: off-duty}}
  - {id: personal-use, clause: Inf/27 2.9.1, reason: Personal use is for breaks., action: block,
     when: {categories: [personal, social]}}
  - {id: everything-else, clause: Inf/27 2.9.1, reason: Nothing speaks against it., action: allow}
"""
STATEMENT = Statement.of(
    "# Using the web here\n\nUse it **well**.\n\n## Monitoring\n\nIt is recorded."
)
PERSON, EXEMPT, NOBODY, WITHDRAWN = "127.0.0.1", "127.0.0.2", "127.0.0.9", "127.0.0.3"
"""Addresses of pc1234, of dc5678 with an exemption for everything, of nobody, of ps9999."""

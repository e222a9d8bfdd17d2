"""The document of the API: OpenAPI 3.1, made of the table of routes and the types.

In: routes.py, shapes.py, problems.py. Out: the document as JSON.
Must never: say anything by hand that the table or a type says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from proxy_addons.portal.api.problems import KINDS, MEDIA, Problem
from proxy_addons.portal.api.routes import ALWAYS, BASE, JSON, ROUTES, WITH_TOKEN
from proxy_addons.portal.api.shapes import Record

if TYPE_CHECKING:
    from proxy_addons.portal.api.routes import Route

_TEMPLATE: Final = "#/components/schemas/{name}"
_TEXT: Final = {"schema": {"type": "string"}, "required": True}
_RATE: Final = {
    "RateLimit-Policy": {"description": "Calls of a token, and in how many seconds.", **_TEXT},
    "RateLimit": {"description": "Calls left, and seconds until all are back.", **_TEXT},
}
_RETRY: Final = {
    "Retry-After": {
        "description": "Seconds.",
        "schema": {"type": "integer", "minimum": 0},
        "required": True,
    }
}
_CHALLENGE: Final = {"WWW-Authenticate": {"description": "RFC 6750.", **_TEXT}}
_ABOUT: Final = (
    "Records of the access log for programs of Professional Standards, under an authorisation."
    " Each use is recorded in the trail before it is answered. Tokens are made in the portal, on"
    " the page API tokens. Times are RFC 3339."
)


def document() -> bytes:
    """The document, as JSON."""
    return msgspec.json.format(msgspec.json.encode(_document()), indent=1)


def _document() -> dict[str, Any]:
    queries = {route.query for route in ROUTES}
    answers = {route.answer for route in ROUTES if route.answer is not None}
    types: list[type[Any]] = [*queries, *answers, Problem, Record]
    types.sort(key=lambda each: each.__name__)
    _, schemas = msgspec.json.schema_components(types, ref_template=_TEMPLATE)
    schemas["Page"]["properties"]["records"]["items"] = {"$ref": _TEMPLATE.format(name="Record")}
    parameters = {each.__name__: schemas.pop(each.__name__) for each in queries}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Watchhouse: records for Professional Standards",
            "version": "1.0.0",
            "description": _ABOUT,
        },
        "servers": [{"url": "/"}],
        "paths": {
            BASE + route.path: {"get": _operation(route, parameters[route.query.__name__], schemas)}
            for route in ROUTES
        },
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "`wh_…`"}
            },
        },
    }


def _operation(route: Route, query: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": route.operation,
        "summary": route.what,
        "parameters": _parameters(query, schemas),
        "responses": _responses(route),
        "security": [{"token": []}] if route.roles else [],
    }
    if route.more:
        found["description"] = route.more
    if route.roles:
        found["x-roles"] = sorted(route.roles)
    return found


def _parameters(query: dict[str, Any], schemas: dict[str, Any]) -> list[dict[str, Any]]:
    made = []
    for name, property_ in query["properties"].items():
        schema = _given(property_, schemas)
        made.append(
            {
                "name": name,
                "in": "query",
                "required": name in query.get("required", ()),
                "schema": schema,
            }
            | ({"description": schema.pop("description")} if "description" in schema else {})
        )
    return made


def _given(property_: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    """The schema of a parameter that is there: not of one that is left out (null, "")."""
    schema = {name: value for name, value in property_.items() if name != "default"}
    if "$ref" in schema:
        named = schemas[schema.pop("$ref").rpartition("/")[2]]
        schema = {"type": "string", "enum": named["enum"]} | schema
    if "anyOf" in schema:
        (found,) = (each for each in schema.pop("anyOf") if each.get("type") != "null")
        schema = found | schema
    if "" in schema.get("enum", ()):
        schema["enum"] = [each for each in schema["enum"] if each]
    if "enum" in schema:
        schema["type"] = "string"
    default = property_.get("default")
    return schema | ({"default": default} if default else {})


def _responses(route: Route) -> dict[str, Any]:
    rate: dict[str, Any] = _RATE if route.roles else {}
    if route.answer is not None:
        content: dict[str, Any] = {
            JSON: {"schema": {"$ref": _TEMPLATE.format(name=route.answer.__name__)}}
        }
    else:
        content = {
            media: {"schema": _file(media, words)} for media, words in (route.files or {}).items()
        }
    found: dict[str, Any] = {
        "200": {"description": route.what, "headers": rate, "content": content}
    }
    kinds = {*ALWAYS, *route.problems, *(WITH_TOKEN if route.roles else ())}
    for name in sorted(kinds, key=lambda each: (KINDS[each].status, each)):
        kind = KINDS[name]
        entry = found.setdefault(
            str(kind.status),
            {
                "description": "",
                "headers": {},
                "content": {MEDIA: {"schema": {"$ref": _TEMPLATE.format(name="Problem")}}},
            },
        )
        entry["description"] += f"{'; ' if entry['description'] else ''}{name}: {kind.title}"
        if kind.status == 401:
            entry["headers"] = _CHALLENGE
        elif kind.status == 429:
            entry["headers"] = _RATE | _RETRY
        elif kind.status == 503:
            entry["headers"] = _RETRY
    return found


def _file(media: str, words: str) -> dict[str, Any]:
    if media == JSON:
        return {"type": "object", "description": words}
    return {"type": "string", "description": words}

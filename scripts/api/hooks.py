"""What Schemathesis cannot know of the API, each with the reason."""

import schemathesis
from hypothesis import strategies as st
from schemathesis import GenerationMode

# A cursor is made by the server for one order; only the empty one, which begins a walk, can be
# made up. crm-server/tests/api/garbage.rs forges others.
schemathesis.openapi.format("cursor", st.just(""))

# The language of filters is a grammar (docs/filters.md), and so no schema.
schemathesis.openapi.format(
    "aip-160",
    st.sampled_from(["version = 1", "createdAt >= 2026-01-01", "NOT version = 1 OR id:*"]),
)

# What these fields are compared with is read as people write it, by rules that are no schema: a
# country by its names, an address by its parts.
READ = {
    "color": "#1f6feb",
    "country": "Germany",
    "currency": "EUR",
    "domain": "acme.example",
    "email": "anna.schmidt@loewen.example",
    "locale": "de-DE",
    "phone": "+493012345678",
    "timeZone": "Europe/Berlin",
    "website": "https://loewen.example/",
}

# Operators whose value is a list, as a field's without one is.
OF_LISTS = ("ne", "in", "all", "none")


def quoted(text):
    """A value that may have commas in it stands in double quotes."""
    if not isinstance(text, str) or text.startswith('"'):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def value_of(field, value):
    return READ.get(field, value) if isinstance(value, str) else value


def sensible(query):
    """Says in a query what no schema of single parameters can."""
    if "cursor" in query:
        # The one or the other.
        query.pop("page", None)
    for name in ("sort", "fields"):
        if isinstance(query.get(name), list):
            # Whether a tenant has such a field, the document cannot know.
            query[name] = [one for one in query[name] if "customFields." not in str(one)]
    if "resource" in query and "id" in query:
        # Which types there are is for whoever hosts the API to say.
        query["resource"] = "customers"
    elif isinstance(query.get("resource"), str):
        # Of a record, both are named.
        del query["resource"]
    elif isinstance(query.get("id"), str):
        del query["id"]
    if not query.get("sort"):
        query.pop("sort", None)
        # A direction needs something to sort by.
        query.pop("order", None)
    for name, value in query.items():
        if isinstance(value, list) and name not in ("sort", "fields", "expand"):
            query[name] = [quoted(value_of(name, one)) for one in value]
    # The members of `conditions` are parameters by now.
    for name in [name for name in query if "[" in name or name.startswith("customFields")]:
        field, _, operator = name.rstrip("]").partition("[")
        if name.startswith("customFields"):
            del query[name]
            continue
        if operator in ("eq", *OF_LISTS):
            query[name] = value_of(field, query[name])
        if operator in OF_LISTS:
            query[name] = quoted(query[name])
    # A request has at most 100 of them.
    for name in list(query)[90:]:
        del query[name]


def plain(value):
    """A whole number is written without a fraction: to JSON Schema 311.0 is one, to the server it is
    none."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    if isinstance(value, list):
        return [plain(one) for one in value]
    return value


@schemathesis.hook
def before_call(context, case, kwargs):
    """Keeps what is meant to be valid within what can be meant. What is meant to be refused is sent
    as it was made up."""
    headers = case.headers or {}
    # Of which other tenants the caller is a member, the document cannot know; crm-server/tests/api
    # tries them (probe.rs, tenancy.rs).
    for name in [name for name in headers if name.lower() == "x-tenant-id"]:
        del headers[name]
    if case.meta is None or case.meta.generation.mode != GenerationMode.POSITIVE:
        return
    if isinstance(case.query, dict):
        sensible(case.query)
    case.body = plain(case.body)
    if isinstance(case.body, dict) and isinstance(case.body.get("filter"), dict):
        # Its members are parameters of a list, which are described there.
        case.body["filter"] = {"version": 1}
    for name in [name for name in headers if name.lower() == "if-match"]:
        # Some of what is made up for the pattern is empty.
        if not headers[name]:
            del headers[name]
        # The version is said once; both at odds are a fault of the caller that no schema can tell.
        elif isinstance(case.body, dict):
            case.body.pop("version", None)

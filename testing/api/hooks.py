"""Hooks of schemathesis for testing/api/contract."""

from urllib.parse import urlencode

import schemathesis

# A request line and headers of 16 KiB are answered by 431 below all routes (docs/api.md).
LONGEST_QUERY = 8_000


def whole(value):
    """A whole number without a point: JSON Schema calls 1.0 an integer, and docs/api.md asks for 1."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {name: whole(part) for name, part in value.items()}
    if isinstance(value, list):
        return [whole(part) for part in value]
    return value


@schemathesis.hook
def map_body(context, body):
    return whole(body)


@schemathesis.hook
def filter_query(context, query):
    return len(urlencode(query or {}, doseq=True, errors="replace")) <= LONGEST_QUERY

"""Says how two answers differ, in short lines that a list of known differences can name."""

# What depends on the moment or on what a driver makes: only the type is compared.
MOVING = {
    "api_address", "cluster_id", "coe_version", "container_version", "created_at", "discovery_url", "health_status",
    "health_status_reason", "host", "id", "master_addresses", "node_addresses", "report_count", "stack_id", "status",
    "status_reason", "updated_at",
}
# Words for people: they must be there, but need not be the same.
WORDS = {"title", "detail", "description", "message"}


def differences(magnum, jeroboam):
    """Lines such as `status 400 / 409` or `body.labels: object / null`."""
    if magnum.status != jeroboam.status:
        # Answers of a different kind have nothing else in common.
        return [f"status {magnum.status or 'none'} / {jeroboam.status or 'none'}"]
    found = []
    for name in sorted({*magnum.headers, *jeroboam.headers}):
        left, right = magnum.headers.get(name), jeroboam.headers.get(name)
        if left != right:
            found.append(f"header {name}: {left or 'absent'} / {right or 'absent'}")
    _values("body", "", magnum.body, jeroboam.body, found)
    return list(dict.fromkeys(found))


def _kind(value):
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "bool"
    return {str: "text", int: "number", float: "number", list: "list", dict: "object"}[type(value)]


def _values(path, key, left, right, found):
    if _kind(left) != _kind(right):
        found.append(f"{path}: {_kind(left)} / {_kind(right)}")
    elif isinstance(left, dict):
        for name in sorted({*left, *right}):
            if name not in left:
                found.append(f"{path}.{name}: absent / {_kind(right[name])}")
            elif name not in right:
                found.append(f"{path}.{name}: {_kind(left[name])} / absent")
            else:
                _values(f"{path}.{name}", name, left[name], right[name], found)
    elif isinstance(left, list):
        if key in MOVING:
            return
        if len(left) != len(right):
            found.append(f"{path}: {len(left)} items / {len(right)} items")
        for one, other in zip(left, right):
            _values(f"{path}[]", "", one, other, found)
    elif key in WORDS:
        if bool(left) != bool(right):
            found.append(f"{path}: {'words' if left else 'empty'} / {'words' if right else 'empty'}")
    elif key not in MOVING and left != right:
        found.append(f"{path}: {_short(left)} / {_short(right)}")


def _short(value):
    text = str(value)
    return text if len(text) <= 120 else text[:117] + "..."

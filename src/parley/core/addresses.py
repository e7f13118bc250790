"""Tell web URLs from paths."""


def is_web_url(address: str) -> bool:
    """Return whether an address is an http or https URL rather than a path."""
    return address[:7].lower() == "http://" or address[:8].lower() == "https://"

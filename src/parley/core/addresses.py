"""Addresses: a URL of the web, or a path."""


def is_web_url(address: str) -> bool:
    """Say whether an address is an http or https URL, and not a path."""
    return address[:7].lower() == "http://" or address[:8].lower() == "https://"

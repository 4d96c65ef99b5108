"""The request to the vendor that it may deliver to our addresses, ready to be sent."""

from contextlib import suppress
from ipaddress import ip_address, ip_network

from cli.callback.address import Target, addresses_of, port_of
from worker.config import SupportSection
from worker.core.vendor.environment import environment_of

BLANK = "____________________"

# As the vendor's onboarding page can be read, which prints its addresses run together. For people, never a default.
PERHAPS_FROM = ("34.206.50.212", "54.85.40.151", "52.205.83.161", "35.173.102.15")

ABOUT_ADDRESSES = (
    "The addresses that the vendor delivers from stand run together on its onboarding page, and can be read in more "
    "than one way. Write none of them into [callback] allow or a firewall before the vendor has confirmed it."
)

_NAME_LETTERS = 18


def environment(about: SupportSection, origin: str | None) -> str | None:
    """Which of the vendor's this installation uses, as far as that is known."""
    return about.environment or (None if origin is None else environment_of(origin))


def request(target: Target, about: SupportSection, client_id: str | None, where: str | None) -> str:
    """``where``: the environment of this address."""
    both = f"{target.token_url}  and  {target.callback_url}"
    known = (where or "").lower()
    mapping = [(name, both if known == name else BLANK) for name in ("sandbox", "production")]
    if known not in ("sandbox", "production"):
        mapping.insert(0, (where or f"(which?) {BLANK}", both))
    domains = list(dict.fromkeys(one.host for one in target.hosts))
    ports = list(dict.fromkeys(str(port_of(one)) for one in target.hosts))
    return "\n".join(
        [
            "Please whitelist the following addresses for callbacks of Coverage Discovery.",
            "",
            *(
                _row(name, value)
                for name, value in [
                    ("customer", about.customer or BLANK),
                    ("submitter id", about.submitter_id or BLANK),
                    ("technical owner", about.technical_owner or f"{BLANK} (name, e-mail, telephone)"),
                    ("domain", ", ".join(domains)),
                    ("addresses (CIDR)", ", ".join(_networks(target)) or BLANK),
                    ("port", f"{', '.join(ports)}, TLS 1.2 or later"),
                    ("token URL", target.token_url),
                    ("callback URL", target.callback_url),
                    ("grant", "client_credentials: HTTP Basic with a form body, or a JSON body"),
                    ("client id", client_id or BLANK),
                    ("client secret", "handed over separately: please name a way"),
                    ("scope", target.scope or "none"),
                    ("answers", "204 once a delivery is stored, also for one that came before"),
                ]
            ),
            "",
            "Environments:",
            *(_row(f"  {name}", value) for name, value in mapping),
            "",
            "Please tell us, for each environment, the addresses that you deliver from: we let in those alone. We read",
            f"your onboarding page as {', '.join(PERHAPS_FROM)}. Is that right and complete?",
        ]
    )


def _networks(target: Target) -> list[str]:
    """Each public address of the names, as a network of one."""
    found: list[str] = []
    for url in target.hosts:
        with suppress(OSError, UnicodeError):
            found += addresses_of(url.host, port_of(url))
    public = [one for one in found if ip_address(one.partition("%")[0]).is_global]
    return [str(ip_network(one)) for one in dict.fromkeys(public)]


def _row(name: str, value: str) -> str:
    return f"{name:<{_NAME_LETTERS}}  {value}"

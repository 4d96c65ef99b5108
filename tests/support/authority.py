"""A certificate authority for the tests, with certificates that are good, expired, for another host, or foreign."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.loopback import Certificate


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


class Authority:
    """``file`` holds its own certificate, to be trusted; it is signed by the authority ``above``, or by itself."""

    def __init__(self, folder: Path, name: str = "ours", above: "Authority | None" = None) -> None:
        self._folder, self._name, self._key = folder, _name(name), ec.generate_private_key(ec.SECP256R1())
        self.file = folder / f"{name}-authority.pem"
        basic = x509.BasicConstraints(ca=True, path_length=None)
        usage = x509.KeyUsage(
            digital_signature=False,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=True,
            crl_sign=True,
            encipher_only=False,
            decipher_only=False,
        )
        signer = above or self
        about = signer._about(self._name, self._key.public_key(), (-90, 90))
        about = about.add_extension(basic, critical=True).add_extension(usage, critical=True)
        self.file.write_bytes(signer._signed(about))

    def certificate(self, name: str, host: str = "127.0.0.1", days: tuple[int, int] = (-1, 30)) -> Certificate:
        """One for a host, valid between two days that are counted from today."""
        key = ec.generate_private_key(ec.SECP256R1())
        who = x509.IPAddress(ip_address(host)) if host[0].isdigit() else x509.DNSName(host)
        about = self._about(_name(name), key.public_key(), days)
        about = about.add_extension(x509.SubjectAlternativeName([who]), critical=False)
        made = Certificate(self._folder / f"{name}.pem", self._folder / f"{name}-key.pem")
        made.cert.write_bytes(self._signed(about))
        plain = serialization.NoEncryption()
        made.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
        return made

    def _about(
        self, subject: x509.Name, public: ec.EllipticCurvePublicKey, days: tuple[int, int]
    ) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + timedelta(days=days[0]))
            .not_valid_after(now + timedelta(days=days[1]))
        )

    def _signed(self, about: x509.CertificateBuilder) -> bytes:
        return about.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

"""From ``[sftp]`` to what a round over the drop works by."""

from worker.config.settings import Sftp
from worker.gateways.sftp import DropSettings, Server
from worker.rounds.ingest import Terms


def terms_of(sftp: Sftp) -> Terms:
    """The terms as configured. Raises BadConfiguration for a secret that cannot be read."""
    for secret in (sftp.key_passphrase, sftp.password):
        if secret:
            secret.reveal()  # once here, so that a missing secret is an error of the start
    server = Server(
        sftp.host,
        sftp.port,
        sftp.username,
        sftp.known_hosts,
        sftp.algorithms,
        sftp.key_file,
        sftp.key_passphrase.reveal if sftp.key_passphrase else None,
        sftp.password.reveal if sftp.password else None,
    )
    settings = DropSettings(server, sftp.drop, sftp.include, sftp.exclude or ())
    return Terms(settings, sftp.settle_ms, sftp.every_ms, sftp.after, sftp.move_to)

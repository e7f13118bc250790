"""A real S3 server on loopback, in a process of its own, that ends by itself."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3
from slurm_cluster import free_ports

LIVES_S = 7200
READY_S = 120
KEYS = {"SNAKEMAKE_STORAGE_S3_ACCESS_KEY": "key", "SNAKEMAKE_STORAGE_S3_SECRET_KEY": "secret"}
"""Credentials as Snakemake's plugin reads them; the server takes any."""


class ObjectStore:
    """The server at an address."""

    def __init__(self, address: str) -> None:
        self.address = address

    def download(self, bucket: str, prefix: str, folder: Path) -> Path:
        """Copy all below a prefix into a folder."""
        access, secret = KEYS.values()
        store = boto3.resource(
            "s3",
            endpoint_url=self.address,
            region_name="us-east-1",
            aws_access_key_id=access,
            aws_secret_access_key=secret,
        )
        for item in store.Bucket(bucket).objects.filter(Prefix=prefix):
            place = folder / item.key.removeprefix(prefix)
            place.parent.mkdir(parents=True, exist_ok=True)
            item.Object().download_file(str(place))
        return folder


@contextmanager
def object_store(log: Path) -> Iterator[ObjectStore]:
    """Run moto's server, with its log in a file."""
    (port,) = free_ports(1)
    command = ["timeout", str(LIVES_S), sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with log.open("wb") as said, subprocess.Popen(command, stdout=said, stderr=said, env=os.environ) as process:
        try:
            until = time.monotonic() + READY_S
            while socket.socket().connect_ex(("127.0.0.1", port)):
                if process.poll() is not None or time.monotonic() > until:
                    raise RuntimeError(f"The S3 server does not answer:\n{log.read_text()}")
                time.sleep(0.2)
            yield ObjectStore(f"http://127.0.0.1:{port}")
        finally:
            process.terminate()

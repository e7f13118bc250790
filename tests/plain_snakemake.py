"""Snakemake as Parley without extras installs it: `plain_snakemake.py <arguments>`.

The executors and stores that only some tests need take half a second to import, in each of hundreds of calls.
"""

import pkgutil
import sys

HIDDEN = ("snakemake_executor_plugin_", "snakemake_storage_plugin_")
all_modules = pkgutil.iter_modules
pkgutil.iter_modules = lambda *given, **named: (
    one for one in all_modules(*given, **named) if not one.name.startswith(HIDDEN)
)

from snakemake.cli import main  # noqa: E402 - it looks for plugins when it is imported

sys.argv[0] = "snakemake"
main()

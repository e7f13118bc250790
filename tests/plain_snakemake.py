"""Snakemake as Parley without extras installs it: `plain_snakemake.py <arguments>`.

The executors and stores that only some tests need take half a second to import, in each of hundreds of calls. One that
an argument names, such as `s3`, is there.
"""

import pkgutil
import re
import sys

HIDDEN = re.compile(r"snakemake_(?:executor|storage)_plugin_(.+)")
NAMED = {argument.rpartition("=")[2].replace("-", "_") for argument in sys.argv}
all_modules = pkgutil.iter_modules


def shown_modules(*given, **named):
    for one in all_modules(*given, **named):
        plugin = HIDDEN.fullmatch(one.name)
        if not plugin or plugin[1] in NAMED:
            yield one


if __name__ == "__main__":
    pkgutil.iter_modules = shown_modules
    from snakemake.cli import main  # It looks for plugins when it is imported.

    sys.argv[0] = "snakemake"
    main()

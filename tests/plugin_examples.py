"""The plug-in files of docs/extending.md."""

import re
from pathlib import Path

PAGE = (Path(__file__).parents[1] / "docs/extending.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r'^```python title="(\w+\.py)"\n(.*?)^```$', PAGE, re.MULTILINE | re.DOTALL))
"""Name → text of each file."""
SETTINGS = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
"""The parts of configs."""

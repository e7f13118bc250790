"""Adds the workflow to the wheel, in `parley/project`. An editable installation uses the clone's own files."""

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class WorkflowHook(BuildHookInterface):
    """Hook of hatchling that adds the files and folders that pyproject.toml lists."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add them, unless the installation is editable."""
        if version != "editable":
            build_data["force_include"].update({name: f"parley/project/{name}" for name in self.config["files"]})

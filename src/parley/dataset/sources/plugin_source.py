"""Image source of a plug-in: its class lists the addresses in a job of its own, which loads the plug-in."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from parley.core.errors import ParleyError
from parley.dataset.class_set import ImageClass
from parley.dataset.sources.base import EntrySource, Source, file_fingerprint
from parley.plugins.registry import PLUGINS


class PluginSource(EntrySource):
    """Stand-in for the class of a plug-in, which is loaded only by the job that lists the addresses.

    An address is a URL, or a path relative to the option ``root`` or, without this option, to the working folder.
    """

    label = "a plug-in's list of URLs and paths"
    over_network = True
    listable_before_jobs = False
    needs_listing = True

    def check(self, classes: Sequence[ImageClass]) -> list[str]:
        """Return the problems with the root; the job that lists the addresses checks the other options."""
        return self._root_problems()

    def digest(self, classes: Sequence[ImageClass]) -> str:
        """Return a digest of the plug-in's class, its options, the files that they name, and the classes."""
        options = sorted((self.options.own or {}).items())
        files = [Path(value) for _, value in options if isinstance(value, str)]
        content = [file_fingerprint(file) for file in files if file.is_file()]
        named = [(image_class.name, image_class.wnid) for image_class in classes]
        return self._digest_of(self.options.own_code, options, content, named)

    def entries(self, classes: Sequence[ImageClass]) -> Iterator[tuple[str, str]]:
        """Yield the class (name or wnid) and address of each image, as the plug-in's class does."""
        part, defaults = PLUGINS["image_source"][self.options.kind]
        options = self.options.with_own({**defaults, **(self.options.own or {})})
        source: Source = part(options)
        if findings := source.check(classes):
            raise ParleyError(findings)
        if not isinstance(source, EntrySource):
            raise ParleyError(f"The image source {self.options.kind} is not a subclass of EntrySource; make it one.")
        for entry in source.entries(classes):
            if not isinstance(entry, tuple) or len(entry) != 2 or not all(isinstance(text, str) for text in entry):
                raise ParleyError(
                    f"The image source {self.options.kind} yielded {entry!r:.60}; yield pairs of texts, the class and "
                    "the address of an image."
                )
            yield entry

"""Image source `torchvision`: a dataset of torchvision, whose images a job packs into one tar per class."""

from collections.abc import Sequence
from typing import ClassVar

from parley.dataset.class_set import ImageClass
from parley.dataset.sources.local import Tars


class TorchvisionSet(Tars):
    """Source of the tars that `parley.dataset.torchvision_images.pack_classes` writes.

    Before they are written, `options.root` is the folder of torchvision's files; in `listing`, that of the tars.
    """

    label = "a dataset of torchvision"
    listable_before_jobs = False  # The dataset may have to be downloaded first.
    needs_keys: ClassVar[tuple[str, ...]] = ("dataset", "root")

    def check(self, classes: Sequence[ImageClass]) -> list[str]:
        """Return the problems with the root and the name and arguments of the dataset. Its files may be missing."""
        # Imported here because it loads torch.
        from parley.dataset.torchvision_download import check_dataset

        root = self.options.root
        return (self._root_problems() if root is not None and root.exists() else []) + check_dataset(self.options)

    def digest(self, classes: Sequence[ImageClass]) -> str:
        """Return a digest of the dataset, its arguments, the folder of its files, and the classes."""
        arguments = [sorted(one.items()) for one in self.options.arguments]
        named = [(image_class.name, image_class.wnid) for image_class in classes]
        return self._digest_of(self.options.dataset, arguments, str(self.options.root), named)

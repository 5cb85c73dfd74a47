"""Images that come with packages."""

from functools import cached_property, lru_cache

from compute.images.sources.items import ImageSource, Item, by_path

EMBEDDED = ("photographs", "demo", "digits")


class EmbeddedSource(ImageSource):
    """The photographs, the demo's crops of them, or the digits (`compute.demo`), as PNG files."""

    def __init__(self, name: str):
        from compute.demo.images import demo_crops, digit_images
        from compute.demo.photographs import photographs

        self.spec = self.root = name
        crops = {"photographs": photographs, "demo": demo_crops, "digits": digit_images}[name]()
        self._crops = {crop.path: crop for crop in crops}
        self._png = lru_cache(None)(lambda path: self._crops[path].png())

    @cached_property
    def items(self) -> tuple[Item, ...]:
        return by_path(Item(crop.path, crop.label, crop.split) for crop in self._crops.values())

    def read(self, path: str) -> bytes:
        if path not in self._crops:
            raise ValueError(f"no image {path!r} in the embedded {self.spec!r} images")
        return self._png(path)

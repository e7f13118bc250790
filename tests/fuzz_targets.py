"""Every parser of files from outside, with a valid file to start from.

A target makes a valid file in a folder and reads it. Whatever bytes stand in its place, reading ends well or raises a
`ParleyError`: no other exception, no hang, no more memory than a file of that size is worth.
"""

import functools
import gzip
import hashlib
import io
import json
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import yaml
from PIL import Image

KEYS = [hashlib.sha256(bytes([number])).hexdigest()[:32] for number in range(6)]
ROOT = Path(__file__).parents[1]


class Target(NamedTuple):
    """A parser."""

    name: str
    make: Callable[[Path], None]
    """Write a valid file."""
    read: Callable[[Path], Any]
    """Read a file as Parley does."""


def text(content: str | bytes) -> Callable[[Path], None]:
    data = content.encode() if isinstance(content, str) else content
    return lambda path: path.write_bytes(data) and None


def table(*rows: tuple[str, ...]) -> Callable[[Path], None]:
    return text("".join("\t".join(row) + "\n" for row in rows))


# Lists, tables and texts.

URLS = "".join(
    f"n{number:08d}_{index}\thttp://a.example/{number}/{index}.jpg\n" for number in (1, 2) for index in (1, 2)
)


def read_urls(path: Path) -> None:
    from parley.dataset.sources.url_list_reader import filter_list

    listing = filter_list(path, ["n00000001", "n00000002"])
    assert all(list(urls) is not None for urls in listing.urls.values())


def tar_of(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in members.items():
            header = tarfile.TarInfo(name)
            header.size = len(content)
            archive.addfile(header, io.BytesIO(content))
    return out.getvalue()


def read_classes(path: Path) -> None:
    from parley.dataset.class_set import read_class_set

    read_class_set(path)


def read_manifest(path: Path) -> None:
    from parley.dataset.class_set import ImageClass
    from parley.dataset.listing import image_key
    from parley.dataset.sources import SourceOptions, open_source

    options = SourceOptions("manifest", manifest=path, root=path.parent)
    classes = [ImageClass("ant", "n00000001", "in")]
    if not open_source(options).check(classes):
        open_source(options).listing(classes, None)
        open_source(options).stated(classes, [("ant", image_key("http://a.example/1"))])


def read_plan(path: Path) -> None:
    from parley.dataset.split_plan import candidate_queues

    for _, reserves in candidate_queues(path, {"ant", "bee"}):
        for reserve in reserves.values():
            for rank in range(len(reserve)):
                reserve[rank]


def read_outcomes(path: Path) -> None:
    from parley.dataset.class_set import ImageClass
    from parley.dataset.dedup.outcomes import DedupOptions
    from parley.dataset.dedup.outcomes import read_outcomes as read

    plan = path.with_name("plan.tsv")
    rows = "".join(f"ant\t{key}\ttrain\t{rank}\thttp://a.example/{rank}\n" for rank, key in enumerate(KEYS))
    plan.write_text("class\tkey\tpart\trank\turl\n" + rows)
    read(plan, {"ant": path}, [ImageClass("ant", "", "in")], {"in": {"train": 4}}, DedupOptions(0.0))


def manifest_row(rank: int, key: str) -> tuple[str, ...]:
    good = rank >= 2
    return (
        *(f"http://a.example/{rank}", key, "ok" if good else "failed", "" if good else "not_found", "200", "100"),
        *(key * 2, "64", "64", "1", "0.1"),
    )


MANIFEST_COLUMNS = (
    *("url", "key", "status", "error_class", "http_status", "bytes", "sha256", "width", "height"),
    *("attempts", "seconds"),
)


def read_splits(path: Path) -> None:
    from parley.core.tables import read_table

    read_table(path, ["class", "key", "part", "sha256"])


@functools.cache
def schema() -> Any:
    from parley.config.schema import read_schema

    return read_schema(ROOT / "workflow/schemas/config.schema.yaml")


def read_config(path: Path) -> None:
    from parley.config.validation import resolve

    try:
        raw = yaml.safe_load(path.read_bytes())
    except (yaml.YAMLError, ValueError, RecursionError):
        return  # Snakemake reads the file, and says so.
    if not isinstance(raw, dict):
        return
    resolve(raw, schema())


def read_glove(path: Path) -> None:
    from parley.text.pretrained_vectors import read_pretrained

    read_pretrained(path, ["ant", "bee"])


GLOVE = "ant 0.1 0.2 0.3\nbee 0.4 0.5 0.6\ncat 1e5 -2 3\n"


def zipped(name: str, content: str | bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return out.getvalue()


def wordnet_data() -> bytes:
    header = (b"  1 WordNet 3.0 Copyright\n" + b"  2 " + b"x" * 1800)[:1740] + b"\n"
    return header + b'%08d 05 n 02 ant 0 bee 0 000 | a small thing; "an ant"  \n' % len(header)


def read_wordnet(path: Path) -> None:
    from parley.text.wordnet import open_wordnet

    folder = path.parent / "wordnet"
    folder.mkdir(exist_ok=True)
    (folder / "data.noun").write_bytes(path.read_bytes())
    (folder / "index.noun").write_bytes(b"ant n 1 0 1 0 00001741  \n" + path.read_bytes()[1741:])
    found = open_wordnet(folder)
    found.gloss("n00001741")
    found.animal_gloss("ant")


def read_descriptions(path: Path) -> None:
    from parley.text.descriptions import read_descriptions as read

    read(path)


def read_exclusions(path: Path) -> None:
    from parley.dataset.fetch.options import read_exclusions as read

    read(path)


def read_attributes(path: Path) -> None:
    from parley.dataset.attributes import read_attributes as read

    read(path)


# JSON.

ENTRY = {"n": 4, "candidates": 2, "accuracy@1": 0.5, "accuracy@k": 1.0, "nll": 0.7, "length": 1.5, "k": 2}


def as_json(value: Any) -> Callable[[Path], None]:
    return text(json.dumps(value, indent=2))


def in_run(read: Callable[[Path], Any], name: str) -> Callable[[Path], Any]:
    """Read a file as one of a run's folder."""

    def reading(path: Path) -> None:
        folder = path.parent / "runs/adaptive/1"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(path.read_bytes())
        read(folder / name)

    return reading


def read_evaluation(path: Path) -> None:
    from parley.analysis.summary import summarise
    from parley.metrics.records import read_evaluation as read

    summarise([read(path)], [("adaptive", 1)])


def read_selection(path: Path) -> None:
    from parley.metrics.records import read_chosen_step

    read_chosen_step(path)


def read_log(path: Path) -> None:
    from parley.metrics.records import read_curve
    from parley.training.checkpoint_selection import choose
    from parley.training.checkpoint_selection import read_log as read

    read_curve(path)
    choose(read(path), ["00000003.pt", "00000006.pt"], "accuracy@1")


def read_run_config(path: Path) -> None:
    from parley.config.saved_configs import read_run

    read_run(path)


def read_experiment_config(path: Path) -> None:
    from parley.config.saved_configs import named_runs

    (path.parent / "config.yaml").write_bytes(path.read_bytes())
    named_runs(path.parent)


def read_summary(path: Path) -> None:
    from parley.analysis.summary import read_summary as read

    read(path)


def read_funnel(path: Path) -> None:
    from parley.report.page.funnel import read_funnel as read

    read(path)


COUNTS = {"tried": 2, "ok": 1, "rejected": {"gone": 1}, "duplicates": 0, "near_copies": 0, "kept": 1, "spare": 0}
FUNNEL = {
    "classes": {"ant": {"train": {**COUNTS, "wanted": 1, "candidates": 3}}},
    "candidates": 3,
    "hosts": {"a.example": {"tried": 2, "ok": 1, "rejected": {"gone": 1}}},
    "placeholders": [{"sha256": "0" * 64, "urls": 9, "url": "http://a.example"}],
    "dropped": [],
    "dropped_classes": {},
    **COUNTS,
    "near_copies": {"rule": "remove", "bits": 4, "number": 1, "removed": 1, "not_hashed": 1, "pairs": []},
}


def read_cache(path: Path) -> None:
    from parley.dataset.fetch.cache import Cache
    from parley.dataset.fetch.options import FetchOptions

    place = path.parent / "cache" / KEYS[0][:2] / KEYS[0]
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(path.read_bytes())
    Cache(path.parent / "cache", FetchOptions()).load(KEYS[0])


def cache_entry() -> bytes:
    body = picture()
    head = {
        "format": 1,
        "url": "http://a.example/1",
        "error": None,
        "http_status": 200,
        "attempts": 1,
        "seconds": 0.1,
        "sha256": hashlib.sha256(body).hexdigest(),
        "max_bytes": 1 << 20,
        "opted_out": False,
        "from_private": False,
    }
    return json.dumps(head).encode() + b"\n" + body


# Images and tars of them.


def picture(kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.frombytes("RGB", (8, 8), bytes(range(192))).resize((40, 40)).save(out, kind)
    return out.getvalue()


def read_image(path: Path) -> None:
    from parley.dataset.fetch.options import FetchOptions
    from parley.dataset.fetch.validate import validate

    body = path.read_bytes()
    validate(body, hashlib.sha256(body).hexdigest(), FetchOptions(max_pixels=1_000_000))


def read_tar(path: Path) -> None:
    from parley.dataset.tars import count_images, packed_images

    count_images(path)
    assert all("." in member for member, _ in packed_images(path))


def read_source_tar(path: Path) -> None:
    from parley.dataset.class_set import ImageClass
    from parley.dataset.fetch.images import LocalFiles
    from parley.dataset.sources import SourceOptions, open_source

    root = path.parent / "root"
    root.mkdir(exist_ok=True)
    shutil.copyfile(path, root / "ant.tar")
    source = open_source(SourceOptions("tars", root=root))
    files = LocalFiles(root, 1 << 20)
    for address in source.listing([ImageClass("ant", "", "in")], None).urls["ant"]:
        files.get(address)


def read_source_archive(name: str) -> Callable[[Path], None]:
    """Read a file as an archive of images with a name."""

    def reading(path: Path) -> None:
        from parley.dataset.class_set import ImageClass
        from parley.dataset.fetch.images import LocalFiles
        from parley.dataset.sources import SourceOptions, open_source

        root = path.parent / "root"
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir()
        shutil.copyfile(path, root / name)
        options = SourceOptions("archive", locations=(str(root / name),), members=("{class}/*",), store=root / "store")
        source, classes = open_source(options), [ImageClass("ant", "", "in")]
        if source.check(classes):
            return
        source.write_listing(classes, root / "list.tsv")
        files = LocalFiles(source.provide(classes), 1 << 20)
        for address in source.listing(classes, root / "list.tsv").urls["ant"]:
            files.get(address)

    return reading


# HDF5.


def make_part(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["Target"] = np.arange(4)
        file["Location"] = np.array([b"ant/1.png"] * 4)
        file["Key"] = np.array([key.encode() for key in KEYS[:4]], "S32")
        file["avgpool_512"] = np.ones((4, 1, 8), np.float32)
        file.create_dataset("layer4_2", data=np.ones((4, 1, 8, 2, 2), np.float16), chunks=(1, 1, 8, 2, 2))
        file.attrs["pooled"], file.attrs["classes"] = "avgpool_512", json.dumps(["ant", "bee"])


def read_part(path: Path) -> None:
    from parley.features.storage import layer_shapes, open_features, read_features

    layer_shapes(path)
    read_features(path, "pooled")
    open_features(path, "map")


def make_class_file(path: Path) -> None:
    from parley.features.class_files import Column, RowIdentity, writing_class_file

    with writing_class_file(path, {"avgpool_512": Column((8,))}, {"backbone": "resnet18", "torch": "2"}) as writer:
        rows = [RowIdentity(key, f"{key}.png", key * 2) for key in KEYS]
        writer.append(rows, {"avgpool_512": np.ones((len(rows), 8), np.float32)})
        writer.unreadable[KEYS[0]] = "no picture"


def read_class_file(path: Path) -> None:
    from parley.features.class_files import reading_class_file

    with reading_class_file(path) as file:
        for name in file.columns:
            if len(file.row_of):
                file.values(name, range(len(file.row_of)))


def make_words(path: Path) -> None:
    from parley.text.word_vectors import Words, write_words

    write_words(path, Words(["ant", "bee"], np.ones((2, 5), np.float32), np.array([True, False])), "random", "0")


def read_words(path: Path) -> None:
    from parley.text.word_vectors import read_words as read

    read(path)


def make_encodings(path: Path) -> None:
    from parley.text.description_vectors import Encoding, write_encodings

    one = Encoding(np.ones(3, np.float32), ["a", "b"], np.ones((2, 5), np.float32))
    write_encodings(path, ["an ant", "a bee"], [one, one._replace(tokens=["a"], token_vectors=one[2][:1])], "made", "0")


def read_encodings(path: Path) -> None:
    from parley.text.description_vectors import read_description_vectors, read_tokens
    from parley.text.descriptions import Description

    rows = [Description(0, "ant", "an ant"), Description(1, "bee", "a bee")]
    read_description_vectors(path, rows, attention=True)
    read_tokens(path, rows)


def make_messages(path: Path) -> None:
    rows = [("ExampleId", "S50"), ("AgentId", "S1"), ("Index", "<i4"), ("Target", "<i4"), ("Rank", "<i4")]
    said = np.zeros((3, 2, 2), [*rows, ("BinaryProb", "<f4", (4,)), ("BinaryVec", "i1", (4,))])
    answers = [("Predictions", "<f4", (2,)), ("StopProb", "<f4"), ("StopVec", "i1"), ("StopMask", "i1")]
    predicted = np.zeros((3, 2), [*rows, *answers])
    keys = np.array([key.encode() for key in KEYS[:3]])
    said["ExampleId"], predicted["ExampleId"] = keys[:, None, None], keys[:, None]
    said["AgentId"], predicted["AgentId"] = np.array([b"S", b"R"]), b"R"
    said["Index"], predicted["Index"] = np.arange(4).reshape(2, 2), [1, 3]
    said["Target"] = predicted["Target"] = 7
    predicted["StopMask"] = 1
    with h5py.File(path, "w", track_order=True) as file:
        file.create_dataset("Communication", data=said.reshape(-1), compression="gzip")
        file.create_dataset("Predictions", data=predicted.reshape(-1), compression="gzip")
        about = {"labels": json.dumps(["ant", "bee"]), "candidate_ids": [7, 8], "max_exchanges": 2, "message_bits": 4}
        for name, value in {**about, "run": "adaptive", "seed": 1, "part": "test"}.items():
            file.attrs[name] = value


def read_messages(path: Path) -> None:
    from parley.metrics.conversations import read_conversations

    read_conversations(path)


# Files of torch.


def make_checkpoint(path: Path) -> None:
    import torch

    from parley.game.agents import make_agents
    from parley.game.settings import GameSettings, TrainingSettings
    from parley.interaction.split_data import Scale, Standardizer
    from parley.training.checkpoint import Checkpoint, Sizes, save_checkpoint

    game = GameSettings(message_bits=4, max_exchanges=2)
    agents = make_agents(game, 8, 5, [1], 0)
    scale = Scale(torch.zeros(8), torch.ones(8))
    training = TrainingSettings(steps=6, batch_size=8)
    moment = Checkpoint(agents, Standardizer(scale, None, None), game, training, Sizes(8, 5, 0), [0, 1], 1, 3, {})
    save_checkpoint(path, moment)


def read_checkpoint(path: Path) -> None:
    from parley.training.checkpoint import load_checkpoint

    load_checkpoint(path)


def make_weights(path: Path) -> None:
    import torch

    torch.save({"weight": torch.ones(4, 4), "bias": torch.zeros(4)}, path)


def make_safetensors(path: Path) -> None:
    import safetensors.torch
    import torch

    path.write_bytes(safetensors.torch.save({"weight": torch.ones(4, 4)}))


def read_weights(path: Path) -> None:
    from parley.features.weights import _plain_tensors

    _plain_tensors(path)


def read_safetensors(path: Path) -> None:
    from parley.features.weights import _plain_tensors

    named = path.with_name("weights.safetensors")
    named.write_bytes(path.read_bytes())
    _plain_tensors(named)


DEV = {"kind": "dev", "seconds": 0.1, "accuracy@1": 0.5, "accuracy@k": 0.5, "nll": 1.0, "length": 1.0, "n": 4}
LOG = "".join(json.dumps({**DEV, "step": step}) + "\n" for step in (3, 6))
CLASS_SET = (
    ("class", "wnid", "domain", "group", "description"),
    *(("ant", "n00000001", "in", "g", "a small insect"), ("bee", "n00000002", "out", "", "")),
)

TARGETS = [
    Target("urls", text(URLS), read_urls),
    Target("urls.gz", text(gzip.compress(URLS.encode())), read_urls),
    Target("urls.tar", text(tar_of({"urls.txt": URLS.encode()})), read_urls),
    Target("urls.tgz", text(gzip.compress(tar_of({"urls.txt": URLS.encode()}))), read_urls),
    Target("classes", table(*CLASS_SET), read_classes),
    Target(
        "source-manifest",
        table(
            ("class", "url", "path", "license"), ("ant", "http://a.example/1", "", "CC0"), ("bee", "", "b/1.png", "")
        ),
        read_manifest,
    ),
    Target(
        "plan",
        table(
            ("class", "key", "part", "rank", "url"),
            *(("ant", key, "train", str(rank), "http://a.example") for rank, key in enumerate(KEYS)),
        ),
        read_plan,
    ),
    Target(
        "manifest",
        table(MANIFEST_COLUMNS, *(manifest_row(rank, key) for rank, key in enumerate(KEYS))),
        read_outcomes,
    ),
    Target("splits", table(("class", "key", "part", "sha256"), ("ant", KEYS[0], "train", KEYS[1] * 2)), read_splits),
    Target("config", text((ROOT / "config.yaml").read_text().replace("classes: ", f"classes: {ROOT}/")), read_config),
    Target("glove", text(GLOVE), read_glove),
    Target("glove.gz", text(gzip.compress(GLOVE.encode())), read_glove),
    Target("glove.zip", text(zipped("glove.txt", GLOVE)), read_glove),
    Target("wordnet", text(wordnet_data()), read_wordnet),
    Target("descriptions", text("0,ant,a small insect\n1,bee,it stings\n"), read_descriptions),
    Target("exclusions", text("# list\nhttp://a.example/1\n" + KEYS[0] + "\n"), read_exclusions),
    Target("attributes", table(("class", "hue", "legs"), ("ant", "red", "6"), ("bee", "blue", "6")), read_attributes),
    Target(
        "evaluation",
        as_json({"run": "adaptive", "seed": 1, "k": 2, "parts": {"test": ENTRY}}),
        in_run(read_evaluation, "evaluation.json"),
    ),
    Target("selection", as_json({"rule": "nll", "chosen": {"step": 3}}), in_run(read_selection, "selection.json")),
    Target("log", text(LOG), in_run(read_log, "metrics.jsonl")),
    Target("run-config", as_json({"game": {}, "training": {}, "seed": 1}), read_run_config),
    Target("experiment-config", text("runs: [{name: adaptive}]\nseeds: [1, 2]\n"), read_experiment_config),
    Target("summary", as_json({"rows": [], "failed": []}), read_summary),
    Target("funnel", as_json(FUNNEL), read_funnel),
    Target("cache", text(cache_entry()), read_cache),
    Target("png", text(picture()), read_image),
    Target("jpeg", text(picture("JPEG")), read_image),
    Target("gif", text(picture("GIF")), read_image),
    Target("tiff", text(picture("TIFF")), read_image),
    Target("webp", text(picture("WEBP")), read_image),
    Target("bmp", text(picture("BMP")), read_image),
    Target("avif", text(picture("AVIF")), read_image),
    Target("tar", text(tar_of({f"{key}.png": picture() for key in KEYS[:2]})), read_tar),
    Target("source-tar", text(tar_of({"a/1.png": picture(), "2.jpg": picture("JPEG")})), read_source_tar),
    Target("source-zip", text(zipped("ant/1.png", picture())), read_source_archive("set.zip")),
    Target("source-tgz", text(gzip.compress(tar_of({"ant/1.png": picture()}))), read_source_archive("set.tgz")),
    Target("part", make_part, read_part),
    Target("class-features", make_class_file, read_class_file),
    Target("words", make_words, read_words),
    Target("encodings", make_encodings, read_encodings),
    Target("messages", make_messages, read_messages),
    Target("checkpoint", make_checkpoint, read_checkpoint),
    Target("weights", make_weights, read_weights),
    Target("safetensors", make_safetensors, read_safetensors),
]
BY_NAME = {target.name: target for target in TARGETS}

import shutil
import subprocess
import sys
import threading
import zipfile
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from parley.core.errors import ParleyError
from parley.text import wordnet
from parley.text.wordnet import DEBIAN_DIRECTORY, downloaded_copy, find_wordnet, installed_nouns, open_wordnet

LION = "large gregarious predatory feline of Africa and India having a tawny coat with a shaggy mane in the male"
SYNSETS = [
    # lexicographer file, words, gloss
    ("03", ["entity"], "that which is perceived; (in any sense) at all"),
    ("18", ["pea", "peacock"], 'a proud person; "he is a peacock"; "vain as a peacock"'),
    ("05", ["peacock", "peacock_butterfly"], 'a butterfly; seen in gardens; "the peacock rose"'),
    ("05", ["peacock"], "male peafowl"),
    ("05", ["cow", "moo-cow"], "female of domestic cattle: \"`moo-cow' is a child's term\""),
    ("04", ["stride"], 'progress (in the phrase "make strides"); "they made big strides"'),
]


def write_wordnet(folder: Path, version: str = "3.0") -> list[str]:
    """Write an invented WordNet of a few synsets; return their wnids."""
    data = f"  1 licence  \n  2 WordNet {version} Copyright 2006 by Princeton University.  \n".encode()
    wnids, senses = [], {}
    for number, words, gloss in SYNSETS:
        offset = f"{len(data):08d}"
        wnids.append(f"n{offset}")
        fields = " ".join(f"{word} 0" for word in words)
        data += f"{offset} {number} n {len(words):02x} {fields} 001 @ 00001740 n 0000 | {gloss}  \n".encode()
        for word in words:
            senses.setdefault(word, []).append(offset)
    lines = [f"{word} n {len(of)} 1 @ {len(of)} 0 {' '.join(of)}  \n" for word, of in sorted(senses.items())]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "data.noun").write_bytes(data)
    (folder / "index.noun").write_text("  1 licence  \n" + "".join(lines))
    return wnids


@pytest.fixture
def small(tmp_path):
    return tmp_path, write_wordnet(tmp_path)


def test_glosses_are_definitions_without_examples(small):
    folder, wnids = small
    nouns = open_wordnet(folder)
    assert [nouns.gloss(wnid) for wnid in wnids] == [
        "that which is perceived; (in any sense) at all",
        "a proud person",
        "a butterfly; seen in gardens",
        "male peafowl",
        "female of domestic cattle",
        'progress (in the phrase "make strides")',
    ]


def test_animal_gloss_is_that_of_the_first_animal_sense(small):
    nouns = open_wordnet(small[0])
    assert nouns.animal_gloss("Peacock") == "a butterfly; seen in gardens"
    assert nouns.animal_gloss("peacock butterfly") == "a butterfly; seen in gardens"
    for name in ("stride", "no_such_word", "n", "."):
        with pytest.raises(ParleyError, match="is an animal"):
            nouns.animal_gloss(name)


@pytest.mark.parametrize("wnid", ["n00000003", "n99999999", "n0000174", "v00001740", "", "n٠٠٠٠٠٠٨٠"])
def test_an_offset_where_no_synset_starts_is_refused(small, wnid):
    with pytest.raises(ParleyError, match=r"is not a noun of WordNet 3\.0"):
        open_wordnet(small[0]).gloss(wnid)


def test_another_version_is_refused(tmp_path):
    write_wordnet(tmp_path, "3.1")
    with pytest.raises(ParleyError, match=r"is not WordNet 3\.0.*set it to auto"):
        open_wordnet(tmp_path)


def test_a_missing_directory_is_reported_with_instructions(tmp_path):
    with pytest.raises(ParleyError, match="set it to auto") as error:
        open_wordnet(tmp_path / "none")
    assert str(tmp_path / "none") in str(error.value)


@pytest.mark.parametrize("packed", [False, True])
def test_nltks_folders_and_zip_are_found(tmp_path, monkeypatch, packed):
    monkeypatch.setenv("NLTK_DATA", "~/data")
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(ParleyError, match="NLTK_DATA"):
        open_wordnet("nltk")
    corpora = tmp_path / "data" / "corpora"
    wnids = write_wordnet(corpora / "wordnet")
    if packed:
        with zipfile.ZipFile(corpora / "wordnet.zip", "w") as archive:
            for name in ("data.noun", "index.noun"):
                archive.write(corpora / "wordnet" / name, f"wordnet/{name}")
                (corpora / "wordnet" / name).unlink()
        (corpora / "wordnet").rmdir()
    assert open_wordnet("nltk").gloss(wnids[3]) == "male peafowl"


@pytest.fixture
def away(tmp_path, monkeypatch):
    """A working folder on a machine where no WordNet is installed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NLTK_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(wordnet, "DEBIAN_DIRECTORY", str(tmp_path / "debian"))
    return tmp_path


@contextmanager
def served(folder, requests=None):
    """A web server of a folder, which adds the paths asked for to `requests`; give its address."""

    class Handler(SimpleHTTPRequestHandler):
        def log_request(self, *_):
            requests is None or requests.append(self.path)

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("name", ["wordnet.tar.gz", "wordnet.tar.bz2", "wordnet.tar", "wordnet.zip"])
def test_an_archive_is_downloaded_once(away, name):
    wnids = write_wordnet(away / "site" / "WordNet-3.0" / "dict")
    (away / "site" / "WordNet-3.0" / "README").write_text("read me")
    suffix = name.partition(".")[2]
    form = {"tar.gz": "gztar", "tar.bz2": "bztar"}.get(suffix, suffix)
    shutil.make_archive(str(away / "site" / "wordnet"), form, away / "site", "WordNet-3.0")
    with served(away / "site") as address:
        url = f"{address}/{name}"
        assert find_wordnet(url) is None
        with pytest.raises(ParleyError, match=r"fetch\.allow_private_hosts"):
            open_wordnet(url)
        assert open_wordnet(url, allow_private_hosts=True).gloss(wnids[3]) == "male peafowl"
    assert open_wordnet(url).gloss(wnids[3]) == "male peafowl"  # the server is gone
    (folder,) = (away / "resources" / "wordnet").iterdir()
    assert sorted(path.name for path in folder.iterdir()) == ["data.noun", "index.noun"]
    assert installed_nouns(url) is None


OPEN = "import sys; from parley.text.wordnet import open_wordnet; print(len(open_wordnet(sys.argv[1], True).data))"


def test_processes_that_need_an_archive_at_once_download_it_once(away):
    write_wordnet(away / "site" / "dict")
    shutil.make_archive(str(away / "site" / "wordnet"), "zip", away / "site", "dict")
    requests = []
    with served(away / "site", requests) as address:
        command = [sys.executable, "-c", OPEN, f"{address}/wordnet.zip"]
        processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
        printed = [process.communicate(timeout=60)[0] for process in processes]
    assert printed == 3 * [f"{(away / 'site/dict/data.noun').stat().st_size}\n"]
    assert requests == ["/wordnet.zip"]


def test_an_archive_of_something_else_is_refused(away):
    (away / "site").mkdir()
    (away / "site" / "page.zip").write_text("<html>Log in</html>")
    shutil.make_archive(str(away / "site" / "other"), "gztar", Path(__file__).parent)
    with served(away / "site") as address:
        for name, reason in (("page.zip", "gave no zip or tar"), ("other.tar.gz", "contains 0 files index.noun")):
            with pytest.raises(ParleyError, match=reason):
                open_wordnet(f"{address}/{name}", allow_private_hosts=True)
            assert find_wordnet(f"{address}/{name}") is None
    assert not [path for path in (away / "resources").rglob("*") if path.is_file()]


def test_auto_prefers_an_installed_wordnet(away):
    assert find_wordnet("auto") is None
    wnids = write_wordnet(downloaded_copy("auto"))
    assert open_wordnet("auto").gloss(wnids[3]) == "male peafowl"
    assert installed_nouns("auto") is None
    write_wordnet(away / "data" / "corpora" / "wordnet")
    assert installed_nouns("auto") == away / "data/corpora/wordnet/data.noun"
    write_wordnet(away / "debian")
    assert installed_nouns("auto") == away / "debian/data.noun"


def test_auto_skips_unusable_copies(away):
    write_wordnet(away / "debian", "3.1")
    write_wordnet(away / "data" / "corpora" / "wordnet")
    (away / "data" / "corpora" / "wordnet" / "index.noun").unlink()
    damaged = away / "data" / "corpora" / "wordnet.zip"
    with zipfile.ZipFile(damaged, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("wordnet/data.noun", b"WordNet 3.0 Copyright" * 999)
    content = bytearray(damaged.read_bytes())
    content[60:80] = b"\xff" * 20
    damaged.write_bytes(content)
    assert find_wordnet("auto") is None
    wnids = write_wordnet(away / "nltk_data" / "corpora" / "wordnet")
    assert open_wordnet("auto").gloss(wnids[3]) == "male peafowl"
    assert installed_nouns("auto") == away / "nltk_data/corpora/wordnet/data.noun"


installed = pytest.mark.skipif(not installed_nouns(DEBIAN_DIRECTORY), reason="Debian's wordnet-base is not installed")


@installed
def test_known_glosses_of_the_real_wordnet():
    nouns = open_wordnet(DEBIAN_DIRECTORY)
    assert nouns.gloss("n02129165") == LION
    assert nouns.animal_gloss("peacock").startswith("European butterfly")
    assert "peafowl" in nouns.gloss("n01806143")
    assert "spider" in nouns.animal_gloss("tarantula")
    with pytest.raises(ParleyError):
        nouns.gloss("n02129166")


@installed
def test_every_real_synset_is_found_at_its_offset():
    nouns = open_wordnet(DEBIAN_DIRECTORY)
    offsets = [line[:8].decode() for line in nouns.data.split(b"\n")[29:] if line]
    assert len(offsets) == 82115
    for offset in offsets[::101]:
        assert nouns.gloss(f"n{offset}")

import pytest

from parley.core.errors import ParleyError
from parley.dataset.fetch.options import read_exclusions
from parley.dataset.listing import image_key


def test_urls_keys_and_hashes_are_distinguished(tmp_path):
    listed = tmp_path / "exclude.txt"
    sha256, key = "AB" * 32, "cd" * 16
    listed.write_text(f"# asked for by the owner\n\nhttp://x/a#b.jpg  # a picture\n{sha256}\n{key}\nlion/1.jpg\n")
    assert read_exclusions(listed) == {image_key("http://x/a#b.jpg"), "ab" * 32, key, image_key("lion/1.jpg")}


def test_no_list_excludes_nothing():
    assert read_exclusions(None) == frozenset()


def test_all_invalid_lines_are_reported(tmp_path):
    listed = tmp_path / "exclude.txt"
    listed.write_text("http://x/a b\nhttp://x/c\nlion 1.jpg\n")
    with pytest.raises(ParleyError) as error:
        read_exclusions(listed)
    assert [sentence.split(":")[0][-6:] for sentence in error.value.findings] == ["line 1", "line 3"]


def test_a_missing_or_non_text_list_is_an_error(tmp_path):
    with pytest.raises(ParleyError, match=r"none\.txt does not exist; check fetch\.exclude"):
        read_exclusions(tmp_path / "none.txt")
    (tmp_path / "latin.txt").write_bytes(b"http://x/G\xe4nse.jpg\n")
    with pytest.raises(ParleyError, match="not UTF-8"):
        read_exclusions(tmp_path / "latin.txt")
